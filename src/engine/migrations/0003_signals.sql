-- Signals: named messages to a run, and the one place where a run waits.

create table engine.signals (
    id         bigint      not null generated always as identity,
    run_id     uuid        not null,
    name       text        not null,
    payload    engine.value not null,
    sender_key text,
    sent_at    timestamptz not null,
    taken_seq  integer,
    constraint signals_pkey primary key (id)
);

comment on column engine.signals.sender_key is 'A second signal of this name under the same key is the same signal.';
comment on column engine.signals.taken_seq is 'The place of the step that has taken it.';

create index signals_of_run on engine.signals (run_id, name, id);
create unique index signals_once on engine.signals (run_id, name, sender_key) where sender_key is not null;

-- A step that waits: for its time, a signal, or children.
--
-- Locks the run's row and looks only then (each statement in here has a snapshot of its own): whoever has news locks
-- that row too, so either the news is seen here, or the run is seen waiting there. Nothing can fall between.
create function engine.arrive(
    in p_run uuid, in p_epoch bigint, in p_now timestamptz,
    in p_seq integer, in p_kind text, in p_name text, in p_occurrence integer,
    in p_wait interval, in p_awaited integer, in p_suspend boolean,
    out outcome text, out output json, out wake_micros bigint,
    out cancel_requested boolean, out pause_requested boolean
) returns setof record language plpgsql as $$
declare
    run record;
    step record;
    signal record;
    due timestamptz;
    right_now timestamptz := coalesce(p_now, clock_timestamp());
begin
    select r.id, r.cancel_requested_at, r.pause_requested_at, r.losses into run
      from engine.runs as r
     where r.id = p_run and r.epoch = p_epoch and r.state = 'running'
       for no key update;
    if not found then
        return;
    end if;
    cancel_requested := run.cancel_requested_at is not null;
    pause_requested := run.pause_requested_at is not null;
    select * into step from engine.steps as s where s.run_id = p_run and s.seq = p_seq;
    if found then
        due := step.wake_at;
        if step.state = 'done' then
            outcome := 'done';
            output := step.output;
            return next;
            return;
        end if;
    else
        due := right_now + p_wait;
    end if;
    if p_kind = 'signal' then
        select s.id, s.payload into signal
          from engine.signals as s
         where s.run_id = p_run and s.name = p_name and s.taken_seq is null
         order by s.id
         limit 1;
        if found then
            update engine.signals as s set taken_seq = p_seq where s.id = signal.id;
            output := json_build_object('signal', signal.payload);
        end if;
    elsif p_kind = 'join' then
        -- One statement, one snapshot: a child that an operator sends back meanwhile has ended, or has not.
        select engine.ends_of_children(p_run, p_awaited) into output
         where not exists (
                select from engine.runs as child
                 where child.parent_id = p_run and child.parent_seq = p_awaited and child.ended_at is null);
        if found then
            if octet_length(output::text) > 262144 then
                output := null;
                outcome := 'too_large';
                return next;
                return;
            end if;
        end if;
    end if;
    if output is null and due <= right_now then
        output := 'null';
    end if;
    outcome := case when output is not null then 'done' when p_suspend then 'suspended' else 'waiting' end;
    if cancel_requested or pause_requested then
        -- The worker leaves the run at this boundary.
        if outcome = 'suspended' then
            outcome := 'waiting';
        end if;
    end if;
    insert into engine.steps as s
           (run_id, seq, name, occurrence, kind, state, attempts, output, epoch, wake_at, started_at, ended_at)
    values (p_run, p_seq, p_name, p_occurrence, p_kind,
            case when output is null then 'waiting' else 'done' end, 1, output, p_epoch, due, right_now,
            case when output is not null then right_now end)
        on conflict (run_id, seq) do update
       set state = excluded.state,
           output = excluded.output,
           epoch = excluded.epoch,
           ended_at = excluded.ended_at;
    if run.losses > 0 then
        -- Workers that died while the run was on its way here are not the next step's.
        update engine.runs as r set losses = 0 where r.id = p_run;
    end if;
    if outcome = 'suspended' then
        update engine.runs as r
           set state = 'waiting',
               waiting_for = case p_kind when 'sleep' then 'time' when 'signal' then 'signal' else 'children' end,
               awaited_name = case when p_kind = 'signal' then p_name end,
               awaited_seq = p_awaited,
               wake_at = due,
               owner = null,
               lease_until = null
         where r.id = p_run;
    end if;
    wake_micros := (extract(epoch from due - right_now) * 1000000)::bigint;
    return next;
end
$$;

-- How the children of a step ended, in the order in which they were started.
create function engine.ends_of_children(p_parent uuid, p_seq integer) returns json language sql stable as $$
    select coalesce(json_agg(
               case child.state
                   when 'succeeded' then json_build_object('succeeded', child.output)
                   when 'failed' then json_build_object('failed', child.error)
                   else json_build_object('cancelled', true)
               end order by child.id), '[]')
      from engine.runs as child
     where child.parent_id = p_parent and child.parent_seq = p_seq
$$;

-- Tells the parents of runs that have just ended: the next sibling in line gets its turn, and the parent that waits for
-- the last of them goes on. Parents are locked first, so that siblings which end at once do it one after the other.
-- Answers how many parents that was.
create function engine.children_ended(p_ended uuid[], p_now timestamptz) returns bigint language plpgsql as $$
declare
    family record;
    told bigint;
    total bigint := 0;
begin
    for family in
        select run.parent_id as parent, run.parent_seq as seq, max(run.at_most) as at_most
          from engine.runs as run
         where run.id = any(p_ended) and run.parent_id is not null
         group by 1, 2
         order by 1, 2
    loop
        perform from engine.runs as parent where parent.id = family.parent for no key update;
        -- As many as there is room for, which is none where a child ended that had never had its turn.
        with next as materialized (
            select sibling.id
              from engine.runs as sibling
             where sibling.parent_id = family.parent
               and sibling.parent_seq = family.seq
               and sibling.ended_at is null
               and sibling.waiting_for = 'turn'
             order by sibling.id
             limit greatest(0, family.at_most - (
                    select count(*)
                      from engine.runs as busy
                     where busy.parent_id = family.parent
                       and busy.parent_seq = family.seq
                       and busy.ended_at is null
                       and busy.waiting_for is distinct from 'turn'))
               for no key update
        )
        update engine.runs as child
           set state = 'queued', waiting_for = null, wake_at = coalesce(p_now, now())
          from next
         where child.id = next.id;
        update engine.runs as parent
           set news = news + 1,
               state = 'queued',
               waiting_for = null,
               awaited_seq = null,
               wake_at = coalesce(p_now, now())
         where parent.id = family.parent
           and parent.state = 'waiting'
           and parent.waiting_for = 'children'
           and parent.awaited_seq = family.seq
           and not exists (
                select from engine.runs as child
                 where child.parent_id = family.parent
                   and child.parent_seq = family.seq
                   and child.ended_at is null);
        get diagnostics told = row_count;
        total := total + told;
    end loop;
    return total;
end
$$;

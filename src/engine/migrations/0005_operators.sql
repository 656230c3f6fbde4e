-- What operators do: sending runs back, and the record of it. What the history is purged by.

create table engine.past_steps (
    like engine.steps,
    generation integer not null,
    constraint past_steps_pkey primary key (run_id, generation, seq)
);

comment on table engine.past_steps is 'Steps that a retry has taken back, by the generation they belonged to.';

create table engine.actions (
    id       bigint      not null generated always as identity,
    actor    text        not null,
    action   text        not null,
    run_id   uuid,
    schedule text,
    detail   json        not null,
    acted_at timestamptz not null,
    constraint actions_pkey primary key (id)
);

comment on table engine.actions is 'Who did what to a run or a schedule.';

create index actions_of_run on engine.actions (run_id, id) where run_id is not null;

-- Sends a failed run back: the steps from `p_seq` on are taken back (null: none), and signals they had taken are there
-- again. False: the run has not failed. The caller's role may not delete, so this runs as the owner.
create function engine.rewind(p_run uuid, p_seq integer, p_version integer, p_now timestamptz) returns boolean
    language plpgsql security definer set search_path = '' as $$
declare
    run record;
begin
    select r.id, r.generation into run
      from engine.runs as r
     where r.id = p_run and r.state = 'failed'
       for no key update;
    if not found then
        return false;
    end if;
    if p_seq is not null then
        insert into engine.past_steps
        select s.*, run.generation from engine.steps as s where s.run_id = p_run and s.seq >= p_seq;
        delete from engine.steps as s where s.run_id = p_run and s.seq >= p_seq;
        update engine.signals as s set taken_seq = null where s.run_id = p_run and s.taken_seq >= p_seq;
        -- Children of steps that will start children again are nobody's: those still at it are asked to stop.
        update engine.runs as child
           set parent_seq = -child.parent_seq,
               cancel_requested_at = case when child.ended_at is null
                                          then coalesce(child.cancel_requested_at, p_now, now())
                                          else child.cancel_requested_at
                                     end,
               pause_requested_at = null,
               wake_at = case when child.state in ('waiting', 'paused') then coalesce(p_now, now()) else child.wake_at end,
               waiting_for = null,
               state = case when child.state in ('waiting', 'paused') then 'queued' else child.state end
         where child.parent_id = p_run and child.parent_seq >= p_seq;
    end if;
    update engine.runs as r
       set state = 'queued',
           generation = r.generation + 1,
           version = coalesce(p_version, r.version),
           reopened = true,
           error = null,
           ended_at = null,
           losses = 0,
           cancel_requested_at = null,
           pause_requested_at = null,
           progress_step = null,
           progress_done = null,
           progress_total = null,
           wake_at = coalesce(p_now, now())
     where r.id = p_run;
    return true;
end
$$;

-- Deletes up to `p_limit` ended runs whose retention is over, with everything that hangs on them; how many. Runs are
-- taken in the order of their ids, which is that of their creation: an older one that has not ended is passed over.
create function engine.purge(p_limit bigint, p_now timestamptz) returns bigint
    language plpgsql security definer set search_path = '' as $$
declare
    workflow record;
    gone uuid[];
    total bigint := 0;
    horizon timestamptz;
begin
    for workflow in
        select w.name, w.retention from engine.workflows as w order by w.name
    loop
        exit when total >= p_limit;
        -- The caller's time is believed as far as it is not later than ours: it decides what is deleted.
        horizon := least(p_now, now()) - workflow.retention;
        select coalesce(array_agg(old.id), '{}') into gone
          from (
                select r.id
                  from engine.runs as r
                 where r.workflow = workflow.name
                   and r.id < engine.first_id_at(horizon)
                   and r.ended_at < horizon
                   and not exists (
                        select from engine.runs as parent
                         where parent.id = r.parent_id
                           and (parent.ended_at is null or parent.state = 'failed'))
                 order by r.id
                 limit p_limit - total
                   for update skip locked
               ) as old;
        delete from engine.past_steps as s where s.run_id = any(gone);
        delete from engine.steps as s where s.run_id = any(gone);
        delete from engine.attempts as a where a.run_id = any(gone);
        delete from engine.signals as s where s.run_id = any(gone);
        delete from engine.actions as a where a.run_id = any(gone);
        delete from engine.runs as r where r.id = any(gone);
        total := total + cardinality(gone);
    end loop;
    return total;
end
$$;

-- The smallest id of version 7 (RFC 9562, section 5.7) that a run created at `p_time` can have.
create function engine.first_id_at(p_time timestamptz) returns uuid language sql immutable strict as $$
    select (lpad(to_hex(greatest(0, floor(extract(epoch from p_time) * 1000))::bigint), 12, '0')
            || '70008000000000000000')::uuid
$$;

revoke all on function engine.rewind, engine.purge from public;

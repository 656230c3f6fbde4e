-- expand
-- Takes the steps of a run from `p_seq` on back, as ones of `p_generation`, with what hangs on them: signals that they had taken are there again, and
-- children of steps that will start children again are nobody's: those still at it are asked to stop. For the functions below.
create function engine.take_back(p_run uuid, p_seq integer, p_generation integer, p_now timestamptz) returns void
    language plpgsql set search_path = '' as $$
begin
    insert into engine.past_steps
    select s.*, p_generation from engine.steps as s where s.run_id = p_run and s.seq >= p_seq;
    delete from engine.steps as s where s.run_id = p_run and s.seq >= p_seq;
    update engine.signals as s set taken_seq = null where s.run_id = p_run and s.taken_seq >= p_seq;
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
end
$$;

-- Sends a failed run back: the steps from `p_seq` on are taken back (null: none). False: the run has not failed.
create or replace function engine.rewind(p_run uuid, p_seq integer, p_version integer, p_now timestamptz) returns boolean
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
        perform engine.take_back(p_run, p_seq, run.generation, p_now);
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

-- Lets a run that was sent back, and that the caller has claimed and not begun, go on from the first step named `p_step`, if it has come so far.
-- What it takes back belongs to the generation that failed, as what `rewind` took back does.
create function engine.go_back(p_run uuid, p_epoch bigint, p_step text, p_now timestamptz) returns void
    language plpgsql security definer set search_path = '' as $$
declare
    run record;
begin
    select r.generation, (select min(s.seq) from engine.steps as s where s.run_id = p_run and s.name = p_step) as seq
      into run
      from engine.runs as r
     where r.id = p_run and r.epoch = p_epoch and r.state = 'running' and r.reopened
       for no key update;
    if run.seq is not null then
        perform engine.take_back(p_run, run.seq, run.generation - 1, p_now);
    end if;
end
$$;

revoke all on function engine.take_back, engine.go_back from public;

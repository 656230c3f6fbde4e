-- Sends a signal and wakes the run if it waits for one of this name. No row: the run is over, or there is none. The
-- run's row is locked in any case, so that a run on its way to waiting sees the signal, or is seen waiting.
with run as materialized (
    select id
      from engine.runs
     where id = $1
       and ended_at is null
),
signal as (
    insert into engine.signals (run_id, name, payload, sender_key, sent_at)
    select id, $2, $3::text::json, $4, coalesce($5::timestamptz, now())
      from run
        on conflict do nothing
    returning run_id
),
told as (
    update engine.runs as told
       set news = news + 1,
           wake_at = case when state = 'waiting' and waiting_for = 'signal' and awaited_name = $2
                          then coalesce($5, now()) else wake_at
                     end,
           waiting_for = case when state = 'waiting' and waiting_for = 'signal' and awaited_name = $2
                              then null else waiting_for
                         end,
           state = case when state = 'waiting' and waiting_for = 'signal' and awaited_name = $2
                        then 'queued' else state
                   end
      from signal
     where told.id = signal.run_id
    returning told.state = 'queued' as woken
)
select exists (select from signal) as "is_new!", coalesce((select woken from told), false) as "woken!"
  from run

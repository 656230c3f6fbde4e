-- Inserts a run, unless its idempotency key is known already.
insert into engine.runs
       (id, workflow, version, state, waiting_for, input, key, priority, idempotency_key, trace, traceparent,
        wake_at, created_at)
values ($1, $2, $3,
        case when $9::timestamptz > coalesce($10::timestamptz, now()) then 'waiting' else 'queued' end,
        case when $9 > coalesce($10, now()) then 'time' end,
        $4::text::json, $5, $6, $7, $8, $11, coalesce($9, $10, now()), coalesce($10, now()))
    on conflict do nothing

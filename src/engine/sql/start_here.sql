-- Inserts a run that its starter drives at once: born running, under the first epoch. Known already: nothing.
insert into engine.runs
       (id, workflow, version, state, input, key, priority, idempotency_key, trace, traceparent,
        epoch, owner, lease_until, wake_at, created_at, started_at)
values ($1, $2, $3, 'running', $4::text::json, $5, $6, $7, $8, $12,
        1, $9, coalesce($11::timestamptz, now()) + $10::interval, coalesce($11, now()), coalesce($11, now()), coalesce($11, now()))
    on conflict do nothing

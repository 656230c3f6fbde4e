-- Inserts runs; those that are known already are left out.
insert into engine.runs
       (id, workflow, version, state, waiting_for, input, key, priority, idempotency_key, trace, traceparent,
        parent_id, parent_seq, at_most, wake_at, created_at)
select item.id,
       item.workflow,
       item.version,
       case when item.later or item.run_at > coalesce($1::timestamptz, now()) then 'waiting' else 'queued' end,
       case when item.later then 'turn'
            when item.run_at > coalesce($1, now()) then 'time'
       end,
       item.input::json,
       item.key,
       item.priority,
       item.idempotency_key,
       item.trace,
       item.traceparent,
       item.parent_id,
       item.parent_seq,
       item.at_most,
       case when not item.later then coalesce(item.run_at, $1, now()) end,
       coalesce($1, now())
  from unnest($2::uuid[], $3::text[], $4::integer[], $5::text[], $6::timestamptz[], $7::integer[], $8::text[],
              $9::text[], $10::text[], $11::uuid[], $12::integer[], $13::boolean[],
              $14::integer[], $15::text[])
       as item(id, workflow, version, input, run_at, priority, key, idempotency_key, trace,
               parent_id, parent_seq, later, at_most, traceparent)
    on conflict do nothing

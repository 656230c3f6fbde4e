-- Five runs as the engine leaves them. The ledger of moves is written by the trial's own triggers.
-- a: two step_tx. b: one step with a failed and a lost attempt. c: an older version. d: a step that killed its
-- workers. e: a tick.

create function run_of(letter text) returns uuid language sql immutable
    return (repeat(letter, 8) || '-0000-4000-8000-000000000000')::uuid;

create procedure play(letter text, workflow text, input text, final_state text, result text)
    language plpgsql as $$
begin
    insert into engine.runs (id, workflow, version, state, input, wake_at, created_at)
    values (run_of(letter), workflow, 1, 'queued', input::json, '2026-01-01 12:00Z', '2026-01-01 12:00Z');
    insert into chaos.requests select run_of(letter), workflow where workflow <> 'chaos.tick';
    insert into chaos.started select run_of(letter) where workflow <> 'chaos.tick';
    update engine.runs
       set state = 'running', epoch = 1, owner = 'first', lease_until = now() + interval '2 s',
           started_at = now()
     where id = run_of(letter);
    update engine.runs
       set state = final_state, owner = null, lease_until = null, ended_at = now(),
           output = case final_state when 'succeeded' then result::json end,
           error = case final_state when 'failed' then result::json end
     where id = run_of(letter);
end
$$;

call play('a', 'chaos.exact', '{"steps": 2, "busy_ms": 0}', 'succeeded', '3');
call play('b', 'chaos.plain', '{"steps": 1, "busy_ms": 0}', 'succeeded', '1');
call play('c', 'chaos.versioned', '{"busy_ms": 0}', 'succeeded', '1');
call play('d', 'chaos.killer', '{"after_ms": 0}', 'failed', '{"kind": "worker_lost"}');
call play('e', 'chaos.tick', '{"at": "2026-01-01T12:00:01Z"}', 'succeeded', '1');

insert into engine.steps
       (run_id, name, occurrence, seq, kind, state, attempts, losses, output, error, epoch, started_at, ended_at)
values (run_of('a'), 'post', 0, 1, 'step_tx', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('a'), 'post', 1, 2, 'step_tx', 'done', 1, 0, '2', null, 1, now(), now()),
       (run_of('b'), 'work', 0, 1, 'step', 'done', 3, 1, '1', null, 1, now(), now()),
       (run_of('c'), 'open', 0, 1, 'step', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('c'), 'close', 0, 2, 'step_tx', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('d'), 'kill', 0, 1, 'step', 'failed', 1, 1, null, '{}', 1, now(), now()),
       (run_of('e'), 'tick', 0, 1, 'step_tx', 'done', 1, 0, '1', null, 1, now(), now());

insert into engine.attempts (run_id, generation, seq, name, occurrence, attempt, epoch, error, started_at, ended_at)
values (run_of('b'), 0, 1, 'work', 0, 1, 1, '{"kind": "transient"}', now(), now()),
       (run_of('b'), 0, 1, 'work', 0, 2, 1, '{"kind": "worker_lost"}', now(), now()),
       (run_of('d'), 0, 1, 'kill', 0, 1, 1, '{"kind": "worker_lost"}', now(), now());

insert into chaos.effects (run_id, step, occurrence, kind, epoch, attempt, worker, build)
select run_id, name, occurrence, kind, epoch, attempts, '0.1', 1 from engine.steps;

insert into chaos.endings (run_id, outcome) values (run_of('d'), 'failed');

insert into engine.schedules (name, workflow, cron, zone, misfire, misfire_max, next_at, last_at, missed, created_at)
values ('chaos.every_second', 'chaos.tick', '* * * * * *', 'Europe/Berlin', 'once', 1,
        '2026-01-01 12:00:02Z', '2026-01-01 12:00:01Z', 0, '2026-01-01 12:00:00.4Z');

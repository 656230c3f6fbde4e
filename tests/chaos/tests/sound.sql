-- Runs as the engine leaves them. The ledgers of moves and of waits are written by the trial's own triggers.
-- a: two step_tx. b: one step with a failed and a lost attempt. c: an older version. d: a step that killed its
-- workers. e: a tick. f: one of the crowd. 0: a signal that came. 1: a signal that did not. 2: a sleep. 3: a parent, and
-- its children 4 and 5. 6: a parent that left its child 7. 8: sent back once. 9: one with limits.

create function run_of(letter text) returns uuid language sql immutable
    return (left(repeat(letter, 8), 8) || '-0000-4000-8000-000000000000')::uuid;

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
call play('d', 'chaos.killer', '{"after_ms": 0, "deaths": 20}', 'failed', '{"kind": "worker_lost"}');
call play('e', 'chaos.tick', '{"at": "2026-01-01T12:00:01Z"}', 'succeeded', '1');

call play('0', 'chaos.signalled', '{"waits": 1, "timeout_ms": null}', 'succeeded', '1');
call play('1', 'chaos.signalled', '{"waits": 1, "timeout_ms": 1000}', 'succeeded', '0');
call play('2', 'chaos.sleeper', '{"naps_ms": [1000]}', 'succeeded', '1');
call play('4', 'chaos.child', '{"nth": 0, "fails": false, "busy_ms": 0}', 'succeeded', '0');
call play('5', 'chaos.child', '{"nth": 1, "fails": true, "busy_ms": 0}', 'failed', '{"kind": "permanent"}');
call play('3', 'chaos.parent', '{"children": 2, "bound": 1, "failing": 1, "leaves": false, "busy_ms": 0}', 'succeeded', '1');
call play('7', 'chaos.child', '{"nth": 0, "fails": false, "busy_ms": 0}', 'cancelled', null);
call play('6', 'chaos.parent', '{"children": 1, "bound": 1, "failing": 0, "leaves": true, "busy_ms": 0}', 'failed',
          '{"kind": "permanent"}');
call play('8', 'chaos.retried', '{"failures": 1, "busy_ms": 0}', 'failed', '{"kind": "permanent", "step": "gate"}');
call play('9', 'chaos.limited', '{"busy_ms": 0}', 'succeeded', '1');

delete from chaos.requests where workflow = 'chaos.child';
delete from chaos.started where run_id in (run_of('4'), run_of('5'), run_of('7'));
update engine.runs set parent_id = run_of('3'), parent_seq = 2 where id in (run_of('4'), run_of('5'));
update engine.runs set parent_id = run_of('6'), parent_seq = 2, cancel_requested_at = now() where id = run_of('7');

update engine.runs set state = 'queued', generation = 1, error = null, ended_at = null where id = run_of('8');
update engine.runs
   set state = 'running', epoch = 2, owner = 'first', lease_until = now() + interval '2 s' where id = run_of('8');
update engine.runs
   set state = 'succeeded', owner = null, lease_until = null, output = '1', ended_at = now() where id = run_of('8');
insert into chaos.retries values (run_of('8'), 0, 3);
insert into chaos.reopenings values (run_of('8'));
insert into engine.actions (actor, action, run_id, detail, acted_at)
values ('chaos', 'retry', run_of('8'), '{"from_seq": 3}', now());

insert into engine.runs (id, workflow, version, state, input, wake_at, created_at)
values (run_of('f'), 'chaos.dormant', 1, 'queued', '{"place": 0}', now(), now());
insert into chaos.requests values (run_of('f'), 'chaos.dormant');
update engine.runs set state = 'running', epoch = 1, owner = 'first', lease_until = now() where id = run_of('f');
update engine.runs
   set state = 'waiting', owner = null, lease_until = null, waiting_for = 'signal', awaited_name = 'dawn', wake_at = null
 where id = run_of('f');
update engine.runs set state = 'queued', waiting_for = null, wake_at = now() where id = run_of('f');
update engine.runs set state = 'running', epoch = 2, owner = 'first', lease_until = now() where id = run_of('f');
update engine.runs
   set state = 'succeeded', owner = null, lease_until = null, output = '1', ended_at = now() where id = run_of('f');

insert into engine.signals (run_id, name, payload, sender_key, sent_at, taken_seq)
values (run_of('0'), 'word', '7', 'mine', now(), 2),
       (run_of('f'), 'dawn', '8', null, now(), 1);
insert into chaos.sent (run_id, name, token, sender_key, is_new)
values (run_of('0'), 'word', 7, 'mine', true),
       (run_of('0'), 'word', 9, 'mine', false),
       (run_of('f'), 'dawn', 8, null, true);
insert into chaos.answered values (7, now()), (8, now()), (9, now());
insert into chaos.unsent values (10);
insert into chaos.heard
values (run_of('0'), 'word', 0, 7),
       (run_of('1'), 'word', 0, null),
       (run_of('f'), 'dawn', 0, 8);

insert into engine.steps
       (run_id, name, occurrence, seq, kind, state, attempts, losses, output, error, epoch, started_at, ended_at)
values (run_of('a'), 'post', 0, 1, 'step_tx', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('a'), 'post', 1, 2, 'step_tx', 'done', 1, 0, '2', null, 1, now(), now()),
       (run_of('b'), 'work', 0, 1, 'step', 'done', 3, 1, '1', null, 1, now(), now()),
       (run_of('c'), 'open', 0, 1, 'step', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('c'), 'close', 0, 2, 'step_tx', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('d'), 'kill', 0, 1, 'step', 'failed', 1, 1, null, '{}', 1, now(), now()),
       (run_of('e'), 'tick', 0, 1, 'step_tx', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('f'), 'dawn', 0, 1, 'signal', 'done', 1, 0, '{"signal" : 8}', null, 1, now(), now()),
       (run_of('f'), 'rise', 0, 2, 'step_tx', 'done', 1, 0, '1', null, 2, now(), now()),
       (run_of('0'), 'listen', 0, 1, 'step_tx', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('0'), 'word', 0, 2, 'signal', 'done', 1, 0, '{"signal" : 7}', null, 1, now(), now()),
       (run_of('0'), 'hear', 0, 3, 'step_tx', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('1'), 'listen', 0, 1, 'step_tx', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('1'), 'word', 0, 2, 'signal', 'done', 1, 0, 'null', null, 1, now() - interval '2 s', now()),
       (run_of('1'), 'hear', 0, 3, 'step_tx', 'done', 1, 0, '0', null, 1, now(), now()),
       (run_of('2'), 'doze', 0, 1, 'step_tx', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('2'), 'nap', 0, 2, 'sleep', 'done', 1, 0, 'null', null, 1, now() - interval '2 s', now()),
       (run_of('2'), 'wake', 0, 3, 'step_tx', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('3'), 'begin', 0, 1, 'step_tx', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('3'), 'brood', 0, 2, 'spawn', 'done', 1, 0, '[]', null, 1, now(), now()),
       (run_of('3'), 'watch', 0, 3, 'step', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('3'), 'brood', 1, 4, 'join', 'done', 1, 0,
        '[{"succeeded" : 0}, {"failed" : {"kind": "permanent"}}]', null, 1, now(), now()),
       (run_of('3'), 'rest', 0, 5, 'step_tx', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('4'), 'grow', 0, 1, 'step', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('4'), 'learn', 0, 2, 'step_tx', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('4'), 'leave', 0, 3, 'step', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('6'), 'begin', 0, 1, 'step_tx', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('6'), 'brood', 0, 2, 'spawn', 'done', 1, 0, '[]', null, 1, now(), now()),
       (run_of('8'), 'prepare', 0, 1, 'step_tx', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('8'), 'work', 0, 2, 'step', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('8'), 'gate', 0, 3, 'step_tx', 'done', 1, 0, '1', null, 2, now(), now()),
       (run_of('8'), 'finish', 0, 4, 'step_tx', 'done', 1, 0, '1', null, 2, now(), now()),
       (run_of('9'), 'take', 0, 1, 'step', 'done', 1, 0, '1', null, 1, now(), now()),
       (run_of('9'), 'give', 0, 2, 'step_tx', 'done', 1, 0, '1', null, 1, now(), now());

insert into engine.past_steps
       (run_id, name, occurrence, seq, kind, state, attempts, losses, error, epoch, started_at, ended_at, generation)
values (run_of('8'), 'gate', 0, 3, 'step_tx', 'failed', 1, 0, '{}', 1, now(), now(), 0);

insert into engine.attempts (run_id, generation, seq, name, occurrence, attempt, epoch, error, started_at, ended_at)
values (run_of('b'), 0, 1, 'work', 0, 1, 1, '{"kind": "transient"}', now(), now()),
       (run_of('b'), 0, 1, 'work', 0, 2, 1, '{"kind": "worker_lost"}', now(), now()),
       (run_of('d'), 0, 1, 'kill', 0, 1, 1, '{"kind": "worker_lost"}', now(), now()),
       (run_of('8'), 0, 3, 'gate', 0, 1, 1, '{"kind": "permanent"}', now(), now());

insert into chaos.effects (run_id, step, occurrence, kind, epoch, attempt, worker, build)
select run_id, name, occurrence, kind, epoch, attempts, '0.1', 1 from engine.steps where kind in ('step', 'step_tx');
update chaos.effects set at = at - interval '2 s' where step in ('doze', 'listen');

insert into chaos.endings (run_id, outcome)
values (run_of('d'), 'failed'), (run_of('5'), 'failed'), (run_of('6'), 'failed'), (run_of('7'), 'cancelled'),
       (run_of('8'), 'failed');

insert into engine.schedules (name, workflow, cron, zone, misfire, misfire_max, next_at, last_at, missed, created_at)
values ('chaos.every_second', 'chaos.tick', '* * * * * *', 'Europe/Berlin', 'once', 1,
        '2026-01-01 12:00:02Z', '2026-01-01 12:00:01Z', 0, '2026-01-01 12:00:00.4Z');

//! What is planted for the checks of waits: signals, sleeps, children, retries, limits.

use crate::planted::Plant;

pub(crate) const SIGNALS: [Plant; 13] = [
    ("signal_torn", "delete from engine.signals where run_id = run_of('0')"),
    ("signal_torn", "delete from chaos.sent where run_id = run_of('0')"),
    ("signal_lost", "insert into chaos.answered values (99, now())"),
    ("signal_unasked", "insert into chaos.unsent values (7)"),
    (
        "signal_doubled",
        "drop index engine.signals_once;
         insert into engine.signals (run_id, name, payload, sender_key, sent_at)
         values (run_of('0'), 'word', '77', 'mine', now())",
    ),
    (
        "signal_refused",
        "insert into chaos.sent (run_id, name, token, is_new, at)
         values (run_of('0'), 'word', 77, false, now() - interval '1 h')",
    ),
    ("signal_taken_wrong", "update engine.signals set taken_seq = null where run_id = run_of('0')"),
    ("signal_taken_wrong", "update engine.signals set payload = '77' where run_id = run_of('0')"),
    (
        "signal_taken_wrong",
        "insert into engine.signals (run_id, name, payload, sent_at, taken_seq)
         values (run_of('0'), 'word', '77', now(), 2)",
    ),
    ("signal_heard_wrong", "update chaos.heard set token = 77 where run_id = run_of('0')"),
    ("signal_heard_wrong", "insert into chaos.heard select * from chaos.heard where token = 7"),
    (
        "signal_overlooked",
        "insert into engine.signals (run_id, name, payload, sent_at)
         values (run_of('1'), 'word', '77', now() - interval '1 s');
         insert into chaos.sent (run_id, name, token, is_new) values (run_of('1'), 'word', 77, true);
         insert into chaos.answered values (77, now() - interval '1 s')",
    ),
    (
        "crowd_disturbed",
        "update chaos.sent set began_at = began_at + interval '1 h' where run_id = run_of('f')",
    ),
];

pub(crate) const WAITS: [Plant; 5] = [
    (
        "sleep_early",
        "update chaos.waits set at = started_at + interval '999 ms' where run_id = run_of('2')",
    ),
    (
        "sleep_early",
        "update chaos.effects set at = at - interval '1001 ms' where run_id = run_of('2') and step = 'wake'",
    ),
    (
        "wait_cut_short",
        "update chaos.waits set at = started_at + interval '999 ms' where run_id = run_of('1')",
    ),
    (
        "wait_cut_short",
        "update engine.runs set input = '{\"waits\": 1, \"timeout_ms\": null}' where id = run_of('1')",
    ),
    (
        "wait_began_twice",
        "insert into chaos.waits (run_id, seq, name, occurrence, kind, state, started_at)
         select run_id, seq, name, occurrence, kind, 'waiting', started_at - interval '1 ms'
           from chaos.waits where run_id = run_of('2')",
    ),
];

pub(crate) const FAMILY: [Plant; 10] = [
    ("child_wrong", "delete from engine.runs where id = run_of('5')"),
    (
        "child_wrong",
        "update engine.runs set input = '{\"nth\": 0, \"fails\": true}' where id = run_of('5')",
    ),
    ("child_wrong", "delete from engine.steps where run_id = run_of('3') and kind = 'spawn'"),
    ("join_wrong", "update engine.runs set output = '9' where id = run_of('4')"),
    (
        "join_wrong",
        "update chaos.moves set at = at + interval '1 h' where run_id = run_of('5') and to_state = 'failed'",
    ),
    ("join_wrong", "update engine.steps set output = '[]' where kind = 'join'"),
    (
        "bound_exceeded",
        "delete from chaos.moves where run_id = run_of('4') and to_state = 'succeeded'",
    ),
    (
        "child_left_behind",
        "insert into chaos.moves (run_id, from_state, to_state, epoch, losses, lost, hurried)
         values (run_of('7'), 'queued', 'running', 2, 0, false, false)",
    ),
    (
        "child_left_behind",
        "insert into chaos.effects (run_id, step, occurrence, kind, epoch, attempt, worker, build)
         select run_of('7'), step, 0, 'step', 1, 1, '0.1', 1 from unnest(array['grow', 'leave']) as step",
    ),
    (
        "child_left_behind",
        "update engine.runs set state = 'queued', ended_at = null where id = run_of('7')",
    ),
];

pub(crate) const RETRIES: [Plant; 7] = [
    ("retry_unrecorded", "delete from engine.actions"),
    ("retry_unrecorded", "delete from chaos.retries"),
    ("retry_unrecorded", "update engine.runs set generation = 2 where id = run_of('8')"),
    ("past_lost", "delete from engine.past_steps"),
    ("past_lost", "update chaos.retries set from_seq = 1"),
    ("reopen_wrong", "insert into chaos.reopenings values (run_of('8'))"),
    ("reopen_wrong", "delete from chaos.reopenings"),
];

pub(crate) const LIMITS: [Plant; 1] = [(
    "limit_exceeded",
    "insert into chaos.moves (run_id, from_state, to_state, epoch, losses, lost, hurried)
     select run_of('9'), 'queued', 'running', epoch, 0, false, false from generate_series(2, 4) as epoch",
)];

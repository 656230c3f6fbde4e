//! For each promise: it is broken in a sound database, and the checker finds that.

use std::collections::BTreeSet;

use chaos::check;
use sqlx::{AssertSqlSafe, Connection, PgPool};

use crate::plants::{FAMILY, LIMITS, RETRIES, SIGNALS, WAITS};
use crate::sound;

/// What the checker must find, and how the database is made to hold it.
pub(crate) type Plant = (&'static str, &'static str);

const ENDS: [Plant; 14] = [
    ("start_lost", "insert into chaos.started values (gen_random_uuid())"),
    ("start_unasked", "insert into chaos.withdrawn values (run_of('a'))"),
    ("request_torn", "delete from chaos.requests where run_id = run_of('a')"),
    ("request_torn", "insert into chaos.requests values (gen_random_uuid(), 'chaos.plain')"),
    ("wrong_end", "update engine.runs set output = '4' where id = run_of('a')"),
    (
        "wrong_end",
        "update engine.runs set state = 'failed', output = null, error = '{}' where id = run_of('b')",
    ),
    (
        "wrong_end",
        "insert into chaos.effects (run_id, step, occurrence, kind, epoch, attempt, worker, build)
         select run_of('d'), 'kill', 0, 'step', 1, 1, '0.1', 1 from generate_series(1, 11)",
    ),
    (
        "run_unfinished",
        "update engine.runs set state = 'queued', output = null, ended_at = null where id = run_of('a')",
    ),
    (
        "run_ended_twice",
        "insert into chaos.moves (run_id, from_state, to_state, epoch, losses, lost, hurried)
         values (run_of('a'), 'running', 'succeeded', 1, 0, false, false)",
    ),
    (
        "run_ended_twice",
        "insert into chaos.moves (run_id, from_state, to_state, epoch, losses, lost, hurried, generation)
         values (run_of('8'), 'running', 'succeeded', 2, 0, false, false, 1)",
    ),
    ("end_unseen", "delete from chaos.moves where run_id = run_of('a') and to_state = 'succeeded'"),
    ("hook_missed", "delete from chaos.endings"),
    ("hook_missed", "insert into chaos.endings values (run_of('d'), 'failed')"),
    ("hook_stray", "insert into chaos.endings values (run_of('a'), 'failed')"),
];

const EFFECTS: [Plant; 8] = [
    (
        "effect_doubled",
        "insert into chaos.effects (run_id, step, occurrence, kind, epoch, attempt, worker, build)
         values (run_of('a'), 'post', 1, 'step_tx', 1, 1, '0.1', 1)",
    ),
    (
        "effect_doubled",
        "insert into chaos.effects (run_id, step, occurrence, kind, epoch, attempt, worker, build)
         values (run_of('8'), 'prepare', 0, 'step_tx', 2, 1, '0.1', 1)",
    ),
    (
        "effect_lost",
        "insert into engine.past_steps select step.*, 0 from engine.steps as step
          where run_id = run_of('8') and seq = 4",
    ),
    ("effect_lost", "delete from chaos.effects where run_id = run_of('a') and occurrence = 1"),
    ("effect_unrecorded", "delete from engine.steps where run_id = run_of('a') and occurrence = 1"),
    ("effect_unrecorded", "update chaos.effects set epoch = 2 where run_id = run_of('a')"),
    ("step_unperformed", "delete from chaos.effects where run_id = run_of('b')"),
    (
        "step_repeated",
        "insert into chaos.effects (run_id, step, occurrence, kind, epoch, attempt, worker, build)
         values (run_of('b'), 'work', 0, 'step', 2, 4, '1.1', 1)",
    ),
];

const JOURNAL: [Plant; 12] = [
    ("journal_gap", "update engine.steps set seq = 3 where run_id = run_of('a') and seq = 2"),
    ("journal_gap", "delete from engine.steps where run_id = run_of('a') and seq = 1"),
    (
        "journal_gap",
        "insert into engine.past_steps select step.*, 0 from engine.steps as step
          where run_id = run_of('8') and seq = 1",
    ),
    ("attempts_wrong", "update engine.attempts set generation = 1 where run_id = run_of('8')"),
    (
        "journal_open",
        "update engine.steps set state = 'retrying', output = null where run_id = run_of('b')",
    ),
    ("attempts_wrong", "delete from engine.attempts where run_id = run_of('b') and attempt = 1"),
    (
        "attempts_wrong",
        "update engine.attempts set attempt = 9 where run_id = run_of('b') and attempt = 2",
    ),
    ("attempts_wrong", "update engine.steps set losses = 0 where run_id = run_of('b')"),
    ("attempts_wrong", "update engine.steps set attempts = 4 where run_id = run_of('b')"),
    ("attempt_stray", "delete from engine.steps where run_id = run_of('b')"),
    ("claim_unknown", "update engine.steps set epoch = 2 where run_id = run_of('a') and seq = 2"),
    ("order_wrong", "update engine.steps set epoch = 2 where run_id = run_of('a') and seq = 1"),
];

const CLAIMS: [Plant; 12] = [
    (
        "epoch_reused",
        "insert into chaos.moves (run_id, from_state, to_state, epoch, losses, lost, hurried)
         values (run_of('a'), 'queued', 'running', 1, 0, false, false)",
    ),
    ("epoch_reused", "update engine.runs set epoch = 2 where id = run_of('a')"),
    (
        "move_forbidden",
        "delete from chaos.moves where run_id = run_of('a') and to_state = 'running'",
    ),
    (
        "move_forbidden",
        "update chaos.moves set to_state = 'paused' where run_id = run_of('a') and to_state = 'succeeded';
         insert into chaos.moves (run_id, from_state, to_state, epoch, losses, lost, hurried)
         values (run_of('a'), 'paused', 'succeeded', 1, 0, false, false)",
    ),
    (
        "claim_shared",
        "update chaos.effects set worker = '1.1' where run_id = run_of('a') and occurrence = 1",
    ),
    ("claim_missing", "update chaos.effects set epoch = 2 where run_id = run_of('b')"),
    (
        "lease_cut_short",
        "insert into chaos.moves (run_id, from_state, to_state, epoch, losses, lost, hurried, lease_until)
         values (run_of('a'), 'running', 'queued', 1, 1, true, false, clock_timestamp() + interval '1 s')",
    ),
    (
        "woken_early",
        "insert into chaos.moves (run_id, from_state, to_state, epoch, losses, lost, hurried, waiting_for, wake_at)
         values (run_of('a'), 'waiting', 'queued', 1, 0, false, false, 'time', clock_timestamp() + interval '10 ms')",
    ),
    (
        "claimed_early",
        "insert into chaos.moves (run_id, from_state, to_state, epoch, losses, lost, hurried, wake_at)
         values (run_of('a'), 'queued', 'running', 2, 0, false, false, clock_timestamp() + interval '10 ms')",
    ),
    ("build_wrong", "update chaos.effects set build = 2 where run_id = run_of('c')"),
    ("build_wrong", "update engine.runs set version = 2 where id = run_of('c')"),
    (
        "claim_foreign",
        "delete from chaos.effects where run_id = run_of('c');
         update chaos.effects set build = 2 where run_id = run_of('a')",
    ),
];

const SCHEDULE: [Plant; 5] = [
    (
        "tick_doubled",
        "call play('ab', 'chaos.tick', '{\"at\": \"2026-01-01T12:00:01Z\"}', 'succeeded', '1')",
    ),
    ("tick_lost", "delete from engine.runs where id = run_of('e')"),
    ("tick_lost", "update engine.schedules set missed = 1"),
    ("tick_lost", "update engine.schedules set next_at = null"),
    (
        "tick_stray",
        "update engine.runs set input = '{\"at\": \"2026-01-01T12:00:01.5Z\"}' where id = run_of('e')",
    ),
];

/// Breaks one promise after the other, each in a transaction that is rolled back.
async fn assert_found(pool: PgPool, plants: &[Plant]) {
    sound::database(&pool).await;
    let mut conn = pool.acquire().await.unwrap();
    for (kind, plant) in plants {
        let mut tx = conn.begin().await.unwrap();
        // Without the tables' own triggers and references, which would refuse most of it.
        let planted = format!("set local session_replication_role = replica; {plant}");
        sqlx::raw_sql(AssertSqlSafe(planted)).execute(&mut *tx).await.unwrap();
        let found = sound::found(&mut tx).await;
        assert!(found.contains(kind), "{kind} was planted, {found:?} were found\n{plant}");
        tx.rollback().await.unwrap();
    }
    assert_eq!(sound::found(&mut conn).await, Vec::<&str>::new());
}

#[sqlx::test(migrations = false)]
async fn what_was_not_started_or_did_not_end_once_is_found(pool: PgPool) {
    assert_found(pool, &ENDS).await;
}

#[sqlx::test(migrations = false)]
async fn an_effect_that_is_missing_or_came_twice_is_found(pool: PgPool) {
    assert_found(pool, &EFFECTS).await;
}

#[sqlx::test(migrations = false)]
async fn a_journal_that_is_out_of_order_is_found(pool: PgPool) {
    assert_found(pool, &JOURNAL).await;
}

#[sqlx::test(migrations = false)]
async fn a_claim_that_was_not_allowed_is_found(pool: PgPool) {
    assert_found(pool, &CLAIMS).await;
}

#[sqlx::test(migrations = false)]
async fn a_tick_that_is_missing_or_came_twice_is_found(pool: PgPool) {
    assert_found(pool, &SCHEDULE).await;
}

#[sqlx::test(migrations = false)]
async fn a_signal_that_is_lost_or_taken_twice_is_found(pool: PgPool) {
    assert_found(pool, &SIGNALS).await;
}

#[sqlx::test(migrations = false)]
async fn a_wait_that_was_too_short_is_found(pool: PgPool) {
    assert_found(pool, &WAITS).await;
}

#[sqlx::test(migrations = false)]
async fn a_child_that_is_missing_too_many_or_left_behind_is_found(pool: PgPool) {
    assert_found(pool, &FAMILY).await;
}

#[sqlx::test(migrations = false)]
async fn a_retry_that_left_no_trace_is_found(pool: PgPool) {
    assert_found(pool, &RETRIES).await;
}

#[sqlx::test(migrations = false)]
async fn a_limit_that_was_exceeded_is_found(pool: PgPool) {
    assert_found(pool, &LIMITS).await;
}

#[test]
fn every_check_has_something_planted_for_it() {
    let running = [&ENDS[..], &EFFECTS, &JOURNAL, &CLAIMS, &SCHEDULE].concat();
    let waiting = [&SIGNALS[..], &WAITS, &FAMILY, &RETRIES, &LIMITS].concat();
    let planted: BTreeSet<_> =
        [running, waiting].concat().into_iter().map(|(kind, _)| kind).collect();
    let checked: BTreeSet<_> = check::all().iter().map(|check| check.kind).collect();
    assert_eq!(planted, checked);
}

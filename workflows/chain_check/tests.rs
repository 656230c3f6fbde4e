//! Rounds over real chains, whole ones and ones that somebody with the owner's rights was at.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use db::chain_checks::{self, Figures, State};
use db::testing::tamper;
use db::{Cause, OrgTx};
use engine::testing::{Harness, exercise};
use engine::{Client, End, Outcome, RunState};
use evidence::action::{Action, Actor, Outcome as Done};
use evidence::chain::{BadKind, ChainId, Draft, Extent, Status};
use evidence::ids::{OrgId, v7};
use evidence::org::Plan;
use sqlx::PgPool;
use uuid::Uuid;

use super::{ChainCheck, Checked, STEPS};
use crate::Ports;
use crate::tests::{World, work_until};

/// Chains, and who can change them.
struct Vault {
    world: World,
    owner: PgPool,
    cases: Mutex<HashMap<Uuid, Vec<Case>>>,
    /// How many chains were tampered with.
    faults: AtomicU64,
}

/// A chain, and what is to be found of it.
struct Case {
    chain: ChainId,
    entries: i64,
    status: Status,
    first_bad: Option<(i64, BadKind)>,
}

impl Vault {
    async fn new(owner: PgPool) -> Self {
        let world = World::new(owner.clone()).await;
        Self { world, owner, cases: Mutex::default(), faults: AtomicU64::new(0) }
    }

    fn cause(&self) -> Cause {
        Cause::new(Actor::system("test"), "test", self.world.clock.now())
    }

    /// An organisation whose chain has `entries` entries.
    async fn chain(&self, entries: usize) -> ChainId {
        let mut tx = self.world.ports.pool.begin().await.unwrap();
        let slug = format!("acme-{:x}", rand::random::<u64>());
        let org =
            db::orgs::create(&mut tx, &slug, "Acme", Plan::Team, &self.cause()).await.unwrap();
        tx.commit().await.unwrap();
        self.append(org.id, entries - 1).await;
        ChainId::Org(org.id)
    }

    async fn append(&self, org: OrgId, entries: usize) {
        let Cause { actor, now, .. } = self.cause();
        let mut tx = OrgTx::begin(&self.world.ports.pool, org).await.unwrap();
        for _ in 0..entries {
            let draft = Draft {
                id: v7(now, rand::random()),
                actor: actor.clone(),
                action: Action::ScanIngested,
                detail: serde_json::Map::new(),
                origin: "test".to_owned(),
                outcome: Done::Success,
            };
            db::chain::append(&mut tx, ChainId::Org(org), draft).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// A chain of eight entries of which an earlier round has verified six.
    async fn known_chain(&self) -> ChainId {
        let chain = self.chain(6).await;
        let ChainId::Org(org) = chain else { panic!("the chain of an organisation") };
        let pool = &self.world.ports.pool;
        let checker = chain_checks::Checker { run: Uuid::nil(), now: self.world.clock.now() };
        let look = chain_checks::verify(pool, chain, Extent::Full, checker.run).await.unwrap();
        let chain_checks::Look::Found(found) = look else { panic!("the first look") };
        let mut tx = pool.begin().await.unwrap();
        chain_checks::record(&mut tx, chain, &found, checker).await.unwrap();
        tx.commit().await.unwrap();
        self.append(org, 2).await;
        chain
    }

    /// One chain that is whole, and one with a fault: each time another of the four.
    async fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        let whole = self.known_chain().await;
        cases.push(Case { chain: whole, entries: 8, status: Status::Ok, first_bad: None });
        let chain = self.known_chain().await;
        let turn = self.faults.fetch_add(1, Ordering::Relaxed) % 4;
        let (entries, status, first_bad) = match turn {
            0 => {
                tamper::edit(&self.owner, chain, 7).await;
                (8, Status::Broken, (7, BadKind::Content))
            }
            1 => {
                tamper::remove(&self.owner, chain, 6).await;
                (7, Status::Broken, (6, BadKind::Gap))
            }
            2 => {
                tamper::truncate(&self.owner, chain, 5).await;
                (4, Status::Truncated, (5, BadKind::Gap))
            }
            _ => {
                tamper::fork(&self.owner, chain, 4).await;
                (8, Status::Broken, (6, BadKind::Content))
            }
        };
        cases.push(Case { chain, entries, status, first_bad: Some(first_bad) });
        cases
    }

    async fn state(&self, chain: ChainId) -> Option<State> {
        let mut tx = self.world.ports.pool.begin().await.unwrap();
        match chain {
            ChainId::Org(org) => db::scope(&mut tx, org).await.unwrap(),
            ChainId::Platform => db::scope_platform(&mut tx).await.unwrap(),
        }
        chain_checks::find(&mut tx, chain).await.unwrap()
    }

    /// How many entries the platform's chain has about checks of this one.
    async fn told(&self, chain: ChainId) -> i64 {
        let sql = "select count(*) from admin_audit_log
                    where chain = '00000000-0000-0000-0000-000000000000'
                      and action = 'audit_log.verified' and detail::json ->> 'chain' = $1";
        let told = sqlx::query_scalar(sql).bind(chain.to_string());
        told.fetch_one(&self.owner).await.unwrap()
    }

    async fn entries(&self, chain: ChainId) -> i64 {
        let sql = "select count(*) from admin_audit_log where chain = $1";
        let entries = sqlx::query_scalar(sql).bind(chain.as_uuid());
        entries.fetch_one(&self.owner).await.unwrap()
    }

    async fn figures(&self) -> (Figures, Vec<chain_checks::Round>) {
        let mut tx = self.world.ports.pool.begin().await.unwrap();
        db::scope_platform(&mut tx).await.unwrap();
        chain_checks::figures(&mut tx).await.unwrap()
    }

    /// Makes a round by a worker, to its end.
    async fn round(&self, check: ChainCheck) -> (Checked, Vec<String>) {
        let client = Client::new(self.world.ports.pool.clone());
        let mut conn = self.world.ports.pool.acquire().await.unwrap();
        let run_id = client.start(&mut conn, check).await.unwrap().run_id;
        drop(conn);
        let is_over = async || client.find(run_id).await.unwrap().unwrap().ended_at.is_some();
        work_until(&self.world, is_over).await;
        let run = client.find(run_id).await.unwrap().unwrap();
        assert_eq!(run.state, RunState::Succeeded, "{:?}", run.error);
        let steps = client.steps(run_id).await.unwrap();
        let output = client.output::<ChainCheck>(run_id).await.unwrap().unwrap();
        (output, steps.into_iter().map(|step| step.name).collect())
    }
}

impl Harness for Vault {
    type Workflow = ChainCheck;

    async fn make_input(&self, client: &Client) -> Uuid {
        let cases = self.cases().await;
        let mut conn = self.world.ports.pool.acquire().await.unwrap();
        let check = ChainCheck { part: 20, ..ChainCheck::PARTIAL };
        let started = client.start(&mut conn, check).await.unwrap();
        self.cases.lock().unwrap().insert(started.run_id, cases);
        started.run_id
    }

    fn ports(&self) -> Arc<Ports> {
        self.world.ports.clone()
    }

    async fn check(&self, end: &End) {
        let cases = self.cases.lock().unwrap().remove(&end.run_id).unwrap();
        let is_over = matches!(end.outcome, Outcome::Succeeded(_));
        for case in cases {
            let state = self.state(case.chain).await.unwrap();
            let told = self.told(case.chain).await;
            // Between the verdict and the telling a run can be cancelled; the next round tells.
            assert!(told <= i64::from(state.alarm), "{state:?}");
            assert_eq!(state.verified.unwrap().0, if state.alarm { 6 } else { case.seen(&state) });
            assert_eq!(self.entries(case.chain).await, case.entries, "a check changes no chain");
            if is_over {
                assert_eq!(told, i64::from(state.alarm), "{state:?}");
                assert_eq!(state.status, Some(case.status), "{state:?}");
                let first_bad = state.first_bad.map(|bad| (bad.seq, bad.kind));
                assert_eq!(first_bad, case.first_bad, "{state:?}");
            }
        }
        let platform = self.state(ChainId::Platform).await;
        assert!(platform.is_none_or(|platform| platform.status == Some(Status::Ok)));
        let rounds = "select count(*) from audit_chain_rounds where run_id = $1";
        let rounds: i64 =
            sqlx::query_scalar(rounds).bind(end.run_id).fetch_one(&self.owner).await.unwrap();
        assert_eq!(rounds, i64::from(is_over));
    }
}

impl Case {
    /// How far a chain without an alarm is verified: to its end, once this round has come to it.
    fn seen(&self, state: &State) -> i64 {
        if state.checked_by == Some(Uuid::nil()) { 6 } else { self.entries }
    }
}

#[sqlx::test(migrations = false)]
async fn a_round_survives_everything_that_can_happen_to_a_run(owner: PgPool) {
    let vault = Vault::new(owner).await;
    let report = exercise(&vault, &vault.world.ports.pool, &vault.world.clock).await;
    let steps: Vec<_> = report.steps.iter().map(|step| step.name.clone()).collect();
    assert_eq!(steps, STEPS);
    // Broken chains stay broken night after night, and are told of once.
    let (checked, _) = vault.round(ChainCheck::PARTIAL).await;
    let Figures { broken, truncated, .. } = checked.verdicts;
    assert_eq!(broken + truncated, vault.faults.load(Ordering::Relaxed), "{checked:?}");
    assert!(broken > 20 && truncated > 8, "{checked:?}");
    let doubled: i64 = sqlx::query_scalar(
        "select count(*) from (
           select from admin_audit_log
            where chain = '00000000-0000-0000-0000-000000000000' and action = 'audit_log.verified'
            group by detail::json ->> 'chain' having count(*) > 1) as doubled",
    )
    .fetch_one(&vault.owner)
    .await
    .unwrap();
    assert_eq!(doubled, 0);
}

#[sqlx::test(migrations = false)]
async fn many_organisations_are_taken_in_parts_and_a_full_round_finds_old_faults(owner: PgPool) {
    let vault = Vault::new(owner).await;
    let mut chains = Vec::new();
    for _ in 0..7 {
        chains.push(vault.chain(4).await);
    }
    let (first, steps) = vault.round(ChainCheck { part: 3, ..ChainCheck::PARTIAL }).await;
    assert_eq!(first.verdicts, Figures { ok: 8, ..Figures::default() });
    assert_eq!(steps[2..], ["verify", "verify", "verify", "conclude"]);
    tamper::edit(&vault.owner, chains[4], 2).await;
    let (night, _) = vault.round(ChainCheck::PARTIAL).await;
    assert_eq!(night.verdicts.broken, 0, "it begins behind the fault");
    let (week, _) = vault.round(ChainCheck::FULL).await;
    assert_eq!(week.verdicts, Figures { ok: 7, broken: 1, ..Figures::default() });
    assert_eq!(vault.told(chains[4]).await, 1);
    let (alarms, rounds) = vault.figures().await;
    assert_eq!((alarms.broken, rounds.len()), (1, 2));
    assert_eq!(rounds[1].verdicts, Figures { ok: 16, ..Figures::default() });
}

#[sqlx::test(migrations = false)]
async fn a_chain_that_cannot_be_read_keeps_none_of_the_others(owner: PgPool) {
    let vault = Vault::new(owner.clone()).await;
    let (before, unreadable, after) =
        (vault.chain(3).await, vault.chain(3).await, vault.chain(3).await);
    tamper::edit(&owner, after, 2).await;
    let failing = format!(
        "create function fails(chain uuid) returns boolean language plpgsql as
         $$ begin if chain = '{unreadable}' then raise 'bad page' using errcode = 'data_corrupted'; end if;
         return true; end $$;
         create policy bad_page on admin_audit_log as restrictive for select using (fails(chain))"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(failing)).execute(&owner).await.unwrap();
    let (checked, _) = vault.round(ChainCheck::FULL).await;
    let expected = Figures { ok: 2, broken: 1, unreadable: 1, ..Figures::default() };
    assert_eq!(checked.verdicts, expected, "{checked:?}");
    assert_eq!(vault.state(before).await.unwrap().status, Some(Status::Ok));
    let state = vault.state(unreadable).await.unwrap();
    assert!(state.status.is_none() && state.unreadable_since.is_some(), "{state:?}");
    assert_eq!(vault.figures().await.0, Figures { broken: 1, unreadable: 1, ..Figures::default() });

    sqlx::query("drop policy bad_page on admin_audit_log").execute(&owner).await.unwrap();
    vault.round(ChainCheck::PARTIAL).await;
    let state = vault.state(unreadable).await.unwrap();
    assert_eq!((state.status, state.unreadable_since), (Some(Status::Ok), None));
}

//! Taking a scan in: the scan, what it means for every finding of its source, and the audit entry.
//!
//! The lock on the state source makes scans of one source follow each other; scans of different
//! sources meet only at the numbers of findings and at the audit chain.

use evidence::action::{Action, Outcome};
use evidence::chain::{ChainId, Draft};
use evidence::finding::Scan as Moment;
use evidence::ids::{self, OrgId, ScanId, StateSourceId};
use evidence::scan::ScanStatus;
use evidence::time::floor_micros;
use serde_json::{Map, Value};
use sqlx::postgres::PgConnection;
use sqlx::types::Json;

use super::effect::{Counts, Effect};
use super::hidden::Clean;
use super::place::{find_same, times};
use super::{Ingest, Ingested, Scan, find};
use crate::column::bigint;
use crate::findings::store::{self, Record, Scope};
use crate::{Error, OrgTx, Result, chain, rules};

/// Takes a scan in. The same bytes for the same source again: the scan of the first time, and
/// nothing else happens. A file without a time of its own can be handed in again with another time
/// before now, and then is another scan.
///
/// The caller has refused observations that lie in the future. The transaction should end soon: the
/// organisation's audit chain is locked when this returns.
pub async fn ingest(tx: &mut OrgTx, ingest: Ingest) -> Result<Ingested> {
    let org = tx.org();
    lock(tx, org, ingest.state_source).await?;
    if let Some(first) = find_same(tx, org, &ingest).await? {
        let counts = Counts::default();
        return Ok(counts.of(first, true));
    }
    let family = ingest.observation.format.family();
    let scope = Scope { org, source: ingest.state_source, family };
    let times = times(tx, scope).await?;
    let observed_at = floor_micros(ingest.observed_at);
    let moment = Moment {
        id: ScanId(ids::v7(ingest.now, rand::random())),
        observed_at,
        status: telling(&ingest),
        late: times.newest_observed_at.is_some_and(|newest| observed_at < newest),
    };
    let clean = Clean::load(tx, scope, times.newest_done_at).await?;
    let effect = foresee(tx, scope, &ingest, moment, &clean).await?;
    insert(tx, org, &ingest, moment, &effect).await?;
    note_observation(tx, org, ingest.state_source, moment).await?;
    if !moment.late && moment.status != ScanStatus::Failed {
        clean.note(tx, scope, &effect.hidden, moment.status).await?;
    }
    let counts = apply(tx, scope, &ingest, effect).await?;
    let scan = find(tx, org, moment.id).await?.ok_or(Error::NotFound("scan"))?;
    record(tx, org, &ingest, &scan, counts).await?;
    Ok(counts.of(scan, false))
}

async fn lock(conn: &mut PgConnection, org: OrgId, id: StateSourceId) -> Result<()> {
    sqlx::query_scalar!(
        "
        select 1
          from state_sources
         where org_id = $1 and id = $2 and deleted_at is null
           for no key update
        ",
        org.0,
        id.0,
    )
    .fetch_optional(conn)
    .await?
    .ok_or(Error::NotFound("state source"))?;
    Ok(())
}

/// A complete scan whose file does not speak of drift must not resolve anything by its silence.
fn telling(ingest: &Ingest) -> ScanStatus {
    match ingest.observation.status {
        ScanStatus::Done if !ingest.observation.drift_reported => ScanStatus::Partial,
        status => status,
    }
}

async fn foresee(
    conn: &mut PgConnection,
    scope: Scope,
    ingest: &Ingest,
    moment: Moment,
    clean: &Clean,
) -> Result<Effect> {
    let rules = rules::compiled(conn, scope.org).await?;
    let observation = &ingest.observation;
    let drifts = observation.drifts.iter().map(|drift| &drift.address);
    let moves = observation.moves.iter().flat_map(|step| [&step.from, &step.to]);
    let digests: Vec<Vec<u8>> =
        drifts.chain(moves).map(|address| store::digest(address).to_vec()).collect();
    let stored = store::load(conn, scope, &digests).await?;
    Ok(Effect::new(observation, &rules, stored, clean, moment))
}

async fn insert(
    conn: &mut PgConnection,
    org: OrgId,
    ingest: &Ingest,
    moment: Moment,
    effect: &Effect,
) -> Result<()> {
    let seen = &ingest.observation;
    let warnings = serde_json::to_value(&seen.warnings).unwrap_or_default();
    sqlx::query_file!(
        "sql/scan_insert.sql",
        org.0,
        moment.id.0,
        ingest.state_source.0,
        moment.status.as_str(),
        seen.format.as_str(),
        seen.format.family().as_str(),
        seen.tool,
        seen.tool_version,
        moment.observed_at,
        ingest.now,
        moment.late,
        seen.drift_reported,
        seen.resources_total.map(bigint),
        seen.resources_managed.map(bigint),
        bigint(seen.drifted()),
        bigint(seen.missing()),
        bigint(seen.extra()),
        bigint(seen.noise.len() as u64),
        bigint(effect.ignored()),
        seen.serial,
        seen.lineage,
        ingest.triggered_by,
        Json(&ingest.ci) as _,
        seen.error,
        warnings,
        ingest.content_sha256.as_slice(),
        bigint(ingest.bytes),
    )
    .execute(&mut *conn)
    .await?;
    insert_noise(conn, org, moment.id, effect).await?;
    insert_sightings(conn, org, moment.id, &effect.sighted).await
}

async fn insert_sightings(
    conn: &mut PgConnection,
    org: OrgId,
    scan: ScanId,
    numbers: &[i64],
) -> Result<()> {
    if numbers.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into scan_sightings (org_id, scan_id, findings) values ($1, $2, $3)",
        org.0,
        scan.0,
        numbers,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_noise(
    conn: &mut PgConnection,
    org: OrgId,
    scan: ScanId,
    effect: &Effect,
) -> Result<()> {
    for ((kind, rule), sum) in effect.suppressed() {
        sqlx::query!(
            "
            insert into scan_noise
                   (org_id, scan_id, kind, rule, rule_version, resources, attributes)
            values ($1, $2, $3, $4, $5, $6, $7)
            ",
            org.0,
            scan.0,
            kind,
            rule,
            sum.rule_version,
            bigint(sum.resources),
            bigint(sum.attributes),
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

async fn note_observation(
    conn: &mut PgConnection,
    org: OrgId,
    source: StateSourceId,
    moment: Moment,
) -> Result<()> {
    sqlx::query!(
        "
        update state_sources
           set first_observed_at = $3
         where org_id = $1 and id = $2
           and (first_observed_at is null or first_observed_at > $3)
        ",
        org.0,
        source.0,
        moment.observed_at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down what happens to findings, and counts it. What moves makes room first: a fresh finding
/// may stand where another one has just gone from.
async fn apply(
    conn: &mut PgConnection,
    scope: Scope,
    ingest: &Ingest,
    mut effect: Effect,
) -> Result<Counts> {
    let org = scope.org;
    let changed: Vec<_> = effect.changed.iter().collect();
    store::update(conn, org, &changed).await?;
    let first = reserve_numbers(conn, org, effect.fresh.len()).await?;
    for (fresh, number) in effect.fresh.iter_mut().zip(first..) {
        fresh.state.number = number;
    }
    store::insert(conn, scope, &effect.fresh).await?;
    let record = Record { actor: &ingest.actor, now: ingest.now };
    let fresh = effect.fresh.iter().map(|fresh| &fresh.state);
    let all: Vec<_> = fresh.chain(&effect.changed).collect();
    store::append(conn, org, &all, record).await?;
    store::glimpsed(conn, org, &effect.glimpsed, floor_micros(ingest.observed_at)).await?;
    Ok(effect.counts())
}

/// The first of `wanted` numbers that nobody else gets. A transaction that is rolled back gives them
/// back, so there are no gaps.
async fn reserve_numbers(conn: &mut PgConnection, org: OrgId, wanted: usize) -> Result<i64> {
    if wanted == 0 {
        return Ok(0);
    }
    Ok(sqlx::query_scalar!(
        r#"
        update orgs set finding_seq = finding_seq + $2
         where id = $1
     returning finding_seq - $2 + 1 as "first!"
        "#,
        org.0,
        bigint(wanted as u64),
    )
    .fetch_one(conn)
    .await?)
}

async fn record(
    conn: &mut PgConnection,
    org: OrgId,
    ingest: &Ingest,
    scan: &Scan,
    counts: Counts,
) -> Result<()> {
    let detail: [(&str, Value); 12] = [
        ("scan_id", scan.id.to_string().into()),
        ("state_source_id", scan.state_source_id.to_string().into()),
        ("status", scan.status.as_str().into()),
        ("observed_at", evidence::time::stamp(scan.observed_at).into()),
        ("content_sha256", hex::encode(scan.content_sha256).into()),
        ("late", scan.late.into()),
        ("opened", counts.opened.into()),
        ("reopened", counts.reopened.into()),
        ("updated", counts.updated.into()),
        ("moved", counts.moved.into()),
        ("resolved", counts.resolved.into()),
        ("ignored", scan.ignored.into()),
    ];
    let draft = Draft {
        id: ids::v7(ingest.now, rand::random()),
        actor: ingest.actor.clone(),
        action: Action::ScanIngested,
        detail: Map::from_iter(detail.map(|(name, value)| (name.to_owned(), value))),
        origin: ingest.origin.clone(),
        outcome: Outcome::Success,
    };
    chain::append(conn, ChainId::Org(org), draft).await?;
    Ok(())
}

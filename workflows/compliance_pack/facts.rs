//! What the snapshot says before the rows are read: the figures, whose pack it is, where the audit chain stood
//! and what earlier packs have attested of it.

use bundle::json;
use db::exports::Export;
use db::section::{
    self, Counts, Figures, Gaps, PlanVersion, Remediation, Retained, Sequence, Snapshot,
};
use evidence::chain::{CANONICAL_VERSION, ChainId};
use evidence::ids::{ExportId, OrgId};
use evidence::org::Plan;
use evidence::pack::{AuditRange, Coverage, Exceptions, Org, Summary, TopRisk};
use evidence::time::{Period, Time};
use serde::{Deserialize, Serialize};

use super::BuildPack;
use super::ahead::Ahead;

pub(super) struct Facts {
    pub(super) summary: Summary,
    pub(super) sequence: Sequence,
    pub(super) retained: Option<Retained>,
    pub(super) positions: Positions,
    pub(super) plan: PlanVersion,
}

/// The positions of the audit chain that the attestation speaks of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Positions {
    /// Where the audit chain stood.
    pub(super) chain: json::Chain,
    pub(super) requested_seq: i64,
    pub(super) earlier: Vec<Earlier>,
}

impl Positions {
    pub(super) async fn read(
        snapshot: &mut Snapshot,
        pack: BuildPack,
        export: &Export,
    ) -> db::Result<Self> {
        Ok(Self {
            chain: chain(snapshot, ChainId::Org(pack.org)).await?,
            requested_seq: export.requested_seq,
            earlier: earlier(snapshot, pack).await?,
        })
    }
}

/// The head that an earlier pack has attested.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Earlier {
    pub(super) export: ExportId,
    pub(super) seq: i64,
    pub(super) hash_hex: String,
}

impl Facts {
    /// Reads one half of the figures over `beside`, where there is such a connection, while the other one is read, and has the
    /// exceptions come over it after that.
    pub(super) async fn read(
        snapshot: &mut Snapshot,
        beside: Option<Snapshot>,
        export: &Export,
        positions: Positions,
    ) -> db::Result<(Self, Option<Ahead>)> {
        let (org, period) = (export.org_id, export.period());
        let plan = section::plan(snapshot, org, period).await?;
        let retained = section::retention(snapshot, org).await?;
        let named = named(snapshot, org, plan.plan).await?;
        let generated_at = snapshot.moment().taken_at;
        let (remediation, (looked, exceptions)) = match beside {
            Some(beside) => {
                let remediation = section::remediation(snapshot, org, period);
                tokio::try_join!(remediation, Looked::read_beside(beside, org, period))?
            }
            None => (
                section::remediation(snapshot, org, period).await?,
                (Looked::read(snapshot, org, period).await?, None),
            ),
        };
        let sequence = looked.sequence.clone();
        let summary = summary(Of { org: named, period, generated_at }, remediation, looked);
        Ok((Self { summary, sequence, retained, positions, plan }, exceptions))
    }

    pub(super) fn period(&self) -> Period {
        self.summary.period
    }
}

async fn named(snapshot: &mut Snapshot, id: OrgId, plan: Plan) -> db::Result<Org> {
    let org = db::orgs::find(snapshot, id).await?;
    let org = org.ok_or(db::Error::NotFound("organisation"))?;
    Ok(Org { id: org.id, slug: org.slug, name: org.name, plan })
}

/// All but how findings were remedied, which takes as long.
struct Looked {
    counts: Counts,
    coverage: Vec<Coverage>,
    gaps: Gaps,
    exceptions: Exceptions,
    audit: AuditRange,
    sequence: Sequence,
    top_risks: Vec<TopRisk>,
}

impl Looked {
    async fn read(snapshot: &mut Snapshot, org: OrgId, period: Period) -> db::Result<Self> {
        Ok(Self {
            counts: section::counts(snapshot, org, period).await?,
            coverage: section::coverage_monthly(snapshot, org, period).await?,
            gaps: section::gaps(snapshot, org, period).await?,
            exceptions: section::exceptions_in_numbers(snapshot, org, period).await?,
            audit: section::audit_range(snapshot, ChainId::Org(org), period).await?,
            sequence: section::sequence(snapshot, org).await?,
            top_risks: section::top_risks(snapshot, org, period).await?,
        })
    }

    async fn read_beside(
        mut snapshot: Snapshot,
        org: OrgId,
        period: Period,
    ) -> db::Result<(Self, Option<Ahead>)> {
        let looked = Self::read(&mut snapshot, org, period).await?;
        Ok((looked, Some(Ahead::read(snapshot, org, period))))
    }
}

/// Whose summary it is, and of when.
struct Of {
    org: Org,
    period: Period,
    generated_at: Time,
}

fn summary(of: Of, remediation: Remediation, looked: Looked) -> Summary {
    let Of { org, period, generated_at } = of;
    let Looked { counts, coverage, gaps, exceptions, audit, top_risks, .. } = looked;
    let figures = Figures { coverage: &coverage, remediation: &remediation, gaps: &gaps.longest };
    Summary {
        org,
        period,
        generated_at,
        headline: counts.headline(figures),
        top_risks,
        exceptions,
        audit,
        open_monthly: remediation.months,
        coverage,
        sla: remediation.levels,
        gaps: gaps.longest,
        gaps_total: gaps.total,
    }
}

async fn chain(snapshot: &mut Snapshot, chain: ChainId) -> db::Result<json::Chain> {
    let head = db::chain::head(snapshot, chain).await?.ok_or(db::Error::NoChain(chain))?;
    Ok(json::Chain {
        chain: chain.to_string(),
        canonical_version: CANONICAL_VERSION.to_owned(),
        head_seq: head.seq,
        head_hash_hex: head.hash.map(hex::encode).unwrap_or_default(),
    })
}

async fn earlier(snapshot: &mut Snapshot, pack: BuildPack) -> db::Result<Vec<Earlier>> {
    let heads = db::chain::attested(snapshot, pack.org).await?.into_iter();
    // An attempt before this one may have recorded a head of this very pack.
    let earlier = heads.filter(|head| head.export != pack.export).map(|head| Earlier {
        export: head.export,
        seq: head.seq,
        hash_hex: hex::encode(head.hash),
    });
    Ok(earlier.collect())
}

//! What the snapshot says before the rows are read: the figures, whose pack it is, where the audit chain stood
//! and what earlier packs have attested of it.

use bundle::json;
use db::exports::Export;
use db::section::{self, Done, Figures, PlanVersion, Retained, Sequence, Snapshot};
use evidence::chain::{CANONICAL_VERSION, ChainId};
use evidence::ids::ExportId;
use evidence::org::Plan;
use evidence::pack::{Org, Summary};
use evidence::time::Period;
use serde::{Deserialize, Serialize};

use super::BuildPack;

pub(super) struct Facts {
    pub(super) summary: Summary,
    pub(super) sequence: Sequence,
    pub(super) retained: Option<Retained>,
    pub(super) positions: Positions,
    pub(super) plan: PlanVersion,
    /// What was done in the period, by action.
    pub(super) done: Vec<Done>,
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
    pub(super) async fn read(
        snapshot: &mut Snapshot,
        pack: BuildPack,
        export: &Export,
        positions: Positions,
    ) -> db::Result<Self> {
        let period = export.period();
        let plan = section::plan(snapshot, pack.org, period).await?;
        Ok(Self {
            summary: summary(snapshot, export, plan.plan).await?,
            done: section::audit_actions(snapshot, ChainId::Org(pack.org), period).await?,
            plan,
            sequence: section::sequence(snapshot, pack.org).await?,
            retained: section::retention(snapshot, pack.org).await?,
            positions,
        })
    }

    pub(super) fn period(&self) -> Period {
        self.summary.period
    }
}

async fn summary(snapshot: &mut Snapshot, export: &Export, plan: Plan) -> db::Result<Summary> {
    let generated_at = snapshot.moment().taken_at;
    let (id, period) = (export.org_id, export.period());
    let org = db::orgs::find(snapshot, id).await?;
    let org = org.ok_or(db::Error::NotFound("organisation"))?;
    let coverage = section::coverage_monthly(snapshot, id, period).await?;
    let remediation = section::remediation_sla(snapshot, id, period).await?;
    let gaps = section::gaps(snapshot, id, period).await?;
    let figures = Figures { coverage: &coverage, remediation: &remediation, gaps: &gaps.longest };
    let headline = section::headline(snapshot, id, period, figures).await?;
    Ok(Summary {
        org: Org { id: org.id, slug: org.slug, name: org.name, plan },
        period,
        generated_at,
        headline,
        top_risks: section::top_risks(snapshot, id, period).await?,
        exceptions: section::exceptions_in_numbers(snapshot, id, period).await?,
        audit: section::audit_range(snapshot, ChainId::Org(id), period).await?,
        open_monthly: section::open_monthly(snapshot, id, period, &remediation.levels).await?,
        coverage,
        sla: remediation.levels,
        gaps: gaps.longest,
        gaps_total: gaps.total,
    })
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

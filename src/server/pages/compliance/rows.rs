//! The packs of an organisation, newest first, and how many more may be requested.

use askama::Template;
use db::exports::{Export, Status};
use evidence::time::Time;
use poem::Request;
use workflows::compliance_pack::STEPS;

use crate::auth::{DeletePack, DownloadPack, OrgScope, ReadOrg};
use crate::errors::{Error, Result};
use crate::pages::live::Part;
use crate::pages::text::{self, Badge};
use crate::pages::visit::Visit;

/// How many are shown; older ones are asked for over the API.
const SHOWN: u32 = 50;

/// The part of the page.
#[derive(Template)]
#[template(path = "compliance/rows.html")]
pub(super) struct Rows {
    pub(super) base: String,
    org_id: uuid::Uuid,
    csrf_token: String,
    pub(super) now: Time,
    packs: Vec<Pack>,
    total: u64,
    pub(super) quota: Quota,
    /// Why the visitor may not; `None`: they may.
    no_download: Option<String>,
    no_delete: Option<String>,
}

/// One pack.
struct Pack {
    export: Export,
    progress: Option<engine::Progress>,
}

/// Packs that may still be requested.
pub(super) struct Quota {
    pub(super) limit: u32,
    pub(super) left: u32,
    /// When the next place is free, if none is.
    pub(super) next_at: Option<Time>,
}

impl Rows {
    pub(super) async fn of(scope: &OrgScope<ReadOrg>, visit: &Visit) -> Result<Self> {
        let (org, state, now) = (scope.org.id, &scope.context.state, scope.context.now);
        let mut tx = scope.begin().await?;
        let page = db::exports::list(&mut tx, org, None, SHOWN, 0).await?;
        let limit = state.limiter.quota().limit;
        let window = chrono::Duration::from_std(state.limiter.quota().window);
        let window = window.map_err(Error::internal)?;
        let accepted = db::limits::accepted(&mut tx, org, now - window, limit).await?;
        tx.commit().await?;
        let left = limit.saturating_sub(u32::try_from(accepted.len()).unwrap_or(limit));
        let first = accepted.last().filter(|_| left == 0);
        let quota = Quota { limit, left, next_at: first.map(|first| first.requested_at + window) };
        let mut packs = Vec::with_capacity(page.exports.len());
        for export in page.exports {
            let mut progress = None;
            if matches!(export.status, Status::Pending | Status::Running) {
                let run = state.engine.find(export.workflow_run_id).await?;
                progress = run.and_then(|run| run.progress);
            }
            packs.push(Pack { export, progress });
        }
        Ok(Self {
            base: format!("/orgs/{}/compliance", scope.org.slug),
            org_id: org.0,
            csrf_token: visit.person.csrf_token(),
            now,
            packs,
            total: u64::try_from(page.total).unwrap_or(0),
            quota,
            no_download: scope.may::<DownloadPack>().err().map(|error| error.message()),
            no_delete: scope.may::<DeletePack>().err().map(|error| error.message()),
        })
    }

    /// What a screen reader is told when it changes.
    fn announcement(&self) -> String {
        self.packs
            .first()
            .map_or_else(String::new, |pack| format!("The newest pack is {}.", pack.badge().word))
    }

    fn has_more(&self) -> bool {
        self.total > self.packs.len() as u64
    }
}

impl Pack {
    fn is_moving(&self) -> bool {
        matches!(self.export.status, Status::Pending | Status::Running)
    }

    fn badge(&self) -> Badge {
        let (tone, word) = match self.export.status {
            Status::Pending => ("busy", "pending"),
            Status::Running => ("busy", "running"),
            Status::Done => ("good", "done"),
            Status::Failed => ("bad", "failed"),
            Status::Expired => ("", "expired"),
            Status::Deleted => ("", "deleted"),
        };
        Badge { tone, word }
    }

    /// The step that is being done, counted from 0; `None`: it has not begun.
    fn step(&self) -> Option<usize> {
        let step = &self.progress.as_ref()?.step;
        STEPS.iter().position(|known| known == step)
    }

    fn steps(&self) -> impl Iterator<Item = &'static str> {
        let at = self.step();
        (0..STEPS.len()).map(move |n| match at {
            Some(at) if n < at => "done",
            Some(at) if n == at => "now",
            _ => "",
        })
    }

    /// The step in words.
    fn doing(&self) -> &'static str {
        match self.step().map(|at| STEPS[at]) {
            None => "waiting for a worker",
            Some("begin") => "starting",
            Some("collect") => "reading findings, scans and the audit log",
            Some("attest") => "verifying the audit chain",
            Some("render") => "printing the summary",
            Some("stamp") => "having it dated",
            Some("seal") => "sealing the ZIP",
            Some("publish_object" | "publish") => "publishing",
            Some(_) => "tidying up",
        }
    }

    fn is_done(&self) -> bool {
        self.export.status == Status::Done
    }

    fn can_be_deleted(&self) -> bool {
        !matches!(self.export.status, Status::Deleted | Status::Expired)
    }

    fn sha256(&self) -> String {
        self.export.sha256.map(hex::encode).unwrap_or_default()
    }

    fn requester(&self) -> String {
        let email = self.export.requested_by_email.clone();
        email.unwrap_or_else(|| self.export.requested_by.to_string())
    }

    fn size(&self) -> String {
        self.export.size_bytes.map(text::size).unwrap_or_default()
    }

    fn took(&self) -> String {
        let ended = self.export.finished_at;
        ended
            .map(|ended| text::took((ended - self.export.requested_at).num_milliseconds()))
            .unwrap_or_default()
    }

    /// The last day of the period.
    fn last_day(&self) -> Time {
        self.export.period_end - chrono::Duration::microseconds(1)
    }
}

pub(super) async fn part(request: &Request) -> Result<Part> {
    let visit = Visit::of(request).await?;
    let scope = visit.org::<ReadOrg>(request).await?;
    let rows = Rows::of(&scope, &visit).await?;
    Ok(Part { html: rows.render().map_err(Error::internal)?, is_final: false })
}

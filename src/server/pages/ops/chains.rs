//! What the checks of the audit chains found, alarms first; packs, bytes and what waits to be cleaned away.

use std::sync::Arc;

use askama::Template;
use askama::filters::Safe;
use db::chain_checks::{self, Check, Figures, Round, State as ChainState};
use db::exports::Status as PackStatus;
use evidence::chain::{ChainId, Status};
use evidence::time::Time;
use poem::http::StatusCode;
use poem::{Request, Response};

use super::figures;
use super::owner::Owners;
use super::runs::state_now;
use super::storage::Storage;
use super::word;
use crate::auth::PlatformAdmin;
use crate::errors::Result;
use crate::pages::frame::{Frame, Place};
use crate::pages::text::Badge;
use crate::pages::visit::Visit;
use crate::pages::{answer, chart, text};

/// Chains in trouble that are named.
const ALARMS_MAX: u32 = 50;
/// Latest checks of the platform's own chain.
const CHECKS: u32 = 5;
/// Bytes of what a cleaning run left behind.
const OUTPUT_BYTES: usize = 600;

#[derive(Template)]
#[template(path = "ops/chains.html")]
struct Page {
    frame: Frame,
    now: Time,
    chains: Chains,
    owners: Owners,
    storage: Option<Arc<Storage>>,
}

/// What is known of the chains.
struct Chains {
    alarms: Vec<ChainState>,
    figures: Figures,
    rounds: Vec<Round>,
    platform: Option<ChainState>,
    checks: Vec<Check>,
}

pub(super) async fn show(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let admin = visit.operator(&request).await?;
    let (state, now) = (&admin.context.state, state_now(&admin));
    let chains = Chains::read(&admin).await?;
    let named: Vec<_> = chains.alarms.iter().map(|alarm| alarm.chain.to_string()).collect();
    let owners = Owners::of(state, named.iter().map(String::as_str)).await?;
    let storage = figures::storage(state, now).await?;
    let frame = Frame::new(&visit, None, Place::Chains, "Chains and storage");
    answer::html(StatusCode::OK, &Page { frame, now, chains, owners, storage })
}

impl Chains {
    async fn read(admin: &PlatformAdmin) -> Result<Self> {
        let mut tx = admin.context.state.pool.begin().await?;
        db::scope_platform(&mut tx).await?;
        let alarms = chain_checks::current(&mut tx, ALARMS_MAX).await?;
        let (figures, rounds) = chain_checks::figures(&mut tx).await?;
        let platform = chain_checks::find(&mut tx, ChainId::Platform).await?;
        let checks = chain_checks::history(&mut tx, ChainId::Platform, CHECKS).await?;
        tx.commit().await?;
        Ok(Self { alarms, figures, rounds, platform, checks })
    }

    /// Chains with an alarm.
    fn in_alarm(&self) -> u64 {
        self.figures.broken + self.figures.truncated + self.figures.empty
    }
}

impl Page {
    fn chain(&self, chain: ChainId) -> String {
        match chain {
            ChainId::Platform => "the platform's own".to_owned(),
            ChainId::Org(org) => self.owners.name(&org.to_string()).to_owned(),
        }
    }

    fn badge(chain: &ChainState) -> Badge {
        match chain.status {
            Some(status) if chain.alarm => Badge { tone: "bad", word: status.as_str() },
            _ if chain.unreadable_since.is_some() => Badge { tone: "warn", word: "unreadable" },
            Some(Status::Ok) => Badge { tone: "good", word: "whole" },
            Some(_) => Badge { tone: "", word: "empty" },
            None => Badge { tone: "", word: "not checked yet" },
        }
    }

    fn verdict(status: Status) -> Badge {
        let tone = if status == Status::Ok { "good" } else { "bad" };
        Badge { tone, word: status.as_str() }
    }

    fn colour(status: PackStatus) -> &'static str {
        match status {
            PackStatus::Pending | PackStatus::Running => "busy",
            PackStatus::Done => "good",
            PackStatus::Failed => "bad",
            PackStatus::Expired => "low",
            PackStatus::Deleted => "dim",
        }
    }

    fn bar(storage: &Storage) -> Safe<String> {
        let parts: Vec<_> =
            storage.packs.iter().map(|one| (Self::colour(one.status), one.packs)).collect();
        chart::stacked("Packs by status", &parts)
    }
}

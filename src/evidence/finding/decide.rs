//! The decisions, each in one place.

use chrono::Duration;

use super::{
    Current, Decision, Error, Event, EventKind, Resolution, Scan, Seen, Status as S, Status,
};
use crate::scan::{DriftType, ScanStatus};
use crate::time::{Time, floor_micros};

/// Long enough for a ticket number and a paragraph.
const REASON_CHARS_MAX: usize = 2000;

/// The table of states.
pub const fn may_become(from: Status, to: Status) -> bool {
    matches!(
        (from, to),
        (S::Open, S::Resolved | S::Accepted | S::FalsePositive)
            | (S::Resolved | S::Accepted | S::FalsePositive, S::Open)
    )
}

/// What a scan that shows the drift does to the finding (`None`: not known yet).
///
/// A rule that says ignore keeps a drift from becoming a finding and from coming back; a finding
/// that is open already stays open, because the drift is still there. A change of grade alone is an
/// event whatever the status.
pub fn on_seen(current: Option<&Current>, scan: Scan, seen: Seen<'_>) -> Option<Event> {
    if !moves_findings(current, scan) {
        return None;
    }
    let Some(current) = current else { return detected(scan, seen) };
    let moved = current.address != seen.address;
    let updated = current.tells_other_attributes(seen);
    let level = seen.level.unwrap_or(current.risk_level_now);
    let kind = match (current.status, seen.level) {
        (S::Resolved, Some(_)) => EventKind::Reopened,
        (S::Open, _) if updated && !moved => EventKind::Updated,
        _ if moved => EventKind::Moved,
        _ if level != current.risk_level_now => EventKind::Regraded,
        _ => return None,
    };
    let mut event = current.continued(kind, scan, seen.address);
    event.risk_level_now = level;
    if kind == EventKind::Reopened {
        event.status = S::Open;
        event.resolution = None;
        event.open_since = event.occurred_at;
    }
    if updated && event.status == S::Open {
        event.changed_attributes = seen.changed_attributes.to_vec();
    }
    Some(event)
}

/// What a scan of the source that does not show the drift does to the finding. `address` is the
/// finding's address after the scan's moves, `how` what the scan tells of how the drift went away.
pub fn on_not_seen(current: &Current, scan: Scan, address: &str, how: Resolution) -> Option<Event> {
    if !moves_findings(Some(current), scan) {
        return None;
    }
    if current.status == S::Open && scan.status == ScanStatus::Done {
        let mut event = current.continued(EventKind::Resolved, scan, address);
        event.status = S::Resolved;
        event.resolution = Some(how);
        return Some(event);
    }
    (current.address != address).then(|| current.continued(EventKind::Moved, scan, address))
}

/// What a person's decision does to the finding.
///
/// It takes place now, or a microsecond after the newest event if the clock stands before that.
pub fn on_person(
    current: &Current,
    decision: Decision,
    reason: &str,
    now: Time,
) -> Result<Event, Error> {
    let (kind, to, resolution) = match decision {
        Decision::Accept => (EventKind::Accepted, S::Accepted, Some(Resolution::AcceptedRisk)),
        Decision::FalsePositive => {
            (EventKind::FalsePositive, S::FalsePositive, Some(Resolution::FalsePositive))
        }
        Decision::Reopen => (EventKind::Reopened, S::Open, None),
    };
    // What was sent is looked at before where the finding stands.
    let reason = checked_reason(reason)?;
    // What a scan resolved, only a scan that sees it again can reopen.
    if !may_become(current.status, to) || current.status == S::Resolved {
        return Err(Error::Transition { from: current.status, to });
    }
    let occurred_at = floor_micros(now).max(current.occurred_at + Duration::microseconds(1));
    Ok(Event {
        kind,
        status: to,
        resolution,
        address: current.address.clone(),
        changed_attributes: current.changed_attributes.clone(),
        risk_level: current.risk_level,
        risk_level_now: current.risk_level_now,
        open_since: if to == S::Open { occurred_at } else { current.open_since },
        occurred_at,
        scan: None,
        reason: Some(reason),
    })
}

/// Failed and late scans say nothing about findings, nor does a scan that looked before (or at the
/// moment) the finding last changed.
fn moves_findings(current: Option<&Current>, scan: Scan) -> bool {
    scan.status != ScanStatus::Failed
        && !scan.late
        && current.is_none_or(|current| floor_micros(scan.observed_at) > current.occurred_at)
}

fn detected(scan: Scan, seen: Seen<'_>) -> Option<Event> {
    let level = seen.level?;
    let at = floor_micros(scan.observed_at);
    Some(Event {
        kind: EventKind::Detected,
        status: S::Open,
        resolution: None,
        address: seen.address.to_owned(),
        changed_attributes: seen.changed_attributes.to_vec(),
        risk_level: level,
        risk_level_now: level,
        open_since: at,
        occurred_at: at,
        scan: Some(scan.id),
        reason: None,
    })
}

fn checked_reason(reason: &str) -> Result<String, Error> {
    let reason = reason.trim();
    let printable = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    if reason.is_empty()
        || reason.chars().count() > REASON_CHARS_MAX
        || !reason.chars().all(printable)
    {
        return Err(Error::Reason);
    }
    Ok(reason.to_owned())
}

impl Current {
    /// The finding as it is, from the scan on, at `address`.
    fn continued(&self, kind: EventKind, scan: Scan, address: &str) -> Event {
        Event {
            kind,
            status: self.status,
            resolution: self.resolution,
            address: address.to_owned(),
            changed_attributes: self.changed_attributes.clone(),
            risk_level: self.risk_level,
            risk_level_now: self.risk_level_now,
            open_since: self.open_since,
            occurred_at: floor_micros(scan.observed_at),
            scan: Some(scan.id),
            reason: None,
        }
    }

    /// Some tools report that a resource changed without saying what; that is no news.
    fn tells_other_attributes(&self, seen: Seen<'_>) -> bool {
        let unknown = self.drift_type == DriftType::Changed && seen.changed_attributes.is_empty();
        !unknown && self.changed_attributes != seen.changed_attributes
    }
}

//! The timeline of a run: a row for the run, a row for each step with its attempts and the waits between them.
//!
//! Written by the server as SVG; colours come from classes, what the pointer tells from titles. The table of steps says the
//! same in words. Names of steps are anybody's text.

use std::fmt::Write as _;

use askama::filters::Safe;
use engine::{ActionView, AttemptView, RunState, RunView, StepView, Time};

use super::scale::{Scale, Span};
use crate::pages::{chart, text};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 944.0;
const TOP: f64 = 26.0;
const ROW: f64 = 26.0;
const BAR: f64 = 12.0;
/// A step of no time must be seen.
const LEAST: f64 = 3.0;
const NAME_CHARS: usize = 24;
/// Steps that are drawn; the table has more.
pub(super) const STEPS_MAX: usize = 60;
const TICKS: u8 = 5;

/// What is on record of a run, as far as it is drawn.
pub(super) struct Record<'a> {
    pub(super) run: &'a RunView,
    pub(super) steps: &'a [StepView],
    pub(super) past_steps: &'a [StepView],
    pub(super) attempts: &'a [AttemptView],
    pub(super) actions: &'a [ActionView],
    pub(super) now: Time,
}

/// A stretch of a row.
struct Bar {
    span: Span,
    class: &'static str,
    told: String,
}

struct Row {
    name: String,
    told: String,
    bars: Vec<Bar>,
}

/// The drawing.
pub(super) fn draw(record: &Record<'_>) -> Safe<String> {
    let mut rows = vec![record.whole()];
    rows.extend(record.rows());
    let busy: Vec<Span> =
        record.attempts.iter().map(|one| (one.started_at, one.ended_at)).collect();
    let span = (record.run.created_at, record.end());
    let scale = Scale::new(span, &busy, (LEFT, RIGHT));
    let height = TOP + ROW * rows_high(rows.len()) + 6.0;
    let mut svg = format!(
        r#"<svg class="chart gantt" viewBox="0 0 {WIDTH} {height}" role="img"><title>Timeline of the run: {}</title>"#,
        text::counted(rows.len() as u64 - 1, "step", "steps")
    );
    axis(&mut svg, &scale, height);
    for (n, row) in rows.iter().enumerate() {
        row.draw(&mut svg, &scale, TOP + ROW * rows_high(n));
    }
    for action in record.actions {
        let x = scale.x(action.acted_at);
        let _ = write!(
            svg,
            r#"<line class="mark" x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{height}"><title>{}</title></line>"#,
            chart::escaped(&format!("An operator: {}", action.action))
        );
    }
    svg.push_str("</svg>");
    Safe(svg)
}

impl Record<'_> {
    /// Until when it is drawn.
    fn end(&self) -> Time {
        let last = self.attempts.iter().map(|attempt| attempt.ended_at).max();
        let end = self.run.ended_at.unwrap_or(self.now);
        end.max(last.unwrap_or(end)).max(self.run.created_at)
    }

    /// The row of the run itself: waiting for a worker, then under way; what it does now.
    fn whole(&self) -> Row {
        let run = self.run;
        let bar = |span: Span, class, what: &str| Bar { span, class, told: told(what, span) };
        let Some(started) = run.started_at else {
            let span = (run.created_at, self.end());
            return Row::new("run", vec![bar(span, "wait", "Waits for a worker")]);
        };
        let mut bars = vec![bar((run.created_at, started), "wait", "Waited for a worker")];
        let last = self.attempts.iter().map(|attempt| attempt.ended_at).max();
        let last = last.unwrap_or(started).max(started);
        bars.push(bar((started, last), "area", "Under way"));
        let rest = (last, self.end());
        match run.state {
            RunState::Running => bars.push(bar(rest, "busy", "With a worker, in a step")),
            state if state.is_final() => bars.push(bar(rest, "area", "Until its end")),
            state => bars.push(bar(rest, "wait", &format!("It is {state}"))),
        }
        Row::new("run", bars)
    }

    /// A row for each step that has left a mark, in the order of their places.
    fn rows(&self) -> Vec<Row> {
        let all = self.past_steps.iter().chain(self.steps);
        let mut named: Vec<_> =
            all.map(|step| (step.seq, step.name.as_str(), step.occurrence)).collect();
        named.sort_unstable();
        named.dedup();
        named.truncate(STEPS_MAX);
        named.into_iter().map(|(_, name, occurrence)| self.row((name, occurrence))).collect()
    }

    fn row(&self, (name, occurrence): (&str, u32)) -> Row {
        let is_this = |other: &str, of: u32| other == name && of == occurrence;
        let mut bars = Vec::new();
        for step in self.past_steps.iter().filter(|step| is_this(&step.name, step.occurrence)) {
            if let (Some(ended), None) = (step.ended_at, &step.error) {
                let span = (step.started_at, ended);
                bars.push(Bar { span, class: "dim", told: told("Done, and taken back", span) });
            }
        }
        let now = self.steps.iter().find(|step| is_this(&step.name, step.occurrence));
        let waits =
            now.is_some_and(|step| matches!(step.kind.as_str(), "sleep" | "signal" | "join"));
        let mut last: Option<Time> = None;
        for attempt in self.attempts.iter().filter(|one| is_this(&one.step, one.occurrence)) {
            if let Some(last) = last
                && last < attempt.started_at
            {
                let span = (last, attempt.started_at);
                bars.push(Bar { span, class: "wait", told: told("Between two attempts", span) });
            }
            bars.push(Bar::of(attempt, waits));
            last = Some(attempt.ended_at);
        }
        if let Some(step) = now.filter(|step| matches!(step.state.as_str(), "waiting" | "retrying"))
        {
            let span = (last.unwrap_or(step.started_at), self.end());
            bars.push(Bar { span, class: "wait", told: told(waiting(step), span) });
        }
        let name =
            if occurrence == 0 { name.to_owned() } else { format!("{name} ({})", occurrence + 1) };
        Row::new(&name, bars)
    }
}

fn waiting(step: &StepView) -> &'static str {
    if step.state == "retrying" { "Waits for its next attempt" } else { "Waits" }
}

impl Bar {
    fn of(attempt: &AttemptView, waits: bool) -> Self {
        let span = (attempt.started_at, attempt.ended_at);
        let (class, what) = match &attempt.error {
            Some(error) => ("bad", format!("Attempt {}: {}", attempt.attempt, error.message)),
            None if waits => ("wait", "Waited".to_owned()),
            None => ("good", format!("Attempt {}: done", attempt.attempt)),
        };
        Self { span, class, told: told(&what, span) }
    }
}

fn told(what: &str, (from, to): Span) -> String {
    format!("{what}, {}", text::took((to - from).num_milliseconds()))
}

impl Row {
    fn new(name: &str, bars: Vec<Bar>) -> Self {
        Self { name: super::super::word::cut(name, NAME_CHARS), told: name.to_owned(), bars }
    }

    fn draw(&self, svg: &mut String, scale: &Scale, y: f64) {
        let _ = write!(
            svg,
            r#"<text class="name" x="0" y="{:.1}">{}<title>{}</title></text>"#,
            y + ROW / 2.0 + 4.0,
            chart::escaped(&self.name),
            chart::escaped(&self.told)
        );
        for bar in &self.bars {
            let (from, to) = (scale.x(bar.span.0), scale.x(bar.span.1));
            let width = (to - from).max(LEAST);
            // The last stroke of a drawing must not fall out of it.
            let from = from.min(RIGHT - width);
            let (at, class) = (y + (ROW - BAR) / 2.0, bar.class);
            let _ = write!(
                svg,
                r#"<rect class="bar {class}" x="{from:.1}" y="{at:.1}" width="{width:.1}" height="{BAR}" rx="2"><title>{}</title></rect>"#,
                chart::escaped(&bar.told)
            );
        }
    }
}

/// Times since the beginning at the top, and the stretches that are drawn shorter than they were.
fn axis(svg: &mut String, scale: &Scale, height: f64) {
    for (from, to, long) in &scale.cuts {
        let width = (to - from).max(1.0);
        let told = text::took(long.num_milliseconds());
        let _ = write!(
            svg,
            r#"<rect class="none" x="{from:.1}" y="{TOP}" width="{width:.1}" height="{:.1}"><title>{told} without work, drawn shorter</title></rect>"#,
            height - TOP
        );
    }
    for n in 0..=TICKS {
        let x = LEFT + (RIGHT - LEFT) * f64::from(n) / f64::from(TICKS);
        let label = match n {
            0 => "0".to_owned(),
            _ => format!("+{}", text::took(scale.at(x).num_milliseconds())),
        };
        let anchor = if n == TICKS { "end" } else { "middle" };
        let _ = write!(
            svg,
            r#"<line class="axis" x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{height}"/><text x="{x:.1}" y="16" text-anchor="{anchor}">{label}</text>"#
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "a drawing of a few rows")]
fn rows_high(rows: usize) -> f64 {
    rows as f64
}

#[cfg(test)]
mod tests;

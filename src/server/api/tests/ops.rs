//! The operator's pages: who may see them, that what they do is what the API does, and that nobody's text becomes a page.

use std::time::Duration;

use engine::{Clock, RunState};
use evidence::org::Role;
use poem::http::Method;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use super::errand::{Errand, Office};
use super::harness::{Answer, send};
use super::visitor::Visitor;

const ADMIN: &str = "ada@platform.example";
const OWNER: &str = "jo@acme.example";

const PAGES: [&str; 6] = [
    "/ops/runs",
    "/ops/queues",
    "/ops/schedules",
    "/ops/failures",
    "/ops/chains",
    "/ops/live/runs",
];

/// A browser that is signed in, and what its forms need.
pub(super) struct Desk {
    pub(super) office: Office,
    browser: Visitor,
    csrf_token: String,
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

impl Desk {
    pub(super) async fn open(owner: PgPool) -> Self {
        let office = Office::open(owner).await;
        Self::at(office, ADMIN, true).await
    }

    async fn at(office: Office, email: &str, is_admin: bool) -> Self {
        let mut browser = Visitor::new();
        let base = office.server.address().to_owned();
        browser.sign_in(&base, email).await;
        let set = "update users set is_platform_admin = $2 where email = $1";
        sqlx::query(set).bind(email).bind(is_admin).execute(&office.owner).await.unwrap();
        let csrf_token = browser.csrf_token(&base).await;
        Self { office, browser, csrf_token }
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.office.server.address())
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        let address = self.address(path);
        self.browser.open(&address).await
    }

    /// The page's text.
    async fn read(&mut self, path: &str) -> String {
        let page = self.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", text(&page));
        text(&page)
    }

    /// The page's text once it has all of these words: what is counted is kept for a while.
    async fn shows(&mut self, path: &str, words: &[&str]) -> String {
        let mut page = String::new();
        for _ in 0..300 {
            page = self.read(path).await;
            if words.iter().all(|word| page.contains(word)) {
                return page;
            }
            Clock::System.sleep(Duration::from_millis(100)).await;
        }
        panic!("{words:?} are not on {path}:\n{page}");
    }

    /// Sends a form under this key.
    pub(super) async fn send(&mut self, path: &str, key: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.csrf_token.clone();
        let mut form = vec![("csrf_token", token.as_str()), ("request_key", key)];
        form.extend(fields);
        let address = self.address(path);
        self.browser.post(&address, &form).await
    }

    /// Sends a form that does something: where the browser is sent.
    async fn done(&mut self, path: &str, key: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.send(path, key, fields).await;
        assert_eq!(answer.status, 303, "{path}: {}", text(&answer));
        let to = answer.header("location").to_owned();
        let page = self.read(&to).await;
        assert!(page.contains("banner good"), "{to} does not say that it was done");
        to
    }

    async fn act(&mut self, run_id: Uuid, action: &str, fields: &[(&str, &str)]) -> String {
        let key = format!("{action}-{:x}", rand::random::<u64>());
        self.done(&format!("/ops/runs/{run_id}/{action}"), &key, fields).await
    }
}

#[sqlx::test(migrations = false)]
async fn strangers_sign_in_first_owners_are_refused_and_platform_administrators_see_every_page(
    owner: PgPool,
) {
    let office = Office::open(owner).await;
    let run_id = office.failed(&office.server.org.to_string()).await;
    let of_run = [format!("/ops/runs/{run_id}"), format!("/ops/live/runs/{run_id}")];
    let pages: Vec<&str> = PAGES.into_iter().chain(of_run.iter().map(String::as_str)).collect();

    let mut stranger = Visitor::new();
    for path in &pages {
        let answer = stranger.open(&format!("{}{path}", office.server.address())).await;
        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.header("location").starts_with("/login?return_to=%2Fops"), "{path}");
    }
    let mut jo = Desk::at(office, OWNER, false).await;
    jo.office.server.set_role(OWNER, Role::Owner).await;
    let retry = format!("/ops/runs/{run_id}/retry");
    for path in &pages {
        let answer = jo.get(path).await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(!text(&answer).contains("test.errand"), "{path} tells of runs");
    }
    for path in
        [retry.as_str(), "/ops/schedules/x/run", "/ops/failures/check", "/ops/failures/redrive"]
    {
        let refused = jo.send(path, "k", &[("from", "failed"), ("workflow", "test.errand")]).await;
        assert_eq!(refused.status, 403, "{path}");
    }
    assert_eq!(jo.office.find(run_id).await.state, RunState::Failed);

    let mut ada = Desk::at(jo.office, ADMIN, true).await;
    for path in &pages {
        let page = ada.read(path).await;
        assert!(!page.contains("style="), "{path} has a style of its own");
    }
    assert_eq!(ada.get("/ops").await.header("location"), "/ops/runs");
    for path in ["/ops/runs/no-id", &format!("/ops/runs/{}", Uuid::nil())] {
        assert_eq!(ada.get(path).await.status, 404, "{path}");
    }
}

#[sqlx::test(migrations = false)]
async fn a_form_of_another_session_or_another_site_does_nothing(owner: PgPool) {
    let mut desk = Desk::open(owner).await;
    let run_id = desk.office.failed(&desk.office.server.org.to_string()).await;
    let forms = [
        (format!("/ops/runs/{run_id}/retry"), "from", "failed"),
        ("/ops/failures/redrive".to_owned(), "workflow", "test.errand"),
        ("/ops/schedules/errand.yearly/run".to_owned(), "from", ""),
    ];
    for (path, field, value) in &forms {
        let address = desk.address(path);
        for token in ["", "00"] {
            let form = [("csrf_token", token), ("request_key", "k"), (*field, *value)];
            let answer = desk.browser.post(&address, &form).await;
            assert_eq!(answer.status, 403, "{path} with the token {token:?}");
        }
        let form = format!("csrf_token={}&request_key=k&{field}={value}", desk.csrf_token);
        let request = desk.browser.request(Method::POST, &address);
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", "https://evil.example")
            .header("sec-fetch-site", "cross-site");
        assert_eq!(send(request.body(form)).await.status, 403, "{path} from another site");
    }
    assert_eq!(desk.office.find(run_id).await.state, RunState::Failed);
    assert!(desk.office.platform().await.is_empty());
}

#[sqlx::test(migrations = false)]
async fn a_failed_run_is_sent_back_from_a_step_by_a_form_and_both_logs_say_so_once(owner: PgPool) {
    let mut desk = Desk::open(owner).await;
    let acme = desk.office.server.org.to_string();
    let run_id = desk.office.failed(&acme).await;
    let page = desk.read(&format!("/ops/runs/{run_id}")).await;
    for words in ["No space left on device", "Retry from step 2", "1 step is taken back", "Acme"] {
        assert!(page.contains(words), "{words} is not in\n{page}");
    }
    let path = format!("/ops/runs/{run_id}/retry");
    for _ in 0..2 {
        let to = desk.done(&path, "one-click", &[("from", "2")]).await;
        assert_eq!(to, format!("/ops/runs/{run_id}?done=retry"));
    }
    let again = desk.send(&path, "another", &[("from", "failed")]).await;
    assert!(text(&again).contains("The run has not failed, or was sent back already."));
    desk.office.work(async || desk.office.find(run_id).await.state == RunState::Succeeded).await;

    let detail = json!({"run_id": run_id, "workflow": "test.errand", "from": 2});
    assert_eq!(desk.office.acme().await, [("workflow_run.retried".to_owned(), detail.clone())]);
    let mut with_key = detail;
    with_key["key"] = acme.into();
    assert_eq!(desk.office.platform().await, [("workflow_run.retried".to_owned(), with_key)]);
    desk.office.assert_logs_are_whole().await;
    let page = desk.read(&format!("/ops/runs/{run_id}")).await;
    assert!(page.contains("sent back 1 time") && page.contains(ADMIN), "{page}");
    assert!(!page.contains("data-live=\"/ops/live"), "nothing moves any more");
}

#[sqlx::test(migrations = false)]
async fn a_waiting_run_is_paused_resumed_signalled_and_another_cancelled_on_record(owner: PgPool) {
    let mut desk = Desk::open(owner).await;
    let run_id = desk.office.start(Errand { waits: true }, "nobody's").await;
    desk.office.work(async || desk.office.find(run_id).await.state == RunState::Waiting).await;
    let page = desk.read(&format!("/ops/runs/{run_id}")).await;
    assert!(page.contains("The run waits for the signal “approved”"), "{page}");
    desk.act(run_id, "pause", &[]).await;
    assert_eq!(desk.office.find(run_id).await.state, RunState::Paused);
    desk.act(run_id, "resume", &[]).await;
    let path = format!("/ops/runs/{run_id}/signal");
    for payload in ["{", "yes"] {
        let refused = desk.send(&path, "bad", &[("name", "approved"), ("payload", payload)]).await;
        assert_eq!(refused.status, 422);
        assert!(text(&refused).contains("the payload must be JSON"));
    }
    let refused = desk.send(&path, "none", &[("name", ""), ("payload", "1")]).await;
    assert_eq!(refused.status, 422);
    desk.act(run_id, "signal", &[("name", "approved"), ("payload", "{\"by\": \"ada\"}")]).await;
    desk.office.work(async || desk.office.find(run_id).await.state == RunState::Succeeded).await;
    assert_eq!(desk.office.find(run_id).await.output, Some(json!({"by": "ada"})));

    let other = desk.office.start(Errand { waits: true }, "").await;
    desk.act(other, "cancel", &[]).await;
    desk.office.work(async || desk.office.find(other).await.state == RunState::Cancelled).await;
    let closed =
        desk.send(&format!("/ops/runs/{other}/retry"), "late", &[("from", "failed")]).await;
    assert_eq!(closed.status, 409, "{}", text(&closed));
    assert!(text(&closed).contains("only failed runs can be retried"));
    let unknown = desk.send(&format!("/ops/runs/{other}/destroy"), "k", &[]).await;
    assert_eq!(unknown.status, 404);
    let actions: Vec<_> =
        desk.office.platform().await.into_iter().map(|(action, _)| action).collect();
    let expected = ["paused", "resumed", "signalled", "cancelled"];
    assert_eq!(actions, expected.map(|action| format!("workflow_run.{action}")));
    desk.office.assert_logs_are_whole().await;
}

#[sqlx::test(migrations = false)]
async fn failed_runs_are_sent_back_together_after_it_was_said_how_many(owner: PgPool) {
    let mut desk = Desk::open(owner).await;
    let acme = desk.office.server.org.to_string();
    let (first, second) = (desk.office.failed(&acme).await, desk.office.failed("other").await);
    desk.shows("/ops/failures", &["2 failed runs", "No space left on device"]).await;
    let like = second.to_string();
    let trial = desk.send("/ops/failures/check", "", &[("like", &like)]).await;
    let trial = text(&trial);
    assert!(trial.contains("Send 2 runs back?") && trial.contains(&first.to_string()), "{trial}");
    assert!(desk.office.platform().await.is_empty(), "a count changes nothing");
    let none = desk
        .send("/ops/failures/check", "", &[("workflow", "test.errand"), ("error", "flood")])
        .await;
    assert!(text(&none).contains("No failed run fits"));
    let all = desk.send("/ops/failures/check", "", &[]).await;
    assert_eq!(all.status, 422, "every failed run there is, is no choice");

    let fields = [("workflow", "test.errand"), ("of", "acme"), ("error", "no SPACE left")];
    for _ in 0..2 {
        let to = desk.done("/ops/failures/redrive", "one-click", &fields).await;
        assert_eq!(to, "/ops/failures?sent=1");
    }
    let states = [desk.office.find(first).await.state, desk.office.find(second).await.state];
    assert_eq!(states, [RunState::Queued, RunState::Failed]);
    let logged = desk.office.platform().await;
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert_eq!(
        (logged[0].0.as_str(), &logged[0].1["run_ids"]),
        ("workflow_run.redriven", &json!([first]))
    );
    assert_eq!(desk.office.acme().await.len(), 1);
    desk.office.assert_logs_are_whole().await;
}

#[sqlx::test(migrations = false)]
async fn a_schedule_is_run_once_per_click_paused_resumed_and_backfilled_after_a_count(
    owner: PgPool,
) {
    let mut desk = Desk::open(owner).await;
    desk.office
        .work(async || {
            let schedules = desk.office.server.state.engine.schedules().await;
            !schedules.unwrap().is_empty()
        })
        .await;
    let page = desk.read("/ops/schedules").await;
    assert!(page.contains("errand.yearly") && page.contains("0 0 1 1 *"), "{page}");
    let path = "/ops/schedules/errand.yearly";
    for _ in 0..2 {
        desk.done(&format!("{path}/run"), "one-click", &[]).await;
    }
    let schedule = desk.office.server.state.engine.schedules().await.unwrap().remove(0);
    assert_eq!(schedule.asked, 1);
    desk.done(&format!("{path}/pause"), "p", &[]).await;
    assert!(desk.read("/ops/schedules").await.contains("nothing: paused since"));
    let again = desk.send(&format!("{path}/pause"), "p2", &[]).await;
    assert!(text(&again).contains("The schedule is paused already."));
    desk.done(&format!("{path}/resume"), "r", &[]).await;

    let years = "from=2020-06-01T00:00&to=2023-01-01T00:00";
    let count = desk.read(&format!("/ops/schedules?schedule=errand.yearly&{years}")).await;
    assert!(
        count.contains("<strong>3 ticks</strong>") && count.contains("Ask for 3 runs"),
        "{count}"
    );
    let backwards = desk
        .read("/ops/schedules?schedule=errand.yearly&from=2023-01-01T00:00&to=2020-01-01T00:00")
        .await;
    assert!(backwards.contains("to must be later than from"), "{backwards}");
    let span = [("from", "2020-06-01T00:00"), ("to", "2023-01-01T00:00")];
    desk.done(&format!("{path}/backfill"), "b", &span).await;
    let schedule = desk.office.server.state.engine.schedules().await.unwrap().remove(0);
    assert_eq!(schedule.asked, 4);
    assert_eq!(desk.send("/ops/schedules/no%20such%00one/run", "k", &[]).await.status, 404);
    let actions: Vec<_> =
        desk.office.platform().await.into_iter().map(|(action, _)| action).collect();
    let expected = ["run", "paused", "resumed", "backfilled"];
    assert_eq!(actions, expected.map(|action| format!("workflow_schedule.{action}")));
}

#[sqlx::test(migrations = false)]
async fn the_list_is_filtered_and_paged_by_its_address(owner: PgPool) {
    let mut desk = Desk::open(owner).await;
    let acme = desk.office.server.org.to_string();
    let failed = desk.office.failed(&acme).await;
    let mut queued = Vec::new();
    for _ in 0..51 {
        queued.push(desk.office.start(Errand::default(), "other").await);
    }
    queued.sort_unstable();
    let shows = |page: &str, run_id: Uuid| page.contains(&format!("/ops/runs/{run_id}\""));
    let newest = desk.read("/ops/runs").await;
    assert!(shows(&newest, queued[50]) && !shows(&newest, failed));
    let next = newest.split("rel=\"next\"").next().unwrap().rsplit("href=\"").next().unwrap();
    let next = next.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    let older = desk.read(&next).await;
    assert!(shows(&older, queued[0]) && shows(&older, failed) && !shows(&older, queued[1]));
    for query in [
        "state=failed",
        "of=acme",
        &format!("of={acme}"),
        "error=space+left",
        "state=failed&workflow=test.errand",
    ] {
        let page = desk.read(&format!("/ops/runs?{query}")).await;
        assert!(shows(&page, failed) && !shows(&page, queued[50]), "{query}");
    }
    assert!(desk.read("/ops/runs?workflow=no.such").await.contains("No run fits"));
    for query in ["state=gone", "after=x", "error=%00", "workflow=%00", "of=%00"] {
        assert_eq!(desk.get(&format!("/ops/runs?{query}")).await.status, 400, "{query}");
    }
    let live = desk.get("/ops/live/runs?state=failed").await;
    assert!(shows(&text(&live), failed));
}

#[sqlx::test(migrations = false)]
async fn what_workflows_and_people_write_is_shown_as_text(owner: PgPool) {
    let mut desk = Desk::open(owner.clone()).await;
    let hostile = "<script>alert(1)</script>\" onmouseover='x";
    let run_id = desk.office.failed(hostile).await;
    desk.act(run_id, "retry", &[("from", "start")]).await;
    let signal = json!({"name": hostile, "payload": hostile, "sender_key": hostile});
    assert_eq!(desk.office.act(run_id, "signals", &signal).await.status, 200);
    let error = json!({"kind": "permanent", "code": hostile, "message": hostile, "causes": [hostile], "step": hostile});
    let other = desk.office.failed(hostile).await;
    sqlx::query("update engine.runs set error = $2::text::json where id = $1")
        .bind(other)
        .bind(error.to_string())
        .execute(&owner)
        .await
        .unwrap();
    sqlx::query("update orgs set name = $1").bind(hostile).execute(&owner).await.unwrap();
    let acme = desk.office.server.org.to_string();
    desk.office.start(Errand::default(), &acme).await;
    for path in [
        "/ops/runs".to_owned(),
        "/ops/runs?error=%3Cscript%3E".to_owned(),
        "/ops/runs?workflow=%3Cscript%3E&of=%3Cscript%3E".to_owned(),
        format!("/ops/runs/{run_id}"),
        format!("/ops/runs/{other}"),
        "/ops/queues".to_owned(),
        "/ops/failures".to_owned(),
        "/ops/schedules?schedule=%3Cscript%3E&from=%3Cscript%3E&to=%3Cscript%3E".to_owned(),
    ] {
        let page = desk.read(&path).await;
        assert!(!page.contains("<script>alert") && !page.contains("' onmouse"), "{path}\n{page}");
        assert!(!page.contains("\" onmouseover"), "{path}\n{page}");
    }
    let shown = desk.read(&format!("/ops/runs/{other}")).await;
    assert!(shown.contains("&lt;script&gt;alert(1)"), "{shown}");
    let like = other.to_string();
    let trial = desk.send("/ops/failures/check", "", &[("like", &like)]).await;
    let trial = text(&trial);
    assert!(
        trial.contains("Send 1 run back?"),
        "an error of any letters finds its own runs: {trial}"
    );
    assert!(!trial.contains("<script>alert"), "{trial}");
}

#[sqlx::test(migrations = false)]
async fn alarms_of_chains_stand_first_and_packs_are_counted(owner: PgPool) {
    let mut desk = Desk::open(owner.clone()).await;
    let calm = desk.shows("/ops/chains", &["No chain is in trouble", "To download"]).await;
    assert!(!calm.contains("role=\"alert\""), "{calm}");
    sqlx::query(
        "insert into audit_chain_states
                (chain, status, checked_at, checked_by, message, alarm_since, first_bad_seq, first_bad_kind)
         values ($1, 'broken', now(), gen_random_uuid(), 'Entry 3 was changed.', now(), 3, 'content')",
    )
    .bind(desk.office.server.org.0)
    .execute(&owner)
    .await
    .unwrap();
    let alarm = desk.read("/ops/chains").await;
    assert!(alarm.contains("1 audit chain is not as written"), "{alarm}");
    assert!(alarm.contains("Entry 3 was changed.") && alarm.contains("Acme"), "{alarm}");
}

#[sqlx::test(migrations = false)]
async fn queues_are_shown_with_what_waits_in_them_and_that_nobody_works_on_it(owner: PgPool) {
    let mut desk = Desk::open(owner).await;
    desk.shows("/ops/queues", &["No worker"]).await;
    desk.office.failed("nobody's").await;
    let acme = desk.office.server.org.to_string();
    desk.office.start(Errand::default(), &acme).await;
    let words = ["Who waits", "test.errand", "no worker runs it", "Acme", "of the last hour: 1"];
    desk.shows("/ops/live/queues", &words).await;
}

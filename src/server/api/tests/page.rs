//! Pages, as browsers get them: who sees what, what forms do, and what cannot be slipped in.

use evidence::org::{Plan, Role};
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use sqlx::PgPool;

use super::harness::{Answer, Server, cause, send};
use super::visitor::Visitor;

const PAGES: [&str; 10] = [
    "",
    "/findings",
    "/scans",
    "/compliance",
    "/audit-log",
    "/settings/members",
    "/settings/api-keys",
    "/settings/state-sources",
    "/settings/custom-rules",
    "/settings/plan",
];

/// A browser with a person of `acme` signed in.
struct Desk {
    server: Server,
    visitor: Visitor,
    csrf_token: String,
}

impl Desk {
    async fn open(pool: PgPool, plan: Plan, role: Role) -> Self {
        let server = Server::start(pool, plan).await;
        let email = format!("{role}@acme.example");
        let mut visitor = Visitor::new();
        visitor.sign_in(server.address(), &email).await;
        server.set_role(&email, role).await;
        let csrf_token = visitor.csrf_token(server.address()).await;
        Self { server, visitor, csrf_token }
    }

    fn address(&self, path: &str) -> String {
        format!("{}/orgs/acme{path}", self.server.address())
    }

    async fn get(&mut self, path: &str) -> Answer {
        let address = self.address(path);
        self.visitor.open(&address).await
    }

    async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Answer {
        let token = self.csrf_token.clone();
        let mut form = form.to_vec();
        form.push(("csrf_token", &token));
        let address = self.address(path);
        self.visitor.post(&address, &form).await
    }
}

/// As a browser sends the form with a file (RFC 7578).
fn uploading(request: RequestBuilder, desk: &Desk, token: &str, file: &str) -> RequestBuilder {
    let field = |name: &str, value: &str| {
        format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let fields = [field("csrf_token", token), field("state_source", "prod")].concat();
    let part =
        "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"plan.json\"\r\n\r\n";
    request
        .header("origin", desk.server.address())
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "multipart/form-data; boundary=b")
        .body(format!("{fields}{part}{file}\r\n--b--\r\n"))
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

#[sqlx::test(migrations = false)]
async fn a_stranger_is_sent_to_sign_in_and_comes_back(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let mut stranger = Visitor::new();
    for page in PAGES {
        let answer = stranger.open(&format!("{}/orgs/acme{page}?x=1", server.address())).await;
        assert_eq!(answer.status, 303, "{page}");
        let to = format!("/login?return_to=%2Forgs%2Facme{}%3Fx%3D1", page.replace('/', "%2F"));
        assert_eq!(answer.header("location"), to, "{page}");
    }
    let home = stranger.open(server.address()).await;
    assert!(home.status == 200 && text(&home).contains("Sign in"), "{home:?}");
}

#[sqlx::test(migrations = false)]
async fn a_viewer_sees_every_page_but_the_audit_log_and_is_told_why_buttons_do_not_work(
    pool: PgPool,
) {
    let mut desk = Desk::open(pool, Plan::Enterprise, Role::Viewer).await;
    for page in PAGES {
        let answer = desk.get(page).await;
        let expected = if page == "/audit-log" { 403 } else { 200 };
        assert_eq!(answer.status, expected, "{page}: {}", text(&answer));
    }
    let compliance = text(&desk.get("/compliance").await);
    assert!(compliance.contains("<button disabled"), "{compliance}");
    let key = desk
        .post("/settings/api-keys", &[("name", "k"), ("write", "1"), ("expires_in_days", "")])
        .await;
    assert_eq!(key.status, 403);
}

#[sqlx::test(migrations = false)]
async fn somebody_elses_organisation_looks_like_none(pool: PgPool) {
    let mut desk = Desk::open(pool, Plan::Enterprise, Role::Owner).await;
    let mut tx = desk.server.pool.begin().await.unwrap();
    db::orgs::create(&mut tx, "globex", "Globex", Plan::Team, &cause()).await.unwrap();
    tx.commit().await.unwrap();
    let base = desk.server.address().to_owned();
    let (other, none) = (
        desk.visitor.open(&format!("{base}/orgs/globex/findings")).await,
        desk.visitor.open(&format!("{base}/orgs/nobody/findings")).await,
    );
    assert_eq!((other.status, none.status), (404, 404));
    assert_eq!(text(&other), text(&none));
    let home = desk.visitor.open(&base).await;
    assert_eq!(home.header("location"), "/orgs/acme");
}

#[sqlx::test(migrations = false)]
async fn pages_run_nothing_inline_load_nothing_from_elsewhere_and_say_so(pool: PgPool) {
    let mut desk = Desk::open(pool, Plan::Enterprise, Role::Owner).await;
    for page in PAGES {
        let answer = desk.get(page).await;
        let policy = answer.header("content-security-policy").to_owned();
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
            "{page}: {policy}"
        );
        assert_eq!(
            (answer.header("x-frame-options"), answer.header("x-content-type-options")),
            ("DENY", "nosniff")
        );
        let html = text(&answer);
        assert!(
            !html.contains("&lt;span") && !html.contains("&lt;svg"),
            "{page} shows markup as text"
        );
        for inline in ["style=\"", "<style", "<script>", " onclick", " onload", "javascript:"] {
            assert!(!html.contains(inline), "{page} has {inline}");
        }
        let outside =
            html.replace(desk.server.address(), "").replace("http://www.w3.org/2000/svg", "");
        assert!(!outside.contains("http://") && !outside.contains("https://"), "{page}: {outside}");
        assert!(html.len() < 40_000, "{page}: {} bytes", html.len());
    }
}

#[sqlx::test(migrations = false)]
async fn hostile_names_are_shown_as_text(pool: PgPool) {
    let mut desk = Desk::open(pool, Plan::Enterprise, Role::Owner).await;
    let name = "<script>alert(1)</script>\"'&";
    let made = desk
        .post(
            "/settings/state-sources",
            &[("name", name), ("kind", "s3"), ("location", name), ("hours", "24"), ("active", "1")],
        )
        .await;
    assert_eq!(made.status, 303, "{}", text(&made));
    let made = desk
        .post("/settings/api-keys", &[("name", name), ("write", "1"), ("expires_in_days", "")])
        .await;
    assert_eq!(made.status, 201, "{}", text(&made));
    for page in
        ["/settings/state-sources", "/settings/api-keys", "/scans", "/findings", "/compliance", ""]
    {
        let html = text(&desk.get(page).await);
        assert!(!html.contains("<script>alert"), "{page}");
    }
    assert!(text(&desk.get("/settings/api-keys").await).contains("&lt;script&gt;alert(1)"));
}

#[sqlx::test(migrations = false)]
async fn a_long_list_comes_in_parts_with_ways_to_the_others(pool: PgPool) {
    let mut desk = Desk::open(pool, Plan::Enterprise, Role::Owner).await;
    for number in 1..=60 {
        let (name, position) = (format!("rule-{number:03}"), number.to_string());
        let form = [
            ("name", name.as_str()),
            ("position", &position),
            ("resource_pattern", "aws_*"),
            ("attribute_pattern", ""),
            ("drift_type", ""),
            ("risk_level", "low"),
            ("reason", "quiet"),
            ("enabled", "1"),
        ];
        let made = desk.post("/settings/custom-rules", &form).await;
        assert_eq!(made.status, 303, "{}", text(&made));
    }
    let first = text(&desk.get("/settings/custom-rules?done=created").await);
    let next = "<a class=\"button\" href=\"?page=2\" rel=\"next\">Next</a>";
    assert!(first.contains("1–50 of 60") && first.contains(next), "{first}");
    assert!(first.contains("rule-050") && !first.contains("rule-051"), "{first}");
    // The form for a new one proposes what comes behind all of them, on whichever part it is shown.
    let proposed = "id=\"new-position\" name=\"position\" type=\"number\" required value=\"70\"";
    assert!(first.contains(proposed), "{first}");
    let second = text(&desk.get("/settings/custom-rules?page=2").await);
    assert!(second.contains("51–60 of 60") && second.contains("rule-060"), "{second}");
    assert!(second.contains("href=\"?page=1\" rel=\"prev\"") && !second.contains("rel=\"next\""));
    // What somebody has typed, or what is gone by now, is still a page with a way back.
    for strange in ["?page=99", "?page=4294967295"] {
        let page = desk.get(&format!("/settings/custom-rules{strange}")).await;
        assert_eq!(page.status, 200, "{strange}");
        assert!(text(&page).contains("nothing here; 60 in all"), "{}", text(&page));
        assert!(text(&page).contains("href=\"?page=2\" rel=\"prev\""), "{}", text(&page));
    }
    let page = text(&desk.get("/settings/custom-rules?page=-1").await);
    assert!(page.contains("1–50 of 60"), "{page}");
}

#[sqlx::test(migrations = false)]
async fn a_form_without_the_token_of_its_session_does_nothing(pool: PgPool) {
    let mut desk = Desk::open(pool, Plan::Enterprise, Role::Owner).await;
    let before = desk.server.entries().await.len();
    let address = desk.address("/settings/members");
    let refused =
        desk.visitor.post(&address, &[("email", "eve@evil.example"), ("role", "owner")]).await;
    assert_eq!(refused.status, 403, "{}", text(&refused));
    let address = desk.address("/scans");
    for (token, file) in [("", "{}"), ("x", "{}")] {
        let request = uploading(desk.visitor.request(Method::POST, &address), &desk, token, file);
        assert_eq!(send(request).await.status, 403);
    }
    assert_eq!(desk.server.entries().await.len(), before);
}

#[sqlx::test(migrations = false)]
async fn a_plan_that_is_dropped_is_taken_in_and_its_findings_are_counted(pool: PgPool) {
    let mut desk = Desk::open(pool, Plan::Enterprise, Role::Member).await;
    let plan = json!({
        "format_version": "1.2", "terraform_version": "1.9.5", "timestamp": "2026-01-05T00:00:00Z",
        "planned_values": {}, "resource_changes": [],
        "resource_drift": [{
            "address": "aws_instance.web", "mode": "managed", "type": "aws_instance", "name": "web",
            "provider_name": "registry.terraform.io/hashicorp/aws",
            "change": {"actions": ["update"], "before": {"ami": "a"}, "after": {"ami": "b"}}
        }]
    });
    let address = desk.address("/scans");
    let token = desk.csrf_token.clone();
    let send_it = || {
        let request = desk.visitor.request(Method::POST, &address);
        send(uploading(request, &desk, &token, &plan.to_string()))
    };
    let taken = send_it().await;
    assert_eq!(taken.status, 303, "{}", text(&taken));
    let again = send_it().await;
    let (first, second) =
        (taken.header("location").to_owned(), again.header("location").to_owned());
    assert!(first.contains("opened=1") && second.contains("known=1"), "{first} {second}");
    let shown = desk.visitor.open(&format!("{}{first}", desk.server.address())).await;
    assert!(text(&shown).contains("1 opened"), "{}", text(&shown));
    let finding = text(&desk.get("/findings/1").await);
    assert!(
        finding.contains("aws_instance.web") && finding.contains("<code>ami</code>"),
        "{finding}"
    );
    assert_eq!(desk.server.actions().await.last().unwrap(), "scan.ingested");
}

#[sqlx::test(migrations = false)]
async fn a_pack_is_requested_once_however_often_the_form_is_sent(pool: PgPool) {
    let mut desk = Desk::open(pool, Plan::Enterprise, Role::Admin).await;
    let form = [("start", "2026-01-01"), ("end", "2026-01-31"), ("request_key", "k-1")];
    for _ in 0..2 {
        let answer = desk.post("/compliance", &form).await;
        assert_eq!(answer.status, 303, "{}", text(&answer));
        assert_eq!(answer.header("location"), "/orgs/acme/compliance?done=requested#packs");
    }
    let requested =
        desk.server.actions().await.into_iter().filter(|action| action == "audit_export.requested");
    assert_eq!(requested.count(), 1);
    let page = text(&desk.get("/compliance").await);
    assert!(page.contains("4 of 5 packs left") && page.contains("waiting for a worker"), "{page}");
    let refused = desk
        .post(
            "/compliance",
            &[("start", "2026-02-01"), ("end", "2026-01-01"), ("request_key", "k-2")],
        )
        .await;
    assert!(
        refused.status == 422 && text(&refused).contains("role=\"alert\""),
        "{}",
        text(&refused)
    );
}

#[sqlx::test(migrations = false)]
async fn a_plan_without_packs_shows_what_one_would_get(pool: PgPool) {
    let mut desk = Desk::open(pool, Plan::Free, Role::Owner).await;
    let page = text(&desk.get("/compliance").await);
    assert!(
        page.contains("Packs come with the Team and Enterprise plans")
            && !page.contains("Generate pack"),
        "{page}"
    );
    let refused = desk
        .post(
            "/compliance",
            &[("start", "2026-01-01"), ("end", "2026-01-31"), ("request_key", "k")],
        )
        .await;
    assert_eq!(refused.status, 402);
}

#[sqlx::test(migrations = false)]
async fn a_part_of_a_page_comes_as_events_until_its_viewer_may_not_see_it_any_more(pool: PgPool) {
    let desk = Desk::open(pool, Plan::Enterprise, Role::Viewer).await;
    let address = desk.address("/compliance/packs");
    let request = desk.visitor.request(Method::GET, &address).header("accept", "text/event-stream");
    let mut answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let first = String::from_utf8(answer.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(first.starts_with("event: part\ndata: ") && first.ends_with("\n\n"), "{first}");
    desk.server.remove("viewer@acme.example").await;
    let rest = answer.text().await.unwrap();
    assert!(rest.ends_with("event: end\ndata: \n\n"), "{rest}");
}

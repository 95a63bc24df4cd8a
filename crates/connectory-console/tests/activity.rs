//! The page of the activity: its rows, its filters, its pages, and who sees what.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../connectory-server/tests/api/support.rs"]
#[allow(dead_code, reason = "the server's tests use more of it")]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use connectory_console::Console;
use connectory_model::access::{Scope, UserLevel};
use connectory_model::limits::{ACTIVITY_FILE_ROWS, ACTIVITY_PARTS, ACTIVITY_SCANNED};
use connectory_server::{Options, ServerState, Service};
use connectory_store::{Author, AuthorKind, Change, Edit, Origin, RefusedSignIns};
use http::{Request, StatusCode, header};
use serde_json::{Value, json};

use self::support::{Answer, CLIENT_ID, SECRET, TestApp, new_client, operator};

const ACTIVITY: &str = "/console/activity";

fn console(server: Arc<ServerState>) -> Service {
    let console = Console::new(Arc::clone(&server), None).unwrap();
    Service::with_pages(server, connectory_console::routes(console))
}

async fn start() -> TestApp {
    TestApp::serving(Options { rate_limit: None, ..Options::default() }, console).await
}

async fn send(app: &TestApp, path: &str, cookie: &str, form: Option<&[(&str, &str)]>) -> Answer {
    let request = Request::builder().uri(path).header(header::COOKIE, cookie);
    let request = match form {
        Some(fields) => request
            .method("POST")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into()),
        None => request.body(Body::empty()),
    };
    app.send(request.unwrap()).await
}

/// Someone who is signed in.
struct Session<'a> {
    app: &'a TestApp,
    cookie: String,
}

impl<'a> Session<'a> {
    async fn of(app: &'a TestApp, id: &str) -> Self {
        let signed_in = send(app, "/console/sign-in", "", Some(&[("client_id", id), ("client_secret", SECRET)])).await;
        let cookie = signed_in.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        Self { app, cookie }
    }

    fn in_german(&self) -> Self {
        Self { app: self.app, cookie: format!("{}; connectory_preferences=de.auto", self.cookie) }
    }

    async fn get(&self, path: &str) -> Answer {
        send(self.app, path, &self.cookie, None).await
    }

    async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        answer.text().to_owned()
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.page("/").await;
        let token = page.split_once("name=\"csrf\" value=\"").unwrap().1.split('"').next().unwrap();
        send(self.app, path, &self.cookie, Some(&[&[("csrf", token)], fields].concat())).await
    }
}

fn rows(page: &str) -> usize {
    page.matches("<th scope=\"row\">").count()
}

/// The address of the link to the next page.
fn next_page(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("rel=\"next\" href=\"")?;
    Some(rest.split('"').next().unwrap().replace("&amp;", "&"))
}

/// Creates connectors with one commit.
async fn create_together(app: &TestApp, author: &str, names: impl IntoIterator<Item = String>) {
    let tenant = app.server.store.tenant(None).await.unwrap().unwrap().id;
    let edits = names.into_iter().map(|name| {
        let list = json!([{"name": name}]).to_string();
        let connector = connectory_model::import::from_json(list.as_bytes()).unwrap().remove(0);
        Edit::new(Change::Create, &connector, &["sourceConfigXml".to_owned()], None)
    });
    let author = Author { kind: AuthorKind::Person, id: author.to_owned(), name: None };
    app.server.store.commit(tenant, edits.collect(), Origin { author, tracking_id: None }).await.unwrap();
}

async fn refuse(app: &TestApp, minutes: impl IntoIterator<Item = i64>) {
    let tenant = app.server.store.tenant(None).await.unwrap().unwrap().id;
    let refused = |minute| RefusedSignIns {
        tenant,
        minute,
        client_id: "reader".to_owned(),
        address: "203.0.113.7".parse().unwrap(),
        count: 77,
    };
    app.server.store.add_refused_sign_ins(minutes.into_iter().map(refused).collect()).await.unwrap();
}

#[tokio::test]
async fn one_change_is_one_row_with_its_parts() {
    let app = start().await;
    let session = Session::of(&app, CLIENT_ID).await;
    create_together(&app, "ada", (0..60).map(|number| format!("C {number}"))).await;
    app.create("HR").await;
    app.put("/v3/connectors/hr/translations/de", b"a=b\n").await.ok();
    let page = session.page(&format!("{ACTIVITY}?what=changes")).await;
    assert_eq!(rows(&page), 3);
    assert!(page.contains("changed 60 connectors in one step</a>"));
    assert!(page.contains("<a href=\"/console/connectors/c-59/history\">c-59</a> · Source config"), "{page}");
    assert_eq!(page.matches("/console/connectors/c-").count(), 2 * ACTIVITY_PARTS);
    assert!(page.contains("<a href=\"/console/activity/changes/60\">and 55 more</a>"));
    assert!(page.contains("Translations (de)") && page.contains("/console/connectors/hr/history/62"));
    let change = session.page("/console/activity/changes/60").await;
    assert_eq!(rows(&change), 50);
    let older = session.page(&next_page(&change).unwrap()).await;
    assert_eq!((rows(&older), next_page(&older)), (10, None));
    for missing in ["0", "59", "99", "x", "-1"] {
        let answer = session.get(&format!("{ACTIVITY}/changes/{missing}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{missing}");
    }
    let part = session.page(&format!("{ACTIVITY}?connector=c-7")).await;
    assert!(part.contains("and 59 more") && rows(&part) == 1);
}

#[tokio::test]
async fn wrong_values_are_told_at_their_fields() {
    let app = start().await;
    let session = Session::of(&app, CLIENT_ID).await;
    for (query, id, text, german) in [
        ("what=made-up", "what-problem", "This is no choice of the list.", "Das steht nicht in der Liste."),
        ("connector=a/b", "connector-problem", "“a/b” cannot be a script name.", "„a/b“ kann kein Skriptname sein."),
        ("connector=hr&what=access", "connector-problem", "Sign-ins and access are not", "Anmeldungen und Zugriff"),
        ("from=2026-02-30", "from-problem", "This is not a day.", "Das ist kein Tag."),
        ("from=2026-05-05&to=2026-05-04", "to-problem", "The last day is before", "Der letzte Tag liegt"),
    ] {
        let path = format!("{ACTIVITY}?{query}");
        for (session, text) in [(&session, text), (&session.in_german(), german)] {
            let answer = session.get(&path).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
            let page = answer.text();
            assert!(page.contains(&format!("<p class=\"problem\" id=\"{id}\" role=\"alert\">")), "{page}");
            assert!(page.contains(&format!("aria-describedby=\"{id}\"")) && page.contains(text), "{page}");
            assert_eq!(rows(page), 0, "no result of another question");
        }
    }
    let answer = session.get(&format!("{ACTIVITY}?cursor=made-up")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    // What was asked for is in the form again.
    let page = session.page(&format!("{ACTIVITY}?who=%22Ada%22&what=translations/de&from=2026-05-04")).await;
    for told in [
        "value=\"&quot;Ada&quot;\"",
        "<option value=\"translations/de\" selected>translations/de</option>",
        "name=\"from\" value=\"2026-05-04\"",
        "Nothing matches. Remove a filter",
    ] {
        assert!(page.contains(told), "{told} in {page}");
    }
}

#[tokio::test]
async fn days_are_whole() {
    let app = start().await;
    let session = Session::of(&app, CLIENT_ID).await;
    let day = |number: i64| number * 24 * 60;
    refuse(&app, [day(1) - 1, day(1), day(2) - 1, day(2)]).await;
    let found = async |query: &str| rows(&session.page(&format!("{ACTIVITY}?what=refused&{query}")).await);
    assert_eq!(found("from=1970-01-02&to=1970-01-02").await, 2);
    assert_eq!(found("from=1970-01-02").await, 3);
    assert_eq!(found("to=1970-01-02").await, 3);
    assert_eq!(found("to=1970-01-01").await, 1);
}

#[tokio::test]
async fn those_who_manage_clients_see_who_signed_in_and_who_changed_access() {
    let app = start().await;
    app.access().create_tenant("other", &operator()).unwrap();
    for (tenant, id, scope) in [("other", "neighbour", Scope::All), ("default", "reader", Scope::ReadConnectors)] {
        app.access().create_client(tenant, &new_client(id, UserLevel::OrgAdmin, [scope].into()), &operator()).unwrap();
    }
    app.create("HR").await;
    refuse(&app, 1..=3).await;
    let [admin, reader, neighbour] =
        [Session::of(&app, CLIENT_ID).await, Session::of(&app, "reader").await, Session::of(&app, "neighbour").await];
    let fields = [("name", "n"), ("level", "ORG_ADMIN"), ("scope", "sp:scopes:all")];
    let created = admin.post("/console/clients", &fields).await;
    let new_id = created.text().split_once("id=\"new-id\">").unwrap().1.split('<').next().unwrap();
    for (path, what) in [("/console/activity/access", "access"), ("/console/activity/refused", "refused")] {
        let answer = admin.get(path).await;
        assert_eq!(answer.status, StatusCode::PERMANENT_REDIRECT, "{path}");
        let view = format!("{ACTIVITY}?what={what}");
        assert_eq!(answer.header("location"), Some(&*view));
        assert_eq!(reader.get(&view).await.status, StatusCode::FORBIDDEN);
        assert_eq!(send(&app, &view, "", None).await.status, StatusCode::SEE_OTHER);
    }
    assert_eq!(reader.get(&format!("{ACTIVITY}?what=sign_in")).await.status, StatusCode::FORBIDDEN);
    // A reader sees neither them, nor how many there are, nor that there could be any.
    let changes = reader.page(ACTIVITY).await;
    assert_eq!((rows(&changes), next_page(&changes)), (1, None));
    for hidden in ["Sign", "sign_in", "refused", "203.0.113.7", "127.0.0.1", "Address"] {
        let content = changes.split_once("<main").unwrap().1.split_once("</main>").unwrap().0;
        assert!(!content.contains(hidden), "{hidden} in {content}");
    }
    reader.post("/console/sign-out", &[]).await;
    let all = admin.page(ACTIVITY).await;
    for told in [
        "<b><span title=\"first\">client first</span></b> signed in",
        "Client · <code>127.0.0.1</code>",
        "<span title=\"reader\">client reader</span></b> signed out",
        &format!("created the client <b title=\"{new_id}\">"),
        &format!("data-copy=\"{}\"", created.header("slpt-request-id").unwrap()),
        "<span title=\"test\">test</span></b> created the tenant <code>default</code>",
        "Operator · Command line",
        "<span class=\"refused\">was refused a sign-in 77 times</span>",
        "<a href=\"/console/connectors/hr/history\">hr</a>",
    ] {
        assert!(all.contains(told), "{told} in {all}");
    }
    assert!(!all.contains("neighbour") && !neighbour.page(ACTIVITY).await.contains("reader"));
    let german = admin.in_german().page(&format!("{ACTIVITY}?what=client_created")).await;
    assert!(
        german.contains("hat den Client <b") && german.contains("<option value=\"refused\">Abgelehnte Anmeldungen")
    );
    let of_reader = admin.page(&format!("{ACTIVITY}?who=reader")).await;
    assert_eq!(of_reader.matches("was refused a sign-in").count(), 3);
}

#[tokio::test]
async fn who_is_found_by_a_part_of_the_name_without_case() {
    let app = start().await;
    let session = Session::of(&app, CLIENT_ID).await;
    for (number, author) in ["Ada Lovelace", "ADAM", "Grace"].into_iter().enumerate() {
        create_together(&app, author, [format!("C {number}")]).await;
    }
    let found = async |who: &str| {
        let page = session.page(&format!("{ACTIVITY}?what=changes&who={who}")).await;
        rows(&page)
    };
    for (who, count) in [("ada", 2), ("LOVE", 1), ("Ada+Lovelace", 1), ("adal", 0), ("%25", 0), ("rac", 1)] {
        assert_eq!(found(who).await, count, "{who}");
    }
    // The API compares whole names (D98).
    for (author, count) in [("ada", 0), ("ADAM", 1)] {
        let api: Value = app.get(&format!("/connectory/v1/activity?author={author}")).await.ok();
        assert_eq!(api.as_array().unwrap().len(), count, "{author}");
    }
    refuse(&app, [1]).await;
    assert_eq!(rows(&session.page(&format!("{ACTIVITY}?what=refused&who=EAD")).await), 1);
    assert_eq!(rows(&session.page(&format!("{ACTIVITY}?what=sign_in&who=FIRST")).await), 1);
}

#[tokio::test]
async fn the_activity_is_a_file_without_formulas() {
    let app = start().await;
    let admin = Session::of(&app, CLIENT_ID).await;
    app.create("HR").await;
    let patch = json!([{"op": "replace", "path": "/status", "value": "DEMO"}]);
    app.patch("/connectory/v1/connectors/hr", &patch).await.ok();
    create_together(&app, "=1+1", ["C".to_owned()]).await;
    let fields = [("name", "Nightly, \"export\""), ("level", "ORG_ADMIN"), ("scope", "sp:scopes:all")];
    admin.post("/console/clients", &fields).await;
    let file = admin.get(&format!("{ACTIVITY}.csv")).await;
    assert_eq!(file.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"connectory-activity.csv\""));
    let lines: Vec<_> = file.text().lines().collect();
    assert!(lines[0].starts_with("created,action,subject,name,author,"), "{}", lines[0]);
    for told in [
        ",client_created,",
        ",\"Nightly, \"\"export\"\"\",client first,first,client,",
        ",create,c,,'=1+1,'=1+1,person,sourceConfigXml,,,3,,",
        ",update,hr,,client first,first,client,status,RELEASED,DEMO,2,,",
        ",sign_in,,,client first,first,client,,,,,127.0.0.1,",
    ] {
        assert!(lines.iter().any(|line| line.contains(told)), "{told} in {}", file.text());
    }
    let filtered = admin.get(&format!("{ACTIVITY}.csv?what=status&who=FIRST")).await;
    assert_eq!(filtered.text().lines().count(), 2, "{}", filtered.text());
    assert_eq!(admin.get(&format!("{ACTIVITY}.csv?from=x")).await.status, StatusCode::BAD_REQUEST);
    let level = new_client("reader", UserLevel::OrgAdmin, [Scope::ReadConnectors].into());
    app.access().create_client("default", &level, &operator()).unwrap();
    let reader = Session::of(&app, "reader").await;
    let theirs = reader.get(&format!("{ACTIVITY}.csv")).await;
    assert_eq!(theirs.text().lines().count(), 4, "{}", theirs.text());
    assert_eq!(reader.get(&format!("{ACTIVITY}.csv?what=access")).await.status, StatusCode::FORBIDDEN);
    // The page leads to the file of what it shows.
    let page = admin.page(&format!("{ACTIVITY}?what=status")).await;
    assert!(page.contains("href=\"/console/activity.csv?what=status\""), "{page}");
}

#[tokio::test]
async fn a_file_of_the_activity_has_ten_thousand_rows_and_says_that_more_follow() {
    let app = start().await;
    let session = Session::of(&app, CLIENT_ID).await;
    refuse(&app, 1..=10).await;
    let tenant = app.server.store.tenant(None).await.unwrap().unwrap().id;
    let of = |number: i64| RefusedSignIns {
        tenant,
        minute: 100 + number,
        client_id: format!("client {}", number % 50),
        address: "203.0.113.7".parse().unwrap(),
        count: 1,
    };
    app.server.store.add_refused_sign_ins((0..9_995).map(of).collect()).await.unwrap();
    let file = session.get(&format!("{ACTIVITY}.csv")).await;
    let lines: Vec<_> = file.text().lines().collect();
    assert_eq!((lines.len(), lines[lines.len() - 1]), (ACTIVITY_FILE_ROWS + 2, ",more,,,,,,,,,,,"));
}

#[tokio::test]
async fn chips_lead_to_days_and_refusals_and_keep_the_other_filters() {
    let app = start().await;
    let session = Session::of(&app, CLIENT_ID).await;
    let page = session.page(&format!("{ACTIVITY}?who=ada&connector=hr")).await;
    let today = day_ago(0);
    for told in [
        format!("href=\"/console/activity?who=ada&amp;connector=hr&amp;from={}\"", day_ago(6)),
        format!("href=\"/console/activity?who=ada&amp;connector=hr&amp;from={}\"", day_ago(29)),
        "href=\"/console/activity?who=ada&amp;what=refused\"".to_owned(),
        "<summary class=\"filter on\">Who: ada</summary>".to_owned(),
        "<summary class=\"filter\">What</summary>".to_owned(),
    ] {
        assert!(page.contains(&told), "{told} in {page}");
    }
    let week = session.page(&format!("{ACTIVITY}?from={}", day_ago(6))).await;
    assert!(
        week.contains("<a class=\"filter on\" href=\"/console/activity\" aria-current=\"true\">Last 7 days</a>"),
        "{week}"
    );
    let wrong = session.get(&format!("{ACTIVITY}?to=x&from={today}")).await;
    assert_eq!(wrong.text().matches("<details class=\"pick\" open>").count(), 1, "{}", wrong.text());
}

/// The day some days ago, in UTC.
fn day_ago(ago: i64) -> String {
    jiff::tz::TimeZone::UTC
        .to_datetime(jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * ago))
        .date()
        .to_string()
}

#[tokio::test]
async fn a_wrong_secret_is_seen() {
    let app = start().await;
    let admin = Session::of(&app, CLIENT_ID).await;
    let wrong = [("client_id", CLIENT_ID), ("client_secret", "wrong")];
    assert_eq!(send(&app, "/console/sign-in", "", Some(&wrong)).await.status, StatusCode::UNAUTHORIZED);
    let begun = Instant::now();
    while !admin.page(&format!("{ACTIVITY}?what=refused")).await.contains("was refused a sign-in</span>") {
        assert!(begun.elapsed() < Duration::from_secs(10), "it is not there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn pages_have_every_row_once() {
    let app = start().await;
    let session = Session::of(&app, CLIENT_ID).await;
    refuse(&app, 1..=110).await;
    for number in 0..30 {
        app.create(&format!("C {number}")).await;
    }
    let (mut path, mut sizes, mut all) = (Some(ACTIVITY.to_owned()), Vec::new(), Vec::new());
    while let Some(at) = path.take() {
        let page = session.page(&at).await;
        sizes.push(rows(&page));
        assert_eq!(page.contains(">Newest</a>"), sizes.len() > 1);
        all.extend(page.split("<th scope=\"row\">").skip(1).map(|row| row.split("</tr>").next().unwrap().to_owned()));
        path = next_page(&page);
    }
    // Beside them, the tenant and its client were created, and the client signed in.
    assert_eq!(sizes, [50, 50, 43]);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 143);
    let filtered = session.page(&format!("{ACTIVITY}?what=refused&who=reader")).await;
    let next = next_page(&filtered).unwrap();
    assert!(next.starts_with("/console/activity?who=reader&what=refused&cursor="), "{next}");
}

#[tokio::test]
async fn a_search_says_how_much_it_looked_at() {
    let app = start().await;
    app.create("HR").await;
    let session = Session::of(&app, CLIENT_ID).await;
    for commit in 0..3 {
        let names = (0..ACTIVITY_SCANNED / 2).map(|part| format!("C {commit} {part}"));
        create_together(&app, "ada", names).await;
    }
    let path = format!("{ACTIVITY}?what=create&who=first");
    let page = session.page(&path).await;
    assert!(page.contains("This page looked at the last 5000 changes.") && rows(&page) == 0, "{page}");
    assert!(page.contains(">Search further back</a>"));
    let older = session.page(&next_page(&page).unwrap()).await;
    assert_eq!((rows(&older), next_page(&older)), (1, None));
    let api: Value = app.get("/connectory/v1/activity?what=create&author=first").await.ok();
    assert_eq!(api, json!([]));
}

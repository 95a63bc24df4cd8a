//! The life cycle of connectors in the console: their status and settings, what is unfinished, and deleted ones.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;

use connectory_model::access::{Scope, UserLevel};
use http::StatusCode;
use serde_json::json;

use self::browser::support::{CLIENT_ID, TestApp, new_client, operator};
use self::browser::{Browser, field, start};

const HR: &str = "/console/connectors/hr";

async fn reader(app: &TestApp) -> Browser<'_> {
    let scopes = [Scope::ReadConnectors].into();
    app.access().create_client("default", &new_client("reader", UserLevel::OrgAdmin, scopes), &operator()).unwrap();
    Browser::of(app, "reader").await
}

async fn status(app: &TestApp) -> String {
    app.get("/v3/connectors/hr").await.ok()["status"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_status_is_one_revision_and_needs_the_page_of_the_newest_one() {
    let app = start().await;
    app.create("HR").await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    let base = field(&admin.page(HR).await, "revision");
    let fields = [("revision", base.as_str()), ("status", "DEPRECATED")];
    let done = admin.post(&format!("{HR}/status"), &fields).await;
    assert_eq!(done.header("location"), Some("/console/connectors/hr?done=deprecated"));
    assert!(admin.page(done.header("location").unwrap()).await.contains("The connector is deprecated now."));
    assert_eq!(app.get("/connectory/v1/connectors/hr/revisions").await.ok()[0]["changed"], json!(["status"]));
    // The page is older than the connector.
    let late = admin.post(&format!("{HR}/status"), &[("revision", &base), ("status", "RELEASED")]).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.text().contains("Someone else changed this connector meanwhile, so its status stays."));
    assert_eq!(status(&app).await, "DEPRECATED");
    for (fields, status) in [
        (vec![("revision", late.text()), ("status", "RELEASED")], 413),
        (vec![("revision", ""), ("status", "RELEASED")], 409),
        (vec![("status", "GONE")], 400),
    ] {
        assert_eq!(admin.post(&format!("{HR}/status"), &fields).await.status.as_u16(), status, "{status}");
    }
    let built_in = admin.post("/console/connectors/jdbc/status", &[("status", "DEPRECATED")]).await;
    assert_eq!(built_in.status, StatusCode::BAD_REQUEST);
    assert!(!admin.page("/console/connectors/jdbc").await.contains("name=\"base\""));
}

#[tokio::test]
async fn settings_follow_the_rules_of_the_api_and_keep_what_was_typed() {
    let app = start().await;
    app.create("HR").await;
    app.create("Taken").await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    let path = format!("{HR}/settings");
    let base = field(&admin.page(&path).await, "base");
    let typed = |name, class_name, base| {
        [("name", name), ("type", "hr type"), ("className", class_name), ("status", "DEMO"), ("base", base)]
    };
    for (name, class_name, problem) in [
        ("TAKEN", "x.Y", "`name` is taken"),
        ("JDBC", "x.Y", "`name` is taken"),
        (" ", "x.Y", "This field must not be empty."),
        ("HR", "x\u{1}Y", "has the control character"),
    ] {
        let refused = admin.post(&path, &typed(name, class_name, &base)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.text().contains(problem) && refused.text().contains("value=\"hr type\""), "{}", refused.text());
        assert_eq!(refused.text().matches("aria-invalid").count(), 1);
    }
    let long = "x".repeat(256);
    assert_eq!(admin.post(&path, &typed(&long, "x.Y", &base)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(app.get("/connectory/v1/revisions").await.ok().as_array().unwrap().len(), 2, "nothing was changed");

    let saved = admin.post(&path, &typed("Personnel", "a.B", &base)).await;
    assert_eq!(saved.header("location"), Some("/console/connectors/hr/settings?done=saved"));
    let now = app.get("/v3/connectors/hr").await.ok();
    let members = ["name", "type", "className", "status", "directConnect"].map(|member| now[member].clone());
    assert_eq!(json!(members), json!(["Personnel", "hr type", "a.B", "DEMO", false]));
    let newest = app.get("/connectory/v1/connectors/hr/revisions").await.ok()[0].clone();
    assert_eq!(newest["changed"], json!(["name", "type", "className", "directConnect", "status"]));

    // Who began before that sees both.
    let late = admin.post(&path, &typed("People", "a.B", &base)).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.text().contains("Someone else changed this while you were editing"));
    assert!(late.text().contains("value=\"People\"") && late.text().contains("Personnel"));
    let again = admin.post(&path, &typed("Personnel", "a.B", &base)).await;
    assert_eq!(again.header("location"), Some("/console/connectors/hr/settings?done=unchanged"));
    // A change of another part is no conflict.
    let base = field(late.text(), "base");
    let patch = json!([{"op": "add", "path": "/connectorMetadata/category", "value": "x"}]);
    app.patch("/v3/connectors/hr", &patch).await.ok();
    let saved = admin.post(&path, &typed("People", "a.B", &base)).await;
    assert_eq!(saved.header("location"), Some("/console/connectors/hr/settings?done=saved"));
    // What the vendor's API refuses stays refused there.
    let patch = json!([{"op": "replace", "path": "/name", "value": "x"}]);
    app.patch("/v3/connectors/hr", &patch).await.refusal(400);
}

#[tokio::test]
async fn the_overview_says_what_is_unfinished_and_a_release_with_errors_is_a_question() {
    let app = start().await;
    app.create("HR").await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    let set = async |at: &str, value: &str| {
        let patch = json!([{"op": "add", "path": at, "value": value}]);
        app.patch("/v3/connectors/hr", &patch).await.ok();
    };
    let step = async || {
        let page = admin.page(HR).await;
        page.split_once("<span class=\"next\">").unwrap().1.split('<').next().unwrap().to_owned()
    };
    let develop = json!([{"op": "replace", "path": "/status", "value": "DEVELOPMENT"}]);
    app.patch("/connectory/v1/connectors/hr", &develop).await.ok();
    assert_eq!(step().await, "Give the form its fields.");
    let form = |field: &str| {
        format!(
            "<Form xmlns=\"http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd\" name=\"HR\" connectorName=\"HR\" type=\"SourceConfig\">\n<Menu label=\"menuLabel_a\"><Section>\n{field}\n</Section></Menu></Form>"
        )
    };
    set("/sourceConfigXml", &form("<Field name=\"a\" type=\"text\" displayName=\"key_a\" parentKey=\"b\"/>")).await;
    assert_eq!(step().await, "Fix the error in: Source config");
    let page = admin.page(HR).await;
    assert!(
        page.contains("/console/connectors/hr/documents/source-config?line=3\">")
            && page.contains("Source config, line 3:"),
        "{page}"
    );
    assert!(page.contains("href=\"/console/connectors/hr/release\""));
    let question = admin.page(&format!("{HR}/release")).await;
    assert!(question.contains("Release this connector with errors?") && question.contains("Source config, line 3:"));

    set("/sourceConfigXml", &form("<Field name=\"a\" type=\"text\" displayName=\"key_a\"/>")).await;
    let question = admin.page(&format!("{HR}/release")).await;
    assert!(question.contains("Release this connector?") && !question.contains("nevertheless"));
    assert_eq!(step().await, "Write the account schema in the source template.");
    set("/applicationXml", "<Application name=\"HR\" type=\"custom HR\" connector=\"x.Y\"><Schemas><Schema objectType=\"account\"/></Schemas></Application>").await;
    assert_eq!(step().await, "Write a short description.");
    set("/connectorMetadata/shortDesc", "People").await;
    for (locale, texts) in [("en", "key_a=A\nmenuLabel_a=M\nShortDesc=People"), ("de", "key_a=B")] {
        app.put(&format!("/v3/connectors/hr/translations/{locale}"), texts.as_bytes()).await.ok();
    }
    assert_eq!(step().await, "Translate 2 texts into German.");
    app.put("/v3/connectors/hr/translations/de", b"key_a=B\nmenuLabel_a=N\nShortDesc=Leute").await.ok();
    assert_eq!(step().await, "Release it.");
    let base = field(&admin.page(HR).await, "revision");
    admin.post(&format!("{HR}/status"), &[("revision", &base), ("status", "RELEASED")]).await;
    assert_eq!(step().await, "none, nothing is unfinished.");
}

#[tokio::test]
async fn a_deletion_is_undone_and_deleted_connectors_are_restored_with_their_history() {
    let app = start().await;
    app.create("HR").await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    let deleted = admin.post(&format!("{HR}/delete"), &[("name", "HR")]).await;
    assert_eq!(deleted.header("location"), Some("/?deleted=hr"));
    let list = admin.page("/?deleted=hr").await;
    assert!(list.contains("action=\"/console/connectors/hr/history/2/restore\"") && list.contains(">Undo<"), "{list}");
    let restored = admin.post(&format!("{HR}/history/2/restore"), &[]).await;
    assert_eq!(restored.header("location"), Some("/console/connectors/hr?done=there_again"));
    assert!(!admin.page("/?deleted=hr").await.contains(">Undo<"), "there is nothing left to undo");
    // Old pages still have the button. What is there again stays as it is.
    let again = admin.post(&format!("{HR}/history/2/restore"), &[("base", "")]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.text().contains("Nothing was restored."), "{}", again.text());
    assert!(!admin.page("/?deleted=nothing").await.contains(">Undo<"));

    app.delete("/v3/connectors/hr").await;
    let page = admin.page("/console/deleted").await;
    assert!(page.contains(">HR</a>") && page.contains("client first") && page.contains("<time datetime="), "{page}");
    assert!(!admin.page("/console/deleted?q=nothing").await.contains(">HR</a>"));
    assert!(admin.page("/console/deleted?q=hr").await.contains(">HR</a>"));
    // Another one has its name by now.
    app.create("HR").await;
    let patch = json!([{"op": "replace", "path": "/name", "value": "New"}]);
    app.delete("/v3/connectors/hr").await;
    app.create("hr 2").await;
    app.patch("/connectory/v1/connectors/hr-2", &json!([{"op": "replace", "path": "/name", "value": "hr"}])).await.ok();
    let taken = admin.post(&format!("{HR}/history/4/restore"), &[]).await;
    assert_eq!(taken.status, StatusCode::CONFLICT);
    assert!(taken.text().contains("The connector `hr-2` has the name of the deleted one."), "{}", taken.text());
    assert!(
        taken.text().contains("<a class=\"button primary\" href=\"/console/connectors/hr-2\">"),
        "{}",
        taken.text()
    );
    let page = admin.page("/console/deleted").await;
    let told = "This connector has it: <a href=\"/console/connectors/hr-2\"><code>hr-2</code></a>";
    assert!(page.contains(told) && !page.contains("/restore\""), "{page}");
    app.patch("/connectory/v1/connectors/hr-2", &patch).await.ok();
    admin.post(&format!("{HR}/history/4/restore"), &[]).await;
    let history = app.get("/connectory/v1/connectors/hr/revisions").await.ok();
    assert_eq!((&history[0]["action"], history.as_array().unwrap().len()), (&json!("restore"), 7));
    let gone = admin.page("/console/deleted").await;
    assert!(!gone.contains("/restore\"") && gone.contains("Its script name was given to another connector."), "{gone}");
}

#[tokio::test]
async fn a_deleted_connector_whose_script_name_was_given_again_is_listed() {
    let app = start().await;
    app.create("HR").await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    let count = async |path: &str| {
        let page = admin.page(path).await;
        page.split_once(">Deleted <span class=\"tab-count\">")
            .map(|(_, rest)| rest.split('<').next().unwrap().to_owned())
    };
    assert_eq!(count("/").await.as_deref(), Some("0"));
    app.delete("/v3/connectors/hr").await;
    app.create("HR").await;
    for path in ["/", "/?origin=built-in", "/console/deleted"] {
        assert_eq!(count(path).await.as_deref(), Some("1"), "{path}");
    }
    assert_eq!(count("/?q=hr").await, None, "the number would not be that of the search");
    let page = admin.page("/console/deleted?q=HR").await;
    let told = "Its script name was given to another connector. Its history has the deleted one: \
                <a href=\"/console/connectors/hr\"><code>hr</code></a> <a href=\"/console/connectors/hr/history/2\">";
    assert!(page.contains(told) && !page.contains("/restore\""), "{page}");
    // The API lists those whose script name is free (D93).
    assert_eq!(app.get("/connectory/v1/deleted-connectors").await.ok(), json!([]));
}

#[tokio::test]
async fn an_address_that_names_no_page_is_told() {
    let app = start().await;
    app.create("HR").await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    for path in ["/console/deleted", &format!("{HR}/history")] {
        for before in ["x", "-1", "1.5", "99999999999999999999"] {
            let answer = admin.get(&format!("{path}?before={before}")).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {before}");
            assert!(answer.text().contains("not that of a page with older entries"), "{}", answer.text());
        }
        admin.page(&format!("{path}?before=")).await;
        admin.page(&format!("{path}?before=7")).await;
    }
    for path in ["/?q=", "/console/deleted?q="] {
        let note = "Its first 255 characters are searched for.";
        assert!(admin.page(&format!("{path}{}", "a".repeat(256))).await.contains(note), "{path}");
        assert!(!admin.page(&format!("{path}{}", "a".repeat(255))).await.contains(note), "{path}");
    }
}

#[tokio::test]
async fn a_restore_overwrites_nothing_that_its_reader_has_not_seen() {
    let app = start().await;
    app.create("HR").await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    let change = |category: &str| json!([{"op": "add", "path": "/connectorMetadata/category", "value": category}]);
    app.patch("/v3/connectors/hr", &change("first")).await.ok();
    let base = field(&admin.page(&format!("{HR}/history/1/restore")).await, "base");
    app.patch("/v3/connectors/hr", &change("second")).await.ok();
    for base in [base.as_str(), "", "made up"] {
        let late = admin.post(&format!("{HR}/history/1/restore"), &[("base", base)]).await;
        assert_eq!(late.status, StatusCode::CONFLICT, "{base}");
    }
    assert_eq!(app.get("/v3/connectors/hr").await.ok()["connectorMetadata"]["category"], "second");
    let base = field(&admin.page(&format!("{HR}/history/1/restore")).await, "base");
    let restored = admin.post(&format!("{HR}/history/1/restore"), &[("base", &base)]).await;
    let done = "/console/connectors/hr/history?restored=4";
    assert_eq!(restored.header("location"), Some(done));
    // It is undone like any other change, until someone changes the connector.
    let page = admin.page(done).await;
    let undo = page.split_once("action=\"/console/connectors/hr/history/3/restore\"").unwrap().1;
    assert!(page.contains("The revision was restored."), "{page}");
    assert!(!reader(&app).await.page(done).await.contains("/restore\""));
    let fields = [("base", field(undo, "base")), ("back", field(undo, "back"))];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    let undone = admin.post(&format!("{HR}/history/3/restore"), &fields).await;
    assert_eq!(undone.header("location"), Some("/console/connectors/hr/history?done=undone"));
    assert_eq!(app.get("/v3/connectors/hr").await.ok()["connectorMetadata"]["category"], "second");
    assert!(!admin.page(done).await.contains("The revision was restored."), "it is not true any more");
}

#[tokio::test]
async fn texts_that_may_be_meant_in_another_way_are_told() {
    let app = start().await;
    app.create("HR").await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    let doubt = "The texts in German are stored, but they may not be what was meant: “line 1: the file begins with `{`";
    assert!(!admin.page(&format!("{HR}/translations")).await.contains(doubt));
    app.put("/v3/connectors/hr/translations/de", br#"{"a": "b"}"#).await.ok();
    assert!(admin.page(&format!("{HR}/translations")).await.contains(doubt));
}

#[tokio::test]
async fn lists_are_shared_by_their_url_with_their_tab_and_size() {
    let app = start().await;
    for at in 0..30 {
        app.create(&format!("Own {at:02}")).await;
    }
    let admin = Browser::of(&app, CLIENT_ID).await;
    let rows = |page: &str| page.matches("class=\"name\"").count();
    let all = admin.page("/").await;
    assert_eq!(rows(&all), 30);
    assert!(!all.contains(">JDBC<") && all.contains("client first"));
    assert!(all.contains("<time datetime=\"20") && all.contains(">just now</time>"));
    let first = admin.page("/?size=25").await;
    assert_eq!(rows(&first), 25);
    assert!(first.contains("href=\"/?size=25&amp;page=2\""), "{first}");
    let second = admin.page("/?size=25&page=2").await;
    assert_eq!(rows(&second), 5);
    assert!(second.contains("rel=\"prev\" href=\"/?size=25\""));
    assert_eq!(rows(&admin.page("/?size=1000000").await), 30, "another size is the usual one");
    let built_in = admin.page("/?origin=built-in&q=jdbc").await;
    assert!(
        built_in.contains(">JDBC<") && built_in.contains("Custom <span class=\"tab-count\">0</span>"),
        "{built_in}"
    );
    assert!(built_in.contains("href=\"/?q=jdbc\"") && built_in.contains("href=\"/console/deleted?q=jdbc\""));
}

#[tokio::test]
async fn a_reader_sees_no_button() {
    let app = start().await;
    app.create("HR").await;
    app.create("Gone").await;
    app.delete("/v3/connectors/gone").await;
    let reader = reader(&app).await;
    for path in [
        "/",
        "/?deleted=gone",
        "/?origin=built-in",
        "/console/deleted",
        HR,
        &format!("{HR}/settings"),
        &format!("{HR}/history/1"),
        "/console/connectors/gone/history",
    ] {
        let page = reader.page(path).await;
        let main = page.split_once("<main").unwrap().1.split_once("</main>").unwrap().0;
        let is_action = |form: &str| {
            form.starts_with(" method=\"post\"") && form.replace("<button class=\"copy\"", "").contains("<button")
        };
        let forms: Vec<_> = main.split("<form").skip(1).map(|form| form.split("</form>").next().unwrap()).collect();
        assert!(!forms.iter().any(|form| is_action(form)), "{path}: {main}");
        for action in ["/delete\"", "/console/new", "/release\"", "/restore\"", "Next step"] {
            assert!(!main.contains(action), "{path}: {action}");
        }
    }
    for (path, fields) in
        [("/status", vec![("status", "DEMO")]), ("/settings", vec![("name", "x")]), ("/history/1/restore", vec![])]
    {
        assert_eq!(reader.post(&format!("{HR}{path}"), &fields).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(reader.get(&format!("{HR}/release")).await.status, StatusCode::FORBIDDEN);
}

/// The number of connectors that the choices of a filter count together.
fn counted(page: &str, filter: &str) -> u32 {
    let select = page.split_once(&format!("name=\"{filter}\"")).unwrap().1.split("</select>").next().unwrap();
    select.split(")</option>").filter_map(|option| option.rsplit_once('(')?.1.parse::<u32>().ok()).sum()
}

#[tokio::test]
async fn the_choices_of_a_list_count_its_own_connectors() {
    let app = start().await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    let built_in = app.get("/v3/connectors?limit=250").await;
    for name in ["a", "b"] {
        app.create(name).await;
    }
    let label = json!([{"op": "add", "path": "/connectorMetadata/labels", "value": ["our own"]}]);
    app.patch("/v3/connectors/a", &label).await.ok();
    let [custom, others] = [admin.page("/").await, admin.page("/?origin=built-in").await];
    assert_eq!(counted(&custom, "type"), 2);
    assert_eq!(counted(&custom, "label"), 1);
    assert!(counted(&others, "label") > 1 && !others.contains("our own"));
    assert_eq!(counted(&others, "type"), u32::try_from(built_in.ok().as_array().unwrap().len()).unwrap());
    assert_eq!(counted(&custom, "category"), 0);
}

//! Several connectors of the list in the console: their selection, one change to all of them, and its undo.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;

use connectory_model::access::{Scope, UserLevel};
use connectory_model::limits::{EXPORT_NAMES, LIST_BACK_BYTES, RELEASES_BYTES, RELEASES_LOOKED};
use http::StatusCode;
use serde_json::{Value, json};

use self::browser::support::{Answer, CLIENT_ID, TestApp, new_client, operator};
use self::browser::{Browser, field, start};

const AB: &str = "?scriptName=a&scriptName=b";

async fn reader(app: &TestApp) -> Browser<'_> {
    let scopes = [Scope::ReadConnectors].into();
    app.access().create_client("default", &new_client("reader", UserLevel::OrgAdmin, scopes), &operator()).unwrap();
    Browser::of(app, "reader").await
}

async fn of(app: &TestApp, script_name: &str, member: &str) -> Value {
    app.get(&format!("/v3/connectors/{script_name}")).await.ok()[member].clone()
}

/// Where a form led to.
#[track_caller]
fn led(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    answer.header("location").unwrap().to_owned()
}

/// A server with the connectors a, b and c, at the revisions 1 to 3.
async fn app() -> TestApp {
    let app = start().await;
    for name in ["a", "b", "c"] {
        app.create(name).await;
    }
    app
}

#[tokio::test]
async fn rows_can_be_selected_and_have_menus_with_what_their_reader_may_do() {
    let app = app().await;
    let (admin, reader) = (Browser::of(&app, CLIENT_ID).await, reader(&app).await);
    let page = admin.page("/").await;
    assert_eq!(page.matches("name=\"scriptName\"").count(), 3);
    for part in [
        "Select a<",
        "formaction=\"/console/many/status\"",
        "formaction=\"/console/export\"",
        "href=\"/console/connectors/a/duplicate\"",
        "href=\"/console/compare?left=a\"",
        "href=\"/console/connectors/a/download\"",
        "href=\"/console/many/labels?scriptName=a\"",
        "href=\"/console/import\"",
        "aria-label=\"Actions for a\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let page = reader.page("/").await;
    assert!(page.contains("formaction=\"/console/export\"") && page.contains("Select a<"));
    for part in ["/console/many/", "/duplicate", "/console/import", "/delete\""] {
        assert!(!page.contains(part), "{part}");
    }
    let built_in = admin.page("/?origin=built-in").await;
    assert!(!built_in.contains("name=\"scriptName\"") && !built_in.contains("id=\"selection\""));
    assert!(built_in.contains("href=\"/console/connectors/jdbc/duplicate\"") && !built_in.contains("/jdbc/delete"));
}

#[tokio::test]
async fn a_status_is_one_change_that_is_undone_with_one_click_and_again() {
    let app = app().await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    let path = "/console/many/status";
    let seen = field(&admin.page(&format!("{path}{AB}")).await, "seen");
    assert_eq!(seen, "1 a/2 b");
    let done = led(&admin.post(path, &[("seen", &seen), ("status", "DEPRECATED")]).await);
    assert_eq!(done, "/?change=5&many=DEPRECATED");
    let page = admin.page(&done).await;
    assert!(page.contains("2 connectors are deprecated now.") && page.contains("/console/activity/changes/5/undo"));
    assert_eq!(of(&app, "a", "status").await, "DEPRECATED");
    let undone = led(&admin.post("/console/activity/changes/5/undo", &[("back", "list")]).await);
    assert_eq!(undone, "/?change=7&many=undone");
    assert!(admin.page(&undone).await.contains("The change to 2 connectors was undone."));
    assert_eq!(of(&app, "a", "status").await, "RELEASED");
    // What was undone has no button any more, and its page says why.
    assert!(!admin.page(&done).await.contains("/undo\""));
    let change = admin.page("/console/activity/changes/5").await;
    assert!(change.contains("It cannot be undone: ") && !change.contains("/undo\""));
    let again = led(&admin.post("/console/activity/changes/7/undo", &[]).await);
    assert_eq!(again, "/console/activity/changes/9?change=9&many=undone");
    admin.page(&again).await;
    assert_eq!(of(&app, "b", "status").await, "DEPRECATED");
    // Nothing to do is no change.
    let seen = field(&admin.page(&format!("{path}{AB}")).await, "seen");
    let nothing = led(&admin.post(path, &[("seen", &seen), ("status", "DEPRECATED")]).await);
    assert_eq!(nothing, "/?done=unchanged");
}

#[tokio::test]
async fn the_page_for_a_status_says_what_would_be_released_unfinished_within_bounds() {
    let app = app().await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    let released = admin.page("/console/many/status?scriptName=a&scriptName=b").await;
    assert!(!released.contains("What is unfinished"), "nobody releases them again");
    let develop = json!([{"op": "replace", "path": "/status", "value": "DEVELOPMENT"}]);
    for name in ["a", "b"] {
        app.patch(&format!("/connectory/v1/connectors/{name}"), &develop).await.ok();
    }
    let form = |inner: &str| {
        let inner = format!("<Menu label=\"menuLabel_a\"><Section>\n{inner}\n</Section></Menu></Form>");
        format!(
            "<Form xmlns=\"http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd\" name=\"b\" connectorName=\"b\" type=\"SourceConfig\">{inner}"
        )
    };
    let set = async |inner: &str| {
        let patch = json!([{"op": "add", "path": "/sourceConfigXml", "value": form(inner)}]);
        app.patch("/v3/connectors/b", &patch).await.ok();
    };
    set("<Field name=\"a\" type=\"text\" displayName=\"key_a\" parentKey=\"b\"/>").await;
    let page = admin.page("/console/many/status?scriptName=a&scriptName=b&scriptName=c").await;
    let list = page.split_once("What is unfinished").unwrap().1.split("</section>").next().unwrap();
    let of = |name: &str| {
        let at = list.split_once(&format!("href=\"/console/connectors/{name}/release\"")).unwrap().1;
        at.split("</li>").next().unwrap().to_owned()
    };
    assert!(of("a").contains(": 3 open<") && !of("a").contains("errors"), "{}", of("a"));
    assert!(of("b").contains("of them errors"), "{}", of("b"));
    assert!(!list.contains("/c/release") && !list.contains("This is of"), "{list}");
    // Many are looked into up to a number, and large ones up to a number of bytes.
    let mut query = String::new();
    for number in 0..=RELEASES_LOOKED {
        let name = format!("many-{number}");
        app.create(&name).await;
        app.patch(&format!("/connectory/v1/connectors/{name}"), &develop).await.ok();
        query.push_str("&scriptName=");
        query.push_str(&name);
    }
    let page = admin.page(&format!("/console/many/status?{}", &query[1..])).await;
    let [looked, all] = [RELEASES_LOOKED, RELEASES_LOOKED + 1];
    assert!(page.contains(&format!("This is of {looked} of the {all} connectors.")), "{page}");
    set(&format!("<!--{}-->", "x".repeat(RELEASES_BYTES))).await;
    let page = admin.page("/console/many/status?scriptName=a&scriptName=b").await;
    assert!(page.contains("This is of 1 of the 2 connectors."), "{page}");
}

#[tokio::test]
async fn a_change_leads_back_to_the_list_as_it_was_narrowed_and_to_no_other_page() {
    let app = app().await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    let list = admin.page("/?q=a&done=saved&sort=-name&unknown=1&change=1&many=DEMO").await;
    let back = "back=%2F%3Fq%3Da%26sort%3D-name";
    assert!(list.contains(&format!("href=\"/console/many/status?scriptName=a&amp;{back}\"")), "{list}");
    assert!(list.contains("name=\"back\" value=\"/?q=a&amp;sort=-name\""), "the bar leads back too");
    let back_to = "/?q=a&sort=-name";
    for page in ["status", "labels", "delete"] {
        let page = admin.page(&format!("/console/many/{page}{AB}&{back}")).await;
        assert_eq!(field(&page, "back").replace("&amp;", "&"), back_to);
        let cancel = page.rsplit_once(">Cancel<").unwrap().0.rsplit_once("href=").unwrap().1;
        assert_eq!(cancel, "\"/?q=a&amp;sort=-name\"");
    }
    let fields = [("seen", "1 a/2 b"), ("back", back_to), ("count", "x"), ("add", "new"), ("status", "DEMO")];
    let wrong = admin.post("/console/many/delete", &fields).await;
    assert_eq!(field(wrong.text(), "back").replace("&amp;", "&"), back_to);
    let done = led(&admin.post("/console/many/status", &fields).await);
    assert_eq!(done, "/?q=a&sort=-name&change=5&many=DEMO");
    let late = admin.post("/console/many/labels", &fields).await;
    assert_eq!((late.status, &*field(late.text(), "back").replace("&amp;", "&")), (StatusCode::CONFLICT, back_to));
    let list = admin.page(&done).await;
    assert!(list.contains("2 connectors are demos now.") && !list.contains("/console/connectors/c\""));
    let undo = list.split_once("/console/activity/changes/5/undo").unwrap().1;
    let undo = [("back", &*field(undo, "back").replace("&amp;", "&"))];
    let undone = led(&admin.post("/console/activity/changes/5/undo", &undo).await);
    assert_eq!(undone, "/?q=a&sort=-name&change=7&many=undone");
    let same = [("seen", "6 a/7 b"), ("back", back_to), ("status", "RELEASED")];
    assert_eq!(led(&admin.post("/console/many/status", &same).await), "/?q=a&sort=-name&done=unchanged");
    // No other address is one of the list.
    let long = format!("/?q={}", "x".repeat(LIST_BACK_BYTES));
    for other in ["//evil.example", "https://evil.example/?q=a", "/\\evil.example", "/console/clients", &long] {
        let back = form_urlencoded::byte_serialize(other.as_bytes()).collect::<String>();
        let page = admin.page(&format!("/console/many/status{AB}&back={back}")).await;
        assert_eq!(field(&page, "back"), "/", "{other}");
        if other.len() < LIST_BACK_BYTES {
            let same = [("seen", "6 a/7 b"), ("back", other), ("status", "RELEASED")];
            assert_eq!(led(&admin.post("/console/many/status", &same).await), "/?done=unchanged", "{other}");
        }
    }
    let change = admin.post("/console/activity/changes/7/undo", &[("back", "//evil.example")]).await;
    assert_eq!(led(&change), "/?change=9&many=undone");
}

#[tokio::test]
async fn nothing_is_changed_if_someone_else_changed_one() {
    let app = app().await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    let seen = [("seen", "1 a/2 b"), ("status", "DEMO"), ("count", "2")];
    let patch = json!([{"op": "add", "path": "/connectorMetadata/category", "value": "x"}]);
    app.patch("/v3/connectors/b", &patch).await.ok();
    for page in ["status", "labels", "delete"] {
        let fields = [seen.as_slice(), &[("add", "new")]].concat();
        let late = admin.post(&format!("/console/many/{page}"), &fields).await;
        assert_eq!(late.status, StatusCode::CONFLICT, "{page}: {}", late.text());
        assert!(late.text().contains("b was changed meanwhile, in revision 4."), "{page}");
        assert_eq!(field(late.text(), "seen"), "1 a/4 b", "the page is of the newest revisions now");
    }
    app.delete("/v3/connectors/b").await;
    let gone = admin.post("/console/many/status", &seen).await;
    assert_eq!(gone.status, StatusCode::CONFLICT);
    assert!(gone.text().contains("b was deleted meanwhile."));
    assert_eq!(of(&app, "a", "status").await, "RELEASED");
    assert_eq!(of(&app, "a", "connectorMetadata").await, json!({}));
}

#[tokio::test]
async fn labels_are_added_and_removed_within_the_limits_of_metadata() {
    let app = app().await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    let labels = json!([{"op": "add", "path": "/connectorMetadata/labels", "value": ["HR", "<b>"]}]);
    app.patch("/v3/connectors/a", &labels).await.ok();
    let path = "/console/many/labels";
    let page = admin.page(&format!("{path}{AB}")).await;
    assert!(page.contains("value=\"HR\"") && page.contains("1 of 2") && page.contains("&lt;b&gt;"));
    let seen = field(&page, "seen");
    let fields = [("seen", &*seen), ("add", "new\r\n\r\n Two words "), ("remove", "HR")];
    let done = led(&admin.post(path, &fields).await);
    assert!(admin.page(&done).await.contains("2 connectors have other labels now."));
    assert_eq!(of(&app, "a", "connectorMetadata").await["labels"], json!(["<b>", "new", "Two words"]));
    assert_eq!(of(&app, "b", "connectorMetadata").await["labels"], json!(["new", "Two words"]));
    let seen = field(&admin.page(&format!("{path}{AB}")).await, "seen");
    let many: String = (0..101).map(|number| [&number.to_string(), "\n"].concat()).collect();
    let refused = admin.post(path, &[("seen", &seen), ("add", &many)]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().contains("Nothing was changed") && refused.text().contains("a: There would be 10"));
    assert!(refused.text().contains("\n100<"), "what was typed is there again");
}

#[tokio::test]
async fn connectors_are_deleted_if_their_number_is_typed_and_come_back() {
    let app = app().await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    let path = "/console/many/delete";
    let one = admin.get(&format!("{path}?scriptName=a")).await;
    assert_eq!(led(&one), "/console/connectors/a/delete");
    let page = admin.page(&format!("{path}{AB}")).await;
    assert!(page.contains("Delete 2 connectors?"));
    let seen = field(&page, "seen");
    for count in ["", "3", "two"] {
        let wrong = admin.post(path, &[("seen", &seen), ("count", count)]).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(wrong.text().contains("Nothing was deleted: these are 2 connectors."));
    }
    let done = led(&admin.post(path, &[("seen", &seen), ("count", " 2 ")]).await);
    assert_eq!(done, "/?change=5&many=deleted");
    assert!(admin.page(&done).await.contains("2 connectors were deleted."));
    assert_eq!(app.get("/v3/connectors/a").await.status, StatusCode::NOT_FOUND);
    app.create("a").await;
    assert!(!admin.page(&done).await.contains("were deleted."), "it is not true any more");
    let late = admin.post("/console/activity/changes/5/undo", &[("back", "list")]).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.text().contains("a was changed meanwhile, in revision 6."), "{}", late.text());
    app.delete("/v3/connectors/a").await;
    let late = admin.post("/console/activity/changes/5/undo", &[]).await;
    assert_eq!(late.status, StatusCode::CONFLICT, "the newest deletion is another one");
    led(&admin.post("/console/activity/changes/7/undo", &[]).await);
    of(&app, "a", "name").await;
}

#[tokio::test]
async fn odd_selections_are_refused_and_readers_change_nothing() {
    let app = app().await;
    let (admin, reader) = (Browser::of(&app, CLIENT_ID).await, reader(&app).await);
    let too_many: String = (0..=EXPORT_NAMES).map(|number| ["&scriptName=x", &number.to_string()].concat()).collect();
    for page in ["status", "labels", "delete"] {
        let path = format!("/console/many/{page}");
        for (query, status) in
            [("", 400), ("?scriptName=nothing", 404), ("?scriptName=", 404), ("?scriptName=jdbc", 400)]
        {
            assert_eq!(admin.get(&format!("{path}{query}")).await.status.as_u16(), status, "{path}{query}");
        }
        assert_eq!(admin.get(&format!("{path}?{}", &too_many[1..])).await.status, StatusCode::BAD_REQUEST);
        for seen in ["", "a", "/"] {
            let fields = [("seen", seen), ("status", "DEMO"), ("count", "0")];
            assert_eq!(admin.post(&path, &fields).await.status, StatusCode::BAD_REQUEST, "{seen}");
        }
        let odd = [("seen", "x a"), ("status", "DEMO"), ("count", "1"), ("add", "x")];
        assert_eq!(admin.post(&path, &odd).await.status, StatusCode::CONFLICT, "{page}");
        assert_eq!(reader.get(&format!("{path}{AB}")).await.status, StatusCode::FORBIDDEN);
        let fields = [("seen", "1 a"), ("status", "DEMO"), ("count", "1"), ("add", "x")];
        assert_eq!(reader.post(&path, &fields).await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(admin.post("/console/many/status", &[("seen", "1 a"), ("status", "x")]).await.status.as_u16(), 400);
    assert_eq!(reader.post("/console/activity/changes/1/undo", &[]).await.status, StatusCode::FORBIDDEN);
    assert!(!reader.page("/console/activity/changes/1").await.contains("/undo\""));
    for change in ["0", "x", "99"] {
        let path = format!("/console/activity/changes/{change}/undo");
        assert_eq!(admin.post(&path, &[]).await.status, StatusCode::NOT_FOUND, "{change}");
    }
    assert_eq!(app.get("/connectory/v1/revisions?limit=1").await.ok()[0]["revision"], 3, "nothing was changed");
}

//! Names that look the same, and connectors that have had one name since before names were compared like this (D14).

use connectory_model::create::NewConnector;
use connectory_model::{Connector, Summary};
use connectory_server::Service;
use connectory_store::{Author, AuthorKind, Change, Edit, Holders, Origin, RevisionNumber, Store, TenantId};
use http::Method;
use serde_json::json;

use crate::support::{FORM, TestApp, form};

#[tokio::test]
async fn names_that_look_the_same_are_one_name_at_every_place_that_takes_one() {
    let app = TestApp::start().await;
    for (name, others) in [
        ("Caf\u{e9}", ["Cafe\u{301}", "CAFE\u{301}", "CAF\u{c9}"]),
        ("Straße", ["STRASSE", "strasse", "Stra\u{1e9e}e"]),
        ("\u{130}", ["I\u{307}", "i\u{307}", "\u{130}"]),
        ("ﬁx", ["FIX", "fix", "ﬁX"]),
    ] {
        let script_name = app.create(name).await;
        let free = app.create(&format!("{name} 2")).await;
        for other in others {
            let create = app.post("/v3/connectors", &json!({"name": other, "className": "x.Y"})).await.refusal(400);
            assert!(create.starts_with("`name` is taken"), "{other}: {create}");
            let rename = json!([{"op": "replace", "path": "/name", "value": other}]);
            let refusal = app.patch(&format!("/connectory/v1/connectors/{free}"), &rename).await.refusal(400);
            assert!(refusal.starts_with("`name` is taken"), "{other}: {refusal}");
            let filter = format!("/v3/connectors?custom=true&filters=name%20sw%20%22{}%22", encoded(other));
            let found = app.get(&filter).await.ok();
            assert_eq!(found.as_array().unwrap().len(), 2, "{other}: {found}");
            assert_eq!(found[0]["scriptName"], script_name);
        }
    }
    app.create("i").await;
    app.create("\u{131}").await;
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
}

/// Gives a connector a name beside its key, as a version did that compared names otherwise.
async fn rename_under_its_key(store: &Store, tenant: TenantId, before: &Connector, name: &str) {
    let renamed = Connector { name: name.to_owned(), ..before.clone() };
    let script_name = before.script_name.clone();
    let find = move |mut summaries: &mut dyn Iterator<Item = (RevisionNumber, Summary)>| {
        Iterator::find(&mut summaries, |(_, summary)| summary.script_name == script_name).map(|(number, _)| number)
    };
    let expected = store.load(tenant, find).await.unwrap().1.unwrap();
    // What was before has the name already, so that the store does not look for it.
    let edit = Edit::new(Change::Update { expected }, &renamed, &[], Some((&renamed, &Holders::default())));
    let author = Author { kind: AuthorKind::Operator, id: "other".to_owned(), name: None };
    store.commit(tenant, vec![edit], Origin { author, tracking_id: None }).await.unwrap();
}

#[tokio::test]
async fn two_of_one_name_are_read_and_changed_only_when_one_of_them_gets_another() {
    let app = TestApp::start().await;
    let (first, second) = (app.create("Caf\u{e9}").await, app.create("Caf\u{e9}s").await);
    app.create("Caf\u{e9}t").await;
    let store = app.server.store.clone();
    let tenant = store.tenants().await.unwrap()[0].id;
    let before = NewConnector::new("Caf\u{e9}s", "x.Y").build(second.parse().unwrap(), &[]);
    rename_under_its_key(&store, tenant, &before, "CAFE\u{301}").await;
    drop(store);
    let app = app.restart(Service::new).await;

    let list = app.get("/v3/connectors?custom=true&filters=name%20sw%20%22caf%C3%A9%22").await.ok();
    let listed: Vec<_> = list.as_array().unwrap().iter().map(|item| item["scriptName"].clone()).collect();
    assert_eq!(listed[..2], [json!(first), json!(second)]);
    let change = json!([{"op": "add", "path": "/connectorMetadata/a", "value": 1}]);
    let rename = |name: &str| json!([{"op": "replace", "path": "/name", "value": name}]);
    for (one, other) in [(&first, &second), (&second, &first)] {
        let path = format!("/connectors/v1/{one}");
        let detail = app.get(&path).await.ok();
        let expected = format!("`{other}` has the same name as `{one}`");
        let texts = app.call(Method::PUT, &format!("{path}/translations/de"), FORM, form("file", b"a=b")).await;
        let mut changed = detail.clone();
        changed["className"] = json!("x.Z");
        let line = json!({"scriptName": one, "revision": 4, "connector": changed}).to_string();
        let own = format!("/connectory/v1/connectors/{one}");
        for answer in [app.patch(&path, &change).await, texts, app.patch(&own, &rename("caf\u{e9}")).await] {
            let refusal = answer.refusal(400);
            assert!(refusal.starts_with(&expected), "{refusal}");
            assert!(refusal.contains("first give one of them another name"), "{refusal}");
        }
        let applied = app.call(Method::POST, "/connectory/v1/apply", "application/x-ndjson", line).await;
        assert!(applied.text().contains(&expected), "{}", applied.text());
        assert_eq!(app.get(&path).await.ok(), detail);
        // What changes nothing is no write.
        app.patch(&path, &json!([])).await.ok();
    }
    let taken = app.post("/v3/connectors", &json!({"name": "CAF\u{c9}", "className": "x.Y"})).await.refusal(400);
    assert!(taken.starts_with("`name` is taken"), "{taken}");
    app.patch(&format!("/connectory/v1/connectors/{second}"), &rename("Tea")).await.ok();
    for one in [&first, &second] {
        app.patch(&format!("/connectors/v1/{one}"), &change).await.ok();
    }
}

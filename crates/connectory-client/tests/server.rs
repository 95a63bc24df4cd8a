//! Every operation against a real server, in this process, over the network.

#![allow(clippy::unwrap_used, reason = "a test fails where something is wrong")]

mod support;

use std::collections::HashSet;
use std::time::Duration;

use connectory_client::{
    Capability, Client, DocumentKind, ETag, Environment, Error, Filter, Locale, NewConnector, Open, Retries, Status,
    UpdateStatus, Writes,
};
use connectory_server::Options;
use futures_util::TryStreamExt;
use serde_json::json;

use crate::support::{Server, unlimited};

#[tokio::test]
async fn every_operation_on_one_connector() {
    let server = Server::start(unlimited()).await;
    for path in ["v3/connectors", "v2025/connectors", "/connectors/v1/"] {
        let client = Client::builder(server.environment.clone()).api_path(path).build().unwrap();
        let new = NewConnector { direct_connect: false, ..NewConnector::new("HR system", "x.Y") };
        let created = client.create(&new).await.unwrap();
        assert_eq!((created.script_name.as_str(), created.direct_connect), ("hr-system", false));
        assert_eq!(created.connector_type, "custom HR system");

        let form = client.document("hr-system", DocumentKind::SourceConfig).await.unwrap();
        let changed = String::from_utf8(form).unwrap().replace("<Form ", "<Form  ");
        let kind = DocumentKind::SourceConfig;
        let update = client.set_document("hr-system", kind, changed.as_bytes()).await.unwrap();
        assert_eq!(update.status, Open::Known(UpdateStatus::Updated));
        let refused = client.set_document("hr-system", kind, b"<Form/>").await.unwrap();
        assert_eq!(refused.status, Open::Known(UpdateStatus::Error));
        assert!(refused.message.unwrap().starts_with("unsupported xsd version"));

        client.set_translations("hr-system", Locale::De, b"ShortDesc=Personal\n").await.unwrap();
        assert_eq!(client.translations("hr-system", Locale::De).await.unwrap(), b"ShortDesc=Personal\n");

        let patch = serde_json::from_str(r#"[{"op": "add", "path": "/connectorMetadata/category", "value": "HR"}]"#);
        let patched = client.patch("hr-system", &patch.unwrap()).await.unwrap();
        assert_eq!(patched.connector_metadata["category"], "HR");
        assert_eq!(patched.source_config_xml, changed);
        assert!(patched.is_custom());
        let detail = client.get("hr-system", Some(Locale::De)).await.unwrap();
        assert_eq!(detail.translation_properties[&Open::Known(Locale::De)], "ShortDesc=Personal\n");
        let filter = Filter::category("hr").and(!Filter::direct_connect(true));
        let listed = client.list().filter(filter).locale(Locale::De).all().await.unwrap();
        assert_eq!(listed[0].connector_metadata["shortDesc"], "Personal");

        let patch = r#"[{"op": "replace", "path": "/name", "value": "People"}, {"op": "replace", "path": "/status", "value": "DEMO"}]"#;
        let renamed = client.update_in_place("hr-system", &serde_json::from_str(patch).unwrap()).await.unwrap();
        assert_eq!((renamed.name.as_str(), renamed.script_name.as_str()), ("People", "hr-system"));
        assert_eq!(client.get("hr-system", None).await.unwrap().status, Open::Known(Status::Demo));

        client.delete("hr-system").await.unwrap();
        let error = client.get("hr-system", None).await.unwrap_err();
        assert!(error.is_not_found());
        let tracking_id = error.api_error().unwrap().tracking_id().unwrap().to_owned();
        assert!(error.to_string().ends_with(&format!("(tracking id {tracking_id})")), "{error}");
    }
}

#[tokio::test]
async fn the_service_tells_its_capabilities_and_limits() {
    let server = Server::start(Options { max_document: 1000, ..unlimited() }).await;
    let service = server.client().service_info().await.unwrap().unwrap();
    assert_eq!(service.name, "connectory");
    assert_eq!((service.limits.max_document_bytes, service.limits.rate_limit), (1000, None));
    assert!(service.has(Capability::Statuses) && service.has(Capability::ConditionalRequests));
}

#[tokio::test]
async fn only_what_is_new_is_read() {
    let server = Server::start(unlimited()).await;
    let client = server.client();
    client.create(&NewConnector::new("HR", "x.Y")).await.unwrap();
    client.set_translations("hr", Locale::En, b"ShortDesc=People\n").await.unwrap();
    let kind = DocumentKind::CorrelationConfig;
    let detail = client.get_tagged("hr", Some(Locale::De)).await.unwrap();
    let document = client.document_tagged("hr", kind).await.unwrap();
    let texts = client.translations_tagged("hr", Locale::De).await.unwrap();
    let list = || client.list().custom(true);
    let page = list().page_tagged().await.unwrap();
    assert_eq!(detail.value.name, "HR");
    assert!(detail.etag.as_ref().unwrap().as_str().starts_with("\"2."));
    let known = client.if_none_match(detail.etag.as_ref());
    assert!(known.get("hr", Some(Locale::De)).await.unwrap().is_none());
    assert_eq!(client.if_none_match(None).get("hr", Some(Locale::De)).await.unwrap(), Some(detail.clone()));
    assert!(client.if_none_match(document.etag.as_ref()).document("hr", kind).await.unwrap().is_none());
    assert!(client.if_none_match(texts.etag.as_ref()).translations("hr", Locale::De).await.unwrap().is_none());
    assert!(list().page_if_none_match(page.etag.as_ref()).await.unwrap().is_none());

    client.set_translations("hr", Locale::De, b"ShortDesc=Leute\n").await.unwrap();
    assert!(known.get("hr", Some(Locale::De)).await.unwrap().is_some_and(|read| read.etag != detail.etag));
    assert!(client.if_none_match(document.etag.as_ref()).document("hr", kind).await.unwrap().is_none());
    let read = client.if_none_match(texts.etag.as_ref()).translations("hr", Locale::De).await.unwrap();
    assert_eq!(read.unwrap().value, b"ShortDesc=Leute\n");
    let read = list().page_if_none_match(page.etag.as_ref()).await.unwrap().unwrap();
    assert_eq!((read.value.len(), read.etag != page.etag), (1, true));
}

#[tokio::test]
async fn changes_are_made_only_of_what_was_read() {
    let server = Server::start(unlimited()).await;
    let client = server.client();
    client.create(&NewConnector::new("HR", "x.Y")).await.unwrap();
    let category = |value: &str| {
        let patch = json!([{"op": "add", "path": "/connectorMetadata/category", "value": value}]);
        serde_json::from_value(patch).unwrap()
    };
    let in_place = serde_json::from_str(r#"[{"op": "replace", "path": "/status", "value": "DEMO"}]"#).unwrap();
    let old = client.get_tagged("hr", None).await.unwrap().etag.unwrap();
    client.if_match(&old).patch("hr", &category("a")).await.unwrap();
    let read = client.get_tagged("hr", None).await.unwrap().etag.unwrap();
    let kind = DocumentKind::CorrelationConfig;
    let changed = client.if_match(&old);
    for error in [
        changed.patch("hr", &category("b")).await.map(drop).unwrap_err(),
        changed.update_in_place("hr", &in_place).await.map(drop).unwrap_err(),
        changed.set_document("hr", kind, b"<CorrelationConfig/>").await.map(drop).unwrap_err(),
        changed.set_translations("hr", Locale::De, b"a=b").await.map(drop).unwrap_err(),
        changed.delete("hr").await.unwrap_err(),
    ] {
        assert_eq!(error.api_error().unwrap().status.as_u16(), 412);
        let Error::Changed { etag, .. } = &error else { panic!("{error}") };
        assert!(etag.is_some());
        let text = error.to_string();
        assert!(text.contains("412 Precondition Failed: the connector is at revision 2"), "{text}");
    }
    let Error::Changed { etag, .. } = changed.delete("hr").await.unwrap_err() else { panic!("another error") };
    let shapes = |tag: &ETag| tag.as_str().split_once('.').unwrap().0.to_owned();
    assert_eq!(shapes(&etag.unwrap()), shapes(&read));

    let document = client.document_tagged("hr", kind).await.unwrap().etag.unwrap();
    client.if_match(&read).set_translations("hr", Locale::De, b"a=b").await.unwrap();
    client.if_match(&document).set_document("hr", kind, b"<CorrelationConfig/>").await.unwrap();
    let read = client.get_tagged("hr", None).await.unwrap().etag.unwrap();
    client.if_match(&read).update_in_place("hr", &in_place).await.unwrap();
    let read = client.get_tagged("hr", None).await.unwrap().etag.unwrap();
    client.if_match(&read).delete("hr").await.unwrap();
}

#[tokio::test]
async fn a_list_is_fetched_page_by_page_and_counted() {
    let server = Server::start(unlimited()).await;
    let client = server.client();
    for n in 0..7 {
        let status = if n == 6 { Status::Demo } else { Status::Released };
        client.create(&NewConnector { status, ..NewConnector::new(format!("Mine {n}"), "x.Y") }).await.unwrap();
    }
    let mine = || client.list().filter(Filter::name().starts_with("mine")).page_size(3);
    let names: Vec<_> = mine().stream().map_ok(|item| item.name).try_collect().await.unwrap();
    assert_eq!(names, ["Mine 0", "Mine 1", "Mine 2", "Mine 3", "Mine 4", "Mine 5"]);
    assert_eq!((mine().count().await.unwrap(), mine().offset(4).page().await.unwrap().len()), (6, 2));
    let demos = client.list().custom(true).statuses(&[Status::Demo]).all().await.unwrap();
    assert_eq!(demos.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), ["Mine 6"]);
    let found = client.list().custom(true).search(&"MINE 3".parse().unwrap()).await.unwrap();
    assert!(found.has_descriptions());
    assert_eq!((found.clone().count().await.unwrap(), found.all().await.unwrap()[0].name.as_str()), (1, "Mine 3"));
    let described = client.list().search(&"rfc 7643".parse().unwrap()).await.unwrap();
    assert_eq!(described.all().await.unwrap().len(), 1);
    let all: HashSet<_> = client.list().all().await.unwrap().into_iter().map(|item| item.script_name).collect();
    assert!(all.len() > 6, "built-in ones as well");
}

#[tokio::test]
async fn many_calls_pass_under_the_rate_limit() {
    let server = Server::start(Options { rate_limit: Some("20/1s".parse().unwrap()), ..Options::default() }).await;
    let retries = Retries { rate_limited: 20, writes: Writes::RateLimited, ..Retries::default() };
    let client = Client::builder(server.environment.clone()).retries(retries).build().unwrap();
    let creates = (0..60).map(|n| {
        let client = client.clone();
        tokio::spawn(async move { client.create(&NewConnector::new(format!("C {n}"), "x.Y")).await.map(drop) })
    });
    for created in creates.collect::<Vec<_>>() {
        created.await.unwrap().unwrap();
    }
    assert_eq!(client.list().custom(true).count().await.unwrap(), 60);
}

#[tokio::test]
async fn a_wrong_secret_is_an_authentication_error() {
    let server = Server::start(unlimited()).await;
    let environment = Environment { client_secret: "wrong".to_owned(), ..server.environment.clone() };
    let error = Client::builder(environment).build().unwrap().list().page().await.unwrap_err();
    assert!(matches!(error, Error::Authentication { .. }), "{error}");
    assert!(error.to_string().starts_with("the service did not accept the API client `id`: "), "{error}");
    let error = server.client().get("../translations", None).await.unwrap_err();
    assert!(matches!(error, Error::Api(_)), "{error}");
}

#[test]
fn the_blocking_client_has_the_same_operations() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(Server::start(unlimited()));
    let client = connectory_client::blocking::Client::new(
        Client::builder(server.environment.clone()).timeout(Duration::from_secs(20)).build().unwrap(),
    );
    client.create(&NewConnector::new("HR", "x.Y")).unwrap();
    assert_eq!(client.get("hr", None).unwrap().name, "HR");
    assert_eq!(client.list(|list| list.custom(true)).unwrap().len(), 1);
    let read = client.wait(async |client| client.get_tagged("hr", None).await).unwrap().etag.unwrap();
    client.wait(async |client| client.if_match(&read).delete("hr").await).unwrap();
    assert_eq!(client.count(|list| list.custom(true)).unwrap(), 0);
}

//! Content codings of answers and of requests (D80, D81).

use std::io::{Read, Write};

use axum::body::Body;
use connectory_model::Locale;
use connectory_model::wire::DetailShape;
use connectory_server::Options;
use connectory_server::http::coding::{Accepted, Coding};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use serde_json::json;

use crate::support::{Answer, CLIENT_ID, FORM, SECRET, TestApp, form};

const LIST: &str = "/v2025/connectors";

async fn ask(app: &TestApp, method: Method, path: &str, headers: &[(header::HeaderName, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header(header::AUTHORIZATION, app.authorization());
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    app.send(request.body(Body::empty()).unwrap()).await
}

/// The bytes of an answer without its coding.
fn decoded(answer: &Answer) -> Vec<u8> {
    match answer.header("content-encoding") {
        None => answer.body.clone(),
        Some("gzip") => {
            let mut bytes = Vec::new();
            GzDecoder::new(answer.body.as_slice()).read_to_end(&mut bytes).unwrap();
            bytes
        }
        Some("zstd") => zstd::decode_all(answer.body.as_slice()).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A source config with so many bytes of a comment.
fn source_config(bytes: usize) -> String {
    let comment: String = (0..bytes / 8).flat_map(|n| format!("{n:8}").into_bytes()).map(char::from).collect();
    format!("<Form xmlns=\"http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd\" name=\"HR\"><!--{comment}--></Form>")
}

#[tokio::test]
async fn an_answer_is_compressed_for_whoever_asks_and_has_a_tag_of_its_own() {
    let app = TestApp::start().await;
    app.create("HR").await;
    // Some are compressed at once, others on a thread.
    for bytes in [2000, 200_000] {
        app.put(&format!("{LIST}/hr/source-config"), source_config(bytes).as_bytes()).await.ok();
        app.put(&format!("{LIST}/hr/translations/de"), "a=b\n".repeat(500).as_bytes()).await.ok();
        for path in [
            LIST.to_owned(),
            format!("{LIST}?custom=false&count=true"),
            "/v3/connectors".to_owned(),
            "/beta/connectors".to_owned(),
            format!("{LIST}/hr"),
            "/connectors/v1/hr".to_owned(),
            format!("{LIST}/hr/source-config"),
            format!("{LIST}/hr/translations/de"),
            "/connectory/v1/connectors/hr/revisions/1".to_owned(),
        ] {
            let plain = ask(&app, Method::GET, &path, &[]).await;
            assert!(plain.body.len() >= 1024, "{path}: {}", plain.text());
            assert_eq!((plain.header("content-encoding"), plain.header("vary")), (None, Some("Accept-Encoding")));
            let tag = plain.header("etag").unwrap().to_owned();
            // The second time it is cached.
            for (accepted, coding) in
                [("zstd", "zstd"), ("gzip, deflate, br", "gzip"), ("gzip, zstd", "zstd"), ("gzip", "gzip")]
            {
                let own = format!("{}-{coding}\"", tag.strip_suffix('"').unwrap());
                let asked = async |method, more: Option<&str>| {
                    let headers =
                        [(header::ACCEPT_ENCODING, accepted), (header::IF_NONE_MATCH, more.unwrap_or_default())];
                    ask(&app, method, &path, &headers[..=usize::from(more.is_some())]).await
                };
                let answer = asked(Method::GET, None).await;
                assert_eq!(answer.header("content-encoding"), Some(coding), "{path} {accepted}");
                assert_eq!(answer.header("vary"), Some("Accept-Encoding"), "{path}");
                assert_eq!(answer.header("etag"), Some(&*own), "{path}");
                assert_eq!(answer.header("content-type"), plain.header("content-type"), "{path}");
                assert_eq!(answer.header("x-total-count"), plain.header("x-total-count"), "{path}");
                assert!(answer.body.len() < plain.body.len() / 2, "{path}");
                assert_eq!(decoded(&answer), plain.body, "{path}");
                let head = asked(Method::HEAD, None).await;
                assert_eq!(head.header("content-encoding"), Some(coding), "{path}");
                assert_eq!((head.header("etag"), head.body.len()), (Some(&*own), 0), "{path}");
                let length = head.header("content-length").map(|length| length.parse().unwrap());
                assert!(length.is_none_or(|length: usize| length == answer.body.len()), "{path}: {length:?}");
                for method in [Method::GET, Method::HEAD] {
                    let unchanged = asked(method.clone(), Some(&own)).await;
                    assert_eq!((unchanged.status.as_u16(), unchanged.body.len()), (304, 0), "{path}");
                    assert_eq!(
                        (unchanged.header("etag"), unchanged.header("vary")),
                        (Some(&*own), Some("Accept-Encoding"))
                    );
                    assert_eq!(unchanged.header("content-encoding"), None, "{path}");
                    let other = asked(method, Some(&tag)).await;
                    assert_eq!(other.status.as_u16(), 200, "{path}: it is the tag of other bytes");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_change_takes_the_tag_of_what_was_read_in_any_coding() {
    let app = TestApp::start().await;
    app.create("HR").await;
    let document = format!("{LIST}/hr/source-config");
    app.put(&document, source_config(4000).as_bytes()).await.ok();
    for (n, coding) in ["gzip", "zstd"].into_iter().enumerate() {
        for path in [&document, &format!("{LIST}/hr")] {
            let read = ask(&app, Method::GET, path, &[(header::ACCEPT_ENCODING, coding)]).await;
            let tag = read.header("etag").unwrap();
            assert!(tag.ends_with(&format!("-{coding}\"")));
            let put = |tag: &str, bytes: usize| {
                let request = Request::put(&document)
                    .header(header::AUTHORIZATION, app.authorization())
                    .header(header::CONTENT_TYPE, FORM)
                    .header(header::IF_MATCH, tag);
                app.send(request.body(form("file", source_config(bytes).as_bytes()).into()).unwrap())
            };
            assert_eq!(put(tag, 5000 + 1000 * n + path.len() * 8).await.ok()["status"], "UPDATED");
            put(tag, 9000).await.refusal(412);
        }
    }
}

#[tokio::test]
async fn pages_and_details_are_kept_compressed() {
    let app = TestApp::start().await;
    app.create("HR").await;
    app.put(&format!("{LIST}/hr/source-config"), source_config(200_000).as_bytes()).await.ok();
    let tenant = app.server.catalog.tenant(app.server.store.tenant(None).await.unwrap().unwrap().id).await.unwrap();
    let source = tenant.entry(&"hr".parse().unwrap()).unwrap().source;
    let key = (source, Locale::En, DetailShape::Plain);
    for (name, coding) in [("gzip", Coding::Gzip), ("zstd", Coding::Zstd)] {
        let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(name))]);
        let accepted = Accepted::of(&headers);
        for query in ["custom=false", ""] {
            assert!(app.server.catalog.cached_page(&tenant, query, accepted).is_none());
            let path = if query.is_empty() { LIST.to_owned() } else { format!("{LIST}?{query}") };
            let answer = ask(&app, Method::GET, &path, &[(header::ACCEPT_ENCODING, name)]).await;
            let kept = app.server.catalog.cached_page(&tenant, query, accepted).unwrap();
            assert_eq!((kept.coding, &*kept.json), (coding, answer.body.as_slice()));
        }
        assert!(app.server.catalog.cached_detail(&tenant, &key, accepted).is_none());
        let answer = ask(&app, Method::GET, &format!("{LIST}/hr"), &[(header::ACCEPT_ENCODING, name)]).await;
        let kept = app.server.catalog.cached_detail(&tenant, &key, accepted).unwrap();
        assert_eq!((kept.coding, &*kept.json), (coding, answer.body.as_slice()));
    }
    // They are there beside the plain ones.
    assert_eq!(app.server.catalog.cached_page(&tenant, "", Accepted::PLAIN).unwrap().coding, Coding::Identity);
}

#[tokio::test]
async fn small_answers_errors_tokens_and_streams_are_sent_as_they_are() {
    let app = TestApp::start().await;
    app.create("HR").await;
    let coding = async |path: &str, accepted: &str| {
        let answer = ask(&app, Method::GET, path, &[(header::ACCEPT_ENCODING, accepted)]).await;
        (answer.status.as_u16(), answer.header("content-encoding").map(str::to_owned))
    };
    let small = format!("{LIST}?custom=true");
    assert_eq!(coding(&small, "gzip, zstd").await, (200, None));
    for _ in 0..2 {
        assert_eq!(coding(&small, "gzip, identity;q=0").await, (200, Some("gzip".to_owned())), "it asks not to");
        assert_eq!(coding(&small, "*;q=0.5, identity;q=0").await, (200, Some("gzip".to_owned())));
    }
    assert_eq!(coding(LIST, "identity;q=0, br").await, (200, None), "there is nothing that it accepts");
    let long = format!("{LIST}?filters={}", "x".repeat(3000));
    assert_eq!(coding(&long, "gzip").await, (400, None));
    let token = Request::post(format!(
        "/oauth/token?grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={}",
        form_urlencoded::byte_serialize(SECRET.as_bytes()).collect::<String>()
    ));
    let token =
        app.send(token.header(header::ACCEPT_ENCODING, "gzip, identity;q=0").body(Body::empty()).unwrap()).await;
    assert_eq!((token.status, token.header("content-encoding")), (StatusCode::OK, None));
    let events = Request::get("/connectory/v1/events").header(header::AUTHORIZATION, app.authorization());
    let events = events.header(header::ACCEPT_ENCODING, "gzip, identity;q=0").header(header::HOST, "a");
    let events = app.service().answer(events.body(Body::empty()).unwrap(), [127, 0, 0, 1].into()).await;
    assert_eq!((events.status(), events.headers().get(header::CONTENT_ENCODING)), (StatusCode::OK, None));
}

type Encode = fn(&[u8]) -> Vec<u8>;

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn as_is(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

async fn send(app: &TestApp, (method, path, media): (Method, &str, &str), coding: &str, body: Vec<u8>) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, media);
    if path != "/oauth/token" {
        request = request.header(header::AUTHORIZATION, app.authorization());
    }
    request = request.header(header::CONTENT_LENGTH, body.len());
    app.send(request.header(header::CONTENT_ENCODING, coding).body(body.into()).unwrap()).await
}

#[tokio::test]
async fn the_body_of_a_request_may_be_compressed() {
    let app = TestApp::start().await;
    let codings: [(&str, Encode); 8] = [
        ("gzip", gzip),
        ("X-GZip", gzip),
        ("deflate", zlib),
        ("deflate", raw_deflate),
        ("zstd", zstd),
        ("identity", as_is),
        ("", as_is),
        ("identity, gzip", gzip),
    ];
    let pairs = [("grant_type", "client_credentials"), ("client_id", CLIENT_ID), ("client_secret", SECRET)];
    let token = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    for (n, (coding, encode)) in codings.into_iter().enumerate() {
        let name = format!("HR {n}");
        let body = json!({"name": name, "className": "x.Y"}).to_string();
        let created = send(&app, (Method::POST, LIST, "application/json"), coding, encode(body.as_bytes())).await.ok();
        let path = format!("{LIST}/{}", created["scriptName"].as_str().unwrap());
        let file = source_config(100_000);
        let put = (Method::PUT, &*format!("{path}/source-config"), FORM);
        assert_eq!(send(&app, put, coding, encode(&form("file", file.as_bytes()))).await.ok()["status"], "UPDATED");
        assert_eq!(app.get(&format!("{path}/source-config")).await.text(), file);
        let put = (Method::PUT, &*format!("{path}/translations/de"), FORM);
        assert_eq!(send(&app, put, coding, encode(&form("file", b"a=b"))).await.ok()["status"], "UPDATED");
        let patch = json!([{"op": "add", "path": "/connectorMetadata/shortDesc", "value": coding}]).to_string();
        let asked = (Method::PATCH, &*path, "application/json-patch+json");
        let patched = send(&app, asked, coding, encode(patch.as_bytes())).await.ok();
        assert_eq!(patched["connectorMetadata"]["shortDesc"], coding);
        let own = format!("/connectory/v1/connectors/hr-{n}");
        let patch = json!([{"op": "replace", "path": "/type", "value": format!("type {n}")}]).to_string();
        let asked = (Method::PATCH, &*own, "application/json-patch+json");
        assert_eq!(send(&app, asked, coding, encode(patch.as_bytes())).await.ok()["type"], format!("type {n}"));
        let line = json!({"scriptName": format!("hr-{n}"), "revision": 1_000_000, "connector": null}).to_string();
        let asked = (Method::POST, "/connectory/v1/apply", "application/x-ndjson");
        let refused = send(&app, asked, coding, encode(line.as_bytes())).await.json();
        let cause = refused["causes"][0]["text"].as_str().unwrap();
        assert!(cause.starts_with(&format!("line 1, `hr-{n}`: revision 1000000 is not there yet")), "{cause}");
        let asked = (Method::POST, "/oauth/token", "application/x-www-form-urlencoded");
        assert_eq!(send(&app, asked, coding, encode(token.as_bytes())).await.ok()["token_type"], "bearer");
    }
    // No file, as the official clients send it.
    let put = (Method::PUT, "/v2025/connectors/hr-0/source-config", "application/octet-stream");
    assert_eq!(send(&app, put, "gzip", Vec::new()).await.ok()["status"], "SKIPPED");
}

#[tokio::test]
async fn other_codings_of_a_request_are_refused_with_those_that_there_are() {
    let app = TestApp::start().await;
    app.create("HR").await;
    for (coding, got) in [
        ("br", "`br`"),
        ("compress", "`compress`"),
        ("nonsense", "`nonsense`"),
        ("gzip, gzip", "several"),
        ("gzip,zstd", "several"),
        ("gzip;q=1", "`gzip;q=1`"),
    ] {
        for path in [
            (Method::POST, LIST, "application/json"),
            (Method::PATCH, "/v2025/connectors/hr", "application/json-patch+json"),
            (Method::PUT, "/v2025/connectors/hr/source-config", FORM),
            (Method::PUT, "/v2025/connectors/hr/translations/de", FORM),
            (Method::PATCH, "/connectory/v1/connectors/hr", "application/json-patch+json"),
            (Method::POST, "/connectory/v1/apply", "application/x-ndjson"),
            (Method::POST, "/oauth/token", "application/x-www-form-urlencoded"),
        ] {
            let answer = send(&app, path, coding, gzip(b"{}")).await;
            assert_eq!(answer.header("accept-encoding"), Some("zstd, gzip, deflate"));
            let text = format!("the content encoding must be one of zstd, gzip and deflate, or none; got {got}");
            assert_eq!(answer.refusal(415), text);
        }
    }
}

#[tokio::test]
async fn compressed_bodies_are_bounded_by_what_they_become() {
    let app = TestApp::with(Options { rate_limit: None, max_request: 100_000, ..Options::default() }).await;
    app.create("HR").await;
    let large = vec![b' '; 1 << 26];
    let pressed: [(&str, Encode); 3] = [("gzip", gzip), ("deflate", zlib), ("zstd", zstd)];
    for (coding, encode) in pressed {
        let bomb = encode(&large);
        assert!(bomb.len() < 100_000, "{coding}");
        let asked = (Method::POST, LIST, "application/json");
        assert_eq!(
            send(&app, asked, coding, bomb.clone()).await.refusal(413),
            "the request is larger than 100000 bytes"
        );
        let put = (Method::PUT, "/v2025/connectors/hr/source-config", FORM);
        let refusal = send(&app, put, coding, encode(&form("file", &large))).await.refusal(413);
        assert_eq!(refusal, "the request is larger than 100000 bytes");
        let asked = (Method::POST, "/oauth/token", "application/x-www-form-urlencoded");
        assert_eq!(send(&app, asked, coding, bomb).await.json()["error"], "invalid_request");
        // Broken off, and not in this coding at all.
        let whole = encode(json!({"name": "a", "className": "b"}).to_string().as_bytes());
        for body in [whole[..whole.len() - 3].to_vec(), b"{\"name\":".to_vec()] {
            let asked = (Method::POST, LIST, "application/json");
            let refusal = send(&app, asked, coding, body.clone()).await.refusal(400);
            assert!(refusal.starts_with(&format!("the body is not valid {coding}: ")), "{refusal}");
            let put = (Method::PUT, "/v2025/connectors/hr/source-config", FORM);
            let refusal = send(&app, put, coding, body).await.refusal(400);
            assert!(refusal.starts_with(&format!("the body is not valid {coding}: ")), "{refusal}");
        }
    }
    // Bytes that become nothing are bounded too.
    let nothing = gzip(b"").repeat(10_000);
    let asked = (Method::POST, LIST, "application/json");
    assert_eq!(send(&app, asked, "gzip", nothing).await.refusal(413), "the request is larger than 100000 bytes");
}

#[tokio::test]
async fn a_repeat_may_have_another_coding() {
    let app = TestApp::start().await;
    let body = json!({"name": "HR", "className": "x.Y"}).to_string();
    for (coding, body) in [("gzip", gzip(body.as_bytes())), ("zstd", zstd(body.as_bytes()))] {
        let request = Request::post(LIST)
            .header(header::AUTHORIZATION, app.authorization())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_ENCODING, coding)
            .header("idempotency-key", "key");
        assert_eq!(app.send(request.body(body.into()).unwrap()).await.ok()["scriptName"], "hr");
    }
}

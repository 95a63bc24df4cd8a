//! Tokens, scopes, user levels, tenants and the rate limit.

use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use connectory_model::access::{Scope, UserLevel};
use connectory_model::limits::FREE_FAILURES;
use connectory_server::Options;
use connectory_server::auth::keys::Claims;
use connectory_server::rate_limit::RateLimit;
use connectory_store::{Quotas, RefusedFilter};
use http::{Method, Request, header};
use serde_json::{Value, json};

use crate::support::{Answer, CLIENT_ID, FORM, SECRET, TestApp, operator};

const URLENCODED: &str = "application/x-www-form-urlencoded";

fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

async fn token(app: &TestApp, path: &str, content_type: &str, basic: Option<&str>, body: String) -> Answer {
    let mut request = Request::post(path);
    if !content_type.is_empty() {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    if let Some(credentials) = basic {
        request = request.header(header::AUTHORIZATION, format!("Basic {}", BASE64_STANDARD.encode(credentials)));
    }
    app.send(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn tokens_are_issued_in_every_request_form() {
    let app = TestApp::start().await;
    let all = [("grant_type", "CLIENT_credentials"), ("client_id", CLIENT_ID), ("client_secret", SECRET)];
    let part = |(name, value): &(&str, &str)| {
        format!("--b0undary\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let multipart = all.iter().map(part).collect::<String>() + "--b0undary--\r\n";
    let basic = format!("{CLIENT_ID}:{SECRET}");
    let grant = encoded(&all[..1]);
    let by_query = format!("/oauth/token?{}", encoded(&all));
    let answers = [
        token(&app, "/oauth/token", URLENCODED, None, encoded(&all)).await,
        token(&app, "/oauth/token", FORM, None, multipart).await,
        token(&app, &by_query, "", None, String::new()).await,
        token(&app, "/oauth/token", URLENCODED, Some(&basic), grant).await,
    ];
    for answer in answers {
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let body = answer.ok();
        for (member, expected) in [
            ("token_type", json!("bearer")),
            ("expires_in", json!(720)),
            ("scope", json!("sp:scopes:all")),
            ("org", json!("default")),
            ("user_id", json!(CLIENT_ID)),
            ("identity_id", json!(CLIENT_ID)),
            ("user_name", json!("client first")),
            ("authorities", json!(["ORG_ADMIN"])),
        ] {
            assert_eq!(body[member], expected, "{member}");
        }
        for member in ["tenant_id", "pod", "jti"] {
            assert!(!body[member].as_str().unwrap().is_empty(), "{member}");
        }
        let token = body["access_token"].as_str().unwrap();
        assert_eq!(app.get_as(token, "/v3/connectors").await.status.as_u16(), 200);
    }
}

#[tokio::test]
async fn token_refusals_are_those_of_rfc_6749() {
    let app = TestApp::start().await;
    let table = [
        (vec![], 400, "invalid_request"),
        (vec![("grant_type", "password")], 400, "unsupported_grant_type"),
        (vec![("grant_type", "client_credentials")], 401, "invalid_client"),
        (
            vec![("grant_type", "client_credentials"), ("client_id", CLIENT_ID), ("client_secret", "no")],
            401,
            "invalid_client",
        ),
        (
            vec![("grant_type", "client_credentials"), ("client_id", "nobody"), ("client_secret", SECRET)],
            401,
            "invalid_client",
        ),
        (
            vec![
                ("grant_type", "client_credentials"),
                ("client_id", CLIENT_ID),
                ("client_secret", SECRET),
                ("scope", "no:such:scope"),
            ],
            400,
            "invalid_scope",
        ),
        (
            vec![
                ("grant_type", "client_credentials"),
                ("client_id", CLIENT_ID),
                ("client_secret", SECRET),
                ("scope", " "),
            ],
            400,
            "invalid_scope",
        ),
    ];
    for (fields, status, error) in table {
        let answer = token(&app, "/oauth/token", URLENCODED, None, encoded(&fields)).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (status, &json!(error)), "{fields:?}");
        assert!(answer.json()["error_description"].as_str().unwrap().len() > 10);
    }
    // A value with `=` or `&` is no shorter value.
    for credentials in [format!("{CLIENT_ID}:{SECRET}=x"), format!("{CLIENT_ID}&x=y:{SECRET}")] {
        let answer =
            token(&app, "/oauth/token", URLENCODED, Some(&credentials), "grant_type=client_credentials".into()).await;
        assert_eq!(answer.status.as_u16(), 401, "{credentials}");
    }
    let answer = token(&app, "/oauth/token", "", Some("first:wrong"), String::new()).await;
    assert_eq!(answer.status.as_u16(), 400);
    let wrong =
        token(&app, "/oauth/token", URLENCODED, Some("first:wrong"), "grant_type=client_credentials".into()).await;
    assert_eq!(wrong.header("www-authenticate"), Some("Basic realm=\"connectory\""));
    let json = token(&app, "/oauth/token", "application/json", None, "{}".to_owned()).await;
    assert_eq!((json.status.as_u16(), &json.json()["error"]), (400, &json!("invalid_request")));
}

#[tokio::test]
async fn the_tenant_and_the_keys_are_told() {
    let app = TestApp::start().await;
    let info = app.send(Request::get("/oauth/info").body(Body::empty()).unwrap()).await.ok();
    assert_eq!(
        (&info["tenantName"], &info["tokenEndpoint"]),
        (&json!("default"), &json!("http://127.0.0.1:8080/oauth/token"))
    );
    for member in ["tenantId", "authorizeEndpoint", "cloudDomainUrl", "logoutUrl", "pod"] {
        assert!(info[member].is_string(), "{member}");
    }
    app.access().create_tenant("other", &operator()).unwrap();
    let other = app.client("theirs", "other", UserLevel::User, &[Scope::Default]).await;
    assert_eq!(app.get_as(&other, "/oauth/info").await.ok()["tenantName"], "other");

    let keys = app.send(Request::get("/.well-known/jwks.json").body(Body::empty()).unwrap()).await.ok();
    let header: Value = decoded(&other, 0);
    assert_eq!((&keys["keys"][0]["kid"], &keys["keys"][0]["alg"]), (&header["kid"], &header["alg"]));
    assert_eq!(keys["keys"][0].get("d"), None, "the private key stays private");
}

#[tokio::test]
async fn the_server_tells_its_version_extensions_and_limits_without_a_token() {
    let options = Options { rate_limit: Some("7/3s".parse().unwrap()), max_document: 1000, ..Options::default() };
    let limits = json!({"maxDocumentBytes": 1000, "maxRequestBytes": 10_485_760, "maxConnectorBytes": 16_777_216,
                        "maxApplyBytes": 268_435_456, "maxApplyLines": 10_000,
                        "rateLimit": {"requests": 7, "seconds": 3}});
    let service = || Request::get("/connectory/v1").body(Body::empty()).unwrap();
    let told = TestApp::with(options).await.send(service()).await.ok();
    let expected = json!({"name": "connectory", "version": env!("CARGO_PKG_VERSION"),
                          "capabilities": ["statuses", "custom", "search", "idempotencyKey", "updateInPlace", "export", "apply",
                                           "changeMany", "history", "undoChange", "deletedConnectors", "activity", "duplicate",
                                           "compare", "import", "events",
                                           "conditionalRequests"],
                          "limits": limits});
    assert_eq!(told, expected);
    let unlimited = TestApp::start().await.send(service()).await.ok();
    assert_eq!(unlimited["limits"]["rateLimit"], json!(null));
}

fn decoded(token: &str, part: usize) -> Value {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(part).unwrap()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn a_token_that_is_not_ours_or_has_ended_is_refused_by_name() {
    let app = TestApp::start().await;
    let good = app.token_of(CLIENT_ID).await;
    let parts: Vec<_> = good.split('.').collect();
    let forged = |header: Value, signature: &str| {
        format!("{}.{}.{signature}", BASE64_URL_SAFE_NO_PAD.encode(header.to_string()), parts[1])
    };
    let kid = decoded(&good, 0)["kid"].clone();
    let mut claims = decoded(&good, 1);
    claims["exp"] = json!(u32::MAX);
    let stretched = format!("{}.{}.{}", parts[0], BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()), parts[2]);
    let (missing, malformed, invalid) = ("JWT is missing", "JWT is malformed", "JWT signature is invalid");
    let table = [
        (None, missing),
        (Some("Basic abc".to_owned()), missing),
        (Some("Bearer".to_owned()), malformed),
        (Some("Bearer not.a.token".to_owned()), malformed),
        (Some(format!("Bearer {}", forged(json!({"alg": "none", "kid": kid}), ""))), malformed),
        (Some(format!("Bearer {}", forged(json!({"alg": "HS256", "kid": kid}), parts[2]))), invalid),
        (Some(format!("Bearer {}", forged(json!({"alg": "ES256", "kid": "other"}), parts[2]))), invalid),
        (Some(format!("Bearer {stretched}")), invalid),
    ];
    let call = async |authorization: Option<String>| {
        let mut request = Request::get("/v3/connectors");
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        app.send(request.body(Body::empty()).unwrap()).await
    };
    for (authorization, reason) in table {
        let answer = call(authorization.clone()).await;
        assert_eq!(answer.status.as_u16(), 401);
        assert_eq!(answer.json(), json!({"error": format!("JWT validation failed: {reason}")}), "{authorization:?}");
    }
    assert_eq!(call(Some(format!("Bearer {good}"))).await.status.as_u16(), 200);
    app.clock().turn(Duration::from_mins(12) - Duration::from_secs(10));
    assert_eq!(call(Some(format!("Bearer {good}"))).await.status.as_u16(), 200);
    app.clock().turn(Duration::from_secs(11));
    let expired = call(Some(format!("Bearer {good}"))).await;
    assert_eq!(
        (expired.status.as_u16(), expired.text()),
        (
            401,
            "{\"error\":\"JWT validation failed: JWT is expired: it was valid for 720 seconds; get a new one from /oauth/token \
             before that, or start the server with a longer --token-lifetime\"}"
        )
    );
}

#[tokio::test]
async fn level_and_scope_decide_what_a_client_may_do() {
    let app = TestApp::start().await;
    let table = [
        ("a", UserLevel::SourceSubadmin, Scope::ReadConnectors, 200, 403),
        ("b", UserLevel::SourceAdmin, Scope::ManageConnectors, 200, 200),
        ("c", UserLevel::OrgAdmin, Scope::Default, 403, 403),
        ("d", UserLevel::Helpdesk, Scope::All, 403, 403),
    ];
    for (id, level, scope, read, write) in table {
        let token = app.client(id, "default", level, &[scope]).await;
        assert_eq!(app.get_as(&token, "/v3/connectors").await.status.as_u16(), read, "{id} reads");
        let body = json!({"name": id, "className": "x.Y"}).to_string();
        let created = app.call_as(&token, Method::POST, "/v3/connectors", "application/json", body).await;
        assert_eq!(created.status.as_u16(), write, "{id} writes");
        if write == 403 {
            assert!(created.refusal(403).contains("it takes"));
        }
    }
}

#[tokio::test]
async fn a_token_is_narrowed_to_the_scopes_that_were_asked_for() {
    let app = TestApp::start().await;
    let scopes = [Scope::ReadConnectors, Scope::ManageConnectors];
    app.client("two", "default", UserLevel::OrgAdmin, &scopes).await;
    let asking = async |scope: &str| {
        let fields =
            [("grant_type", "client_credentials"), ("client_id", "two"), ("client_secret", SECRET), ("scope", scope)];
        token(&app, "/oauth/token", URLENCODED, None, encoded(&fields)).await
    };
    let narrowed = asking("idn:connector-config:read").await.ok();
    assert_eq!(narrowed["scope"], "idn:connector-config:read");
    let narrowed = narrowed["access_token"].as_str().unwrap();
    assert_eq!(app.get_as(narrowed, "/v3/connectors").await.status.as_u16(), 200);
    let body = json!({"name": "A", "className": "x.Y"}).to_string();
    app.call_as(narrowed, Method::POST, "/v3/connectors", "application/json", body).await.refusal(403);
    let wider = asking("idn:connector-config:read sp:scopes:all").await;
    assert_eq!((wider.status.as_u16(), wider.json()["error"].as_str()), (400, Some("invalid_scope")));
}

#[tokio::test]
async fn a_client_with_all_scopes_may_ask_for_fewer() {
    let app = TestApp::start().await;
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT_ID),
        ("client_secret", SECRET),
        ("scope", "idn:connector-config:read"),
    ];
    let narrowed = token(&app, "/oauth/token", URLENCODED, None, encoded(&fields)).await.ok();
    assert_eq!(narrowed["scope"], "idn:connector-config:read");
    let narrowed = narrowed["access_token"].as_str().unwrap();
    assert_eq!(app.get_as(narrowed, "/v3/connectors").await.status.as_u16(), 200);
    let body = json!({"name": "A", "className": "x.Y"}).to_string();
    app.call_as(narrowed, Method::POST, "/v3/connectors", "application/json", body).await.refusal(403);
}

#[tokio::test]
async fn a_token_names_its_issuer_its_tenant_and_its_time() {
    let app = TestApp::start().await;
    app.access().create_tenant("other", &operator()).unwrap();
    let theirs = app.client("theirs", "other", UserLevel::OrgAdmin, &[Scope::All]).await;
    let claims: Claims = serde_json::from_value(decoded(&app.token_of(CLIENT_ID).await, 1)).unwrap();
    let keys = app.server.auth.keys();
    assert_eq!(claims.iss, app.server.store.issuer().await.unwrap());
    let status = async |claims: &Claims| {
        let answer = app.get_as(&keys.sign(claims), "/v3/connectors").await;
        (answer.status.as_u16(), answer.text().to_owned())
    };
    assert_eq!(status(&claims).await.0, 200);
    let ahead = |seconds: u64| Claims { iat: claims.iat + seconds, jti: seconds.to_string(), ..claims.clone() };
    assert_eq!(status(&ahead(50)).await.0, 200, "another node's clock may be ahead");
    let elsewhere = Claims { iss: "0".repeat(32), ..claims.clone() };
    let moved = Claims { tenant_id: decoded(&theirs, 1)["tenant_id"].as_str().unwrap().to_owned(), ..claims.clone() };
    for (claims, reason) in [
        (ahead(90), "JWT was issued in the future"),
        (elsewhere, "JWT issuer is invalid"),
        (moved, "the JWT was issued for another tenant"),
    ] {
        let expected = format!(r#"{{"error":"JWT validation failed: {reason}"}}"#);
        assert_eq!(status(&claims).await, (401, expected));
    }
}

#[tokio::test]
async fn wrong_secrets_delay_the_client_from_their_address_alone() {
    let app = TestApp::start().await;
    app.client("second", "default", UserLevel::OrgAdmin, &[Scope::All]).await;
    let ask = async |address: &str, id: &str, secret: &str| {
        let fields = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
        let request = Request::post("/oauth/token").header(header::CONTENT_TYPE, URLENCODED);
        app.send_from(address.parse().unwrap(), request.body(encoded(&fields).into()).unwrap()).await
    };
    for _ in 0..=FREE_FAILURES {
        assert_eq!(ask("192.0.2.1", CLIENT_ID, "wrong").await.status.as_u16(), 401);
    }
    // The first start of the test verified the secret. A server that has not seen it delays it too.
    assert_eq!(
        ask("192.0.2.1", CLIENT_ID, SECRET).await.status.as_u16(),
        200,
        "a secret that was right is not delayed"
    );
    let delayed = ask("192.0.2.1", CLIENT_ID, "wrong again").await;
    assert_eq!((delayed.status.as_u16(), &delayed.json()["error"]), (429, &json!("temporarily_unavailable")));
    let seconds: u64 = delayed.header("retry-after").unwrap().parse().unwrap();
    assert!(delayed.text().contains("from this address"), "{}", delayed.text());
    for (address, id) in [("192.0.2.2", CLIENT_ID), ("192.0.2.1", "second")] {
        assert_eq!(ask(address, id, SECRET).await.status.as_u16(), 200, "{address} {id}");
    }
    for _ in 0..20 {
        assert_eq!(ask("192.0.2.1", "nobody", "wrong").await.status.as_u16(), 401, "unknown ids are not counted");
    }
    app.clock().turn(Duration::from_secs(seconds));
    assert_eq!(ask("192.0.2.1", CLIENT_ID, "wrong").await.status.as_u16(), 401, "it is verified again");
    // They are kept, in one row for each minute. An unknown id is in the log only.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let tenant = app.server.store.tenant(None).await.unwrap().unwrap().id;
    let refused = app.server.store.refused_sign_ins(tenant, RefusedFilter::default(), None, 10).await.unwrap();
    let count: u32 = refused.iter().map(|refused| refused.count).sum();
    assert_eq!(count, FREE_FAILURES + 3, "the delayed one counts too");
    assert!(refused.len() <= 2, "two minutes at most: {refused:?}");
    assert!(refused.iter().all(|of| of.client_id == CLIENT_ID && of.address.to_string() == "192.0.2.1"));
}

#[tokio::test]
async fn a_quota_is_named_by_the_error() {
    let app = TestApp::start().await;
    app.access().set_quotas("default", Quotas { connectors: 1, bytes: None }, &operator()).unwrap();
    app.create("A").await;
    let refused = app.post("/v2025/connectors", &json!({"name": "B", "className": "x.Y"})).await.refusal(400);
    assert!(refused.contains("may have 1 connectors (its quota `connectors`); delete"), "{refused}");
    app.access().set_quotas("default", Quotas { connectors: 2, bytes: Some(1) }, &operator()).unwrap();
    let refused = app.post("/v2025/connectors", &json!({"name": "B", "className": "x.Y"})).await.refusal(400);
    assert!(refused.contains("its quota `bytes`"), "{refused}");
    app.access().set_quotas("default", Quotas { connectors: 2, bytes: None }, &operator()).unwrap();
    app.create("B").await;
}

#[tokio::test]
async fn a_deleted_client_gets_no_further() {
    let app = TestApp::start().await;
    let token = app.client("short-lived", "default", UserLevel::OrgAdmin, &[Scope::All]).await;
    assert_eq!(app.get_as(&token, "/v3/connectors").await.status.as_u16(), 200, "the token is cached");
    app.access().delete_client("short-lived", &operator()).unwrap();
    app.clock().turn(Duration::from_secs(5));
    let refused = app.get_as(&token, "/v3/connectors").await;
    assert_eq!(refused.status.as_u16(), 401, "{}", refused.text());
}

#[tokio::test]
async fn tenants_see_nothing_of_each_other() {
    let app = TestApp::start().await;
    app.access().create_tenant("other", &operator()).unwrap();
    let other = app.client("theirs", "other", UserLevel::OrgAdmin, &[Scope::All]).await;
    app.create("HR").await;
    app.get_as(&other, "/v3/connectors/hr").await.refusal(404);
    let body = json!({"name": "hr", "className": "their.Class"}).to_string();
    let theirs = app.call_as(&other, Method::POST, "/v3/connectors", "application/json", body).await.ok();
    assert_eq!(theirs["scriptName"], "hr");
    assert_eq!(app.get("/v3/connectors/hr").await.ok()["className"], "x.Y");
    app.call_as(&other, Method::DELETE, "/v3/connectors/hr", "", Body::empty()).await;
    assert_eq!(app.get("/v3/connectors/hr").await.status.as_u16(), 200);
}

#[tokio::test]
async fn the_rate_limit_counts_each_client_and_api_version() {
    let limit: RateLimit = "3/3600s".parse().unwrap();
    let app = TestApp::with(Options { rate_limit: Some(limit), ..Options::default() }).await;
    for _ in 0..3 {
        assert_eq!(app.get("/v3/connectors").await.status.as_u16(), 200);
    }
    let refused = app.get("/v3/connectors/scim-2").await;
    assert_eq!((refused.status.as_u16(), refused.json()), (429, json!({"message": " Rate Limit Exceeded "})));
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3600).contains(&seconds));
    assert_eq!(app.get("/v2025/connectors").await.status.as_u16(), 200);
    let second = app.client("second", "default", UserLevel::OrgAdmin, &[Scope::All]).await;
    assert_eq!(app.get_as(&second, "/v3/connectors").await.status.as_u16(), 200);
    if app.database().is_none() {
        // Servers that share a database count by its clock, which no test turns.
        return;
    }
    app.clock().turn(Duration::from_secs(seconds));
    assert_eq!(app.get("/v3/connectors").await.status.as_u16(), 401, "the token has ended meanwhile");
    let fresh = app.token_of(CLIENT_ID).await;
    assert_eq!(app.get_as(&fresh, "/v3/connectors").await.status.as_u16(), 200);
    assert_eq!(app.get("/health/ready").await.status.as_u16(), 200);
}

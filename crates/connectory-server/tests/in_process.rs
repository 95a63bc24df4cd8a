//! An example: a test of your own client against a server in the same process, without a port.

use std::error::Error;
use std::net::Ipv4Addr;

use axum::body::Body;
use connectory_server::Ephemeral;
use connectory_server::ephemeral::Setup;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

/// Sends a request, as the transport of your client would. A request needs a host, as over a network.
async fn send(server: &Ephemeral, request: Request<Body>) -> Result<(StatusCode, HeaderMap, Value), Box<dyn Error>> {
    let (parts, body) = server.answer(request, Ipv4Addr::LOCALHOST.into()).await.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok((parts.status, parts.headers, serde_json::from_slice(&body).unwrap_or_default()))
}

#[tokio::test]
async fn a_client_creates_a_connector() -> Result<(), Box<dyn Error>> {
    let server = Ephemeral::start(Setup::default()).await?;
    let credentials = "grant_type=client_credentials&client_id=test&client_secret=test";
    let request = Request::post("/oauth/token")
        .header("host", "tenant.test")
        .header("content-type", "application/x-www-form-urlencoded");
    let (_, _, token) = send(&server, request.body(credentials.into())?).await?;
    let authorization = format!("Bearer {}", token["access_token"].as_str().ok_or("no token")?);

    let created = json!({"name": "HR system", "className": "com.example.Hr"});
    let request = Request::post("/v2025/connectors")
        .header("host", "tenant.test")
        .header("authorization", &authorization)
        .header("content-type", "application/json");
    let (status, _, connector) = send(&server, request.body(created.to_string().into())?).await?;
    assert_eq!((status, &connector["scriptName"]), (StatusCode::OK, &json!("hr-system")));

    let request = Request::get("/v2025/connectors?filters=name%20sw%20%22HR%22&count=true")
        .header("host", "tenant.test")
        .header("authorization", &authorization);
    let (_, headers, list) = send(&server, request.body(Body::empty())?).await?;
    assert_eq!((&headers["x-total-count"], &list[0]["name"]), (&"1".parse()?, &json!("HR system")));
    Ok(())
}

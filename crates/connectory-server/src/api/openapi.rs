//! The OpenAPI document. The router collects it from the handlers, and this module adds the parts that all operations
//! share.

use std::collections::BTreeMap;

use connectory_model::Locale;
use connectory_model::wire::ErrorResponse;
use serde_json::json;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{ClientCredentials, Flow, OAuth2, Scopes, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder,
};
use utoipa::{IntoParams, IntoResponses, PartialSchema, ToSchema};

use crate::version::{ApiVersion, VERSIONS};

/// The error response of an operation that takes `Idempotency-Key`.
#[derive(IntoResponses)]
#[response(status = 422, description = "The `Idempotency-Key` was sent with another request in the last day.")]
#[expect(dead_code, reason = "documents what `once::respond` answers")]
pub struct Reused(ErrorResponse);

/// The condition of a read, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents what `Condition::of_read` reads")]
pub struct IfNoneMatch {
    /// Extension: the `ETag` of an answer that the client has, or several with commas between them. If it is still the same,
    /// the answer is 304 without a body.
    #[param(rename = "If-None-Match", example = r#""47DEQpj8HBSa-_TImW-5JA""#)]
    if_none_match: Option<String>,
}

/// The answer to a client that has what it asks for.
#[derive(IntoResponses)]
#[response(
    status = 304,
    description = "Extension: the client has this already, as it says in `If-None-Match`.",
    headers(("ETag" = String, description = "The entity tag of what the client has."))
)]
pub struct NotModified;

/// The condition of a change to a connector, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents what `Condition::of_change` reads")]
pub struct IfMatch {
    /// Extension: the `ETag` of the connector as it was read, in any locale and API version. The change is made only if the
    /// connector is still at that revision.
    #[param(rename = "If-Match", example = r#""12.ungWv48Bz-pBQUDeXa4iIw""#)]
    if_match: Option<String>,
}

/// The conditions of a change to a part of a connector, as they are documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents what `Condition::of_change` reads")]
pub struct PartConditions {
    /// Extension: the `ETag` of what would be replaced, as it was read, or that of the connector. The change is made only if
    /// it is still the same; with `*`, only if there is something to replace.
    #[param(rename = "If-Match", example = r#""47DEQpj8HBSa-_TImW-5JA""#)]
    if_match: Option<String>,
    /// Extension: with `*`, the change is made only if there is nothing to replace.
    #[param(rename = "If-None-Match", example = "*")]
    if_none_match: Option<String>,
}

/// The answer to a change whose condition does not hold.
#[derive(IntoResponses)]
#[response(
    status = 412,
    description = "Extension: there is something else than `If-Match` or `If-None-Match` asks for. Nothing was changed.",
    headers(("ETag" = String, description = "The entity tag of what there is."))
)]
#[expect(dead_code, reason = "documents what the registry refuses")]
pub struct Unexpected(ErrorResponse);

/// The error responses that every operation of the Connectors API can return.
pub struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let plain = |member: &str, example: &str| {
            let schema = ObjectBuilder::new().property(member, String::schema());
            ContentBuilder::new().schema(Some(schema)).example(Some(json!({member: example}))).build()
        };
        let standard = || ContentBuilder::new().schema(Some(Ref::from_schema_name(ErrorResponse::name()))).build();
        let table = vec![
            ("400", "The request is wrong: the text says what, where, and what would be right.", standard()),
            (
                "401",
                "The token is missing, malformed, expired or not ours.",
                plain("error", "JWT validation failed: JWT is expired"),
            ),
            ("403", "The client's user level or the token's scopes do not allow this.", standard()),
            ("404", "There is no such connector in this tenant.", standard()),
            ("405", "The path does not know this method.", standard()),
            ("413", "The request, a file in it, or the connector that it would make is too large.", standard()),
            ("415", "The body has another media type than this operation takes.", standard()),
            ("429", "Too many requests in this period.", plain("message", " Rate Limit Exceeded ")),
            ("500", "An internal fault.", standard()),
            ("503", "It cannot be done for the moment, and nothing was done.", standard()),
            ("504", "Whether the change is kept is not known; read before you repeat it.", standard()),
            ("507", "The server's disk is full; nothing was changed.", standard()),
        ];
        table
            .into_iter()
            .map(|(status, description, content)| {
                let mut response = ResponseBuilder::new().description(description).content("application/json", content);
                if matches!(status, "429" | "503" | "507") {
                    let seconds =
                        HeaderBuilder::new().schema(Some(i64::schema())).description(Some("Whole seconds to wait."));
                    response = response.header("Retry-After", seconds.build());
                }
                (status.to_owned(), response.build().into())
            })
            .collect()
    }
}

/// Returns every operation of the document as a method and a path, such as `GET /v3/connectors`.
pub fn operations(document: &OpenApi) -> impl Iterator<Item = String> {
    document.paths.paths.iter().flat_map(|(path, item)| {
        let methods = [
            ("GET", &item.get),
            ("PUT", &item.put),
            ("POST", &item.post),
            ("DELETE", &item.delete),
            ("PATCH", &item.patch),
        ];
        methods
            .into_iter()
            .filter(|(_, operation)| operation.is_some())
            .map(move |(method, _)| format!("{method} {path}"))
    })
}

/// Adds the headers that every operation has on a server that is one of several.
fn add_revisions(operation: &mut Operation) {
    let revision = ParameterBuilder::new()
        .name("Connectory-Min-Revision")
        .parameter_in(ParameterIn::Header)
        .description(Some("Waits until the answer knows this revision. Only where several servers have one database."))
        .schema(Some(i64::schema()))
        .build();
    operation.parameters.get_or_insert_default().push(revision.into());
    for (status, response) in &mut operation.responses.responses {
        if let (true, RefOr::T(response)) = (status.starts_with('2') || status == "304", response) {
            let description =
                "The newest revision that the answer knows. Only where several servers have one database.";
            let header = HeaderBuilder::new().schema(Some(i64::schema())).description(Some(description)).build();
            response.headers.insert("Connectory-Revision".to_owned(), header.into());
        }
    }
}

/// The first part of a path, which is the version of the API that the path belongs to. None for paths of no version.
fn version_of(path: &str) -> Option<&str> {
    let base = |version: &ApiVersion| version.base.trim_end_matches("/connectors");
    let bases = VERSIONS.values().map(base);
    bases.into_iter().find(|base| path.strip_prefix(base).is_some_and(|rest| rest.starts_with('/') || rest.is_empty()))
}

/// Groups the operations by the version of the API, so that a reader of the reference finds those of one version. The groups
/// are in the order of the versions, and operations of no version are last.
fn group(document: &mut OpenApi) {
    let mut found = Vec::new();
    for (path, item) in &mut document.paths.paths {
        let version = version_of(path);
        let place = VERSIONS.values().position(|of| version.is_some_and(|version| of.base.starts_with(version)));
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for tag in operations.into_iter().flatten().filter_map(|operation| operation.tags.as_mut()).flatten() {
            if let Some(version) = version {
                *tag = format!("{version} {tag}");
            }
            found.push((place.unwrap_or(usize::MAX), tag.clone()));
        }
    }
    found.sort();
    found.dedup();
    document.tags = Some(found.into_iter().map(|(_, name)| TagBuilder::new().name(name).build()).collect());
}

/// Completes the document that the router collected.
pub fn complete(mut document: OpenApi) -> OpenApi {
    document.info = InfoBuilder::new()
        .title("connectory")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "The Connectors API: see the available connectors, create custom ones, and keep what defines each.\n\n\
             Every API version serves the same operations; `/connectors/v1` adds `provisioningPolicies`, and \
             `/beta/connectors` has the list only. Tokens come from `POST /oauth/token`.",
        ))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").build()))
        .build();
    // The same handler serves every version, so the version makes its operation id unique.
    for (path, item) in &mut document.paths.paths {
        let Some(version) = VERSIONS.values().find(|version| path.starts_with(version.base)) else { continue };
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            if let Some(id) = &mut operation.operation_id {
                id.push_str(version.suffix);
            }
            add_revisions(operation);
        }
    }
    group(&mut document);
    let components = document.components.get_or_insert_default();
    // The router does not collect schemas that only error responses and parameters use.
    let mut schemas = Vec::new();
    ErrorResponse::schemas(&mut schemas);
    components.schemas.insert(ErrorResponse::name().into_owned(), ErrorResponse::schema());
    components.schemas.insert(Locale::name().into_owned(), Locale::schema());
    components.schemas.extend(schemas);
    let scopes = Scopes::from_iter([
        ("idn:connector-config:read", "See connectors."),
        ("idn:connector-config:manage", "See and change connectors."),
        ("sp:scopes:all", "Everything that the client may do."),
    ]);
    let flow = Flow::ClientCredentials(ClientCredentials::new("/oauth/token", scopes));
    components.security_schemes.insert("oauth2".to_owned(), SecurityScheme::OAuth2(OAuth2::new([flow])).into());
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_of_one_version() {
        for (path, version) in [
            ("/v3/connectors", Some("/v3")),
            ("/v2025/connectors/{scriptName}", Some("/v2025")),
            ("/beta/connectors", Some("/beta")),
            ("/connectors/v1/{scriptName}", Some("/connectors/v1")),
            ("/connectory/v1/activity", Some("/connectory/v1")),
            ("/oauth/token", None),
            ("/v30/connectors", None),
        ] {
            assert_eq!(version_of(path), version, "{path}");
        }
    }
}

//! The body of an error, which every operation answers in the same form.

use serde::{Deserialize, Serialize};

/// An error's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ErrorResponseDto))]
#[serde(rename_all = "camelCase")]
pub struct ErrorResponse {
    /// The status and its name, such as `404 Not found`.
    pub detail_code: String,
    /// The request's id, 32 hexadecimal digits; also the `SLPT-Request-ID` header and in the server's log.
    pub tracking_id: String,
    /// What was wrong, where, and what would be right.
    #[cfg_attr(feature = "openapi", schema(required))]
    #[serde(default)]
    pub messages: Vec<ErrorMessage>,
    /// Further reasons, where there are several. The specification's own examples have none.
    #[cfg_attr(feature = "openapi", schema(required))]
    #[serde(default)]
    pub causes: Vec<ErrorMessage>,
}

/// One sentence of an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ErrorMessageDto))]
#[serde(rename_all = "camelCase")]
pub struct ErrorMessage {
    /// The language of the text, a BCP 47 tag.
    pub locale: Option<String>,
    /// How the language was chosen.
    pub locale_origin: Option<LocaleOrigin>,
    /// The sentence.
    pub text: String,
}

impl ErrorMessage {
    /// A sentence in the server's own language.
    pub fn english(text: impl Into<String>) -> Self {
        Self { locale: Some("en-US".to_owned()), locale_origin: Some(LocaleOrigin::Default), text: text.into() }
    }
}

/// How an error's language was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum LocaleOrigin {
    /// The server's own.
    Default,
    /// From the request.
    Request,
}

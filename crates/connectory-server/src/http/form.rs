//! Reads forms, URL-encoded or multipart.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use connectory_model::limits::{
    ANONYMOUS_BODY_TIMEOUT, ANONYMOUS_BYTES, ANONYMOUS_FIELDS, BODY_TIMEOUT, FORM_FIELDS, IMPORT_CONNECTORS,
    IMPORT_FILES,
};
use connectory_model::reason;
use http::HeaderValue;
use multer::Multipart;

use super::body::Bodies;
use super::error::ApiError;
use super::multipart::{self, Unfolding};

/// The fields of a form, and its files.
#[derive(Debug, Default)]
pub struct FormBody {
    /// Names and values, in the order in which they were sent.
    pub fields: Vec<(String, String)>,
    /// The parts named `file`, in their order. A field for files that has none is left out.
    pub files: Vec<FormFile>,
}

/// A file of a form.
#[derive(Debug, Clone)]
pub struct FormFile {
    /// Its name, as the client sent it. Browsers send the path of a file that is in a folder.
    pub name: String,
    /// Its content.
    pub bytes: Bytes,
}

/// The limits of a form.
#[derive(Debug, Clone, Copy)]
pub struct FormLimits {
    /// The largest body, in bytes.
    pub bytes: usize,
    /// The largest number of fields.
    pub fields: usize,
    /// The largest number of files.
    pub files: usize,
    /// The time for the body to arrive.
    pub time: Duration,
}

impl FormLimits {
    /// The limits of a form that is read before its sender is known.
    pub const ANONYMOUS: Self =
        Self { bytes: ANONYMOUS_BYTES, fields: ANONYMOUS_FIELDS, files: 0, time: ANONYMOUS_BODY_TIMEOUT };

    /// The limits of a caller's form, with its largest body.
    pub fn of_caller(bytes: usize) -> Self {
        Self { bytes, fields: FORM_FIELDS, files: 1, time: BODY_TIMEOUT }
    }

    /// The limits of a caller's form with files to import, or with a choice of connectors.
    pub fn of_import(bytes: usize) -> Self {
        Self { fields: FORM_FIELDS + IMPORT_CONNECTORS, files: IMPORT_FILES, ..Self::of_caller(bytes) }
    }
}

impl Bodies {
    /// Reads a form of either kind. Returns none if the body has another media type.
    pub async fn form(
        &self,
        content_type: Option<&HeaderValue>,
        body: Body,
        limits: FormLimits,
    ) -> Result<Option<FormBody>, ApiError> {
        let bytes = self.read_in(limits.time, body, limits.bytes).await?;
        let mut form = FormBody::default();
        if bytes.is_empty() {
            return Ok(Some(form));
        }
        let max_fields = limits.fields;
        let too_many = || ApiError::bad_request(format!("the form has more than {max_fields} fields"));
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        if let Some(boundary) = multipart::boundary(content_type) {
            let wrong =
                |error: multer::Error| ApiError::bad_request(format!("the form cannot be read: {}", reason(&error)));
            let bytes = Unfolding::new(&boundary).pass(bytes);
            let stream = futures_util::stream::once(async { Ok::<_, std::io::Error>(bytes) });
            let mut parts = Multipart::new(stream, boundary);
            while let Some(part) = parts.next_field().await.map_err(wrong)? {
                if form.fields.len() == max_fields {
                    return Err(too_many());
                }
                let name = multipart::part_name(part.headers()).unwrap_or_default();
                if name == "file" {
                    let name = multipart::file_name(part.headers()).unwrap_or_default();
                    let bytes = part.bytes().await.map_err(wrong)?;
                    if name.is_empty() && bytes.is_empty() {
                        continue;
                    }
                    if form.files.len() == limits.files {
                        return Err(ApiError::bad_request(format!("the form has more than {} files", limits.files)));
                    }
                    form.files.push(FormFile { name, bytes });
                } else {
                    form.fields.push((name, part.text().await.map_err(wrong)?));
                }
            }
        } else if content_type.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
            form.fields = form_urlencoded::parse(&bytes).into_owned().take(max_fields + 1).collect();
            if form.fields.len() > max_fields {
                return Err(too_many());
            }
        } else {
            return Ok(None);
        }
        Ok(Some(form))
    }
}

//! The kinds of work that are measured, and their requests.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::data;
use crate::load::{Requests, request};

/// The base path of all requests.
pub const BASE: &str = "/v2025/connectors";

/// A read, with its path in connectory's API.
pub struct Read {
    /// The name of the read in the report, which is also its path on the limit.
    pub name: &'static str,
    /// A function that returns the path of the n-th request.
    pub path: Arc<dyn Fn(usize) -> String + Send + Sync>,
    /// The content coding that the client accepts. None leaves the header out.
    pub accepts: Option<&'static str>,
}

/// Returns the reads of a catalog of this size. The peer supports them too.
pub fn reads(size: usize) -> Vec<Read> {
    let fixed = |path: String| -> Arc<dyn Fn(usize) -> String + Send + Sync> { Arc::new(move |_| path.clone()) };
    let varied =
        |path: String| -> Arc<dyn Fn(usize) -> String + Send + Sync> { Arc::new(move |n| format!("{path}&n={n}")) };
    let filtered = format!("{BASE}?filters=name%20co%20%22{}%22", data::RARE);
    let far = size.saturating_sub(1000);
    vec![
        Read { name: "get", path: Arc::new(|n| format!("{BASE}/{}", data::script_name(n % 64))), accepts: None },
        Read {
            name: "get-any",
            path: Arc::new(move |n| format!("{BASE}/{}", data::script_name(n * 7919 % size))),
            accepts: None,
        },
        Read { name: "list", path: fixed(BASE.to_owned()), accepts: None },
        Read { name: "list-gzip", path: fixed(BASE.to_owned()), accepts: Some("gzip") },
        Read { name: "list-zstd", path: fixed(BASE.to_owned()), accepts: Some("zstd") },
        Read { name: "list-far", path: fixed(format!("{BASE}?offset={far}")), accepts: None },
        Read { name: "filter", path: fixed(filtered.clone()), accepts: None },
        Read { name: "filter-count", path: fixed(format!("{filtered}&count=true")), accepts: None },
        // An unknown parameter makes every query new, so that no page is cached.
        Read { name: "new-filter", path: varied(filtered.clone()), accepts: None },
        Read { name: "new-filter-count", path: varied(format!("{filtered}&count=true")), accepts: None },
    ]
}

/// Returns a read that always uses connectory's router. The other reads use the fast path without the router.
pub fn document() -> Read {
    Read {
        name: "document",
        path: Arc::new(|n| format!("{BASE}/{}/source-config", data::script_name(n % 64))),
        accepts: None,
    }
}

impl Read {
    /// Makes a request with this path.
    pub fn request(&self, path: &str, token: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        request(&mut bytes, "GET", path, token, "", b"");
        if let Some(coding) = self.accepts {
            bytes.truncate(bytes.len() - "\r\n".len());
            bytes.extend_from_slice(format!("Accept-Encoding: {coding}\r\n\r\n").as_bytes());
        }
        bytes
    }

    /// Makes the requests to connectory or the peer.
    pub fn requests(&self, token: &str) -> Requests {
        // The requests are made in advance, so that making them is not part of the load.
        let made: Vec<_> = (0..4096).map(|n| self.request(&(self.path)(n), token)).collect();
        Arc::new(move |n, into| into.extend_from_slice(&made[n % made.len()]))
    }

    /// Makes the requests to the limit, which returns the same number of bytes. The requests have the same headers.
    pub fn limit_requests(&self, token: &str) -> Requests {
        let made = self.request(&format!("/{}", self.name), token);
        Arc::new(move |_, into| into.extend_from_slice(&made))
    }
}

/// Writes a create request.
pub fn create(into: &mut Vec<u8>, token: &str, connector: &Value) {
    request(into, "POST", BASE, token, "application/json", connector.to_string().as_bytes());
}

/// Makes create requests, each with a new name.
pub fn creates(token: &str) -> Requests {
    let token = token.to_owned();
    Arc::new(move |n, into| create(into, &token, &json!({"name": format!("Created {n}"), "className": "x.Y"})))
}

/// Writes an upload of a connector's document.
pub fn upload(into: &mut Vec<u8>, token: &str, script_name: &str, document: &str, file: &str) {
    let body =
        format!("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.xml\"\r\n\r\n{file}\r\n--b--\r\n");
    let path = format!("{BASE}/{script_name}/{document}");
    request(into, "PUT", &path, token, "multipart/form-data; boundary=b", body.as_bytes());
}

/// Writes a patch request that adds a member.
pub fn patch(into: &mut Vec<u8>, token: &str, script_name: &str, member: &str, value: &Value) {
    let body = json!([{"op": "add", "path": member, "value": value}]).to_string();
    let path = format!("{BASE}/{script_name}");
    request(into, "PATCH", &path, token, "application/json-patch+json", body.as_bytes());
}

/// Makes uploads of source configs. Each source config is new.
pub fn puts(token: &str, size: usize) -> Requests {
    let token = token.to_owned();
    Arc::new(move |n, into| {
        let file = data::source_config(n + 1_000_000);
        upload(into, &token, &data::script_name(n % size.min(256)), "source-config", &file);
    })
}

/// Makes patches of metadata. Each value is new.
pub fn patches(token: &str, size: usize) -> Requests {
    let token = token.to_owned();
    Arc::new(move |n, into| {
        let script_name = data::script_name(n % size.min(256));
        patch(into, &token, &script_name, "/connectorMetadata/measured", &n.into());
    })
}

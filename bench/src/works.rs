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
}

/// Returns the reads of a catalog of this size. The peer supports them too.
pub fn reads(size: usize) -> Vec<Read> {
    let fixed = |path: String| -> Arc<dyn Fn(usize) -> String + Send + Sync> { Arc::new(move |_| path.clone()) };
    let varied =
        |path: String| -> Arc<dyn Fn(usize) -> String + Send + Sync> { Arc::new(move |n| format!("{path}&n={n}")) };
    let filtered = format!("{BASE}?filters=name%20co%20%22{}%22", data::RARE);
    let far = size.saturating_sub(1000);
    vec![
        Read { name: "get", path: Arc::new(|n| format!("{BASE}/{}", data::script_name(n % 64))) },
        Read { name: "get-any", path: Arc::new(move |n| format!("{BASE}/{}", data::script_name(n * 7919 % size))) },
        Read { name: "list", path: fixed(BASE.to_owned()) },
        Read { name: "list-far", path: fixed(format!("{BASE}?offset={far}")) },
        Read { name: "filter", path: fixed(filtered.clone()) },
        Read { name: "filter-count", path: fixed(format!("{filtered}&count=true")) },
        // An unknown parameter makes every query new, so that no page is cached.
        Read { name: "new-filter", path: varied(filtered.clone()) },
        Read { name: "new-filter-count", path: varied(format!("{filtered}&count=true")) },
    ]
}

/// Returns a read that always uses connectory's router. The other reads use the fast path without the router.
pub fn document() -> Read {
    Read { name: "document", path: Arc::new(|n| format!("{BASE}/{}/source-config", data::script_name(n % 64))) }
}

impl Read {
    /// Makes the requests to connectory or the peer.
    pub fn requests(&self, token: &str) -> Requests {
        // The requests are made in advance, so that making them is not part of the load.
        let bytes = |path: String| {
            let mut bytes = Vec::new();
            request(&mut bytes, "GET", &path, token, "", b"");
            bytes
        };
        let made: Vec<_> = (0..4096).map(|n| bytes((self.path)(n))).collect();
        Arc::new(move |n, into| into.extend_from_slice(&made[n % made.len()]))
    }

    /// Makes the requests to the limit, which returns the same number of bytes. The requests have the same headers.
    pub fn limit_requests(&self, token: &str) -> Requests {
        let mut made = Vec::new();
        request(&mut made, "GET", &format!("/{}", self.name), token, "", b"");
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

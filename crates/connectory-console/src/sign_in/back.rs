//! Where someone is sent after signing in.

/// A path of this server: never another site, to which a made-up link could lead after signing in.
pub fn local_path(path: &str) -> String {
    let base = url::Url::parse("http://console.invalid/").expect("an address");
    let joined = base.join(path).ok().filter(|joined| joined.origin() == base.origin());
    let Some(joined) = joined else { return "/".to_owned() };
    let query = joined.query().map(|query| format!("?{query}")).unwrap_or_default();
    // A path with two slashes at its start would name a host.
    format!("/{}{query}", joined.path().trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::local_path;

    #[test]
    fn a_way_back_leads_nowhere_else() {
        for (asked, led) in [
            ("/console/activity?before=3", "/console/activity?before=3"),
            ("", "/"),
            ("https://evil.example/x", "/"),
            ("//evil.example/x", "/"),
            ("/\\evil.example", "/"),
            ("/.//evil.example", "/evil.example"),
            ("javascript:alert(1)", "/"),
            ("/a\r\nSet-Cookie: x=y", "/aSet-Cookie:%20x=y"),
        ] {
            assert_eq!(local_path(asked), led, "{asked}");
        }
    }
}

//! The page that is shown after signing in.

use connectory_model::limits::BACK_BYTES;

/// The address of the page for signing in, which leads to `back`. If a form was sent whose text may be lost, it says so.
pub fn sign_in_url(back: &str, is_unsaved: bool) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("back", back);
    if is_unsaved {
        query.append_pair("unsaved", "true");
    }
    format!("/console/sign-in?{}", query.finish())
}

/// The path, if it is one of this server and not too long for a page to repeat it, or `/`. A forged link must not
/// redirect to another site after signing in. The word for what was done is left out, because it was not done again.
pub fn local_path(path: &str) -> String {
    local_path_up_to(path, BACK_BYTES)
}

/// The same with another number of bytes.
pub fn local_path_up_to(path: &str, most: usize) -> String {
    let base = url::Url::parse("http://console.invalid/").expect("an address");
    let joined =
        base.join(path).ok().filter(|joined| joined.origin() == base.origin() && joined.as_str().len() <= most);
    let Some(joined) = joined else { return "/".to_owned() };
    let query: Vec<_> = joined.query().unwrap_or_default().split('&').filter(|one| !one.starts_with("done=")).collect();
    let query = Some(query.join("&")).filter(|query| !query.is_empty()).map(|query| format!("?{query}"));
    let query = query.unwrap_or_default();
    // A path that starts with two slashes would name a host.
    format!("/{}{query}", joined.path().trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::local_path;

    #[test]
    fn a_path_to_another_site_is_replaced() {
        for (asked, expected) in [
            ("/console/activity?before=3", "/console/activity?before=3"),
            ("/console/connectors/hr?done=saved", "/console/connectors/hr"),
            ("/?q=a+b&done=deleted&sort=%2D", "/?q=a+b&sort=%2D"),
            ("/?abandoned=1", "/?abandoned=1"),
            ("", "/"),
            ("https://evil.example/x", "/"),
            ("//evil.example/x", "/"),
            ("/\\evil.example", "/"),
            ("/.//evil.example", "/evil.example"),
            ("javascript:alert(1)", "/"),
            (&format!("/{}", "a".repeat(5000)), "/"),
            ("/a\r\nSet-Cookie: x=y", "/aSet-Cookie:%20x=y"),
        ] {
            assert_eq!(local_path(asked), expected, "{asked}");
        }
    }

    proptest::proptest! {
        /// The browser stays on this server whatever a link asks for.
        #[test]
        fn any_text_becomes_a_path_of_this_server(asked in r"[/\\.:?#@a-z \t\r\n%0-9-]{0,30}") {
            let path = local_path(&asked);
            let own = url::Url::parse("https://connectory.example/console/sign-in").expect("an address");
            let led = own.join(&path).expect("an address");
            proptest::prop_assert!(path.starts_with('/') && led.origin() == own.origin(), "{}", path);
        }
    }
}

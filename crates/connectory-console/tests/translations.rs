//! The translations in the console, with requests that browsers make.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;

use connectory_model::document::FORM_NAMESPACE;
use http::StatusCode;
use serde_json::{Value, json};

use self::browser::support::{CLIENT_ID, TestApp};
use self::browser::{Browser, field, start};

const PAGE: &str = "/console/connectors/hr/translations";

/// A connector with a form that uses the keys `zeta` and `alpha` in this order.
async fn with_form(app: &TestApp) {
    app.create("HR").await;
    let form = format!(
        "<Form xmlns=\"{FORM_NAMESPACE}\" connectorName=\"HR\" type=\"SourceConfig\"><Menu label=\"zeta\"><Section label=\"alpha\">\
         <Field name=\"f\" displayName=\"zeta\" type=\"text\"/></Section></Menu></Form>"
    );
    app.put("/v3/connectors/hr/source-config", form.as_bytes()).await.ok();
}

async fn texts(app: &TestApp, locale: &str, lines: &str) {
    app.put(&format!("/v3/connectors/hr/translations/{locale}"), lines.as_bytes()).await.ok();
}

async fn stored(app: &TestApp, locale: &str) -> String {
    app.get(&format!("/v3/connectors/hr/translations/{locale}")).await.text().to_owned()
}

/// The keys of a page, in its order.
fn keys(page: &str) -> Vec<&str> {
    page.split("<th scope=\"row\"><code>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect()
}

async fn revisions(browser: &Browser<'_>) -> usize {
    browser.page("/console/connectors/hr/history").await.matches("/connectors/hr/history/").count()
}

#[tokio::test]
async fn a_view_is_searched_filtered_and_ordered_by_its_address() {
    let app = start().await;
    with_form(&app).await;
    texts(&app, "en", "beta=Straße\nzeta=Zed\n").await;
    texts(&app, "de", "alpha=old\nalpha=Größe\nzeta=Zett\n").await;
    texts(&app, "fr", "alpha=Taille\n").await;
    let browser = Browser::of(&app, CLIENT_ID).await;
    for (query, found) in [
        ("", vec!["zeta", "alpha", "ShortDesc", "beta"]),
        ("?order=key", vec!["ShortDesc", "alpha", "beta", "zeta"]),
        ("?q=ALPH", vec!["alpha"]),
        ("?q=STRASSE&locale=de", vec!["beta"]),
        ("?q=grösse&locale=de", vec!["alpha"]),
        // Of a key that is there twice, the last text counts.
        ("?q=old&locale=de", vec![]),
        // Only texts that are shown are searched.
        ("?q=taille&locale=de", vec![]),
        ("?q=taille&locale=tlh&locale=fr&locale=fr", vec!["alpha"]),
        ("?missing=true&locale=de", vec!["alpha", "ShortDesc", "beta"]),
        ("?missing=true&locale=en", vec!["alpha", "ShortDesc"]),
        ("?missing=true&q=zeta", vec!["zeta"]),
        ("?missing=true&q=zeta&locale=de", vec![]),
    ] {
        let page = browser.page(&format!("{PAGE}{query}")).await;
        assert_eq!(keys(&page), found, "{query}");
        assert_eq!(page.contains("No key matches."), found.is_empty(), "{query}");
    }
    // Links and forms keep the rest of the view.
    let page = browser.page(&format!("{PAGE}?locale=de&q=%26a&missing=true&order=key&page=7")).await;
    assert!(page.contains("href=\"/console/connectors/hr/translations?locale=de&amp;q=%26a&amp;order=key\""), "{page}");
    assert!(page.contains("href=\"/console/connectors/hr/translations?locale=de&amp;q=%26a&amp;missing=true\""));
    assert!(page.contains("<input type=\"hidden\" name=\"q\" value=\"&amp;a\">"));
    assert!(page.contains("<input type=\"hidden\" name=\"locale\" value=\"de\">"));
}

#[tokio::test]
async fn columns_have_names_and_come_with_english_first() {
    let app = start().await;
    with_form(&app).await;
    for (locale, lines) in [("da", "zeta=z"), ("de", "zeta=z\nalpha=a"), ("zh-TW", "zeta=z"), ("en", "zeta=z")] {
        texts(&app, locale, lines).await;
    }
    let browser = Browser::of(&app, CLIENT_ID).await;
    let page = browser.page(PAGE).await;
    let columns = |page: &str| -> Vec<String> {
        page.split("<th scope=\"col\"><div><b>")
            .skip(1)
            .map(|rest| rest.split('<').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(columns(&page), ["English", "Chinese (traditional)", "Danish", "German"]);
    assert!(page.contains("<small>zh-TW</small><span class=\"count\" id=\"coverage-zh-TW\">1 of 3</span>"), "{page}");
    assert!(page.contains("documents/source-config?find=zeta\"") && !page.contains("find=ShortDesc"));
    assert!(page.contains("class=\"texts\" data-default") && page.contains("data-label=\"Danish\""));
    let chosen = browser.page(&format!("{PAGE}?locale=ja&locale=de")).await;
    assert_eq!(columns(&chosen), ["English", "German", "Japanese"]);
    assert!(!chosen.contains("class=\"texts\" data-default"));
    // In the overview the most complete ones are next to English.
    let overview = browser.page("/console/connectors/hr").await;
    let coverage = overview.split_once("<ul class=\"coverage\">").unwrap().1.split_once("</ul>").unwrap().0;
    let rows: Vec<_> = coverage.split("<li>").skip(1).map(|row| row.split('>').nth(1).unwrap()).collect();
    assert_eq!(rows, ["English</a", "German</a", "Chinese (traditional)</a", "Danish</a"]);
    assert!(coverage.contains("value=\"66\" aria-label=\"German\"") && coverage.contains("2 of 3"));
}

#[tokio::test]
async fn a_cell_shows_what_became_of_its_text() {
    let app = start().await;
    with_form(&app).await;
    texts(&app, "de", "zeta=Zett\n").await;
    let browser = Browser::of(&app, CLIENT_ID).await;
    let save = async |was: &str, text: &str| {
        browser
            .post(&format!("{PAGE}/de/text"), &[("key", "zeta"), ("was", was), ("text", text)])
            .await
            .text()
            .to_owned()
    };
    let saved = save("Zett", "Neu").await;
    assert!(saved.contains("class=\"saved\"") && !saved.contains("class=\"cell miss\""), "{saved}");
    assert!(saved.contains("id=\"coverage-de\" hx-swap-oob=\"true\">1 of 3"), "{saved}");
    assert!(saved.contains("id=\"choice-de\" hx-swap-oob=\"true\">1 of 3"), "{saved}");
    // A late text is not saved. It is sent again with what is stored now.
    let late = save("Zett", "Meiner").await;
    assert!(late.contains("role=\"alert\"") && late.contains("Someone else changed this meanwhile to: Neu"), "{late}");
    assert!(late.contains("data-take=\"Neu\"") && late.contains("data-saves") && late.contains(">\nMeiner</textarea>"));
    assert!(late.contains("&quot;was&quot;:&quot;Neu&quot;") && !late.contains("class=\"saved\""), "{late}");
    assert_eq!(stored(&app, "de").await, "zeta=Neu\n");
    save("Neu", "Meiner").await;
    assert_eq!(stored(&app, "de").await, "zeta=Meiner\n");
    save("Meiner", "").await;
    assert!(save("Meiner", "Wieder").await.contains("Someone else removed this text meanwhile."));
    let refused = browser.post(&format!("{PAGE}/de/text"), &[("key", "a\0"), ("was", ""), ("text", "b")]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_key_is_added_once_with_its_english_text() {
    let app = start().await;
    with_form(&app).await;
    let browser = Browser::of(&app, CLIENT_ID).await;
    let before = revisions(&browser).await;
    let add = async |key: &str, text: &str| {
        browser.post(&format!("{PAGE}/keys"), &[("locale", "de"), ("key", key), ("text", text)]).await
    };
    let added = add(" new key ", "A: text\r\n=").await;
    assert_eq!(added.header("location"), Some(format!("{PAGE}?locale=de&q=new+key&done=key_added").as_str()));
    assert_eq!(stored(&app, "en").await, "new\\ key=A: text\\n=\n");
    assert_eq!(revisions(&browser).await, before + 1);
    let page = browser.page(&format!("{PAGE}?locale=de&q=new+key&done=key_added")).await;
    assert!(page.contains("The key was added.") && keys(&page) == ["new key"]);
    // A key that the form uses gets its text.
    assert_eq!(add("zeta", "Zed").await.status, StatusCode::SEE_OTHER);
    let long = "k".repeat(255);
    for (key, text, why) in [
        ("new key", "Other", "has an English text already"),
        ("", "Other", "A key has 1 to 255 characters"),
        ("other", "", "must not be empty"),
        ("a\0", "x", "no NUL"),
        ("<b>", &"x".repeat(10_000), ""),
        (&long, "x", ""),
    ] {
        let answer = add(key, text).await;
        if why.is_empty() {
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{:.2000}", answer.text());
            continue;
        }
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{key}");
        let page = answer.text();
        assert!(page.contains(why) && page.contains("open>") && page.contains("id=\"coverage-de\""), "{page}");
    }
    assert!(stored(&app, "en").await.starts_with("new\\ key=A: text\\n=\nzeta=Zed\n"));
    let built_in = "/console/connectors/jdbc/translations/keys";
    assert_eq!(browser.post(built_in, &[("key", "a"), ("text", "b")]).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn english_is_copied_to_empty_texts_in_one_step_that_can_be_undone() {
    let app = start().await;
    with_form(&app).await;
    texts(&app, "en", "zeta=Zed\nalpha=A \\u00e9\nempty=\n").await;
    texts(&app, "de", "# Kopf\nzeta=Zett").await;
    let browser = Browser::of(&app, CLIENT_ID).await;
    assert!(browser.page(&format!("{PAGE}?locale=de")).await.contains("/translations/fill?locale=de\""));
    assert!(!browser.page(&format!("{PAGE}?locale=en")).await.contains("/translations/fill"));
    let address = format!("{PAGE}/fill?locale=de");
    let question = browser.page(&address).await;
    assert!(question.contains("Copy the English texts to German?") && question.contains("Copy 1 texts"), "{question}");
    let (base, before) = (field(&question, "base"), revisions(&browser).await);
    let fill = async |base: &str| browser.post(&format!("{PAGE}/fill"), &[("locale", "de"), ("base", base)]).await;
    // Someone else changes the connector meanwhile.
    texts(&app, "fr", "zeta=Z").await;
    let late = fill(&base).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.text().contains("Nothing was copied"), "{}", late.text());
    assert_eq!(stored(&app, "de").await, "# Kopf\nzeta=Zett");
    let filled = fill(&field(late.text(), "base")).await;
    let next = filled.header("location").unwrap().to_owned();
    assert_eq!(stored(&app, "de").await, "# Kopf\nzeta=Zett\nalpha=A é\n");
    assert_eq!(revisions(&browser).await, before + 2);
    let page = browser.page(&next).await;
    assert!(page.contains("The English texts were copied.") && page.contains(">Undo</button>"), "{page}");
    let undo = page.split_once("form class=\"done undo\" method=\"post\" action=\"").unwrap().1;
    let (action, base) = (undo.split('"').next().unwrap(), field(undo, "base"));
    // The note is of this change only.
    texts(&app, "fr", "zeta=Zz").await;
    assert!(!browser.page(&next).await.contains(">Undo</button>"));
    assert_eq!(browser.post(action, &[("base", &base)]).await.status, StatusCode::CONFLICT);
    // Nothing is left to copy.
    assert!(browser.page(&address).await.contains("German lacks no text that English has."));
}

#[tokio::test]
async fn what_is_copied_is_undone_with_one_click() {
    let app = start().await;
    with_form(&app).await;
    texts(&app, "en", "zeta=Zed\n").await;
    let browser = Browser::of(&app, CLIENT_ID).await;
    let base = field(&browser.page(&format!("{PAGE}/fill?locale=ja")).await, "base");
    let filled = browser.post(&format!("{PAGE}/fill"), &[("locale", "ja"), ("base", &base)]).await;
    assert_eq!(stored(&app, "ja").await, "zeta=Zed\n");
    assert!(browser.page("/console/connectors/hr").await.contains(">Japanese<"));
    let page = browser.page(filled.header("location").unwrap()).await;
    let undo = page.split_once("form class=\"done undo\" method=\"post\" action=\"").unwrap().1;
    let undone = browser.post(undo.split('"').next().unwrap(), &[("base", &field(undo, "base"))]).await;
    assert_eq!(undone.status, StatusCode::SEE_OTHER, "{}", undone.text());
    assert!(!browser.page("/console/connectors/hr").await.contains(">Japanese<"));
}

#[tokio::test]
async fn those_who_may_only_read_have_no_tools() {
    let app = start().await;
    let browser = Browser::of(&app, CLIENT_ID).await;
    let page = browser.page("/console/connectors/jdbc/translations").await;
    assert!(page.contains("Only missing") && page.contains("Locales"));
    for tool in ["Add key", "Import", "translations/fill", "<textarea", "Undo"] {
        assert!(!page.contains(tool), "{tool}");
    }
    let fill = browser.post("/console/connectors/jdbc/translations/fill", &[("locale", "ja")]).await;
    assert_eq!(fill.status, StatusCode::BAD_REQUEST);
    assert_eq!(browser.get(&format!("{PAGE}/fill?locale=tlh")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_conflict_of_the_metadata_keeps_what_was_not_changed() {
    let app = start().await;
    app.create("HR").await;
    let metadata = |members: Value| json!([{"op": "replace", "path": "/connectorMetadata", "value": members}]);
    app.patch(
        "/v3/connectors/hr",
        &metadata(json!({"category": "A", "shortDesc": "one\r\ntwo ", "labels": ["x"], "n": 1})),
    )
    .await
    .ok();
    let browser = Browser::of(&app, CLIENT_ID).await;
    let path = "/console/connectors/hr/metadata";
    let page = browser.page(path).await;
    let (base, began) = (field(&page, "base"), field(&page, "began"));
    let send = async |category: &str, base: &str, began: &str| {
        let fields = [
            ("category", category),
            ("labels", "x"),
            ("description", "one\r\ntwo"),
            ("others", "{\r\n  \"n\": 1\r\n}"),
            ("base", base),
            ("began", began),
        ];
        browser.post(path, &fields).await
    };
    app.patch("/v3/connectors/hr", &metadata(json!({"category": "A", "shortDesc": "theirs", "labels": ["y"], "n": 2})))
        .await
        .ok();
    let conflict = send("Mine", &base, &began).await;
    assert_eq!(conflict.status, StatusCode::CONFLICT);
    let page = conflict.text();
    assert!(page.contains("name=\"category\" value=\"Mine\""), "{page}");
    for theirs in ["\ny</textarea>", "\ntheirs</textarea>", "&quot;n&quot;: 2"] {
        assert!(page.contains(theirs), "{theirs} in {page}");
    }
    let again = field(page, "began");
    assert!(again.contains("theirs") && !again.contains("Mine"), "{again}");
    // What someone else has done already is no conflict.
    let same = send("A", &base, &began).await;
    assert_eq!(same.header("location"), Some(format!("{path}?done=unchanged").as_str()), "{}", same.text());
}

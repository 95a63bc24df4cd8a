//! `GET …/connectors`.

use serde_json::{Value, json};

use crate::support::TestApp;

fn names(page: &Value) -> Vec<&str> {
    page.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_version_lists_the_built_in_connectors_in_order_without_case() {
    let app = TestApp::start().await;
    app.create("aardvark").await;
    for base in ["/v3", "/v2024", "/v2025", "/v2026", "/beta"] {
        let page = app.get(&format!("{base}/connectors")).await.ok();
        let found = names(&page);
        assert_eq!((found.len(), found[0], found[1]), (13, "aardvark", "Active Directory (LDAP)"), "{base}");
        assert!(found.iter().map(|name| name.to_lowercase()).is_sorted());
    }
    assert_eq!(names(&app.get("/connectors/v1").await.ok()).len(), 13);
    let scim = app.get("/v3/connectors?filters=name%20sw%20%22SCIM%22").await.ok()[0].clone();
    assert_eq!(
        scim,
        json!({
            "name": "SCIM 2.0",
            "type": "SCIM 2.0",
            "scriptName": "scim-2",
            "className": "connectory.connector.Scim2Connector",
            "features": ["PROVISIONING", "ENABLE", "SEARCH", "SYNC_PROVISIONING"],
            "directConnect": true,
            "status": "RELEASED",
            "connectorMetadata": {
                "category": "Standard",
                "labels": ["open standard", "REST"],
                "platform": "ccg",
                "supportedUI": "ANGULAR",
                "shortDesc": "Users and groups of any service with a SCIM 2.0 interface (RFC 7643, RFC 7644)."
            }
        })
    );
}

#[tokio::test]
async fn every_documented_filter_works_and_composes() {
    let app = TestApp::start().await;
    let table = [
        (r#"name co "ldap""#, 3),
        (r#"name sw "open""#, 1),
        (r#"type eq "scim 2.0""#, 1),
        (r#"type sw "Open""#, 1),
        (r#"type co "SQL""#, 1),
        ("directConnect eq true", 11),
        (r#"directConnect eq "false""#, 1),
        (r#"category eq "Directory""#, 3),
        (r#"features ca ("PROVISIONING","search")"#, 11),
        (r#"labels ca ("open standard")"#, 3),
        (r#"name co "ldap" and not (name sw "open" or directConnect eq false)"#, 2),
    ];
    for (filter, expected) in table {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("filters", filter), ("count", "true"), ("limit", "2")])
            .finish();
        let answer = app.get(&format!("/v2025/connectors?{query}")).await;
        assert_eq!(answer.header("x-total-count"), Some(expected.to_string().as_str()), "{filter}: {}", answer.text());
        assert_eq!(answer.json().as_array().unwrap().len(), expected.min(2), "{filter}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_and_end_empty() {
    let app = TestApp::start().await;
    let all = app.get("/v3/connectors").await;
    assert_eq!(all.header("x-total-count"), None);
    let all = all.json();
    let mut paged = Vec::new();
    for offset in (0..15).step_by(5) {
        let page = app.get(&format!("/v3/connectors?limit=5&offset={offset}")).await.ok();
        paged.extend(page.as_array().unwrap().clone());
    }
    assert_eq!(Value::from(paged), all);
    assert_eq!(app.get("/v3/connectors?offset=1000000").await.ok(), json!([]));
    let none = app.get("/v3/connectors?limit=0&count=true").await;
    assert_eq!((none.header("x-total-count"), none.json()), (Some("12"), json!([])));
}

#[tokio::test]
async fn a_parameter_that_is_wrong_is_named_with_what_would_be_right() {
    let app = TestApp::start().await;
    let table = [
        ("limit=251", "`limit` must be an integer from 0 to 250, got `251`"),
        ("limit=-1", "`limit` must be an integer from 0 to 250, got `-1`"),
        ("limit=ten", "`limit` must be an integer from 0 to 250, got `ten`"),
        ("offset=-1", "`offset` must be an integer of 0 or more, got `-1`"),
        ("offset=1.5", "`offset` must be an integer of 0 or more, got `1.5`"),
        ("count=yes", "`count` must be true or false, got `yes`"),
        ("custom=1", "`custom` must be true or false, got `1`"),
        (
            "statuses=OLD",
            "`statuses`: `OLD` is not a status; expected DEPRECATED, DEVELOPMENT, DEMO or RELEASED, or `all`",
        ),
        (
            "filters=name%20eq%20%22a%22",
            "`filters`, column 6: field `name` does not support the operator `eq`; it supports sw, co",
        ),
        ("filters=color%20eq%20red", "`filters`, column 1: unknown field `color`; supported are name (sw, co)"),
    ];
    for (query, expected) in table {
        let refusal = app.get(&format!("/v3/connectors?{query}")).await.refusal(400);
        assert!(refusal.starts_with(expected), "{query}: {refusal}");
    }
    assert_eq!(names(&app.get("/v3/connectors?unknown=1&filters=%20").await.ok()).len(), 12);
}

#[tokio::test]
async fn only_released_connectors_are_listed_unless_statuses_ask_for_more() {
    let app = TestApp::start().await;
    for (name, status) in [("One", "development"), ("Two", "DEMO")] {
        let body = json!({"name": name, "className": "x.Y", "status": status, "directConnect": "true"});
        assert_eq!(app.post("/v3/connectors", &body).await.ok()["status"], status.to_uppercase());
    }
    for (query, expected) in [
        ("", 12),
        ("statuses=all", 14),
        ("statuses=demo,DEVELOPMENT", 2),
        ("statuses=DEMO", 1),
        ("custom=true", 0),
        ("custom=true&statuses=all", 2),
        ("custom=false&statuses=all", 12),
    ] {
        assert_eq!(names(&app.get(&format!("/v3/connectors?{query}")).await.ok()).len(), expected, "{query}");
    }
}

#[tokio::test]
async fn a_search_looks_at_name_type_script_name_and_description() {
    let app = TestApp::start().await;
    for (name, kind, description) in [
        ("Straße", "Map service", "Nothing"),
        ("Second", "Übersicht", "It says \"STRASSE\", and \\ too"),
        ("Third & last", "x", ""),
    ] {
        let created = app.post("/v3/connectors", &json!({"name": name, "type": kind, "className": "x.Y"})).await;
        let path = format!("/v3/connectors/{}", created.ok()["scriptName"].as_str().unwrap());
        let metadata = json!({"shortDesc": description, "other": "hidden"});
        app.patch(&path, &json!([{"op": "add", "path": "/connectorMetadata", "value": metadata}])).await.ok();
    }
    let english = ["Second", "Straße"];
    for (query, expected) in [
        ("q=strasse", &english[..]),
        ("q=%20STRA%C3%9FE%20&custom=true", &english),
        ("q=uebersicht", &[]),
        ("q=u%CC%88BERSICHT", &["Second"]),
        ("q=Third-", &["Third & last"]),
        ("q=%22strasse%22", &["Second"]),
        ("q=%5C", &["Second"]),
        ("q=hidden", &[]),
        ("q=shortDesc", &[]),
        ("q=strasse&limit=1&offset=1", &["Straße"]),
        ("q=strasse&filters=name%20sw%20%22S%22%20and%20type%20co%20%22map%22", &["Straße"]),
        ("q=scim-2&custom=false", &["SCIM 2.0"]),
        ("q=RFC%207644", &["SCIM 2.0"]),
        ("q=Benutzer%20und%20Gruppen%20jedes&locale=de", &["SCIM 2.0"]),
        ("locale=de&q=Users%20and%20groups%20of%20any%20service", &[]),
        ("q=a&q=strasse", &english),
    ] {
        assert_eq!(names(&app.get(&format!("/v3/connectors?{query}")).await.ok()), expected, "{query}");
    }
    let all = names(&app.get("/v3/connectors").await.ok()).len();
    assert_eq!(names(&app.get("/v3/connectors?q=%20").await.ok()).len(), all);
    let counted = app.get("/v3/connectors?q=strasse&count=true&limit=1").await;
    assert_eq!(counted.headers["x-total-count"], "2");
    assert_eq!(names(&counted.ok()).len(), 1);
    let long = app.get(&format!("/v3/connectors?q={}", "a".repeat(256))).await;
    assert_eq!(long.status, 400);
    let exported = app.get("/connectory/v1/connectors?q=map").await;
    let exported = exported.text();
    assert!(exported.contains("\"scriptName\":\"strasse\"") && exported.ends_with("{\"count\":1}\n"), "{exported}");
}

#[tokio::test]
async fn a_locale_changes_short_descriptions_and_nothing_else() {
    let app = TestApp::start().await;
    let of = async |locale: &str| app.get(&format!("/v3/connectors?locale={locale}")).await.ok();
    let (english, german, unknown) = (of("en").await, of("de").await, of("tlh").await);
    assert_eq!(english, unknown);
    assert_ne!(english, german);
    let without = |page: &Value| {
        let mut page = page.clone();
        for item in page.as_array_mut().unwrap() {
            assert!(item["connectorMetadata"]["shortDesc"].as_str().unwrap().len() > 10);
            item["connectorMetadata"]["shortDesc"].take();
        }
        page
    };
    assert_eq!(without(&english), without(&german));
}

#[tokio::test]
async fn a_filter_of_too_many_comparisons_is_refused_with_its_column() {
    let app = TestApp::start().await;
    let values = vec!["a"; 101].join(",");
    let refusal = app.get(&format!("/v3/connectors?filters=labels%20ca%20({values})")).await.refusal(400);
    assert!(refusal.contains("column 212: more than 100 comparisons; a filter may have at most 100"), "{refusal}");
}

#[tokio::test]
async fn a_query_that_is_not_utf8_is_refused() {
    let app = TestApp::start().await;
    app.create("Größe").await;
    let found = app.get("/v3/connectors?filters=name%20sw%20%22Gr%C3%B6%22").await.ok();
    assert_eq!(found.as_array().unwrap().len(), 1);
    for query in ["filters=name%20sw%20%22Gr%F6%22", "q=Gr%F6", "limit=1&q=%C3"] {
        // The second time the refusal could be cached.
        for _ in 0..2 {
            let refusal = app.get(&format!("/v3/connectors?{query}")).await.refusal(400);
            assert!(refusal.contains("` is not UTF-8; write a character such as `ö`"), "{refusal}");
        }
    }
}

#[tokio::test]
async fn a_parameter_that_is_nearly_a_known_one_is_told_and_ignored() {
    let app = TestApp::start().await;
    app.create("HR").await;
    let told = async |path: &str| {
        let answer = app.get(path).await;
        assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.text());
        answer.header("connectory-unknown-parameter").map(str::to_owned)
    };
    for (name, expected) in [
        ("filters[]", Some("filters[]; similar=filters")),
        ("filters%5B%5D", Some("filters%5B%5D; similar=filters")),
        ("filters[0]", Some("filters[0]; similar=filters")),
        ("filter", Some("filter; similar=filters")),
        ("Filters", Some("Filters; similar=filters")),
        ("Limit", Some("Limit; similar=limit")),
        ("limt", Some("limt; similar=limit")),
        ("lmiit", Some("lmiit; similar=limit")),
        ("ofset", Some("ofset; similar=offset")),
        ("counts", Some("counts; similar=count")),
        ("status", None),
        ("statuse", Some("statuse; similar=statuses")),
        ("local", Some("local; similar=locale")),
        ("sorters", None),
        ("n", None),
        ("Q", Some("Q; similar=q")),
        ("q[]", Some("q[]; similar=q")),
        ("%FF", None),
        ("filters", None),
        ("f%69lters", None),
    ] {
        // The second time the answer is cached.
        for _ in 0..2 {
            assert_eq!(told(&format!("/v3/connectors?limit=9&{name}=")).await.as_deref(), expected, "{name}");
        }
    }
    assert_eq!(told("/v3/connectors").await, None);
    for _ in 0..2 {
        assert_eq!(told("/v3/connectors/hr?locale[]=de").await.as_deref(), Some("locale[]; similar=locale"));
        assert_eq!(told("/v3/connectors/hr?locale=de&filters=x").await, None);
    }
    let repeated = async |query: &str| {
        let answer = app.get(&format!("/v3/connectors?{query}")).await;
        answer.header("connectory-repeated-parameter").map(str::to_owned)
    };
    for _ in 0..2 {
        assert_eq!(repeated("filters=name%20co%20a&limit=1&filters=").await.as_deref(), Some("filters"));
        assert_eq!(repeated("limit=1&limits=2&x=1&x=2").await, None);
    }
    // Whatever a client sends is told whole or not at all.
    assert_eq!(told(&format!("/v3/connectors?filters[{}]=", "x".repeat(5000))).await, None);
}

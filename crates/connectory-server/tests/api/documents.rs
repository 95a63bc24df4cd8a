//! Get and put of source config, source template and correlation config.

use axum::body::Body;
use connectory_model::document::FORM_NAMESPACE;
use connectory_server::Options;
use http::Method;
use serde_json::json;

use crate::support::{FORM, TestApp, form};

fn source_config(attributes: &str) -> String {
    format!("<?xml version=\"1.0\"?>\n<Form xmlns=\"{FORM_NAMESPACE}\" {attributes}/>")
}

#[tokio::test]
async fn every_document_is_stored_byte_for_byte() {
    let app = TestApp::start().await;
    let path = format!("/v2025/connectors/{}", app.create("HR").await);
    let template = "<!DOCTYPE Application PUBLIC \"sailpoint.dtd\" \"sailpoint.dtd\">\r\n\
                    <Application name='ü' featuresString='A, B'>\t</Application>\n";
    let table = [
        ("source-config", source_config("fileUpload='false'")),
        ("source-template", template.to_owned()),
        ("correlation-config", "<CorrelationConfig/>".to_owned()),
    ];
    for (document, text) in &table {
        let path = format!("{path}/{document}");
        assert_eq!(
            app.put(&path, text.as_bytes()).await.ok(),
            json!({"scriptName": "hr", "status": "UPDATED", "updatedFiles": [format!("custom-connector/hr/{document}.xml")]})
        );
        let stored = app.get(&path).await;
        assert_eq!(
            (stored.text(), stored.header("content-type")),
            (text.as_str(), Some("application/xml; charset=utf-8"))
        );
        assert_eq!(
            app.put(&path, text.as_bytes()).await.ok(),
            json!({"scriptName": "hr", "status": "UNCHANGED", "updatedFiles": []})
        );
    }
    let detail = app.get(&path).await.ok();
    assert_eq!(detail["fileUpload"], false);
    assert_eq!(detail["applicationXml"], template);
    assert_eq!(app.get("/v3/connectors?custom=true").await.ok()[0]["features"], json!(["A", "B"]));
}

#[tokio::test]
async fn nothing_sent_is_skipped() {
    let app = TestApp::start().await;
    let path = format!("/v3/connectors/{}/source-config", app.create("HR").await);
    let skipped = app.call(Method::PUT, &path, "", Body::empty()).await.ok();
    assert_eq!(
        skipped,
        json!({"message": "nothing was sent", "scriptName": "hr", "status": "SKIPPED", "updatedFiles": []})
    );
}

#[tokio::test]
async fn a_well_formed_document_that_is_not_acceptable_is_an_error_and_not_stored() {
    let app = TestApp::start().await;
    let path = format!("/v3/connectors/{}", app.create("HR").await);
    let before = app.get(&path).await.ok();
    let old = "<Form xmlns='http://www.sailpoint.com/xsd/sailpoint_form_1_0.xsd'/>";
    let table = [
        (
            "source-config",
            old,
            format!(
                "unsupported xsd version, please ensure latest xsd version {FORM_NAMESPACE} is used for source config"
            ),
        ),
        ("source-template", old, "the root element is <Form> at line 1, column 1; expected <Application>".to_owned()),
        (
            "correlation-config",
            "<A/>",
            "the root element is <A> at line 1, column 1; expected <CorrelationConfig>".into(),
        ),
    ];
    for (document, text, expected) in table {
        assert_eq!(
            app.put(&format!("{path}/{document}"), text.as_bytes()).await.ok(),
            json!({"message": expected, "scriptName": "hr", "status": "ERROR", "updatedFiles": []})
        );
    }
    assert_eq!(app.get(&path).await.ok(), before);
}

#[tokio::test]
async fn what_is_not_well_formed_is_refused_with_line_and_column() {
    let app = TestApp::start().await;
    let path = format!("/v3/connectors/{}/source-template", app.create("HR").await);
    let deep = format!("{}{}", "<a>".repeat(200), "</a>".repeat(200));
    let table: [(&[u8], &str); 7] = [
        (b"", "`file` is not acceptable XML: line 1, column 1: the document is empty"),
        (b"<Application>\n  <A></B>\n</Application>", "`file` is not acceptable XML: line 2, column"),
        (b"<Application", "`file` is not acceptable XML: line 1, column"),
        (b"<Application>\xff</Application>", "`file` is not acceptable XML: line 1, column 14: not UTF-8"),
        (
            b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>\n<Application>&x;</Application>",
            "`file` is not acceptable XML: line 1, column 1: a DTD inside the document",
        ),
        (b"<Application>&x;</Application>", "`file` is not acceptable XML: line 1, column"),
        (deep.as_bytes(), "`file` is not acceptable XML: line 1, column 301: more than 100 levels of elements"),
    ];
    for (text, expected) in table {
        let refusal = app.put(&path, text).await.refusal(400);
        assert!(refusal.starts_with(expected), "{refusal}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_form_with_a_file_is_refused() {
    let app = TestApp::start().await;
    let path = format!("/v3/connectors/{}/source-template", app.create("HR").await);
    let table = [
        ("application/xml", b"<Application/>".to_vec(), "the body is not multipart/form-data with a boundary"),
        ("multipart/form-data", form("file", b"x"), "the body is not multipart/form-data with a boundary"),
        (FORM, form("document", b"<Application/>"), "the form has no part named `file`"),
        (FORM, b"--b0undary\r\nbroken".to_vec(), "the body is not valid multipart/form-data"),
        (FORM, form("file", b"<Application/>")[..60].to_vec(), "the body is not valid multipart/form-data"),
    ];
    for (content_type, body, expected) in table {
        let refusal = app.call(Method::PUT, &path, content_type, body).await.refusal(400);
        assert!(refusal.starts_with(expected), "{content_type}: {refusal}");
    }
}

#[tokio::test]
async fn documents_and_requests_are_bounded() {
    let options = Options { rate_limit: None, max_document: 1000, max_request: 3000, ..Options::default() };
    let app = TestApp::with(options).await;
    let path = format!("/v3/connectors/{}", app.create("HR").await);
    let template = |length: usize| format!("<Application>{}</Application>", " ".repeat(length - 27));
    let put = async |length: usize| app.put(&format!("{path}/source-template"), template(length).as_bytes()).await;
    assert_eq!(put(1000).await.ok()["status"], "UPDATED");
    assert_eq!(put(1001).await.refusal(413), "the file is larger than 1000 bytes");
    assert_eq!(put(5000).await.refusal(413), "the request is larger than 3000 bytes");
    let patch = json!([{"op": "replace", "path": "/applicationXml", "value": template(1001)}]);
    assert_eq!(app.patch(&path, &patch).await.refusal(413), "the result's `applicationXml` is larger than 1000 bytes");
    let patch = json!([{"op": "replace", "path": "/applicationXml", "value": template(5000)}]);
    assert_eq!(app.patch(&path, &patch).await.refusal(413), "the request is larger than 3000 bytes");
}

#[tokio::test]
async fn no_accept_header_is_refused() {
    let app = TestApp::start().await;
    for accept in ["application/json", "*/*", "application/xml", "image/png"] {
        let token = app.token_of(crate::support::CLIENT_ID).await;
        let request = http::Request::get("/v3/connectors/scim-2/source-config")
            .header("authorization", format!("bearer {token}"))
            .header("accept", accept)
            .body(Body::empty());
        let answer = app.send(request.unwrap()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (200, Some("application/xml; charset=utf-8")),
            "{accept}"
        );
    }
}

/// Templates in other encodings than UTF-8: the bytes, and the text of the member.
fn encoded() -> Vec<(Vec<u8>, &'static str)> {
    let utf16 = |text: &str, to_bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to_bytes).collect::<Vec<_>>();
    let declared =
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-16\"?>\r\n<Application name='Größe €' featuresString='A, B'/>";
    let text = "<?xml version=\"1.0\"?>\r\n<Application name='Größe €' featuresString='A, B'/>";
    vec![
        (utf16(declared, u16::to_le_bytes), text),
        (utf16(declared, u16::to_be_bytes), text),
        (utf16("\u{feff}<Application name='ä'/>", u16::to_le_bytes), "<Application name='ä'/>"),
        (
            b"<?xml version='1.0' encoding='ISO-8859-1'?><Application name='Gr\xf6\xdfe'/>".to_vec(),
            "<?xml version='1.0'?><Application name='Größe'/>",
        ),
        (
            b"<?xml version='1.0' encoding='Windows-1252'?><Application name='\x80'/>".to_vec(),
            "<?xml version='1.0'?><Application name='€'/>",
        ),
        (
            "<?xml version='1.0' encoding='utf8'?><Application name='ä'/>".as_bytes().to_vec(),
            "<?xml version='1.0'?><Application name='ä'/>",
        ),
    ]
}

#[tokio::test]
async fn the_bytes_of_other_encodings_stay_and_members_have_their_text() {
    let app = TestApp::start().await;
    let path = format!("/v3/connectors/{}", app.create("HR").await);
    let template = format!("{path}/source-template");
    let mut tags = std::collections::HashSet::new();
    for (bytes, text) in encoded() {
        assert_eq!(app.put(&template, &bytes).await.ok()["status"], "UPDATED", "{text}");
        assert_eq!(app.put(&template, &bytes).await.ok()["status"], "UNCHANGED", "{text}");
        let served = app.get(&template).await;
        assert_eq!(served.body, bytes);
        assert!(tags.insert(served.header("etag").unwrap().to_owned()), "a tag is that of the bytes");
        assert_eq!(app.get(&path).await.ok()["applicationXml"], text);
        // A patch sees the text. One that changes nothing changes no bytes.
        let test = json!({"op": "test", "path": "/applicationXml", "value": text});
        let same = json!([test, {"op": "replace", "path": "/applicationXml", "value": text}]);
        assert_eq!(app.patch(&path, &same).await.ok()["applicationXml"], text);
        let other = json!([test, {"op": "add", "path": "/connectorMetadata/n", "value": bytes.len()}]);
        app.patch(&path, &other).await.ok();
        assert_eq!(app.get(&template).await.body, bytes);
    }
    // Another text is UTF-8.
    let new = "<?xml version='1.0'?><Application name='€'/>";
    app.patch(&path, &json!([{"op": "replace", "path": "/applicationXml", "value": new}])).await.ok();
    assert_eq!(app.get(&template).await.text(), new);
    let (first, _) = &encoded()[0];
    app.put(&template, first).await.ok();
    let listed = app.get("/v3/connectors?custom=true").await.ok();
    assert_eq!(listed[0]["features"], json!(["A", "B"]));
    let diff = app.get("/connectory/v1/connectors/hr/diff").await;
    assert!(diff.text().contains("+<Application name='Größe €' featuresString='A, B'/>"), "{}", diff.text());
    // They are in the database, and come back from the history.
    let app = app.restart(connectory_server::Service::new).await;
    assert_eq!(&app.get(&template).await.body, first);
    let revisions = app.get("/connectory/v1/connectors/hr/revisions?limit=250").await.ok();
    let latin1 =
        revisions.as_array().unwrap().iter().rev().filter(|revision| revision["changed"] == json!(["applicationXml"]));
    let latin1 = latin1.map(|revision| revision["revision"].as_u64().unwrap()).nth(3).unwrap();
    app.post(&format!("/connectory/v1/connectors/hr/revisions/{latin1}/restore"), &json!({})).await.ok();
    assert_eq!(app.get(&template).await.body, encoded()[3].0);
}

#[tokio::test]
async fn what_a_document_declares_and_what_it_is_agree_or_both_are_named() {
    let app = TestApp::start().await;
    let path = format!("/v3/connectors/{}", app.create("HR").await);
    let utf16 = "<?xml version='1.0' encoding='utf-16'?><Application name='a'/>";
    for (bytes, expected) in [
        (utf16.as_bytes().to_vec(), "declares encoding `utf-16`, but its bytes are UTF-8"),
        (
            b"<?xml version='1.0' encoding='UTF-8'?><Application name='\xe4'/>".to_vec(),
            "declares encoding `UTF-8`, but its bytes are not UTF-8",
        ),
        (b"<Application name='\xe4'/>".to_vec(), "not UTF-8, and the document declares no other encoding"),
        (b"<?xml version='1.1'?><Application/>".to_vec(), "declares XML version `1.1`; declare version 1.0"),
        (b"<!DOCTYPE Application [<!ENTITY a 'b'>]><Application/>".to_vec(), "a DTD inside the document"),
    ] {
        let refusal = app.put(&format!("{path}/source-template"), &bytes).await.refusal(400);
        assert!(refusal.contains(expected), "{refusal}");
    }
    let patch = json!([{"op": "replace", "path": "/applicationXml", "value": utf16}]);
    let refusal = app.patch(&path, &patch).await.refusal(400);
    assert!(refusal.contains("declares encoding `utf-16`, but its bytes are UTF-8"), "{refusal}");
    let dotnet =
        b"<!DOCTYPE Application PUBLIC \"sailpoint.dtd\" \"sail[point.dtd\"[]><Application featuresString='A'/>";
    assert_eq!(app.put(&format!("{path}/source-template"), dotnet).await.ok()["status"], "UPDATED");
    assert_eq!(app.get("/v3/connectors?custom=true").await.ok()[0]["features"], json!(["A"]));
}

#[tokio::test]
async fn the_text_of_a_document_counts_against_the_limit_too() {
    let app = TestApp::with(Options { max_document: 1000, ..Options::default() }).await;
    let path = format!("/v3/connectors/{}/source-template", app.create("HR").await);
    // In UTF-8, such a character has two bytes.
    let latin1 = |n: usize| {
        [b"<?xml version='1.0' encoding='ISO-8859-1'?><Application name='", vec![0xe4; n].as_slice(), b"'/>"].concat()
    };
    app.put(&path, &latin1(400)).await.ok();
    assert!(latin1(600).len() < 1000);
    let refusal = app.put(&path, &latin1(600)).await.refusal(413);
    assert!(refusal.contains("1000"), "{refusal}");
    assert_eq!(app.get(&path).await.body, latin1(400));
}

#[tokio::test]
async fn an_export_that_is_applied_brings_the_bytes_back() {
    let (from, to) = (TestApp::start().await, TestApp::start().await);
    let lines = |answer: crate::support::Answer| -> Vec<serde_json::Value> {
        answer
            .text()
            .lines()
            .filter(|line| line.contains("scriptName"))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let apply = async |app: &TestApp, line: &serde_json::Value| {
        app.call(Method::POST, "/connectory/v1/apply", "application/x-ndjson", format!("{line}\n")).await
    };
    let path = format!("/v3/connectors/{}", from.create("HR").await);
    let template = format!("{path}/source-template");
    for (n, (bytes, text)) in encoded().into_iter().enumerate() {
        from.put(&template, &bytes).await.ok();
        assert_eq!(
            from.get("/connectors/v1/hr").await.ok().get("documentBytes"),
            None,
            "the vendor's paths do not have it"
        );
        let mut line = lines(from.get("/connectory/v1/connectors").await).remove(0);
        assert_eq!(line["connector"]["applicationXml"], text);
        let there = lines(to.get("/connectory/v1/connectors").await);
        line["revision"] = there.first().map_or(json!(0), |there| there["revision"].clone());
        apply(&to, &line).await.ok();
        assert_eq!(to.get(&template).await.body, bytes, "{n}");
        // A client that knows texts only changes no bytes.
        let mut line = lines(to.get("/connectory/v1/connectors").await).remove(0);
        line["connector"].as_object_mut().unwrap().remove("documentBytes");
        assert_eq!(apply(&to, &line).await.ok()["unchanged"], 1);
        assert_eq!(to.get(&template).await.body, bytes);
        // Bytes and text agree.
        let mut line = lines(to.get("/connectory/v1/connectors").await).remove(0);
        line["connector"]["applicationXml"] = json!("<Application name='other'/>");
        let refused = apply(&to, &line).await;
        assert_eq!(refused.status, 400);
        assert!(
            refused.text().contains("`documentBytes.source-template` is not `applicationXml` in another encoding"),
            "{}",
            refused.text()
        );
    }
}

#[tokio::test]
async fn an_export_that_is_applied_brings_texts_in_latin1_back() {
    let (from, to) = (TestApp::start().await, TestApp::start().await);
    let exported = async |app: &TestApp| -> serde_json::Value {
        let answer = app.get("/connectory/v1/connectors").await;
        let text = answer.text();
        serde_json::from_str(text.lines().find(|line| line.contains("scriptName")).unwrap()).unwrap()
    };
    let apply = async |line: &serde_json::Value| {
        to.call(Method::POST, "/connectory/v1/apply", "application/x-ndjson", format!("{line}\n")).await
    };
    let path = format!("/v3/connectors/{}", from.create("HR").await);
    let latin1 = b"a=Gr\xf6\xdfe\n".as_slice();
    from.put(&format!("{path}/translations/de"), latin1).await.ok();
    from.put(&format!("{path}/translations/fr"), "a=Größe\n".as_bytes()).await.ok();
    let mut line = exported(&from).await;
    assert_eq!(line["connector"]["latin1Translations"], json!(["de"]));
    assert_eq!(from.get(&path).await.ok().get("latin1Translations"), None, "the vendor's paths do not have it");
    line["revision"] = json!(0);
    apply(&line).await.ok();
    assert_eq!(to.get(&format!("{path}/translations/de")).await.body, latin1);
    assert_eq!(to.get(&format!("{path}/translations/fr")).await.body, "a=Größe\n".as_bytes());

    // A client that knows texts only changes no bytes.
    let mut line = exported(&to).await;
    line["connector"].as_object_mut().unwrap().remove("latin1Translations");
    assert_eq!(apply(&line).await.ok()["unchanged"], 1);
    assert_eq!(to.get(&format!("{path}/translations/de")).await.body, latin1);

    let mut line = exported(&to).await;
    for (text, tags, refusal) in [
        (
            "a=\u{142}\n",
            json!(["de"]),
            "`latin1Translations` has `de`, but `translationProperties.de` is no text in ISO-8859-1",
        ),
        (
            "a=b\n",
            json!(["de"]),
            "`latin1Translations` has `de`, but `translationProperties.de` is no text in ISO-8859-1",
        ),
        ("a=b\n", json!("de"), "`latin1Translations`"),
    ] {
        line["connector"]["translationProperties"]["de"] = json!(text);
        line["connector"]["latin1Translations"] = tags;
        let refused = apply(&line).await;
        assert_eq!(refused.status, 400);
        assert!(refused.text().contains(refusal), "{}", refused.text());
    }
}

#[tokio::test]
async fn a_document_says_its_charset() {
    let app = TestApp::start().await;
    app.create("HR").await;
    let text = "<Form xmlns=\"http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd\" name=\"Größe\"/>";
    app.put("/v3/connectors/hr/source-config", text.as_bytes()).await.ok();
    for document in ["source-config", "source-template", "correlation-config"] {
        for version in ["/v3/connectors", "/connectors/v1"] {
            let answer = app.get(&format!("{version}/hr/{document}")).await;
            assert_eq!(answer.header("content-type"), Some("application/xml; charset=utf-8"), "{document}");
        }
    }
    assert_eq!(app.get("/v3/connectors/hr/source-config").await.text(), text);
    let charsets = ["utf-16", "utf-16", "utf-16", "iso-8859-1", "windows-1252", "utf-8"];
    for ((bytes, _), charset) in encoded().into_iter().zip(charsets) {
        app.put("/v3/connectors/hr/source-template", &bytes).await.ok();
        let answer = app.get("/v3/connectors/hr/source-template").await;
        assert_eq!(answer.header("content-type").unwrap(), format!("application/xml; charset={charset}"));
    }
}

#[tokio::test]
async fn a_form_is_read_as_clients_write_it() {
    let app = TestApp::start().await;
    app.create("HR").await;
    let dispositions = [
        "Content-Disposition: form-data; name=file",
        "CONTENT-DISPOSITION: Form-Data; NAME=\"file\"",
        "content-disposition:form-data;filename=\"a; name=b.xml\";name=\"file\"",
        "Content-Disposition: form-data;\r\n name=\"file\";\r\n\tfilename=\"Gr\u{f6}\u{df}e.xml\"",
        "Content-Disposition: form-data; filename*=UTF-8''Gr%C3%B6%C3%9Fe.xml; name = \"file\"",
        "Content-Disposition: form-data; filename=\"=?utf-8?B?R3LDtsOfZQ==?=\"; name=\"file\"",
        "Content-Type: application/xml;\r\n charset=utf-8\r\nContent-Disposition: form-data; name=\"file\"",
        "Content-Disposition: form-data; name*=UTF-8''%66ile",
    ];
    let boundaries = [
        ("multipart/form-data; boundary=b", "b"),
        ("Multipart/Form-Data; BOUNDARY=\"b c\"", "b c"),
        ("multipart/form-data; charset=utf-8; boundary=----=_Part_1_2.3;", "----=_Part_1_2.3"),
    ];
    let mut n = 0;
    for (content_type, boundary) in boundaries {
        for disposition in dispositions {
            n += 1;
            let file = format!("<Application name=\"HR {n}\" type=\"custom HR\">\r\n <!-- \r\n --></Application>");
            let body = format!("--{boundary}\r\n{disposition}\r\n\r\n{file}\r\n--{boundary}--\r\n");
            let path = "/v3/connectors/hr/source-template";
            let answer = app.call(Method::PUT, path, content_type, body).await;
            assert_eq!(answer.ok()["status"], "UPDATED", "{content_type} {disposition}");
            assert_eq!(app.get(path).await.text(), file, "{disposition}");
        }
    }
    let part = |head: &str| format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n<A/>\r\n");
    let put = async |parts: &[&str], expected: &str| {
        let body = parts.iter().map(|head| part(head)).collect::<String>() + "--b--\r\n";
        let path = "/v3/connectors/hr/source-template";
        let refusal = app.call(Method::PUT, path, "multipart/form-data; boundary=b", body).await.refusal(400);
        assert!(refusal.contains(expected), "{refusal}");
    };
    put(
        &["name=upload", "name=b"],
        "the form has no part named `file`, but `upload`; send the document under that name",
    )
    .await;
    put(&["filename=file"], "the form has no part named `file`; send").await;
    put(&["name=a", "name=file", "name=file"], "the form has two parts named `file`; send one file").await;
    put(&["name=file\r\nContent-Encoding: gzip"], "the part has the Content-Encoding `gzip`; send the bytes").await;
    let mail = "--b\r\nContent-Disposition: form-data; name=\"file\"\r\nContent-Transfer-Encoding: base64\r\n\r\nPEEvPg==\r\n--b--\r\n";
    let path = "/v3/connectors/hr/source-template";
    let refusal = app.call(Method::PUT, path, "multipart/form-data; boundary=b", mail).await.refusal(400);
    assert!(refusal.contains("Content-Transfer-Encoding `base64`"), "{refusal}");
    let token = "--b\r\nContent-Disposition: form-data;\r\n NAME=grant_type\r\n\r\nx\r\n--b--\r\n";
    let answer = app.call(Method::POST, "/oauth/token", "multipart/form-data; boundary=b", token).await;
    assert_eq!(answer.json()["error"], "unsupported_grant_type");
}

#[tokio::test]
async fn unusual_documents_that_are_right_are_taken_and_served_as_they_are() {
    let app = TestApp::start().await;
    let path = format!("/v3/connectors/{}", app.create("HR").await);
    let form = "http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd";
    let large = format!("<Application name='HR' note='{}'/>", "ä".repeat(1_800_000));
    for (document, text) in [
        ("source-template", "\u{feff}<Application name='HR'/>".to_owned()),
        ("source-template", "<!-- a --><?pi b?>\n<Application name='HR'/>\n<?pi c?><!-- d -->".to_owned()),
        (
            "source-template",
            "<Application name='HR'><Attributes><![CDATA[<a> & ]] >]]></Attributes></Application>".to_owned(),
        ),
        ("source-template", "<Application name='HR'\r>\r<!-- \r\n -->\r</Application>".to_owned()),
        ("source-template", "<Application\r\n name='HR'>\r\n</Application>\r\n".to_owned()),
        ("source-template", "<Application name='HR &#x1F600; \u{1F600}'/>".to_owned()),
        ("source-template", large),
        ("source-config", format!("<f:Form xmlns:f=\"{form}\" name=\"HR\"/>")),
    ] {
        let path = format!("{path}/{document}");
        assert_eq!(app.put(&path, text.as_bytes()).await.ok()["status"], "UPDATED", "{document}");
        assert_eq!(app.get(&path).await.body, text.as_bytes(), "{document}");
    }
    // In JSON, a character outside of the basic plane is two escapes.
    let patch = r#"[{"op": "replace", "path": "/applicationXml", "value": "<Application name='\ud83d\ude00'/>"}]"#;
    let patched = app.call(Method::PATCH, &path, "application/json-patch+json", patch).await;
    assert_eq!(patched.ok()["applicationXml"], "<Application name='\u{1F600}'/>");
    let patch = json!([
        {"op": "add", "path": "/connectorMetadata/a~1b", "value": 1},
        {"op": "add", "path": "/connectorMetadata/labels", "value": ["x"]},
        {"op": "add", "path": "/connectorMetadata/labels/-", "value": "y"},
        {"op": "add", "path": "/connectorMetadata/n", "value": null},
    ]);
    let metadata = app.patch(&path, &patch).await.ok()["connectorMetadata"].clone();
    assert_eq!(metadata, json!({"a/b": 1, "labels": ["x", "y"], "n": null}));
}

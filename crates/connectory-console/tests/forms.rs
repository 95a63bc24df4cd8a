//! What forms of the console say beside their fields.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;

use serde_json::json;

use self::browser::support::CLIENT_ID;
use self::browser::{Browser, field, start};

#[tokio::test]
async fn forms_that_create_mark_what_is_needed_and_can_be_left() {
    let app = start().await;
    app.create("hr").await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    for (path, needed, cancel) in [
        ("/console/new", 2, Some("href=\"/\">Cancel<")),
        ("/console/connectors/hr/duplicate", 1, Some("href=\"/console/connectors/hr\">Cancel<")),
        ("/console/clients", 1, None),
    ] {
        let page = admin.page(path).await;
        let main = page.split_once("<main").unwrap().1;
        assert_eq!(main.matches("class=\"needed\"").count(), needed, "{path}");
        assert_eq!(main.matches(" required").count(), needed, "{path}");
        assert!(
            main.contains("Fields with * are needed.") && cancel.is_none_or(|cancel| main.contains(cancel)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_metadata_says_when_a_translation_hides_the_short_description() {
    let app = start().await;
    app.create("hr").await;
    let admin = Browser::of(&app, CLIENT_ID).await;
    let path = "/console/connectors/hr/metadata";
    assert!(!admin.page(path).await.contains("hint-hidden"));
    // Another locale than the reader's hides nothing from them.
    app.put("/v3/connectors/hr/translations/de", b"ShortDesc=Leute").await.ok();
    assert!(!admin.page(path).await.contains("hint-hidden"));
    app.put("/v3/connectors/hr/translations/en", b"ShortDesc=People").await.ok();
    let page = admin.page(path).await;
    assert!(page.contains("aria-describedby=\"hint-description hint-hidden\""), "{page}");
    assert!(page.contains("the translations into English instead of this one."), "{page}");
    let link =
        page.split_once("id=\"hint-hidden\"").unwrap().1.split_once("href=\"").unwrap().1.split('"').next().unwrap();
    assert_eq!(link, "/console/connectors/hr/translations?locale=en&amp;q=ShortDesc");
    assert!(admin.page(&link.replace("&amp;", "&")).await.contains("People</textarea>"));
    // A form that is shown again says it too.
    let base = field(&page, "base");
    let fields = [("base", base.as_str()), ("description", "x"), ("others", "no JSON")];
    assert!(admin.post(path, &fields).await.text().contains("hint-hidden"));
    let patch = json!([{"op": "add", "path": "/connectorMetadata/shortDesc", "value": "hidden"}]);
    app.patch("/v3/connectors/hr", &patch).await.ok();
    assert!(admin.page("/").await.contains(">People<"));
}

//! The measured catalogs: their connectors have list items of about 500 bytes and details of about 8 KB.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use connectory_model::access::{Scope, UserLevel};
use connectory_model::document::FORM_NAMESPACE;
use connectory_model::{Connector, import};
use connectory_store::{AccessOrigin, Author, AuthorKind, Change, Edit, NewClient, Origin, Store};
use serde_json::{Value, json};

/// The client that the load uses. The server hashes its secret on the first start.
pub const CLIENT_ID: &str = "bench";
pub const CLIENT_SECRET: &str = "bench";

/// A word that one name in a hundred contains.
pub const RARE: &str = "k07";

/// Returns the name of the n-th connector.
pub fn name(n: usize) -> String {
    format!("Connector {n:06} k{:02}", n * 7919 % 100)
}

/// Returns the script name that is derived from [`name`].
pub fn script_name(n: usize) -> String {
    format!("connector-{n:06}-k{:02}", n * 7919 % 100)
}

/// Returns a source config of about 3 KB. Each variant is different.
pub fn source_config(variant: usize) -> String {
    let mut fields = String::new();
    for n in 0..20 {
        let _infallible = write!(
            fields,
            "<Field name=\"field{n}\" displayName=\"fieldLabel_{n}\" type=\"text\" required=\"true\" \
             helpKey=\"help_{n}\" placeHolder=\"placeHolder_{n}\" defaultValue=\"\"/>"
        );
    }
    format!(
        "<Form xmlns=\"{FORM_NAMESPACE}\" name=\"v{variant}\" type=\"SourceConfig\"><Menu name=\"m\" label=\"menuLabel\">\
         <Section name=\"s\" label=\"sectionLabel\">{fields}</Section></Menu></Form>"
    )
}

/// Returns the n-th connector as JSON: the members of its list item, and its documents.
pub fn listed(n: usize) -> Value {
    let mut schema = String::new();
    for attribute in 0..18 {
        let _infallible =
            write!(schema, "<AttributeDefinition name=\"attribute{attribute}\" type=\"string\" multi=\"false\"/>");
    }
    json!({
        "name": name(n),
        "type": format!("Type {}", n % 50),
        "className": "sailpoint.connector.OpenConnectorAdapter",
        "connectorMetadata": {
            "category": format!("Category {}", n % 10),
            "labels": ["bench", format!("label {}", n % 20)],
            "shortDesc": "A connector that was made to be measured: its list item is about as long as those of \
                          connectors that people write, and so are its documents, which say nothing of interest.",
        },
        "sourceConfigXml": source_config(n),
        "applicationXml": format!(
            "<Application name=\"{n}\" featuresString=\"PROVISIONING, SEARCH, ENABLE\"><Schemas><Schema \
             objectType=\"account\">{schema}</Schema></Schemas></Application>"
        ),
    })
}

/// Returns the n-th connector.
pub fn connector(n: usize) -> Connector {
    import::from_json(json!([listed(n)]).to_string().as_bytes()).expect("valid").remove(0)
}

/// Makes a database of SQLite with `count` connectors.
pub async fn seed_sqlite(path: &Path, count: usize) -> Result<()> {
    seed(&Store::open(path)?, count).await
}

/// Fills a new database with `count` connectors.
pub async fn seed(store: &Store, count: usize) -> Result<()> {
    let (id, name) = (CLIENT_ID.to_owned(), "bench".to_owned());
    let client = NewClient::with_secret(id, CLIENT_SECRET, name, UserLevel::OrgAdmin, [Scope::All].into());
    store.bootstrap("default".to_owned(), client, AccessOrigin::operator("bench".to_owned())).await?;
    let tenant = store.tenants().await?[0].id;
    let mut commits = tokio::task::JoinSet::new();
    for n in 0..count {
        let store = store.clone();
        commits.spawn(async move {
            let edit = Edit::new(Change::Create, &connector(n), &[], None);
            let author = Author { kind: AuthorKind::Operator, id: "seed".to_owned(), name: None };
            let origin = Origin { author, tracking_id: None };
            store.commit(tenant, vec![edit], origin).await
        });
        if commits.len() >= 512 {
            commits.join_next().await.expect("not empty")??;
        }
    }
    while let Some(committed) = commits.join_next().await {
        committed??;
    }
    Ok(())
}

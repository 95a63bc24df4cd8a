//! Copies a connector from one tenant to another, for example from sandbox to production.

use std::error::Error;

use connectory_client::{Client, DocumentKind, Environment, NewConnector};

/// Takes two environments that `connectory login` saved, and a script name.
#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [from, to, script_name] = arguments.as_slice() else {
        return Err("usage: promote FROM TO SCRIPT-NAME".into());
    };
    let client = |name: &str| Client::builder(Environment::named(name)?).build();
    run(&client(from)?, &client(to)?, script_name).await
}

/// Creates the connector if the target does not have it, and makes its documents, texts and metadata the same.
pub async fn run(from: &Client, to: &Client, script_name: &str) -> Result<(), Box<dyn Error>> {
    let source = from.get(script_name, None).await?;
    match to.get(script_name, None).await {
        Ok(_) => {}
        Err(error) if error.is_not_found() => {
            let new = NewConnector {
                connector_type: source.connector_type,
                direct_connect: source.direct_connect,
                status: *source.status.known().ok_or("this program does not know the connector's status")?,
                ..NewConnector::new(source.name, source.class_name)
            };
            let created = to.create(&new).await?;
            println!("created {}", created.script_name);
        }
        Err(error) => return Err(error.into()),
    }
    for kind in DocumentKind::ALL {
        to.set_document(script_name, kind, &from.document(script_name, kind).await?).await?;
    }
    for locale in source.translation_properties.keys().filter_map(|locale| locale.known()) {
        to.set_translations(script_name, *locale, &from.translations(script_name, *locale).await?).await?;
    }
    let metadata = serde_json::json!([{"op": "add", "path": "/connectorMetadata", "value": source.connector_metadata}]);
    to.patch(script_name, &serde_json::from_value(metadata)?).await?;
    println!("promoted {script_name}");
    Ok(())
}

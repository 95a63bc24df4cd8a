//! Creates a connector, changes its form, and adds a German text.

use connectory_client::{Client, DocumentKind, Error, Locale, NewConnector, Open, UpdateStatus};

#[tokio::main]
async fn main() -> Result<(), Error> {
    run(&Client::from_env()?).await.map(drop)
}

/// Returns the script name of the new connector.
pub async fn run(client: &Client) -> Result<String, Error> {
    let created = client.create(&NewConnector::new("Payroll", "sailpoint.connector.OpenConnectorAdapter")).await?;
    let name = created.script_name.as_str();

    // A new connector has documents already. They are bytes: the service stores and returns exactly what is uploaded.
    let form = client.document(name, DocumentKind::SourceConfig).await?;
    let form = String::from_utf8_lossy(&form).replace("<Form ", "<!-- version 2 -->\n<Form ");
    let update = client.set_document(name, DocumentKind::SourceConfig, form.as_bytes()).await?;
    println!("{}: {}", update.script_name, update.status);

    // The service may refuse the content of a document. The call succeeds then, and the status says so.
    let refused = client.set_document(name, DocumentKind::SourceConfig, b"<Form/>").await?;
    if refused.status == Open::Known(UpdateStatus::Error) {
        println!("not accepted: {}", refused.message.unwrap_or_default());
    }

    // Texts are Java properties, one file for each locale. An empty file deletes the locale.
    client.set_translations(name, Locale::De, b"ShortDesc=Gehaltsabrechnung\n").await?;
    let german = client.translations(name, Locale::De).await?;
    print!("{}", String::from_utf8_lossy(&german));
    Ok(name.to_owned())
}

use connectory_client::{Client, Filter, NewConnector};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::from_env()?;
    let created = client.create(&NewConnector::new("Payroll", "sailpoint.connector.OpenConnectorAdapter")).await?;
    let patch = serde_json::from_str(r#"[{"op": "add", "path": "/connectorMetadata/category", "value": "HR"}]"#)?;
    client.patch(created.script_name.as_str(), &patch).await?;

    let filter = Filter::category("HR").and(Filter::direct_connect(true));
    for connector in client.list().filter(filter).all().await? {
        println!("{} ({})", connector.name, connector.script_name);
    }
    Ok(())
}

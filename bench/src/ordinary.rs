//! The peer: an ordinary server, such as a programmer would write in an afternoon. It uses axum and SQLite, and queries
//! and serializes on every request. It checks a fixed token, has no rate limit, and commits each insert separately.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use axum::extract::{Path as Segment, Query, State};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode, header};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::data;
use crate::process::announce;

/// The token that the peer accepts.
pub const TOKEN: &str = "ordinary";

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS connectors (
        script_name TEXT PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, class_name TEXT NOT NULL,
        direct_connect INTEGER NOT NULL, status TEXT NOT NULL, features TEXT NOT NULL, metadata TEXT NOT NULL,
        source_config TEXT NOT NULL, source_template TEXT NOT NULL, correlation_config TEXT NOT NULL
    );
    CREATE UNIQUE INDEX IF NOT EXISTS connectors_by_name ON connectors (name COLLATE NOCASE);
    CREATE INDEX IF NOT EXISTS connectors_by_status ON connectors (status, name COLLATE NOCASE);";

const INSERT: &str = "INSERT INTO connectors VALUES (?1, ?2, ?3, ?4, 1, 'RELEASED', ?5, ?6, ?7, ?8, ?9)";
const ITEM: &str = "SELECT name, type, script_name, class_name, features, direct_connect, metadata, status";

fn open(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Makes a database with the same connectors.
pub fn seed(path: &Path, count: usize) -> Result<()> {
    let mut connection = open(path)?;
    connection.execute_batch(SCHEMA)?;
    let transaction = connection.transaction()?;
    for n in 0..count {
        let connector = data::connector(n);
        let metadata = serde_json::to_string(&connector.connector_metadata)?;
        transaction.prepare_cached(INSERT)?.execute(params![
            connector.script_name.as_str(),
            connector.name,
            connector.connector_type,
            connector.class_name,
            r#"["PROVISIONING","SEARCH","ENABLE"]"#,
            metadata,
            connector.source_config.as_str(),
            connector.source_template.as_str(),
            connector.correlation_config.as_str(),
        ])?;
    }
    transaction.commit()?;
    Ok(())
}

#[derive(Clone)]
struct App(Arc<Mutex<Connection>>);

impl App {
    async fn query<T: Send + 'static>(
        &self,
        headers: &HeaderMap,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StatusCode> {
        if headers.get(header::AUTHORIZATION).is_none_or(|value| value.as_bytes() != b"Bearer ordinary") {
            return Err(StatusCode::UNAUTHORIZED);
        }
        let connection = Arc::clone(&self.0);
        let run = move || query(&connection.lock().unwrap_or_else(PoisonError::into_inner));
        let done = tokio::task::spawn_blocking(run).await;
        done.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    name: String,
    r#type: String,
    script_name: String,
    class_name: String,
    features: Value,
    direct_connect: bool,
    connector_metadata: Value,
    status: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    documents: Option<Documents>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Documents {
    application_xml: String,
    correlation_config_xml: String,
    source_config_xml: String,
    source_config: String,
}

impl Item {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let json = |column| {
            Ok::<_, rusqlite::Error>(serde_json::from_str(row.get_ref(column)?.as_str()?).unwrap_or(Value::Null))
        };
        Ok(Self {
            name: row.get(0)?,
            r#type: row.get(1)?,
            script_name: row.get(2)?,
            class_name: row.get(3)?,
            features: json(4)?,
            direct_connect: row.get(5)?,
            connector_metadata: json(6)?,
            status: row.get(7)?,
            documents: None,
        })
    }
}

#[derive(Deserialize)]
struct Page {
    filters: Option<String>,
    #[serde(default = "most")]
    limit: u32,
    #[serde(default)]
    offset: u32,
    #[serde(default)]
    count: bool,
}

const fn most() -> u32 {
    250
}

async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    Query(page): Query<Page>,
) -> Result<impl IntoResponse, StatusCode> {
    // The peer supports only this filter: name co "…".
    let word = page.filters.as_deref().and_then(|filter| filter.split('"').nth(1)).unwrap_or_default();
    let like = format!("%{word}%");
    let (items, total) = app
        .query(&headers, move |connection| {
            let condition = "FROM connectors WHERE status = 'RELEASED' AND name LIKE ?1";
            let items = connection
                .prepare_cached(&format!("{ITEM} {condition} ORDER BY name COLLATE NOCASE LIMIT ?2 OFFSET ?3"))?
                .query_map(params![like, page.limit, page.offset], Item::read)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let count = format!("SELECT count(*) {condition}");
            let total =
                page.count.then(|| connection.prepare_cached(&count)?.query_row([like], |row| row.get::<_, i64>(0)));
            Ok((items, total.transpose()?))
        })
        .await?;
    let mut answered = HeaderMap::new();
    if let Some(total) = total {
        answered.insert("x-total-count", total.into());
    }
    Ok((answered, Json(items)))
}

async fn detail(
    State(app): State<App>,
    headers: HeaderMap,
    Segment(script_name): Segment<String>,
) -> Result<Json<Item>, StatusCode> {
    let found = app
        .query(&headers, move |connection| {
            let select = format!(
                "{ITEM}, source_template, correlation_config, source_config FROM connectors WHERE script_name = ?1"
            );
            let read = |row: &Row<'_>| {
                let mut item = Item::read(row)?;
                let source_config: String = row.get(10)?;
                item.documents = Some(Documents {
                    application_xml: row.get(8)?,
                    correlation_config_xml: row.get(9)?,
                    source_config_xml: source_config.clone(),
                    source_config,
                });
                Ok(item)
            };
            connection.prepare_cached(&select)?.query_row([script_name], read).optional()
        })
        .await?;
    found.map(Json).ok_or(StatusCode::NOT_FOUND)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct New {
    name: String,
    class_name: String,
}

async fn create(State(app): State<App>, headers: HeaderMap, Json(new): Json<New>) -> Result<Json<Item>, StatusCode> {
    let item = app.query(&headers, move |connection| insert(connection, &new.name, &new.class_name)).await?;
    Ok(Json(item))
}

fn insert(connection: &Connection, name: &str, class_name: &str) -> rusqlite::Result<Item> {
    let script_name = name.to_lowercase().replace(' ', "-");
    let kind = format!("custom {name}");
    let documents = [
        format!("<Form xmlns=\"http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd\" name=\"{name}\"/>"),
        format!("<Application name=\"{name}\"/>"),
        format!("<CorrelationConfig name=\"{name}\"/>"),
    ];
    let values = params![script_name, name, kind, class_name, "[]", "{}", documents[0], documents[1], documents[2]];
    connection.prepare_cached(INSERT)?.execute(values)?;
    let select = format!("{ITEM} FROM connectors WHERE script_name = ?1");
    connection.prepare_cached(&select)?.query_row([script_name], Item::read)
}

/// Serves a database.
pub fn run(path: &Path) -> Result<()> {
    let app = App(Arc::new(Mutex::new(open(path)?)));
    let router = Router::new()
        .route("/v2025/connectors", get(list).post(create))
        .route("/v2025/connectors/{script_name}", get(detail))
        .with_state(app);
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        announce(&listener)?;
        axum::serve(listener.tap_io(|stream| stream.set_nodelay(true).unwrap_or_default()), router).await?;
        Ok(())
    })
}

/// Commits each insert separately, without a server. This measures the limit of the disk.
pub fn inserts(path: &Path, milliseconds: u64) -> Result<()> {
    let connection = open(path)?;
    connection.execute_batch(SCHEMA)?;
    let base: i64 = connection.query_row("SELECT count(*) FROM connectors", [], |row| row.get(0))?;
    let began = Instant::now();
    let mut done = 0_u32;
    while began.elapsed() < Duration::from_millis(milliseconds) {
        insert(&connection, &format!("Insert {}", base + i64::from(done)), "x.Y")?;
        done += 1;
    }
    println!("{}", f64::from(done) / began.elapsed().as_secs_f64());
    Ok(())
}

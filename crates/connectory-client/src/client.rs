//! The client and its 13 operations.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use connectory_model::create::NewConnector;
use connectory_model::document::DocumentKind;
use connectory_model::wire::{
    Applied, ConnectorDetail, ConnectorItem, Imported, SERVICE_PATH, ServiceInfo, UpdateDetail,
};
use connectory_model::{Locale, ScriptName};
use json_patch::Patch;
use reqwest::Method;
use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::sync::Semaphore;
use url::{ParseError, Position, Url};

use crate::changes::{self, Change, Duplicate, Export};
use crate::conditional::{IfMatch, IfNoneMatch, Tagged, whole};
use crate::config::Environment;
use crate::error::Error;
use crate::etag::ETag;
use crate::events::Events;
use crate::history::{self, Activity, DeletedConnectors, Revisions};
use crate::list::List;
use crate::retries::{OnRetry, Retries, Retry};
use crate::token::Tokens;
use crate::transport::{KnownRevision, Transport};

/// A client of one service, as one API client. Clones share everything.
#[derive(Clone)]
pub struct Client(Arc<Transport>);

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("environment", self.environment()).finish_non_exhaustive()
    }
}

/// What a service that was reached tells without a token.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Reached {
    /// The service's time, if it tells it.
    pub date: Option<SystemTime>,
    /// What the service says about itself. None if it is another service than connectory.
    pub service: Option<ServiceInfo>,
}

/// Settings of a new client.
#[derive(Debug, Clone)]
pub struct Builder {
    environment: Environment,
    api_path: String,
    retries: Retries,
    on_retry: Option<OnRetry>,
    concurrency: usize,
    timeout: Duration,
}

impl Builder {
    /// The path of the operations: `v2025/connectors` by default. `v3/connectors`, `v2024/connectors`, `v2026/connectors`
    /// and `connectors/v1` have the same operations.
    #[must_use]
    pub fn api_path(mut self, path: &str) -> Self {
        path.trim_matches('/').clone_into(&mut self.api_path);
        self
    }

    /// When failed calls are repeated.
    #[must_use]
    pub fn retries(mut self, retries: Retries) -> Self {
        self.retries = retries;
        self
    }

    /// What to do when a call has failed and will be repeated, for example write a line to a log. It is called before the
    /// pause, for each call.
    ///
    /// ```
    /// # fn example(builder: connectory_client::Builder) -> connectory_client::Builder {
    /// builder.on_retry(|retry| eprintln!("{}; trying again in {:?}", retry.error, retry.pause))
    /// # }
    /// ```
    #[must_use]
    pub fn on_retry(mut self, told: impl Fn(Retry<'_>) + Send + Sync + 'static) -> Self {
        self.on_retry = Some(OnRetry(Arc::new(told)));
        self
    }

    /// The maximum number of calls at the same time; 8 by default, at least 1.
    #[must_use]
    pub fn concurrency(mut self, calls: usize) -> Self {
        self.concurrency = calls.max(1);
        self
    }

    /// The maximum duration of one attempt of a call, with the answer's body; 60 s by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Makes the client. It does not call the service yet.
    pub fn build(self) -> Result<Client, Error> {
        let wrong = |reason: String| Error::BaseUrl { url: self.environment.base_url.clone(), reason };
        let expected = || wrong("expected an address that begins with https:// or http://".to_owned());
        let base = Url::parse(&self.environment.base_url).map_err(|error| match error {
            ParseError::RelativeUrlWithoutBase => expected(),
            error => wrong(error.to_string()),
        })?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(expected());
        }
        if let Some(part) = superfluous(&base) {
            return Err(wrong(format!("remove `{part}` from it")));
        }
        let http = reqwest::Client::builder()
            .user_agent(concat!("connectory-client/", env!("CARGO_PKG_VERSION")))
            .timeout(self.timeout)
            .connect_timeout(Duration::from_secs(10))
            .tls_backend_preconfigured(tls().map_err(|error| Error::Tls(error.to_string()))?)
            // A redirect would carry the request to an address that nobody configured.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Error::Transport { url: base.to_string(), error: Arc::new(error) })?;
        Ok(Client(Arc::new(Transport {
            tokens: Tokens::new(http.clone(), &base, self.environment),
            http,
            base,
            api_path: self.api_path,
            retries: self.retries,
            on_retry: self.on_retry,
            permits: Semaphore::new(self.concurrency),
            revision: KnownRevision::default(),
        })))
    }
}

/// The end of a base URL that no service's address has: the path of an API version, which the client adds itself, or a query
/// or a fragment. A path before them may be a proxy's.
fn superfluous(base: &Url) -> Option<&str> {
    const VERSIONS: [&str; 6] = ["/v3", "/v2024", "/v2025", "/v2026", "/connectors/v1", "/beta"];
    let rest = &base[Position::BeforePath..];
    let versions = VERSIONS.iter().filter_map(|version| {
        let is_whole = |at: usize| rest[at + version.len()..].chars().next().is_none_or(|next| "/?#".contains(next));
        rest.match_indices(version).map(|(at, _)| at).find(|&at| is_whole(at))
    });
    versions.chain(rest.find(['?', '#'])).min().map(|at| &rest[at..])
}

/// TLS with the certificates of the platform. Uses the cryptography that the program has chosen, or else ring, without
/// choosing it for the rest of the program.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let provider = CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(ring::default_provider()));
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut tls = builder.with_platform_verifier()?.with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

impl Client {
    /// A client of the configured environment ([`Environment::load`]).
    pub fn from_env() -> Result<Self, Error> {
        Self::builder(Environment::load()?).build()
    }

    /// A client of an environment.
    ///
    /// ```
    /// use connectory_client::{Client, Environment};
    ///
    /// let environment = Environment {
    ///     base_url: "https://acme.api.identitynow.com".to_owned(),
    ///     client_id: "0a1b".to_owned(),
    ///     client_secret: "2c3d".to_owned(),
    /// };
    /// let client = Client::builder(environment).concurrency(4).build()?;
    /// # Ok::<(), connectory_client::Error>(())
    /// ```
    pub fn builder(environment: Environment) -> Builder {
        Builder {
            environment,
            api_path: "v2025/connectors".to_owned(),
            retries: Retries::default(),
            on_retry: None,
            concurrency: 8,
            timeout: Duration::from_mins(1),
        }
    }

    /// The environment of the client.
    pub fn environment(&self) -> &Environment {
        self.0.tokens.environment()
    }

    /// What the service says about itself: name, version, capabilities and limits. None if it does not say that, as a
    /// service other than connectory, or a connectory before this operation. Needs no token.
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), connectory_client::Error> {
    /// if let Some(service) = client.service_info().await? {
    ///     println!("{} {}: {} bytes in a document", service.name, service.version, service.limits.max_document_bytes);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn service_info(&self) -> Result<Option<ServiceInfo>, Error> {
        self.reach().await.map(|reached| reached.service)
    }

    /// Finds out whether the service can be reached at its address, without a token. Any answer of a server shows that it
    /// can, except 429 and those of status 500 or above.
    pub async fn reach(&self) -> Result<Reached, Error> {
        let answer = self.0.call_without_token(SERVICE_PATH).await?;
        Ok(Reached { date: answer.date(), service: answer.json().ok() })
    }

    /// The id of the API client's tenant. None if the service does not say it.
    pub async fn tenant_id(&self) -> Result<Option<String>, Error> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Info {
            tenant_id: String,
        }
        match self.0.read("/oauth/info").await {
            Ok(answer) => Ok(answer.json().ok().map(|info: Info| info.tenant_id)),
            // A redirect, a refusal or a page is the answer of a service that does not have the operation.
            Err(Error::Api(error)) if !error.status.is_server_error() && error.status.as_u16() != 429 => Ok(None),
            Err(Error::Decoding { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lists or counts connectors.
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), connectory_client::Error> {
    /// use connectory_client::{Filter, Locale};
    ///
    /// let listed = client.list().filter(Filter::direct_connect(true)).locale(Locale::De);
    /// println!("{} connectors", listed.count().await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn list(&self) -> List {
        List::new(Arc::clone(&self.0))
    }

    /// Creates a custom connector.
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), connectory_client::Error> {
    /// use connectory_client::NewConnector;
    ///
    /// let new = NewConnector::new("HR system", "sailpoint.connector.OpenConnectorAdapter");
    /// let created = client.create(&new).await?;
    /// println!("its script name is {}", created.script_name);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create(&self, new: &NewConnector) -> Result<ConnectorItem, Error> {
        self.0.call(Method::POST, &[], &|request| request.json(new)).await?.json()
    }

    /// A connector with its documents; `sourceConfig` in the locale.
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), connectory_client::Error> {
    /// let connector = client.get("hr-system", None).await?;
    /// println!("{}", connector.source_config_xml);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get(&self, script_name: &str, locale: Option<Locale>) -> Result<ConnectorDetail, Error> {
        self.get_tagged(script_name, locale).await.map(|read| read.value)
    }

    /// As [`Self::get`], with the entity tag of the connector.
    pub async fn get_tagged(
        &self,
        script_name: &str,
        locale: Option<Locale>,
    ) -> Result<Tagged<ConnectorDetail>, Error> {
        whole(self.always().get(script_name, locale).await?)
    }

    /// Deletes a custom connector.
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), connectory_client::Error> {
    /// client.delete("hr-system").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn delete(&self, script_name: &str) -> Result<(), Error> {
        self.in_any_case().delete(script_name).await
    }

    /// Changes a custom connector with a JSON Patch (RFC 6902). Returns the changed connector.
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let patch = serde_json::from_str(r#"[{"op": "add", "path": "/connectorMetadata/category", "value": "HR"}]"#)?;
    /// client.patch("hr-system", &patch).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn patch(&self, script_name: &str, patch: &Patch) -> Result<ConnectorDetail, Error> {
        self.in_any_case().patch(script_name, patch).await
    }

    /// Updates a custom connector as [`Self::patch`] does. The patch may also change `/status`, `/name`, `/type`, `/className`
    /// and `/directConnect`. Only connectory has this operation: its [`Self::service_info`] has
    /// [`Capability::UpdateInPlace`](crate::Capability::UpdateInPlace), and other services answer 404. The script name and the
    /// documents stay as they are.
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let patch = serde_json::from_str(r#"[{"op": "replace", "path": "/status", "value": "RELEASED"}]"#)?;
    /// client.update_in_place("hr-system", &patch).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn update_in_place(&self, script_name: &str, patch: &Patch) -> Result<ConnectorDetail, Error> {
        self.in_any_case().update_in_place(script_name, patch).await
    }

    /// The connectors with these script names, custom or built-in, as far as they exist: whole, and all as of one revision.
    /// At most 250. Only connectory has this operation: its [`Self::service_info`] has
    /// [`Capability::Export`](crate::Capability::Export). [`List::export`] exports all, or those that match a filter.
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let export = client.export_named(&["hr-system".parse()?]).await?;
    /// println!("{} of 1 exist as of revision {}", export.connectors.len(), export.revision);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn export_named(&self, names: &[ScriptName]) -> Result<Export, Error> {
        let query: Vec<_> = names.iter().map(|name| ("scriptName", name.as_str().to_owned())).collect();
        changes::export(&self.0, &query).await
    }

    /// The custom connectors as they were: after the change that holds the revision of this number, or at a time such as
    /// `2026-05-04T00:00:00Z` (RFC 3339). Only connectory has this operation: its [`Self::service_info`] has
    /// [`Capability::History`](crate::Capability::History).
    pub async fn export_at(&self, moment: &str) -> Result<Export, Error> {
        changes::export(&self.0, &[("at", moment.to_owned())]).await
    }

    /// The revisions of a connector, the newest first. A deleted connector keeps its history. Only connectory has this
    /// operation, as the next five: its [`Self::service_info`] has [`Capability::History`](crate::Capability::History).
    pub fn history(&self, script_name: &str) -> Revisions {
        Revisions::of_connector(Arc::clone(&self.0), script_name)
    }

    /// The revisions of all connectors of the tenant, the newest first.
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), connectory_client::Error> {
    /// use connectory_client::RevisionAction;
    ///
    /// for deleted in client.revisions().action(RevisionAction::Delete).since("2026-05-04T00:00:00Z").all().await? {
    ///     println!("{} was deleted by {}", deleted.script_name, deleted.author.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn revisions(&self) -> Revisions {
        Revisions::of_tenant(Arc::clone(&self.0))
    }

    /// A connector as it was at a revision.
    pub async fn revision(&self, script_name: &str, revision: u64) -> Result<ConnectorDetail, Error> {
        history::at(&self.0, script_name, revision).await
    }

    /// The difference between two revisions of a connector, as `git diff` prints it. Without the second one, the connector as
    /// it is now is compared; without the first one, the state before the second.
    pub async fn diff(&self, script_name: &str, from: Option<u64>, to: Option<u64>) -> Result<String, Error> {
        history::diff(&self.0, script_name, (from, to)).await
    }

    /// Restores a connector to a revision, with a new revision. A deleted connector is there again. Returns the connector.
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), connectory_client::Error> {
    /// let [newest, before, ..] = &client.history("hr-system").page().await?[..] else { return Ok(()) };
    /// println!("{} was not meant", newest.revision);
    /// client.restore("hr-system", before.revision).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn restore(&self, script_name: &str, revision: u64) -> Result<ConnectorDetail, Error> {
        history::restore(&self.0, script_name, revision).await
    }

    /// The connectors that were deleted and are not there again, the last deleted first. To restore one, restore the revision of
    /// its deletion. Only connectory has this operation: its [`Self::service_info`] has
    /// [`Capability::DeletedConnectors`](crate::Capability::DeletedConnectors).
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), connectory_client::Error> {
    /// if let [last, ..] = &client.deleted_connectors().page_size(1).page().await?[..] {
    ///     client.restore(last.script_name.as_str(), last.deletion.revision).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn deleted_connectors(&self) -> DeletedConnectors {
        DeletedConnectors::deleted(Arc::clone(&self.0))
    }

    /// Who did what in the tenant, the newest first. Only connectory has this operation: its [`Self::service_info`] has
    /// [`Capability::Activity`](crate::Capability::Activity).
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), connectory_client::Error> {
    /// use connectory_client::ActivityEntry;
    ///
    /// for entry in client.activity().what("refused").since("2026-05-04T00:00:00Z").all().await? {
    ///     if let ActivityEntry::Refused(refused) = entry {
    ///         println!("{}: {} refused from {}", refused.client_id, refused.count, refused.address);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn activity(&self) -> Activity {
        Activity::activity(Arc::clone(&self.0))
    }

    /// What changes in the tenant, as it happens. Only connectory has this operation: its [`Self::service_info`] has
    /// [`Capability::Events`](crate::Capability::Events).
    pub fn events(&self) -> Events {
        Events::new(Arc::clone(&self.0))
    }

    /// Makes changes to several connectors in one commit: all or none. If changes are refused, the error's
    /// [`causes`](crate::ApiError::causes) has the reason for each of them. Only connectory has this operation: its
    /// [`Self::service_info`] has [`Capability::Apply`](crate::Capability::Apply), and other services answer 404.
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), connectory_client::Error> {
    /// use connectory_client::{Change, Open, Status};
    ///
    /// let export = client.list().export().await?;
    /// let released = export.connectors.into_iter().map(|mut connector| {
    ///     connector.status = Open::Known(Status::Released);
    ///     Change::update(export.revision, connector)
    /// });
    /// let applied = client.apply(&released.collect::<Vec<_>>()).await?;
    /// println!("{} changed; what was before is revision {}", applied.changed, applied.before);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn apply(&self, changes: &[Change]) -> Result<Applied, Error> {
        changes::apply(&self.0, changes, false).await
    }

    /// Checks changes as [`Self::apply`] does, and makes none of them.
    pub async fn check(&self, changes: &[Change]) -> Result<Applied, Error> {
        changes::apply(&self.0, changes, true).await
    }

    /// Makes one patch of several connectors in one commit, as [`Self::update_in_place`] does of one: all or none. At most 250. Only
    /// connectory has this operation, as the next one: its [`Self::service_info`] has
    /// [`Capability::ChangeMany`](crate::Capability::ChangeMany).
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let deprecated = serde_json::json!([{"op": "replace", "path": "/status", "value": "DEPRECATED"}]);
    /// let patch = serde_json::from_value(deprecated)?;
    /// let applied = client.patch_each(&["hr-system".parse()?, "payroll".parse()?], &patch).await?;
    /// client.undo(applied.revision).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn patch_each(&self, names: &[ScriptName], patch: &Patch) -> Result<Applied, Error> {
        changes::patch(&self.0, names, patch).await
    }

    /// Deletes several connectors in one commit: all or none. At most 250.
    pub async fn delete_each(&self, names: &[ScriptName]) -> Result<Applied, Error> {
        changes::delete(&self.0, names).await
    }

    /// Takes back a change, which may be of several connectors, by its number ([`ConnectorRevision::change`] or
    /// [`Applied::revision`]). If a connector was changed since, nothing is done. Only connectory has this operation: its
    /// [`Self::service_info`] has [`Capability::UndoChange`](crate::Capability::UndoChange).
    ///
    /// [`ConnectorRevision::change`]: crate::ConnectorRevision::change
    pub async fn undo(&self, change: u64) -> Result<Applied, Error> {
        changes::undo(&self.0, change).await
    }

    /// Creates a connector that has all that another one has, custom or built-in, with its own name in all places. Only connectory
    /// has this operation: its [`Self::service_info`] has [`Capability::Duplicate`](crate::Capability::Duplicate).
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), connectory_client::Error> {
    /// let copy = client.duplicate("jdbc", &connectory_client::Duplicate::named("Payroll database")).await?;
    /// println!("{}", copy.script_name);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn duplicate(&self, script_name: &str, duplicate: &Duplicate) -> Result<ConnectorItem, Error> {
        changes::duplicate(&self.0, script_name, duplicate).await
    }

    /// The difference between two connectors, as `git diff` prints it; each as it is now, or as it was at a revision. Only connectory
    /// has this operation: its [`Self::service_info`] has [`Capability::Compare`](crate::Capability::Compare).
    pub async fn compare(&self, from: (&str, Option<u64>), to: (&str, Option<u64>)) -> Result<String, Error> {
        history::compare(&self.0, from, to).await
    }

    /// A zip file with a folder for each of these connectors, custom or built-in, as far as they exist. At most 250. Only connectory
    /// has this operation, as the next two: its [`Self::service_info`] has
    /// [`Capability::Import`](crate::Capability::Import).
    pub async fn export_zip(&self, names: &[ScriptName]) -> Result<Vec<u8>, Error> {
        changes::export_zip(&self.0, names).await
    }

    /// Creates and changes connectors, so that they are as the folders of a zip file, in one commit: all or none. Connectors that
    /// are not in it stay as they are.
    pub async fn import_zip(&self, zip: &[u8]) -> Result<Imported, Error> {
        changes::import_zip(&self.0, zip, false).await
    }

    /// What [`Self::import_zip`] would do, and does not.
    pub async fn check_zip(&self, zip: &[u8]) -> Result<Imported, Error> {
        changes::import_zip(&self.0, zip, true).await
    }

    /// A document as it is stored: the source config, source template or correlation config.
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), connectory_client::Error> {
    /// use connectory_client::DocumentKind;
    ///
    /// let form = client.document("hr-system", DocumentKind::SourceConfig).await?;
    /// println!("{}", String::from_utf8_lossy(&form));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn document(&self, script_name: &str, kind: DocumentKind) -> Result<Vec<u8>, Error> {
        self.document_tagged(script_name, kind).await.map(|read| read.value)
    }

    /// As [`Self::document`], with the entity tag of the document.
    pub async fn document_tagged(&self, script_name: &str, kind: DocumentKind) -> Result<Tagged<Vec<u8>>, Error> {
        whole(self.always().document(script_name, kind).await?)
    }

    /// Uploads a document. If the service does not accept a well-formed document, the call succeeds, and the status of the
    /// answer is [`UpdateStatus::Error`](crate::UpdateStatus::Error).
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use connectory_client::DocumentKind;
    ///
    /// let form = std::fs::read("source-config.xml")?;
    /// let update = client.set_document("hr-system", DocumentKind::SourceConfig, &form).await?;
    /// println!("{}", update.status);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn set_document(
        &self,
        script_name: &str,
        kind: DocumentKind,
        document: &[u8],
    ) -> Result<UpdateDetail, Error> {
        self.in_any_case().set_document(script_name, kind, document).await
    }

    /// The properties text of a locale, or the English one if the locale has none.
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), connectory_client::Error> {
    /// use connectory_client::Locale;
    ///
    /// let german = client.translations("hr-system", Locale::De).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn translations(&self, script_name: &str, locale: Locale) -> Result<Vec<u8>, Error> {
        self.translations_tagged(script_name, locale).await.map(|read| read.value)
    }

    /// As [`Self::translations`], with the entity tag of the texts.
    pub async fn translations_tagged(&self, script_name: &str, locale: Locale) -> Result<Tagged<Vec<u8>>, Error> {
        whole(self.always().translations(script_name, locale).await?)
    }

    /// Uploads the properties text of a locale; an empty one deletes it.
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), connectory_client::Error> {
    /// use connectory_client::Locale;
    ///
    /// client.set_translations("hr-system", Locale::De, b"menuLabel_Settings=Einstellungen\n").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn set_translations(
        &self,
        script_name: &str,
        locale: Locale,
        properties: &[u8],
    ) -> Result<UpdateDetail, Error> {
        self.in_any_case().set_translations(script_name, locale, properties).await
    }

    /// Reads that are answered only if there is something new since a read that had this entity tag. Without a tag, they are
    /// always answered. [`List::page_if_none_match`] does the same for a list.
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), connectory_client::Error> {
    /// let mut known = None;
    /// loop {
    ///     if let Some(read) = client.if_none_match(known.as_ref()).get("hr-system", None).await? {
    ///         println!("it is {} now", read.value.status);
    ///         known = read.etag;
    ///     }
    ///     tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    /// }
    /// # }
    /// ```
    pub fn if_none_match<'a>(&'a self, etag: Option<&'a ETag>) -> IfNoneMatch<'a> {
        IfNoneMatch { transport: &self.0, etag }
    }

    /// Changes that are made only if what they change still has the entity tag that it was read with. So nobody's changes are
    /// lost if two programs change the same connector. Only connectory does so: its [`Self::service_info`] has
    /// [`Capability::ConditionalRequests`](crate::Capability::ConditionalRequests). The vendor's service ignores the tag, but
    /// it sends none either.
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), connectory_client::Error> {
    /// use connectory_client::{DocumentKind, Error};
    ///
    /// let kind = DocumentKind::SourceConfig;
    /// let read = client.document_tagged("hr-system", kind).await?;
    /// let changed = String::from_utf8_lossy(&read.value).replace("Server", "Host");
    /// if let Some(etag) = &read.etag {
    ///     match client.if_match(etag).set_document("hr-system", kind, changed.as_bytes()).await {
    ///         Err(Error::Changed { .. }) => println!("someone else changed it: read it again"),
    ///         result => println!("{}", result?.status),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn if_match<'a>(&'a self, etag: &'a ETag) -> IfMatch<'a> {
        IfMatch { transport: &self.0, etag: Some(etag) }
    }

    fn always(&self) -> IfNoneMatch<'_> {
        self.if_none_match(None)
    }

    fn in_any_case(&self) -> IfMatch<'_> {
        IfMatch { transport: &self.0, etag: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_does_not_choose_the_cryptography_of_its_program() {
        let environment = Environment {
            base_url: "https://acme.api.identitynow.com".to_owned(),
            client_id: "id".to_owned(),
            client_secret: "secret".to_owned(),
        };
        Client::builder(environment).build().unwrap();
        assert!(CryptoProvider::get_default().is_none());
    }

    #[test]
    fn an_address_with_more_than_that_of_the_service_is_refused() {
        let build = |base_url: &str| {
            let (client_id, client_secret) = ("id".to_owned(), "secret".to_owned());
            Client::builder(Environment { base_url: base_url.to_owned(), client_id, client_secret }).build()
        };
        for (address, part) in [
            ("http://h/?a=b", "?a=b"),
            ("http://h?", "?"),
            ("http://h/proxy#top", "#top"),
            ("http://h/v2025", "/v2025"),
            ("http://h/proxy/v3/", "/v3/"),
            ("http://h/v2026/connectors?a=/v3", "/v2026/connectors?a=/v3"),
            ("http://h/connectors/v1", "/connectors/v1"),
        ] {
            let error = build(address).unwrap_err().to_string();
            assert_eq!(error, format!("`{address}` is not the address of a service: remove `{part}` from it"));
        }
        for address in ["http://h", "http://h/", "http://h/proxy/", "http://h/v20250", "http://h/connectors"] {
            assert!(build(address).is_ok(), "{address}");
        }
    }
}

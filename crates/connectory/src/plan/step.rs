//! One step of a plan, done wholly or undone. A service has one call for each part of a connector. So whatever fails in
//! the middle is looked at: if it was done all the same, it is done; otherwise what was there is put back.

use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow};
use connectory_client::{Client, ConnectorDetail, DocumentKind, Open, Patch, UpdateDetail, UpdateStatus};
use connectory_folder::Folder;
use connectory_model::document::DocumentText;
use connectory_model::translations::{Properties, Translations};
use serde_json::{Value, json};

use super::compare::{changed_documents, changed_translations};
use super::refusals::other_script_name;
use super::{Action, Step};
use crate::environment::{find, folder_of};

/// How often a connector is read again after a failure, until the service answers.
const LOOKS: usize = 3;
/// The pause between.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// What a step did to a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It is new.
    Created,
    /// It is another.
    Changed,
    /// It is another, with a new history.
    Replaced,
    /// It is gone.
    Deleted,
}

/// Why a step failed, and what it left behind.
#[derive(Debug)]
pub struct Failure {
    /// What the step did all the same. None if everything is as it was.
    pub effect: Option<Effect>,
    /// What happened, as a sentence.
    pub reason: String,
    /// Whether the same step may succeed later.
    pub is_temporary: bool,
    /// Whether somebody else changed the connector meanwhile.
    pub has_moved: bool,
    /// Whether what was there may be gone, so that it has to be put back before anything else.
    pub is_lost: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            effect: None,
            reason: format!("{error:#}"),
            is_temporary: may_pass(&error),
            has_moved: false,
            is_lost: false,
        }
    }
}

impl From<connectory_client::Error> for Failure {
    fn from(error: connectory_client::Error) -> Self {
        Error::from(error).into()
    }
}

/// Why not everything of a connector was written.
struct Unfinished {
    error: Error,
    /// Whether a part of it may have been written.
    is_begun: bool,
}

impl Failure {
    /// Somebody else was faster. Nothing was done.
    fn moved() -> Self {
        let reason = "it was changed on the server since the plan was made".to_owned();
        Self { effect: None, reason, is_temporary: false, has_moved: true, is_lost: false }
    }

    /// Marks that what was there has to be put back.
    fn lost(self) -> Self {
        Self { is_lost: true, ..self }
    }

    /// Adds what happened afterwards.
    fn then(self, effect: Option<Effect>, what: impl AsRef<str>) -> Self {
        Self { effect, reason: format!("{}; {}", self.reason, what.as_ref()), ..self }
    }
}

/// Whether the same step may succeed later.
fn may_pass(error: &Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref()).any(is_temporary)
}

/// Whether the same call may succeed later.
fn is_temporary(error: &connectory_client::Error) -> bool {
    match error {
        connectory_client::Error::Transport { .. } => true,
        connectory_client::Error::Api(error) => error.status.as_u16() == 429 || error.status.is_server_error(),
        _ => false,
    }
}

/// Carries out steps at a service.
pub struct Steps<'a> {
    /// The service.
    pub client: &'a Client,
    /// The largest request that it takes, in bytes.
    pub max_request: usize,
}

impl Steps<'_> {
    /// Carries out a step.
    pub async fn carry_out(&self, step: &Step) -> Result<Effect, Failure> {
        let name = step.script_name.as_str();
        if let Some((planned, _)) = &step.found
            && find(self.client, name).await?.as_ref() != Some(planned)
        {
            return Err(Failure::moved());
        }
        match (&step.action, &step.wanted, &step.found) {
            (Action::Delete, _, _) | (_, None, _) => {
                self.delete(name).await?;
                Ok(Effect::Deleted)
            }
            (Action::Replace(_), Some(wanted), Some((_, found))) => self.replace(name, found, wanted).await,
            (Action::Change, Some(wanted), Some((_, found))) => self.change(name, found, wanted).await,
            (_, Some(wanted), _) => self.create(name, wanted).await,
        }
    }

    /// Creates a connector with everything that it has, or not at all.
    async fn create(&self, name: &str, wanted: &Folder) -> Result<Effect, Failure> {
        let given = match self.client.create(&wanted.description.members).await {
            Ok(created) => created.script_name,
            Err(error) if is_temporary(&error) => match self.find(name).await {
                // The answer was lost. What somebody else made has more than a new connector has.
                Ok(Some(there))
                    if there.description.members == wanted.description.members
                        && there.description.connector_metadata.is_empty()
                        && there.translations.0.is_empty() =>
                {
                    let changed = self.change(name, &there, wanted).await.map(|_| Effect::Created);
                    return changed.map_err(|failure| failure.then(Some(Effect::Created), "a part of it was created"));
                }
                _ => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        };
        let failure = if given.as_str() == name {
            match self.write(name, None, wanted).await {
                Ok(()) => return Ok(Effect::Created),
                Err(Unfinished { error, .. }) => Failure::from(error),
            }
        } else {
            anyhow!(other_script_name(&wanted.description.members.name, &given, name)).into()
        };
        if self.find(name).await.is_ok_and(|there| there.is_some_and(|there| !is_part_of(&there, wanted))) {
            return Err(
                failure.then(Some(Effect::Created), "somebody else changed it already, so it stays as it is now")
            );
        }
        Err(match self.delete(given.as_str()).await {
            Ok(()) => failure.then(None, "what was created of it was deleted again"),
            Err(error) => failure.then(
                Some(Effect::Created),
                format!("a part of it was created, and was not deleted again ({error:#})"),
            ),
        })
    }

    /// Deletes a connector and creates it again. Puts it back if that fails.
    async fn replace(&self, name: &str, found: &Folder, wanted: &Folder) -> Result<Effect, Failure> {
        // A document that the wanted connector lacks must stay, so it is created again too.
        let whole = wanted.completed_from(found);
        self.delete(name).await.map_err(|error| Failure { is_lost: may_pass(&error), ..Failure::from(error) })?;
        let Err(failure) = self.create(name, &whole).await else { return Ok(Effect::Replaced) };
        if failure.effect.is_some() {
            return Err(failure.then(Some(Effect::Replaced), "what was there is deleted").lost());
        }
        Err(match self.put_back(name, found).await {
            Ok(()) => failure.then(None, "what was there was put back"),
            Err(again) => {
                let reason = format!("what was there is deleted, and could not be put back whole: {}", again.reason);
                failure.then(Some(again.effect.map_or(Effect::Deleted, |_| Effect::Replaced)), reason).lost()
            }
        })
    }

    /// Creates a deleted connector again: as much of it as the service takes.
    async fn put_back(&self, name: &str, found: &Folder) -> Result<(), Failure> {
        let mut bare = found.clone();
        bare.description.connector_metadata.clear();
        bare.documents.clear();
        bare.translations.0.clear();
        self.create(name, &bare).await?;
        let mut parts = vec![Folder { translations: Translations::default(), ..found.clone() }];
        parts.extend(found.translations.0.iter().map(|(locale, texts)| {
            let translations = Translations([(*locale, texts.clone())].into());
            Folder { translations, ..bare.clone() }
        }));
        let mut failure = None;
        for part in &parts {
            if let Err(error) = self.write_parts(name, None, part, &mut false).await {
                failure.get_or_insert(Failure::from(error));
            }
        }
        failure.map_or(Ok(()), |failure| Err(failure.then(Some(Effect::Created), "the rest of it was put back")))
    }

    /// Changes a connector. Puts it back if only a part of that was done.
    async fn change(&self, name: &str, found: &Folder, wanted: &Folder) -> Result<Effect, Failure> {
        let Err(Unfinished { error, is_begun }) = self.write(name, Some(found), wanted).await else {
            return Ok(Effect::Changed);
        };
        let failure = Failure::from(error);
        let there = match self.find(name).await {
            Ok(Some(there)) => there,
            Ok(None) => return Err(failure.then(None, "it was deleted meanwhile")),
            Err(_) => return Err(failure.then(None, "whether a part of it was changed is not known")),
        };
        if there == *found {
            return Err(failure);
        }
        if !is_begun {
            return Err(Failure::moved());
        }
        if !is_between(&there, found, wanted) {
            let failure = failure.then(Some(Effect::Changed), "somebody else changed it too, so it stays as it is now");
            return Err(Failure { has_moved: true, ..failure });
        }
        Err(match self.write(name, Some(&there), found).await {
            Ok(()) => failure.then(None, "what was there was put back"),
            Err(again) => {
                let reason = format!("a part of it is changed, and was not put back: {:#}", again.error);
                failure.then(Some(Effect::Changed), reason)
            }
        })
    }

    /// The connector of a name, if there is one.
    async fn find(&self, name: &str) -> Result<Option<Folder>> {
        self.look(name).await?.as_ref().map(folder_of).transpose()
    }

    /// Looks after a failure, so it does not give up at once.
    async fn look(&self, name: &str) -> Result<Option<ConnectorDetail>, connectory_client::Error> {
        for _ in 0..LOOKS {
            match find(self.client, name).await {
                Err(error) if is_temporary(&error) => tokio::time::sleep(LOOK_PAUSE).await,
                done => return done,
            }
        }
        find(self.client, name).await
    }

    /// Deletes a connector. It is no error if it is gone.
    async fn delete(&self, name: &str) -> Result<()> {
        let error = match self.client.delete(name).await {
            Err(error) if !error.is_not_found() => error,
            _ => return Ok(()),
        };
        // The answer may be lost.
        match self.look(name).await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(error.into()),
            Err(_) => Err(Error::from(error).context("whether it was deleted is not known")),
        }
    }

    /// Changes metadata, documents and translations. If an answer was lost, it looks at what was done, and does the rest.
    async fn write(&self, name: &str, found: Option<&Folder>, wanted: &Folder) -> Result<(), Unfinished> {
        let mut is_begun = false;
        let error = match self.write_parts(name, found, wanted, &mut is_begun).await {
            Err(error) if may_pass(&error) => match self.find(name).await {
                Ok(Some(there)) if found.is_none_or(|found| is_between(&there, found, wanted)) => {
                    match self.write_parts(name, Some(&there), wanted, &mut is_begun).await {
                        Ok(()) => return Ok(()),
                        Err(error) => error,
                    }
                }
                _ => error,
            },
            Err(error) => error,
            Ok(()) => return Ok(()),
        };
        Err(Unfinished { is_begun: is_begun || may_pass(&error), error })
    }

    /// Changes what differs. Each patch first tests that the server still has what was found. The server applies all of a
    /// patch or nothing.
    async fn write_parts(
        &self,
        name: &str,
        found: Option<&Folder>,
        wanted: &Folder,
        is_begun: &mut bool,
    ) -> Result<()> {
        let mut patches: Vec<Vec<Value>> = Vec::new();
        let mut size = usize::MAX;
        let mut uploads: Vec<(DocumentKind, &DocumentText)> = Vec::new();
        let (before, after) =
            (found.map(|found| &found.description.connector_metadata), &wanted.description.connector_metadata);
        let is_changed = before.map_or(!after.is_empty(), |before| before != after);
        let metadata =
            is_changed.then(|| ("/connectorMetadata".to_owned(), before.map(|it| json!(it)), json!(after), None));
        let documents = changed_documents(found, wanted).map(|(kind, before, after)| {
            (format!("/{}", kind.member()), before.map(|it| json!(it)), json!(after.as_str()), Some((kind, after)))
        });
        for (path, before, after, document) in metadata.into_iter().chain(documents) {
            let mut operations = Vec::new();
            operations.extend(before.map(|before| json!({"op": "test", "path": path, "value": before})));
            operations.push(json!({"op": "add", "path": path, "value": after}));
            // One more byte for each operation, for the comma after it.
            let bytes = json!(operations).to_string().len() + operations.len();
            match document {
                // It does not fit into a patch, or it is not UTF-8.
                Some((kind, text)) if bytes > self.max_request || text.own_bytes().is_some() => {
                    uploads.push((kind, text));
                }
                _ => {
                    size = size.saturating_add(bytes);
                    match patches.last_mut() {
                        Some(patch) if size <= self.max_request => patch.extend(operations),
                        _ => {
                            size = bytes;
                            patches.push(operations);
                        }
                    }
                }
            }
        }
        for operations in patches {
            let patch: Patch = serde_json::from_value(json!(operations)).context("the operations are a patch")?;
            self.client.patch(name, &patch).await?;
            *is_begun = true;
        }
        for (kind, text) in uploads {
            accepted(self.client.set_document(name, kind, text.bytes()).await?).context(kind.file_name())?;
            *is_begun = true;
        }
        let none = Translations::default();
        let before = found.map_or(&none, |found| &found.translations);
        for (locale, _, _) in changed_translations(before, &wanted.translations) {
            let bytes = wanted.translations.0.get(&locale).map(Properties::to_bytes).unwrap_or_default();
            accepted(self.client.set_translations(name, locale, &bytes).await?)
                .with_context(|| format!("translations in {locale}"))?;
            *is_begun = true;
        }
        Ok(())
    }
}

/// Fails if a service did not accept an upload.
fn accepted(UpdateDetail { status, message, .. }: UpdateDetail) -> Result<()> {
    if status == Open::Known(UpdateStatus::Error) {
        return Err(anyhow!(message.unwrap_or_else(|| "not accepted".to_owned())));
    }
    Ok(())
}

/// Whether a new connector has nothing that others added.
fn is_part_of(there: &Folder, wanted: &Folder) -> bool {
    let metadata = &there.description.connector_metadata;
    (metadata.is_empty() || *metadata == wanted.description.connector_metadata)
        && there.translations.0.iter().all(|(locale, texts)| {
            wanted.translations.0.get(locale).is_some_and(|wanted| wanted.text() == texts.text())
        })
}

/// Whether each part of a connector is as it was in one of two others.
fn is_between(there: &Folder, found: &Folder, wanted: &Folder) -> bool {
    let [a, b] = [found, wanted];
    let parts = (there.documents.keys(), there.translations.0.keys());
    (there.description == a.description || there.description == b.description)
        && parts.0.into_iter().all(|kind| {
            let text = |folder: &Folder| Some(folder.documents.get(kind)?.as_str().to_owned());
            text(there) == text(a) || text(there) == text(b)
        })
        && parts.1.into_iter().all(|locale| {
            let text = |folder: &Folder| folder.translations.0.get(locale).map(|it| it.text().to_owned());
            text(there) == text(a) || text(there) == text(b)
        })
}

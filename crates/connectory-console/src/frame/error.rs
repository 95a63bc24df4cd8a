//! Errors of pages, in the language of the reader.
//!
//! Every error of the server becomes a message here. What a parser or a check of the model says has no translation: it
//! stays English, in quotation marks.

use std::fmt::Display;

use axum::response::{IntoResponse, Response};
use connectory_folder::folder_name::FolderNameError;
use connectory_folder::lint::rules::FOLDER_NAME;
use connectory_model::access::{Denied, Scope, UserLevel};
use connectory_model::bounds::{Bounded, TooLarge};
use connectory_model::limits::{
    APPLY_LINES, FOLDER_NAME_BYTES, IMPORT_CONNECTORS, MEMBER_CHARS, UNDO_REVISIONS, ZIP_CONNECTORS,
};
use connectory_model::members::{InvalidMember, MemberFault};
use connectory_server::http::error::ApiError;
use connectory_server::registry::{ApplyError, RefusalReason, RegistryError, TooMuch, time};
use connectory_server::work::WorkError;
use connectory_store::{QuotaExceeded, StoreError, Unavailable};
use http::StatusCode;

use super::findings::finding_message;
use super::texts::{Language, Message};
use connectory_model::shown;

/// The number of characters that a message repeats of a path.
pub const PATH_CHARS: usize = 100;

/// Why a page cannot be shown, or why a form is not accepted.
#[derive(Debug)]
pub struct PageError {
    /// The status, and the English text for the log.
    error: Box<ApiError>,
    /// The text for the reader.
    message: Message,
}

impl PageError {
    fn new(error: impl FnOnce(String) -> ApiError, message: Message) -> Self {
        Self { error: Box::new(error(message.text(Language::En))), message }
    }

    /// 400: the request is wrong.
    pub fn bad_request(message: Message) -> Self {
        Self::new(ApiError::bad_request, message)
    }

    /// 403: the caller may not do this.
    pub fn forbidden(message: Message) -> Self {
        Self::new(ApiError::forbidden, message)
    }

    /// 404: the path names nothing.
    pub fn not_found(message: Message) -> Self {
        Self::new(ApiError::not_found, message)
    }

    /// 404 for the text of a path that is not the script name of a connector.
    pub fn no_connector(script_name: &str) -> Self {
        Self::not_found(no_connector(script_name))
    }

    /// 409: what is there does not allow it.
    pub fn conflict(message: Message) -> Self {
        Self::new(|text| ApiError { status: StatusCode::CONFLICT, ..ApiError::bad_request(text) }, message)
    }

    /// 413: a file or a document is too large.
    pub fn too_large(message: Message) -> Self {
        Self::new(ApiError::payload_too_large, message)
    }

    /// 502: another server does not answer as it should. The log has the reason.
    pub fn bad_gateway(message: Message, reason: String) -> Self {
        Self::new(|text| ApiError::bad_gateway(text, reason), message)
    }

    /// 500: a fault of this server. The log has the reason.
    pub fn internal(reason: &(impl Display + ?Sized)) -> Self {
        Self { error: Box::new(ApiError::internal(reason)), message: Message::new("error.fault") }
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        self.error.status
    }

    /// The message, in any language.
    pub fn message(&self) -> Message {
        self.message.clone()
    }

    /// The message for a reader.
    pub fn text(&self, language: Language) -> String {
        self.message.text(language)
    }
}

impl IntoResponse for PageError {
    /// The error, which the outermost layer renders, with the message for the reader.
    fn into_response(self) -> Response {
        let mut response = self.error.into_response();
        response.extensions_mut().insert(self.message);
        response
    }
}

impl From<RegistryError> for PageError {
    fn from(error: RegistryError) -> Self {
        let message = registry_message(&error);
        Self { error: Box::new(error.into()), message }
    }
}

impl From<ApplyError> for PageError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Registry(error) => error.into(),
            ApplyError::Nothing => Self::bad_request(Message::new("import.error.empty")),
            ApplyError::TooMuch(of) => Self { message: too_much_message(of), error: Box::new(error.into()) },
            other => ApiError::from(other).into(),
        }
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        let message = store_message(&error);
        Self { error: Box::new(error.into()), message }
    }
}

impl From<WorkError> for PageError {
    fn from(error: WorkError) -> Self {
        Self { error: Box::new(error.into()), message: work_message(error) }
    }
}

impl From<Denied> for PageError {
    fn from(denied: Denied) -> Self {
        Self { error: Box::new(denied.into()), message: denied_message(denied) }
    }
}

impl From<ApiError> for PageError {
    fn from(error: ApiError) -> Self {
        Self { message: server_message(&error), error: Box::new(error) }
    }
}

/// The message of an error that the server has as an English text only.
pub fn server_message(error: &ApiError) -> Message {
    Message::new("error.server").with(&error.text)
}

fn no_connector(script_name: &str) -> Message {
    Message::new("error.no_connector").with(shown(script_name, PATH_CHARS))
}

fn registry_message(error: &RegistryError) -> Message {
    match error {
        RegistryError::NotFound(script_name) => no_connector(script_name.as_str()),
        RegistryError::NoRevision(number) => Message::new("error.no_revision").with(number),
        RegistryError::BodyRemoved { number, created_at } => {
            Message::new("error.body_removed").with(number).with(&time(*created_at))
        }
        RegistryError::PastRemoved { script_name, at } => Message::new("error.past_removed").with(script_name).with(at),
        RegistryError::NoChange(_) => Message::new("error.no_such_revision"),
        RegistryError::NotYet(number) => Message::new("error.not_yet").with(number),
        RegistryError::BuiltIn(script_name) => Message::new("error.built_in").with(script_name),
        RegistryError::NameTaken => Message::new("error.name_taken"),
        RegistryError::NameShared { other, .. } => Message::new("error.name_shared").with(other),
        RegistryError::Quota(QuotaExceeded::Connectors(most)) => Message::new("error.quota_connectors").with(most),
        RegistryError::Quota(QuotaExceeded::Bytes(most)) => Message::new("error.quota_bytes").with(most),
        RegistryError::Conflict | RegistryError::Unexpected(_) => Message::new("error.conflict"),
        RegistryError::Patch(error) => Message::new("error.patch").with(error),
        RegistryError::DocumentTooLarge { kind, limit } => {
            Message::new("error.document_too_large").with(kind.member()).with(limit)
        }
        RegistryError::TooManyFolders(count) => {
            Message::new("error.too_many_folders").with(count).with(&ZIP_CONNECTORS)
        }
        RegistryError::NoFolder(error) => folder_name_message(error),
        RegistryError::TooLarge(error) => bound_message(error),
        RegistryError::Work(error) => work_message(*error),
        RegistryError::Store(error) => store_message(error),
    }
}

/// Why one of several changes is refused.
pub fn refusal_message(reason: &RefusalReason) -> Message {
    match reason {
        RefusalReason::FolderName(error) => folder_name_message(error),
        RefusalReason::Folder { file, rule, message } => {
            Message::new("refusal.folder").with(file).with_message(finding_message(rule, message))
        }
        RefusalReason::Lacking => Message::new("refusal.lacking"),
        RefusalReason::Exists => Message::new("refusal.exists"),
        RefusalReason::NameTaken => Message::new("error.name_taken"),
        RefusalReason::NameTwice(other) => Message::new("refusal.name_twice").with(other),
        RefusalReason::NotYet { given, .. } => Message::new("error.not_yet").with(given),
        RefusalReason::Moved { now, .. } | RefusalReason::Since(now) => Message::new("refusal.changed").with(now),
        RefusalReason::Gone => Message::new("refusal.gone"),
        RefusalReason::Registry(error) => registry_message(error),
        // No page sends lines.
        RefusalReason::Json(_)
        | RefusalReason::Digits(_)
        | RefusalReason::Shape(_)
        | RefusalReason::Object(_)
        | RefusalReason::Repeated(_) => Message::new("error.invalid").with(reason),
    }
}

fn folder_name_message(error: &FolderNameError) -> Message {
    match error {
        FolderNameError::Long { script_name, bytes } => {
            let script_name = shown(script_name, PATH_CHARS);
            Message::new("error.no_folder").with(script_name).with(bytes).with(&FOLDER_NAME_BYTES)
        }
        other => finding_message(&FOLDER_NAME, other),
    }
}

fn too_much_message(of: TooMuch) -> Message {
    let (key, most) = match of {
        TooMuch::Changes => ("error.too_many_changes", APPLY_LINES),
        TooMuch::Stored(most) => ("error.too_large_together", most),
        TooMuch::Imported => ("import.error.connectors", IMPORT_CONNECTORS),
        TooMuch::Undone => ("error.too_many_undone", UNDO_REVISIONS),
        // No page sends lines.
        TooMuch::Bytes(_) | TooMuch::Line { .. } | TooMuch::BlankLines => {
            return Message::new("error.server").with(&of);
        }
    };
    Message::new(key).with(&most)
}

fn bound_message(TooLarge { part, has, max }: &TooLarge) -> Message {
    let (key, locale) = match part {
        Bounded::Connector => ("error.connector_too_large", None),
        Bounded::Keys(locale) => ("error.too_many_keys", Some(locale)),
        Bounded::LocaleDescription(locale) => ("error.long_description_in", Some(locale)),
        Bounded::Description => ("error.long_description", None),
        Bounded::Features => ("error.too_many_features", None),
        Bounded::Feature => ("error.long_feature", None),
        Bounded::Labels => ("error.too_many_labels", None),
        Bounded::Label => ("error.long_label", None),
        Bounded::Category => ("error.long_category", None),
    };
    let message = Message::new(key).with(has).with(max);
    locale.map_or(message.clone(), |locale| message.with(locale))
}

/// The message for a member that is missing or wrong.
pub fn member_message(error: &InvalidMember) -> Message {
    match error.fault() {
        Some((member, MemberFault::Blank)) => Message::new("error.member_blank").with(member),
        Some((member, MemberFault::TooLong(length))) => {
            Message::new("error.member_too_long").with(member).with(&length).with(&MEMBER_CHARS)
        }
        Some((member, MemberFault::Control(c))) => {
            Message::new("error.member_control").with(member).with(&c.escape_unicode())
        }
        None => Message::new("error.invalid").with(error),
    }
}

/// 400 for a word that is none of the choices of a field.
pub fn no_choice(word: &str) -> PageError {
    PageError::bad_request(Message::new("error.choice").with(word))
}

fn store_message(error: &StoreError) -> Message {
    match error {
        StoreError::ClientLimit(most) => Message::new("error.client_limit").with(most),
        StoreError::Exists(_) => Message::new("error.conflict"),
        StoreError::Unknown(what) => Message::new("error.unknown").with(what),
        StoreError::Suspended => Message::new("error.suspended"),
        StoreError::Unavailable(Unavailable::Full) => Message::new("error.no_room"),
        StoreError::Unavailable(reason) => Message::new("error.unavailable").with_message(unavailable_message(*reason)),
        StoreError::Closed => Message::new("error.stopping"),
        StoreError::Uncertain(reason) => Message::new("error.uncertain").with_message(unavailable_message(*reason)),
        // What is wrong with the database is for the log.
        _ => Message::new("error.fault"),
    }
}

fn unavailable_message(reason: Unavailable) -> Message {
    Message::new(match reason {
        Unavailable::Full => "unavailable.full",
        Unavailable::ReadOnly => "unavailable.read_only",
        Unavailable::Locked => "unavailable.locked",
        Unavailable::Replaced => "unavailable.replaced",
        Unavailable::Missing => "unavailable.missing",
        Unavailable::Linked => "unavailable.linked",
        Unavailable::Unreachable => "unavailable.unreachable",
        Unavailable::Disk => "unavailable.disk",
        Unavailable::Damaged => "unavailable.damaged",
        Unavailable::Slow => "unavailable.slow",
        Unavailable::Disconnected => "unavailable.disconnected",
        Unavailable::Unconfirmed => "unavailable.unconfirmed",
        Unavailable::Tables => "unavailable.tables",
        Unavailable::Newer => "unavailable.newer",
        Unavailable::Busy => "unavailable.busy",
        Unavailable::Connections => "unavailable.connections",
        Unavailable::Lost => "unavailable.lost",
    })
}

fn work_message(error: WorkError) -> Message {
    Message::new(match error {
        WorkError::Busy => "error.busy",
        WorkError::Late => "error.late",
        WorkError::Panicked => "error.fault",
    })
}

fn denied_message(denied: Denied) -> Message {
    match denied {
        Denied::Level { permission, level } => {
            let is_enough = |level: &&UserLevel| !matches!(permission.check(**level, &[]), Err(Denied::Level { .. }));
            Message::new("error.level").with(&level).with(&list(UserLevel::ALL.iter().filter(is_enough)))
        }
        Denied::Scope(permission) => {
            let is_enough =
                |scope: &&Scope| UserLevel::ALL.iter().any(|level| permission.check(*level, &[**scope]).is_ok());
            Message::new("error.scope").with(&list(Scope::ALL.iter().filter(is_enough)))
        }
    }
}

fn list(words: impl Iterator<Item = impl Display>) -> String {
    words.map(|word| word.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use connectory_model::access::Permission;
    use connectory_model::create::NewConnector;
    use connectory_model::document::DocumentKind;
    use connectory_model::patch::{PatchScope, PatchSet};

    use connectory_store::RevisionNumber;

    use super::*;

    #[test]
    fn a_german_reader_sees_german_messages() {
        let hr = || "hr".parse().expect("a script name");
        let patch = PatchSet::from_json(serde_json::json!(1), PatchScope::Specified).expect_err("no list");
        let large = NewConnector::new("HR", "x.Y").build(hr(), &[]).check_bounds(1).expect_err("larger than a byte");
        let document = RegistryError::DocumentTooLarge { kind: DocumentKind::SourceConfig, limit: 10 };
        let no_room = StoreError::Unavailable(Unavailable::Full);
        let read_only = StoreError::Unavailable(Unavailable::ReadOnly);
        for (error, status, german) in [
            (
                RegistryError::NotFound(hr()),
                404,
                "In diesem Mandanten gibt es keinen Konnektor mit dem Skriptnamen `hr`.",
            ),
            (RegistryError::NoRevision(RevisionNumber::new(7).unwrap()), 404, "Der Konnektor hat keine Revision 7."),
            (RegistryError::NotYet(RevisionNumber::new(7).unwrap()), 404, "Der Mandant hat noch keine Revision 7."),
            (
                RegistryError::PastRemoved { script_name: hr(), at: RevisionNumber::new(7).unwrap() },
                410,
                "`hr` gibt es in der Revision 7 nicht mehr",
            ),
            (RegistryError::BuiltIn(hr()), 400, "`hr` ist ein mitgelieferter Konnektor, der sich nicht ändern"),
            (RegistryError::NameTaken, 400, "Der Name ist vergeben: "),
            (
                RegistryError::Quota(QuotaExceeded::Connectors(7)),
                400,
                "Dieser Mandant darf höchstens 7 Konnektoren haben",
            ),
            (RegistryError::Conflict, 409, "Jemand anderes hat dies inzwischen geändert. "),
            (RegistryError::Patch(patch), 400, "Die Änderung wurde abgelehnt: „expected an array of operations, got "),
            (document, 413, "Das Dokument `sourceConfigXml` ist größer als 10 Bytes."),
            (RegistryError::TooLarge(large), 413, "Der Konnektor wäre zu groß: Als JSON hätte er "),
            (RegistryError::Work(WorkError::Busy), 503, "Der Server ist gerade ausgelastet. "),
            (no_room.into(), 507, "Für die Datenbank ist kein Platz mehr. Es wurde nichts geändert."),
            (read_only.into(), 503, "Die Datenbank ist gerade nicht verfügbar: die Datenbank lässt sich nur lesen. "),
            (
                StoreError::from(Unavailable::Disconnected).into(),
                503,
                "Die Datenbank ist gerade nicht verfügbar: die Datenbank ist nicht erreichbar. Es wurde nichts geändert.",
            ),
            (
                StoreError::Uncertain(Unavailable::Disconnected).into(),
                504,
                "Ob die Änderung gespeichert ist, ist nicht bekannt: die Datenbank ist nicht erreichbar. Lesen Sie sie neu",
            ),
        ] {
            let error = PageError::from(error);
            let text = error.text(Language::De);
            assert!(text.starts_with(german), "{text}");
            assert_eq!(error.status(), status, "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_named_as_the_api_names_it() {
        let level = Permission::Read.check(UserLevel::Helpdesk, &[]).expect_err("too low");
        let scope = Permission::Write.check(UserLevel::OrgAdmin, &[Scope::ReadConnectors]).expect_err("read only");
        for denied in [level, scope] {
            let (api, page) = (ApiError::from(denied), PageError::from(denied));
            let (_, words) = api.text.rsplit_once(" of ").or(api.text.rsplit_once("takes ")).expect("a list");
            let text = page.text(Language::De);
            for word in words.replace(" or ", ", ").split(", ") {
                assert!(text.contains(word), "{word} in {text}");
            }
            assert_eq!(page.status(), api.status);
        }
    }
}

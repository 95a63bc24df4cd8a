//! Writing a server's connectors to folders without losing what somebody edited there.
//!
//! A file `.connectory.json` beside the connector folders has, for each tenant, a digest of each file as the last pull wrote
//! it or the last apply sent it. A file that still has this digest was not edited since, so it may be overwritten. A file
//! that differs from that *and* from the server is kept, and told. The same holds for a file that was added or deleted.

mod prune;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use connectory_model::document::{DocumentKind, DocumentText};
use connectory_model::file_names::locale_tag;
use connectory_model::lines::with_line_feeds;
use connectory_model::translations::Properties;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::description::{CONNECTOR_FILE, Description};
use crate::disk::DiskError;
use crate::folder::Folder;
use crate::whole_file::write_whole;

pub use prune::Left;

/// The file that has what the last pull wrote.
pub const RECORD_FILE: &str = ".connectory.json";

/// The file that tells git how to keep connector folders, beside them.
const GIT_FILE: &str = ".gitattributes";

/// The content of [`GIT_FILE`]. `text` or `eol=lf` would not do: git would convert a document that has CRLF on the server.
const GIT_ATTRIBUTES: &str = "\
# Connectors are compared with the server byte for byte, so git must not change their line endings.
connector.yaml -text
source-config.xml -text
source-template.xml -text
correlation-config.xml -text
**/translations/*.properties -text
.connectory.json -text
";

/// A pull of connectors into a folder of connector folders.
pub struct Pull {
    dir: PathBuf,
    tenant: String,
    is_forced: bool,
    record: Record,
    pulled: Pulled,
}

/// What a pull did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pulled {
    /// How many files it wrote or removed.
    pub changed: usize,
    /// The files that it left as they are.
    pub kept: Vec<Kept>,
}

/// A file that a pull left as it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its path in the folder of connector folders.
    pub path: String,
    /// What was done to it here.
    pub edit: Edit,
}

/// What was done to a file since the last pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// It was edited.
    Changed,
    /// It was added: the server does not have it.
    Added,
    /// It was deleted.
    Deleted,
}

/// Why a pull cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// A path cannot be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The path is a file.
    #[error("{} is not a folder; give a folder to write connector folders to", .0.display())]
    NoFolder(PathBuf),
    /// The folder is itself a connector folder.
    #[error("{} is a connector folder; give the folder that it is in", .0.display())]
    Connector(PathBuf),
    /// A path is a symbolic link, or neither a file nor a folder.
    #[error("{} is a link, or no ordinary file; connectory never writes through one", .0.display())]
    Link(PathBuf),
    /// The file with what the last pull wrote is something else.
    #[error(
        "{} is not the record of a pull: {reason}; remove it, and the next pull keeps every file that differs",
        .path.display()
    )]
    Record {
        /// The path of the file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl PullError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let error = DiskError::io(action, path);
        |cause| error(cause).into()
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        match self.edit {
            Edit::Changed => Ok(()),
            Edit::Added => f.write_str(" (not on the server)"),
            Edit::Deleted => f.write_str(" (deleted here)"),
        }
    }
}

/// The content of [`RECORD_FILE`].
#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Record {
    /// For each tenant, the digest of each file as it was when it was the same here and there, as hexadecimal SHA-256.
    tenants: BTreeMap<String, BTreeMap<String, String>>,
}

/// The digests of a connector's files, as [`RECORD_FILE`] has them.
pub struct Digests(BTreeMap<String, String>);

impl Digests {
    /// The digests of a connector.
    pub fn of(folder: &Folder) -> Self {
        Self(folder.files().iter().map(|(file, bytes)| (file.clone(), digest_of(bytes))).collect())
    }
}

fn digest_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes any text");
        text
    })
}

impl Pull {
    /// Begins a pull from a tenant into a folder. With `is_forced`, it overwrites edited files.
    pub fn begin(dir: &Path, tenant: &str, is_forced: bool) -> Result<Self, PullError> {
        let path = dir.join(RECORD_FILE);
        if dir.metadata().is_ok_and(|found| !found.is_dir()) {
            return Err(PullError::NoFolder(dir.to_owned()));
        }
        if dir.join(CONNECTOR_FILE).symlink_metadata().is_ok() {
            return Err(PullError::Connector(dir.to_owned()));
        }
        let mut record = match local(&path)? {
            None => Record::default(),
            Some(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| PullError::Record { path, reason: error.to_string() })?
            }
        };
        record.tenants.entry(tenant.to_owned()).or_default();
        Ok(Self { dir: dir.to_owned(), tenant: tenant.to_owned(), is_forced, record, pulled: Pulled::default() })
    }

    /// Writes a connector to the folder of this name. If somebody deleted the folder since the last pull, it is written only
    /// if the connector was asked for by name.
    pub fn write(&mut self, name: &str, folder: &Folder, is_named: bool) -> Result<(), PullError> {
        let path = self.dir.join(name);
        for folder in [path.clone(), path.join("translations")] {
            refuse_link(&folder)?;
        }
        let is_new = local(&path.join(CONNECTOR_FILE))?.is_none();
        if is_new && self.has_pulled(name) && !self.is_forced && !is_named && !path.exists() {
            self.pulled.kept.push(Kept { path: name.to_owned(), edit: Edit::Deleted });
            return Ok(());
        }
        let changed = self.pulled.changed;
        let written = self.write_files(name, folder, is_new);
        if self.pulled.changed != changed {
            self.save()?;
        }
        written
    }

    fn write_files(&mut self, name: &str, folder: &Folder, is_new: bool) -> Result<(), PullError> {
        let files = folder.files();
        for (file, bytes) in &files {
            self.write_file(&format!("{name}/{file}"), file, bytes, is_new)?;
        }
        for file in locale_files(&self.dir.join(name))? {
            if !files.contains_key(&file) {
                self.remove_file(&format!("{name}/{file}"))?;
            }
        }
        Ok(())
    }

    /// Writes a file beside the connector folders that keeps git from changing line endings. A file or a link that is there
    /// stays.
    pub fn write_git_attributes(&self) -> Result<(), PullError> {
        let path = self.dir.join(GIT_FILE);
        if path.symlink_metadata().is_ok() {
            return Ok(());
        }
        write(&path, GIT_ATTRIBUTES.as_bytes())
    }

    /// The folders of connectors that an earlier pull wrote, that are still here, and that are not among these.
    pub fn others(&self, names: &BTreeSet<String>) -> Vec<String> {
        let folders: BTreeSet<_> = self.record().keys().filter_map(|path| Some(path.split_once('/')?.0)).collect();
        let others = folders.into_iter().filter(|name| !names.contains(*name));
        others.filter(|name| self.dir.join(name).join(CONNECTOR_FILE).is_file()).map(str::to_owned).collect()
    }

    fn record(&self) -> &BTreeMap<String, String> {
        &self.record.tenants[&self.tenant]
    }

    fn record_mut(&mut self) -> &mut BTreeMap<String, String> {
        self.record.tenants.entry(self.tenant.clone()).or_default()
    }

    /// Whether a file was not edited here since it was the same here and there.
    fn is_untouched(&self, path: &str, bytes: &[u8]) -> bool {
        self.record().get(path).is_some_and(|digest| *digest == digest_of(bytes))
    }

    /// Notes that the server has a connector with these digests.
    pub fn sent(&mut self, name: &str, digests: Digests) {
        let translations = format!("{name}/translations/");
        self.record_mut()
            .retain(|path, _| !path.starts_with(&translations) || digests.0.contains_key(&path[name.len() + 1..]));
        let digests = digests.0.into_iter().map(|(file, digest)| (format!("{name}/{file}"), digest));
        self.record_mut().extend(digests);
    }

    /// The files of a connector that differ only because the server changed: nobody edited them here since the last pull.
    pub fn behind(&self, name: &str, local: &Folder, server: &Folder) -> Vec<String> {
        let (local, server) = (local.files(), server.files());
        let path = |file: &str| format!("{name}/{file}");
        let changed = local
            .iter()
            .filter(|(file, bytes)| server.get(*file) != Some(*bytes) && self.is_untouched(&path(file), bytes));
        let added = server.iter().filter(|(file, _)| {
            locale_tag(file).is_some() && !local.contains_key(*file) && !self.record().contains_key(&path(file))
        });
        let added = added.filter(|_| self.has_pulled(name));
        changed.chain(added).map(|(file, _)| file.clone()).collect()
    }

    fn has_pulled(&self, name: &str) -> bool {
        self.record().contains_key(&format!("{name}/{CONNECTOR_FILE}"))
    }

    /// Saves what was written, for the next pull. This is done after each connector, so that a pull that fails, or is
    /// killed, leaves no files that look edited.
    pub fn save(&self) -> Result<(), PullError> {
        let path = self.dir.join(RECORD_FILE);
        let mut text = serde_json::to_string_pretty(&self.record).expect("texts are JSON");
        text.push('\n');
        if local(&path)?.as_deref() == Some(text.as_bytes()) {
            return Ok(());
        }
        write(&path, text.as_bytes())
    }

    /// Ends the pull.
    pub fn finish(self) -> Result<Pulled, PullError> {
        self.save()?;
        Ok(self.pulled)
    }

    /// Writes a file, unless somebody edited or deleted it since the last pull.
    fn write_file(&mut self, path: &str, file: &str, bytes: &[u8], is_new: bool) -> Result<(), PullError> {
        let target = self.dir.join(path);
        let before = local(&target)?;
        let is_untouched = match &before {
            Some(before) => self.is_untouched(path, before),
            None => is_new || !self.record().contains_key(path),
        };
        match before {
            Some(before) if before == bytes => {}
            // Comments, the order of members and the ends of lines belong to whoever wrote the file.
            Some(before) if is_same(file, &before, bytes) => return Ok(()),
            _ if is_untouched || self.is_forced => {
                write(&target, bytes)?;
                self.pulled.changed += 1;
            }
            before => {
                let edit = if before.is_some() { Edit::Changed } else { Edit::Deleted };
                self.pulled.kept.push(Kept { path: path.to_owned(), edit });
                return Ok(());
            }
        }
        self.record_mut().insert(path.to_owned(), digest_of(bytes));
        Ok(())
    }

    /// Removes a file that the server does not have, unless somebody added or edited it since the last pull.
    fn remove_file(&mut self, path: &str) -> Result<(), PullError> {
        let target = self.dir.join(path);
        let Some(bytes) = local(&target)? else { return Ok(()) };
        if !self.is_forced && !self.is_untouched(path, &bytes) {
            let edit = if self.record().contains_key(path) { Edit::Changed } else { Edit::Added };
            self.pulled.kept.push(Kept { path: path.to_owned(), edit });
            return Ok(());
        }
        fs::remove_file(&target).map_err(PullError::io("remove", &target))?;
        self.record_mut().remove(path);
        self.pulled.changed += 1;
        Ok(())
    }
}

/// Whether two texts of a file mean the same. git may have changed the ends of lines.
fn is_same(file: &str, one: &[u8], other: &[u8]) -> bool {
    if file == CONNECTOR_FILE {
        let [one, other] = [one, other].map(Description::parse);
        return matches!((one, other), (Ok(one), Ok(other)) if one == other);
    }
    if DocumentKind::ALL.iter().any(|kind| kind.file_name() == file) {
        // A service may tell the text only, and not the encoding.
        let [one, other] = [one, other].map(|bytes| DocumentText::stored(bytes.to_vec()));
        return one.zip(other).is_some_and(|(one, other)| one.as_str() == other.as_str());
    }
    if locale_tag(file).is_none() {
        return false;
    }
    let [one, other] = [one, other].map(Properties::parse);
    matches!((one, other), (Ok(one), Ok(other)) if with_line_feeds(one.text()) == with_line_feeds(other.text()))
}

/// The files of locales in a connector folder on a disk.
fn locale_files(path: &Path) -> Result<Vec<String>, PullError> {
    let folder = path.join("translations");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(PullError::io("read", &folder)(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(PullError::io("read", &folder))?;
        let file = format!("translations/{}", entry.file_name().to_string_lossy());
        if locale_tag(&file).is_some() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// The bytes of a file, if there is one. Never follows a link.
fn local(path: &Path) -> Result<Option<Vec<u8>>, PullError> {
    refuse_link(path)?;
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PullError::io("read", path)(error)),
    }
}

/// Fails if a path is a link, or something else than a file or a folder.
fn refuse_link(path: &Path) -> Result<(), PullError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() || found.is_dir() => Ok(()),
        Ok(_) => Err(PullError::Link(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(PullError::io("read", path)(error)),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), PullError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(PullError::io("create", folder))?;
    write_whole(path, bytes).map_err(PullError::io("write", path))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::process::Command;

    use connectory_model::create::NewConnector;
    use tempfile::TempDir;

    use super::*;
    use crate::folder::Files;
    use crate::lint::Limits;
    use crate::local::LocalFolders;

    /// A folder of connector folders, and the server's connector `hr`.
    struct Local {
        dir: TempDir,
    }

    impl Local {
        fn new() -> Self {
            Self { dir: TempDir::new().unwrap() }
        }

        fn path(&self, file: &str) -> PathBuf {
            self.dir.path().join(file)
        }

        fn edit(&self, file: &str, text: &str) {
            fs::write(self.path(file), text).unwrap();
        }

        fn read(&self, file: &str) -> String {
            fs::read_to_string(self.path(file)).unwrap()
        }

        /// How many files a pull changes, and which it keeps.
        fn pull(&self, folder: &Folder, is_forced: bool) -> (usize, Vec<String>) {
            let mut pull = Pull::begin(self.dir.path(), "t", is_forced).unwrap();
            pull.write("hr", folder, false).unwrap();
            let Pulled { changed, kept } = pull.finish().unwrap();
            (changed, kept.iter().map(ToString::to_string).collect())
        }
    }

    fn folder(german: &str, template: &str) -> Folder {
        let mut files: Files<'_> = [(CONNECTOR_FILE.to_owned(), Cow::from(&b"name: HR\nclassName: x.Y\n"[..]))].into();
        if !german.is_empty() {
            files.insert("translations/de.properties".to_owned(), german.as_bytes().into());
        }
        files.insert(
            "source-template.xml".to_owned(),
            format!("<Application>{template}</Application>").into_bytes().into(),
        );
        Folder::read(&files).expect("valid")
    }

    fn nothing() -> (usize, Vec<String>) {
        (0, vec![])
    }

    #[test]
    fn a_folder_is_read_as_it_was_written_and_only_differences_are_written() {
        let local = Local::new();
        assert_eq!(local.pull(&folder("a=b\n", ""), false), (3, vec![]));
        local.edit("hr/README.md", "notes");
        let read = LocalFolders::read(local.dir.path(), Limits::default()).unwrap().folders.remove(0);
        assert_eq!(Folder::read(&read.files).unwrap(), folder("a=b\n", ""));
        assert_eq!(local.pull(&folder("a=b\n", ""), false), nothing());
        assert_eq!(local.pull(&folder("", "x"), false), (2, vec![]), "the locale is removed, the template changed");
        assert!(!local.path("hr/translations/de.properties").exists() && local.path("hr/README.md").exists());
    }

    #[test]
    fn what_was_edited_since_the_last_pull_is_kept_and_told() {
        let local = Local::new();
        let server = folder("a=b\n", "");
        local.pull(&server, false);
        local.edit("hr/source-template.xml", "<Application>mine</Application>");
        local.edit("hr/translations/fr.properties", "a=c\n");
        fs::remove_file(local.path("hr/translations/de.properties")).unwrap();
        let kept = [
            "hr/source-template.xml",
            "hr/translations/de.properties (deleted here)",
            "hr/translations/fr.properties (not on the server)",
        ];
        assert_eq!(local.pull(&server, false), (0, kept.map(str::to_owned).to_vec()), "the server did not change");
        let kept_still = local.pull(&folder("a=b\n", "theirs"), false);
        assert_eq!(kept_still, (0, kept.map(str::to_owned).to_vec()), "the server changed too");
        assert_eq!(local.read("hr/source-template.xml"), "<Application>mine</Application>");
        // The server got the edit.
        assert_eq!(local.pull(&folder("", "mine"), false).1, [kept[2]]);
        assert_eq!(local.pull(&folder("", "theirs"), false).0, 1, "nothing was edited since");
        assert_eq!(local.pull(&server, true), (3, vec![]), "forced");
        assert!(!local.path("hr/translations/fr.properties").exists());
    }

    #[test]
    fn each_tenant_has_a_record_and_what_was_sent_is_in_it() {
        let local = Local::new();
        local.pull(&folder("a=b\n", "sandbox"), false);
        let mut other = Pull::begin(local.dir.path(), "other", false).unwrap();
        other.write("hr", &folder("a=b\n", "production"), false).unwrap();
        assert_eq!(other.finish().unwrap().kept.len(), 1, "it was never the same there");
        // What was sent is no edit any more, so a later change of the server is taken.
        local.edit("hr/source-template.xml", "<Application>mine</Application>");
        let mine = folder("a=b\n", "mine");
        let mut sent = Pull::begin(local.dir.path(), "t", false).unwrap();
        sent.sent("hr", Digests::of(&mine));
        assert_eq!(sent.behind("hr", &mine, &folder("a=b\n", "theirs")), ["source-template.xml"]);
        assert_eq!(sent.behind("hr", &folder("a=b\n", "edited"), &mine), [""; 0]);
        sent.finish().unwrap();
        assert_eq!(local.pull(&folder("a=b\n", "theirs"), false), (1, vec![]));
    }

    #[test]
    fn a_pull_that_fails_leaves_no_files_that_look_edited() {
        let local = Local::new();
        local.pull(&folder("a=b\n", "1"), false);
        fs::remove_file(local.path("hr/translations/de.properties")).unwrap();
        fs::create_dir(local.path("hr/translations/de.properties")).unwrap();
        let mut pull = Pull::begin(local.dir.path(), "t", true).unwrap();
        pull.write("hr", &folder("a=b\n", "2"), false).unwrap_err();
        drop(pull);
        fs::remove_dir(local.path("hr/translations/de.properties")).unwrap();
        assert_eq!(local.pull(&folder("", "3"), false), (1, vec![]));
    }

    #[test]
    fn without_a_record_everything_that_differs_is_kept() {
        let local = Local::new();
        local.pull(&folder("a=b\n", "old"), false);
        fs::remove_file(local.path(RECORD_FILE)).unwrap();
        let kept = ["hr/source-template.xml", "hr/translations/de.properties (not on the server)"];
        assert_eq!(local.pull(&folder("", "new"), false), (0, kept.map(str::to_owned).to_vec()));
        let error = Pull::begin(&local.path("hr/connector.yaml"), "t", false).err().expect("no folder").to_string();
        assert!(error.contains("hr/connector.yaml is not a folder"), "{error}");
        local.edit(RECORD_FILE, "<<<<<<< HEAD");
        let error = Pull::begin(local.dir.path(), "t", false).err().expect("no record").to_string();
        assert!(
            error.contains(".connectory.json is not the record of a pull") && error.contains("remove it"),
            "{error}"
        );
    }

    #[test]
    fn comments_of_the_description_and_ends_of_lines_are_no_difference_and_stay() {
        let local = Local::new();
        local.pull(&folder("a=b\n", ""), false);
        local.edit("hr/translations/de.properties", "a=b\r\n");
        assert_eq!(local.pull(&folder("a=b\n", ""), false), nothing());
        assert_eq!(local.read("hr/translations/de.properties"), "a=b\r\n");
        local.edit("hr/connector.yaml", "# ours\nclassName: x.Y\nname: HR\n");
        assert_eq!(local.pull(&folder("a=b\n", ""), false), nothing());
        assert!(local.read("hr/connector.yaml").starts_with("# ours"));
        let mut renamed = folder("a=b\n", "");
        renamed.description.members.class_name = "x.Z".to_owned();
        assert_eq!(local.pull(&renamed, false), (0, vec!["hr/connector.yaml".to_owned()]), "the comment would be lost");
    }

    #[test]
    fn git_is_told_about_every_file_unless_somebody_told_it_before() {
        let local = Local::new();
        let mut pull = Pull::begin(local.dir.path(), "t", false).unwrap();
        pull.write("hr", &NewConnector::new("HR", "x.Y").build("hr".parse().unwrap(), &[]).into(), false).unwrap();
        pull.write("it", &folder("a=b\n", ""), false).unwrap();
        pull.write_git_attributes().unwrap();
        pull.finish().unwrap();
        let git = |arguments: &[&str]| {
            let mut git = Command::new("git");
            let output = git.arg("-C").arg(local.dir.path()).args(arguments).output().expect("git");
            String::from_utf8(output.stdout).unwrap()
        };
        git(&["init"]);
        git(&["add", "."]);
        let files = git(&["ls-files", "--eol"]);
        assert_eq!(files.lines().count(), 9, "{files}");
        let others: Vec<_> = files.lines().filter(|line| !line.contains("attr/-text")).collect();
        assert!(matches!(others[..], [other] if other.ends_with("\t.gitattributes")), "{files}");

        local.edit(GIT_FILE, "* text\n");
        Pull::begin(local.dir.path(), "t", true).unwrap().write_git_attributes().unwrap();
        assert_eq!(local.read(GIT_FILE), "* text\n");
    }

    #[test]
    fn a_deleted_folder_stays_deleted_until_it_is_asked_for() {
        let local = Local::new();
        let server = folder("a=b\n", "");
        local.pull(&server, false);
        fs::remove_dir_all(local.path("hr")).unwrap();
        assert_eq!(local.pull(&server, false), (0, vec!["hr (deleted here)".to_owned()]));
        let mut pull = Pull::begin(local.dir.path(), "t", false).unwrap();
        pull.write("hr", &server, true).unwrap();
        assert_eq!(pull.others(&BTreeSet::new()), ["hr"], "the server has none of them");
        assert_eq!(pull.others(&["hr".to_owned()].into()), [""; 0]);
        assert_eq!(pull.finish().unwrap().changed, 3);
        fs::remove_dir_all(local.path("hr")).unwrap();
        assert_eq!(local.pull(&server, true), (3, vec![]));
        let inside = Pull::begin(&local.path("hr"), "t", false).err().expect("a connector folder").to_string();
        assert!(inside.ends_with("hr is a connector folder; give the folder that it is in"), "{inside}");
    }

    #[test]
    fn the_folder_of_a_connector_that_is_gone_is_removed_unless_it_was_edited() {
        let local = Local::new();
        let prune = |is_forced: bool| {
            let mut pull = Pull::begin(local.dir.path(), "t", is_forced).unwrap();
            let Left { edited, unknown } = pull.prune("hr").unwrap();
            (edited.iter().map(ToString::to_string).collect::<Vec<_>>(), unknown, pull.finish().unwrap().changed)
        };
        local.pull(&folder("a=b\n", ""), false);
        assert_eq!(prune(false), (vec![], vec![], 3));
        assert!(!local.path("hr").exists());
        assert!(!local.read(RECORD_FILE).contains("hr/"), "no pull takes it for deleted here");
        assert_eq!(local.pull(&folder("a=b\n", ""), false), (3, vec![]));

        local.edit("hr/translations/de.properties", "a=c\n");
        local.edit("hr/source-config.xml", "<Form/>");
        let edited = ["hr/source-config.xml (not on the server)", "hr/translations/de.properties"].map(str::to_owned);
        assert_eq!(prune(false), (edited.to_vec(), vec![], 0), "it stays whole");
        for file in ["hr/README.md", "hr/.notes", "hr/translations/notes.txt"] {
            local.edit(file, "");
        }
        fs::create_dir(local.path("hr/docs")).unwrap();
        std::os::unix::fs::symlink("README.md", local.path("hr/correlation-config.xml")).unwrap();
        let unknown =
            ["hr/.notes", "hr/README.md", "hr/correlation-config.xml", "hr/docs", "hr/translations/notes.txt"];
        assert_eq!(prune(true), (vec![], unknown.map(str::to_owned).to_vec(), 4));
        assert!(unknown.iter().all(|path| local.path(path).symlink_metadata().is_ok()));
        assert!(!local.path("hr/connector.yaml").exists() && !local.path("hr/translations/de.properties").exists());
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_removed_behind_a_link() {
        use std::os::unix::fs::symlink;

        let (local, outside) = (Local::new(), Local::new());
        for local in [&local, &outside] {
            local.pull(&folder("a=b\n", ""), false);
        }
        fs::rename(local.path("hr/translations"), local.path("texts")).unwrap();
        symlink("../texts", local.path("hr/translations")).unwrap();
        let prune = || Pull::begin(local.dir.path(), "t", true).unwrap().prune("hr");
        assert_eq!(prune().unwrap().unknown, ["hr/translations"]);
        assert!(local.path("texts/de.properties").exists());
        fs::remove_dir_all(local.path("hr")).unwrap();
        symlink(outside.path("hr"), local.path("hr")).unwrap();
        assert!(matches!(prune(), Err(PullError::Link(_))));
        assert!(outside.path("hr/connector.yaml").exists());
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_written_through_a_link_and_modes_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let outside = TempDir::new().unwrap();
        fs::write(outside.path().join("secret"), "secret").unwrap();
        for link in ["hr", "hr/translations", "hr/source-template.xml", "hr/translations/de.properties", RECORD_FILE] {
            let local = Local::new();
            let path = local.path(link);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let is_folder = !link.contains('.');
            symlink(if is_folder { outside.path().to_owned() } else { outside.path().join("secret") }, &path).unwrap();
            let pulled = Pull::begin(local.dir.path(), "t", true)
                .and_then(|mut pull| pull.write("hr", &folder("a=b\n", ""), false).map(|()| pull))
                .and_then(Pull::finish);
            let error = pulled.unwrap_err().to_string();
            assert_eq!(
                error,
                format!("{} is a link, or no ordinary file; connectory never writes through one", path.display())
            );
            assert_eq!(fs::read_to_string(outside.path().join("secret")).unwrap(), "secret");
            assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        }
        let local = Local::new();
        local.pull(&folder("a=b\n", ""), false);
        let path = local.path("hr/source-template.xml");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path) & 0o400, 0o400);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        local.pull(&folder("a=b\n", "new"), false);
        assert_eq!(mode(&path), 0o640);
    }
}

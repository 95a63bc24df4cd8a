//! Reading connector folders, from a disk or from anything else that has files in folders, and checking what is there.
//!
//! What is read may come from somebody's pull request. So nothing but regular files is read, no symbolic link is
//! followed below the folder that the user named, and no file is read further than a server would take it. What is left
//! out is told. Names that begin with `.` are not looked at: git and editors make them.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use connectory_model::limits::QUOTED_CHARS;
use connectory_model::{name_key, shown};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::description::CONNECTOR_FILE;
use crate::disk::DiskError;
use crate::folder::Files;
use crate::lint::description::line_of_member;
use crate::lint::layout::{NESTED, TRANSLATIONS, is_like_file, is_like_translations, is_part, wrong, wrong_folder};
use crate::lint::rules::{
    DUPLICATE_NAME, FILE_TYPE, NAME_CLASH, NOT_A_CONNECTOR, Rule, SYMLINK, TOO_LARGE, UNKNOWN_FILE,
};
use crate::lint::size::too_long;
use crate::lint::{Finding, Level, Limits, lint_named};

/// The connector folders in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFolders {
    /// The folder that they are in.
    pub dir: PathBuf,
    /// Whether `dir` is itself the only connector folder.
    pub is_connector: bool,
    /// The connector folders, ordered by name. Some may be half there.
    pub folders: Vec<LocalFolder>,
    /// What is wrong beside them, with paths in `dir`.
    pub findings: Vec<Finding>,
}

/// A connector folder on a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFolder {
    /// The folder's path.
    pub path: PathBuf,
    /// The folder's name.
    pub name: String,
    /// The connector's files.
    pub files: Files<'static>,
    /// What is wrong with what was not read, with paths in the folder.
    pub findings: Vec<Finding>,
}

/// A finding, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFinding<'a> {
    /// The connector folder; none if the finding is beside connector folders.
    pub folder: Option<&'a LocalFolder>,
    /// The finding. Its path is in the connector folder, or in the folder of connector folders.
    pub finding: Finding,
}

impl LocalFolders {
    /// Reads the connector folders in a folder. If the folder is itself a connector folder, reads only it. No file may have
    /// more bytes than `limits` has for a document.
    pub fn read(dir: &Path, limits: Limits) -> Result<Self, DiskError> {
        Self::read_in(&Disk, dir, limits)
    }

    /// Like [`Self::read`], of any tree.
    pub(crate) fn read_in<T: Tree>(tree: &T, dir: &Path, limits: Limits) -> Result<Self, T::Error> {
        let entries = tree.entries(dir)?;
        let mut local = Self { dir: dir.to_owned(), is_connector: false, folders: Vec::new(), findings: Vec::new() };
        if !entries.iter().any(|entry| entry.name == CONNECTOR_FILE) {
            for entry in &entries {
                local.add(tree, entry, limits)?;
            }
        }
        if local.folders.is_empty() && entries.iter().any(Entry::is_like_part) {
            let folder = LocalFolder::read(tree, dir, tree.name_of(dir)?, &entries, limits)?;
            return Ok(Self { is_connector: true, folders: vec![folder], findings: Vec::new(), ..local });
        }
        local.findings.extend(clashes(&entries, ""));
        let has_errors = local.findings.iter().any(|finding| finding.rule.level == Level::Error);
        if local.folders.is_empty() && !has_errors {
            let nested = entries.into_iter().find(|entry| entry.has_connector_folders(tree)).map(|entry| entry.path);
            return Err(DiskError::Empty(dir.to_owned(), nested).into());
        }
        Ok(local)
    }

    fn add<T: Tree>(&mut self, tree: &T, entry: &Entry, limits: Limits) -> Result<(), T::Error> {
        match entry.kind {
            Kind::Link => self.findings.push(entry.link("")),
            Kind::Folder => {
                let inner = tree.entries(&entry.path)?;
                if inner.iter().any(Entry::is_like_part) {
                    self.folders.push(LocalFolder::read(tree, &entry.path, entry.name.clone(), &inner, limits)?);
                } else {
                    let found = entry.has_connector_folders(tree);
                    let message = if found {
                        "the folder is not a connector folder, but has some in it; they are not read"
                    } else {
                        "the folder is not a connector folder: it has no file of a connector"
                    };
                    self.findings.push(found_in(&NOT_A_CONNECTOR, &entry.name, message));
                }
            }
            Kind::File | Kind::Other if is_part(&entry.name) => {
                let message = "a file of a connector is beside connector folders; move it to its folder";
                self.findings.push(found_in(&UNKNOWN_FILE, &entry.name, message));
            }
            Kind::File | Kind::Other => {}
        }
        Ok(())
    }

    /// Checks all folders. The findings are ordered by folder, file and place.
    pub fn lint(&self, limits: Limits) -> Vec<LocalFinding<'_>> {
        self.checked(limits).collect()
    }

    /// Like [`Self::lint`], one folder after the other.
    pub fn checked(&self, limits: Limits) -> impl Iterator<Item = LocalFinding<'_>> {
        let beside = self.findings.iter().cloned().map(|finding| LocalFinding { folder: None, finding });
        let mut names = HashMap::new();
        let within = self.folders.iter().flat_map(move |folder| {
            let (mut findings, name) = folder.lint(limits);
            findings.extend(name.and_then(|name| folder.duplicate(&name, &mut names)));
            findings.sort_by(|a, b| (&a.file, a.span.start, a.rule.id).cmp(&(&b.file, b.span.start, b.rule.id)));
            findings.into_iter().map(move |finding| LocalFinding { folder: Some(folder), finding })
        });
        beside.chain(within)
    }

    /// The first error that reading found, with its path.
    pub fn first_error(&self) -> Option<(PathBuf, &Finding)> {
        let within = self.folders.iter().map(|folder| (&folder.path, &folder.findings));
        let all = std::iter::once((&self.dir, &self.findings)).chain(within);
        let mut all = all.flat_map(|(path, findings)| findings.iter().map(move |finding| (path, finding)));
        let (path, finding) = all.find(|(_, finding)| finding.rule.level == Level::Error)?;
        Some((path.join(&finding.file), finding))
    }
}

impl LocalFolder {
    fn read<T: Tree>(tree: &T, path: &Path, name: String, entries: &[Entry], limits: Limits) -> Result<Self, T::Error> {
        let mut folder = Self { path: path.to_owned(), name, files: Files::new(), findings: Vec::new() };
        folder.add(tree, entries, "", limits)?;
        for below in entries.iter().filter(|entry| entry.kind == Kind::Folder) {
            folder.add(tree, &tree.entries(&below.path)?, &format!("{}/", below.name), limits)?;
        }
        Ok(folder)
    }

    /// Reads the parts of the connector among the entries of the folder, or of a folder in it.
    fn add<T: Tree>(&mut self, tree: &T, entries: &[Entry], prefix: &str, limits: Limits) -> Result<(), T::Error> {
        let paths: HashSet<_> = entries.iter().map(|entry| format!("{prefix}{}", entry.name)).collect();
        for entry in entries {
            let path = format!("{prefix}{}", entry.name);
            let finding = match entry.kind {
                Kind::Link => Some(entry.link(prefix)),
                Kind::File if is_part(&path) => match tree.file(&entry.path, limits.document)? {
                    Some(bytes) => {
                        self.files.insert(path, Cow::Owned(bytes));
                        None
                    }
                    None => Some(found_in(&TOO_LARGE, &path, &too_long(limits))),
                },
                Kind::File | Kind::Other if path == TRANSLATIONS => {
                    let message = "this is a folder, with a file LOCALE.properties for each locale";
                    Some(found_in(&FILE_TYPE, &path, message))
                }
                Kind::Folder | Kind::Other if is_part(&path) => {
                    Some(found_in(&FILE_TYPE, &path, "a file of a connector is a regular file"))
                }
                Kind::File | Kind::Other => {
                    wrong(&path, |other| paths.contains(other)).map(|message| found_in(&UNKNOWN_FILE, &path, &message))
                }
                Kind::Folder if !prefix.is_empty() && entry.is_connector_folder(tree) => {
                    Some(found_in(&UNKNOWN_FILE, &path, NESTED))
                }
                Kind::Folder => wrong_folder(&path).map(|message| found_in(&UNKNOWN_FILE, &path, &message)),
            };
            self.findings.extend(finding);
        }
        self.findings.extend(clashes(entries, prefix));
        Ok(())
    }

    /// The first error that reading found, with its path.
    pub fn first_error(&self) -> Option<(PathBuf, &Finding)> {
        let finding = self.findings.iter().find(|finding| finding.rule.level == Level::Error)?;
        Some((self.path.join(&finding.file), finding))
    }

    /// What reading found, what lint finds in other files, and the connector's name.
    fn lint(&self, limits: Limits) -> (Vec<Finding>, Option<String>) {
        let unread: BTreeSet<_> = self.findings.iter().map(|finding| &finding.file).collect();
        let (mut found, name) = lint_named(&self.name, &self.files, limits);
        // A file that was not read is not missing.
        found.retain(|finding| !unread.contains(&finding.file) || self.files.contains_key(&finding.file));
        found.extend(self.findings.iter().cloned());
        (found, name)
    }

    /// The finding that a folder of `names` has the connector's name already. Otherwise, the name is added to them.
    fn duplicate<'a>(&'a self, name: &str, names: &mut HashMap<String, &'a Self>) -> Option<Finding> {
        let first = *names.entry(name_key(name)).or_insert(self);
        if std::ptr::eq(first, self) {
            return None;
        }
        let message = format!(
            "the connector of the folder `{}` is named `{}` too; a server has each name once, whatever its case",
            first.name,
            shown(name, QUOTED_CHARS)
        );
        let span = line_of_member(&self.files, "name").unwrap_or(0..0);
        Some(Finding { span, ..found_in(&DUPLICATE_NAME, CONNECTOR_FILE, &message) })
    }
}

/// What has files in folders.
pub(crate) trait Tree {
    /// Why something cannot be read.
    type Error: From<DiskError>;

    /// The names in a folder, in order, without those that begin with `.`.
    fn entries(&self, folder: &Path) -> Result<Vec<Entry>, Self::Error>;

    /// The content of a regular file. `None` if it has more bytes than `max`.
    fn file(&self, path: &Path, max: usize) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Whether something is at a path.
    fn has(&self, path: &Path) -> bool;

    /// The name of a folder that is itself a connector folder.
    fn name_of(&self, folder: &Path) -> Result<String, Self::Error>;
}

/// The disk of this machine.
struct Disk;

impl Tree for Disk {
    type Error = DiskError;

    fn entries(&self, folder: &Path) -> Result<Vec<Entry>, DiskError> {
        entries(folder)
    }

    fn file(&self, path: &Path, max: usize) -> Result<Option<Vec<u8>>, DiskError> {
        read_file(path, max)
    }

    fn has(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }

    fn name_of(&self, folder: &Path) -> Result<String, DiskError> {
        name_of(folder)
    }
}

/// What is at a path. A symbolic link is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    Link,
    /// A device, a pipe or a socket.
    Other,
}

/// A name in a folder.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The name.
    pub name: String,
    /// The path in the tree.
    pub path: PathBuf,
    /// What it is the name of.
    pub kind: Kind,
}

impl Entry {
    /// Whether it has the name of a part of a connector, or almost.
    fn is_like_part(&self) -> bool {
        let name = self.name.as_str();
        match self.kind {
            Kind::Folder => is_like_translations(name),
            Kind::File | Kind::Other => is_like_file(name),
            Kind::Link => is_like_translations(name) || is_like_file(name),
        }
    }

    /// Whether it is a folder with connector folders in it. A folder that cannot be read has none.
    fn has_connector_folders(&self, tree: &impl Tree) -> bool {
        let has = |inner: Vec<Self>| inner.iter().any(|entry| entry.is_connector_folder(tree));
        self.kind == Kind::Folder && tree.entries(&self.path).is_ok_and(has)
    }

    fn is_connector_folder(&self, tree: &impl Tree) -> bool {
        self.kind == Kind::Folder && tree.has(&self.path.join(CONNECTOR_FILE))
    }

    fn link(&self, prefix: &str) -> Finding {
        let message = "this is a symbolic link, and links are not followed; put a copy of its target here";
        found_in(&SYMLINK, &format!("{prefix}{}", self.name), message)
    }
}

/// The names in a folder, in order, without those that begin with `.`.
fn entries(dir: &Path) -> Result<Vec<Entry>, DiskError> {
    let read = || -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            let kind = match entry.file_type()? {
                kind if kind.is_symlink() => Kind::Link,
                kind if kind.is_dir() => Kind::Folder,
                kind if kind.is_file() => Kind::File,
                _ => Kind::Other,
            };
            entries.push(Entry { name, path: entry.path(), kind });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    };
    read().map_err(DiskError::io("read", dir))
}

/// A folder's name. `.` has no name of its own.
fn name_of(dir: &Path) -> Result<String, DiskError> {
    let named = if dir.file_name().is_some() {
        Cow::Borrowed(dir)
    } else {
        Cow::Owned(dir.canonicalize().map_err(DiskError::io("read", dir))?)
    };
    Ok(named.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default())
}

/// Reads a regular file. `None` if it has more bytes than `max`. A symbolic link is an error, and a pipe does not block.
pub fn read_file(path: &Path, max: usize) -> Result<Option<Vec<u8>>, DiskError> {
    let read = || -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
            Errno::LOOP => {
                io::Error::other("it is a symbolic link, and links are not followed; put a copy of its target there")
            }
            error => error.into(),
        })?;
        let file = File::from(file);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take((max as u64).saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(DiskError::io("read", path))?;
    Ok((bytes.len() <= max).then_some(bytes))
}

/// The names in a folder that are one name on a disk without case.
fn clashes(entries: &[Entry], prefix: &str) -> Vec<Finding> {
    let mut names: HashMap<String, &str> = HashMap::new();
    let clash = |entry| {
        let Entry { name, .. }: &Entry = entry;
        let first = names.insert(name_key(name), name)?;
        let message = format!("`{first}` and `{name}` are one name on a disk without case; rename one of them");
        Some(found_in(&NAME_CLASH, &format!("{prefix}{name}"), &message))
    };
    entries.iter().filter_map(clash).collect()
}

/// A finding about a whole file or folder.
fn found_in(rule: &'static Rule, file: &str, message: &str) -> Finding {
    Finding { rule, file: file.to_owned(), span: 0..0, message: message.to_owned(), fix: None }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    const YAML: &str = "name: HR\nclassName: x.Y\n";

    /// A folder with files. A text that begins with `->` is the target of a link.
    fn disk(files: &[(&str, &str)]) -> TempDir {
        let dir = TempDir::new().unwrap();
        for (file, text) in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match text.strip_prefix("->") {
                Some(target) => symlink(target, path).unwrap(),
                None if file.ends_with('/') => fs::create_dir(path).unwrap(),
                None => fs::write(path, text).unwrap(),
            }
        }
        dir
    }

    fn read(dir: &Path) -> LocalFolders {
        LocalFolders::read(dir, Limits::default()).unwrap()
    }

    /// Each finding as rule and path.
    fn found(local: &LocalFolders) -> Vec<String> {
        let findings = local.lint(Limits::default()).into_iter();
        findings
            .map(|LocalFinding { folder, finding }| {
                let folder = folder.map(|folder| format!("{}/", folder.name)).unwrap_or_default();
                format!("{} {folder}{}", finding.rule.id, finding.file)
            })
            .collect()
    }

    #[test]
    fn the_connector_folders_in_a_folder_are_read_and_one_alone() {
        let files = [
            ("b/connector.yaml", YAML),
            ("b/translations/de.properties", "a=b\n"),
            ("b/README.md", "notes"),
            ("b/docs/form.xml", "notes"),
            ("%63on/connector.yaml", "name: con\nclassName: x.Y\n"),
            ("README.md", "notes"),
            ("lint.toml", ""),
            (".git/config", "secret"),
        ];
        let dir = disk(&files);
        let local = read(dir.path());
        assert_eq!(found(&local), Vec::<String>::new());
        assert_eq!(local.folders.iter().map(|folder| folder.name.as_str()).collect::<Vec<_>>(), ["%63on", "b"]);
        let files: Vec<_> = local.folders[1].files.keys().collect();
        assert_eq!(files, ["connector.yaml", "translations/de.properties"]);
        let alone = read(&dir.path().join("b"));
        assert!(alone.is_connector && !local.is_connector && alone.folders == local.folders[1..]);
        // The folder that the user names may be a link.
        symlink(dir.path(), dir.path().join(".link")).unwrap();
        assert_eq!(read(&dir.path().join(".link")).folders.len(), 2);
    }

    #[test]
    fn no_link_is_followed() {
        let dir = disk(&[
            ("secret", "name: secret\nclassName: x.Y\n"),
            ("texts/de.properties", "a=secret\n"),
            ("c/dangling", "->nowhere"),
            ("c/folder", "->../texts"),
            ("c/hr/connector.yaml", YAML),
            ("c/hr/README.md", "->../../secret"),
            ("c/hr/source-config.xml", "->../../secret"),
            ("c/hr/translations", "->../../texts"),
            ("c/it/connector.yaml", "->../../secret"),
            ("c/it/translations/de.properties", "->../../../secret"),
            ("c/it/translations/en.properties", "->nowhere"),
            ("c/it/docs/notes", "->../../../secret"),
        ]);
        let local = read(&dir.path().join("c"));
        let paths = [
            "dangling",
            "folder",
            "hr/README.md",
            "hr/source-config.xml",
            "hr/translations",
            "it/connector.yaml",
            "it/docs/notes",
            "it/translations/de.properties",
            "it/translations/en.properties",
        ];
        assert_eq!(found(&local), paths.map(|path| format!("symlink {path}")));
        assert!(!format!("{local:?}").contains("secret\\n") && local.folders[1].files.is_empty());
        let (path, first) = local.first_error().expect("an error");
        assert_eq!((path, first.rule), (dir.path().join("c/dangling"), &SYMLINK));
        let error = read_file(&dir.path().join("c/it/connector.yaml"), 1000).unwrap_err();
        assert!(error.to_string().starts_with("cannot read "), "{error}");
        let cause = std::error::Error::source(&error).expect("a cause").to_string();
        assert!(cause.starts_with("it is a symbolic link"), "{cause}");
    }

    #[test]
    fn nothing_but_regular_files_is_read_and_none_too_far() {
        let dir = disk(&[
            ("hr/connector.yaml", YAML),
            ("hr/source-config.xml/", ""),
            ("hr/correlation-config.xml", "<CorrelationConfig/>"),
            ("it/connector.yaml", YAML),
            ("it/translations", "a file"),
        ]);
        let pipe = dir.path().join("hr/source-template.xml");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let limits = Limits { document: 19, ..Limits::default() };
        let local = LocalFolders::read(dir.path(), limits).unwrap();
        assert_eq!(
            local.folders[0].findings.iter().map(|finding| finding.rule.id).collect::<Vec<_>>(),
            ["too-large", "too-large", "file-type", "file-type"]
        );
        assert_eq!(
            found(&local)[..4],
            [
                "too-large hr/connector.yaml",
                "too-large hr/correlation-config.xml",
                "file-type hr/source-config.xml",
                "file-type hr/source-template.xml"
            ]
        );
        assert!(found(&read(&dir.path().join("it"))).contains(&"file-type it/translations".to_owned()));
        assert!(read_file(&pipe, 10).is_err(), "a pipe does not block");
    }

    #[test]
    fn what_is_half_there_or_unknown_is_told() {
        let dir = disk(&[
            ("hr/connector.yml", YAML),
            ("it/source-template.xml", "<Application/>"),
            ("only-texts/translations/de.properties", "a=b\n"),
            ("good/connector.yaml", YAML),
            ("good/translation/de.properties", "a=b\n"),
            ("good/old/connector.yaml", YAML),
            ("good/old/it/connector.yaml", YAML),
            ("named/connector.yaml.txt", YAML),
            ("docs/notes.md", ""),
            ("more/x/connector.yaml", YAML),
            ("source-config.xml", "<Form/>"),
        ]);
        let local = read(dir.path());
        assert_eq!(
            found(&local),
            [
                "not-a-connector docs",
                "not-a-connector more",
                "unknown-file source-config.xml",
                "unknown-file good/old/connector.yaml",
                "unknown-file good/old/it",
                "unknown-file good/translation",
                "unknown-file good/translation/de.properties",
                "description hr/connector.yaml",
                "unknown-file hr/connector.yml",
                "description it/connector.yaml",
                "description named/connector.yaml",
                "unknown-file named/connector.yaml.txt",
                "description only-texts/connector.yaml",
            ]
        );
        assert!(local.findings[1].message.contains("has some in it"));
        // The folder that the user names may be half there itself.
        let alone = read(&dir.path().join("hr"));
        assert!(alone.is_connector && found(&alone).contains(&"unknown-file hr/connector.yml".to_owned()));
    }

    #[test]
    fn two_connectors_of_one_name_and_two_names_of_one_file_are_told() {
        let dir = disk(&[
            ("a/connector.yaml", YAML),
            ("b/connector.yaml", "className: x.Y\nname: hr\n"),
            ("b/README.md", ""),
            ("b/readme.md", ""),
            ("c/connector.yaml", "name: C\nclassName: x.Y\n"),
            ("C/connector.yaml", "name: D\nclassName: x.Y\n"),
        ]);
        let local = read(dir.path());
        assert_eq!(
            found(&local),
            [
                "name-clash c",
                "folder-name C/connector.yaml",
                "duplicate-name b/connector.yaml",
                "name-clash b/readme.md",
            ]
        );
        let findings = local.lint(Limits::default());
        assert_eq!(
            findings[2].finding.message,
            "the connector of the folder `a` is named `hr` too; a server has each name once, whatever its case"
        );
        assert_eq!(findings[2].finding.span, 15..23);
        assert_eq!(findings[0].finding.message, "`C` and `c` are one name on a disk without case; rename one of them");
    }

    #[test]
    fn an_error_names_the_path() {
        let dir = disk(&[("c/x/connector.yaml", YAML), ("README.md", "")]);
        let error = |path: &Path| LocalFolders::read(path, Limits::default()).unwrap_err().to_string();
        let shown = dir.path().display();
        assert_eq!(
            error(dir.path()),
            format!("{shown} has no connector folder, which is one with a connector.yaml in it; {shown}/c has some")
        );
        assert_eq!(error(&dir.path().join("missing")), format!("cannot read {shown}/missing"));
    }

    #[test]
    fn what_may_not_be_read_is_an_error_and_never_left_out() {
        use std::os::unix::fs::PermissionsExt;
        let dir = disk(&[("a/connector.yaml", YAML), ("b/connector.yaml", YAML), ("c/docs/notes", "")]);
        for locked in ["b", "b/connector.yaml", "c"] {
            let path = dir.path().join(locked);
            let before = fs::metadata(&path).unwrap().permissions();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
            // Nothing is locked for root.
            if File::open(&path).is_err() {
                let error = LocalFolders::read(dir.path(), Limits::default()).unwrap_err();
                assert_eq!(error.to_string(), format!("cannot read {}", path.display()));
            }
            fs::set_permissions(&path, before).unwrap();
        }
    }
}

//! The built-in connectors: the connectors in the program, and the connectors of the catalogs that the operator adds.
//!
//! A catalog is a folder of connector folders or a JSON file. Every tenant sees its connectors and cannot change them. So they are
//! taken as they are, and one that cannot be read is left out with a warning (D70): it never keeps the server from starting.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use connectory_folder::disk::DiskError;
use connectory_folder::folder_name::{FolderNameError, script_name};
use connectory_folder::lint::{Finding, Level, Limits};
use connectory_folder::local::{LocalFolder, LocalFolders};
use connectory_folder::{CONNECTOR_FILE, Files, Folder, FolderError};
use connectory_model::import::{self, ImportError};
use connectory_model::{Connector, ScriptName, name_key};
use rust_embed::Embed;

/// The folder `catalog/` of the repository.
#[derive(Embed)]
#[folder = "../../catalog"]
struct Embedded;

/// The reason why a catalog cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A file or folder cannot be read.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The path of the file or folder.
        path: PathBuf,
        /// The error of the operating system.
        error: io::Error,
    },
    /// A folder's name is not that of a script name.
    #[error("{}: {error}", .path.display())]
    FolderName {
        /// The path of the file or folder.
        path: PathBuf,
        /// The error in its name or content.
        error: FolderNameError,
    },
    /// Something in the folder is not read, such as a symbolic link or a misspelt file.
    #[error("{}: {message}", .path.display())]
    Unread {
        /// The path of the file or folder.
        path: PathBuf,
        /// Why it is not read.
        message: String,
    },
    /// A folder is not a connector folder.
    #[error("{}/{error}", .path.display())]
    Folder {
        /// The path of the file or folder.
        path: PathBuf,
        /// The error in its name or content.
        error: FolderError,
    },
    /// A JSON file is not a catalog.
    #[error("{}: {error}", .path.display())]
    Import {
        /// The path of the file or folder.
        path: PathBuf,
        /// The error in its name or content.
        error: ImportError,
    },
    /// The path is that of a pipe or a device.
    #[error("{}: this is neither a folder nor a file", .0.display())]
    NotAFile(PathBuf),
    /// The folder contains no connector.
    #[error("{}: no connector here; expected folders with a {CONNECTOR_FILE}, or a JSON file", .0.display())]
    Empty(PathBuf),
    /// Two connectors have the same name or script name.
    #[error("{}: `{name}` is in the catalog twice; names and script names are unique", .path.display())]
    Duplicate {
        /// The catalog with the second connector.
        path: PathBuf,
        /// The name or script name that is used twice.
        name: String,
    },
}

/// The built-in connectors of a server.
#[derive(Debug)]
pub struct BuiltIn {
    /// The connectors.
    pub connectors: Vec<Arc<Connector>>,
    /// What was left out of the catalogs, and why, as sentences.
    pub left_out: Vec<String>,
}

/// Loads the embedded connectors, if they are wanted, and the connectors of the catalogs. A catalog's connector replaces the embedded
/// connector with the same script name, so that an operator can provide a newer version. `limits` bounds the files.
pub fn load(with_embedded: bool, catalogs: &[PathBuf], limits: Limits) -> Result<BuiltIn, CatalogError> {
    let mut connectors: BTreeMap<ScriptName, Arc<Connector>> = BTreeMap::new();
    let mut names = HashMap::new();
    let mut left_out = Vec::new();
    for connector in with_embedded.then(|| EMBEDDED.iter().cloned()).into_iter().flatten() {
        names.insert(name_key(&connector.name), connector.script_name.clone());
        connectors.insert(connector.script_name.clone(), connector);
    }
    let mut replaceable: HashSet<_> = connectors.keys().cloned().collect();
    for path in catalogs {
        for connector in read_only(path, limits, &mut left_out)? {
            let (script_name, key) = (connector.script_name.clone(), name_key(&connector.name));
            let twin = connectors.contains_key(&script_name) && !replaceable.contains(&script_name);
            let duplicate = if twin {
                Some(script_name.to_string())
            } else {
                names.get(&key).filter(|other| **other != script_name).map(|_| connector.name.clone())
            };
            if let Some(name) = duplicate {
                let error = CatalogError::Duplicate { path: path.clone(), name };
                left_out.push(format!("{error}; the second connector is left out"));
                continue;
            }
            replaceable.remove(&script_name);
            if let Some(replaced) = connectors.insert(script_name.clone(), Arc::new(connector)) {
                names.remove(&name_key(&replaced.name));
            }
            names.insert(key, script_name);
        }
    }
    Ok(BuiltIn { connectors: connectors.into_values().collect(), left_out })
}

/// Reads the connectors of a catalog that nobody changes. What cannot be read is added to `left_out`.
fn read_only(path: &Path, limits: Limits, left_out: &mut Vec<String>) -> Result<Vec<Connector>, CatalogError> {
    if !path.is_dir() {
        let catalog = import::catalog_from_json(&read_file(path)?)
            .map_err(|error| CatalogError::Import { path: path.to_owned(), error })?;
        left_out.extend(catalog.left_out.iter().map(|left_out| format!("{}: {left_out}", path.display())));
        return Ok(catalog.connectors);
    }
    let local = folders(path, limits)?;
    let beside = local.findings.iter().filter(|finding| finding.rule.level == Level::Error);
    left_out.extend(
        beside.map(|Finding { file, message, .. }| format!("{}: {message}; it is left out", path.join(file).display())),
    );
    let mut connectors = Vec::new();
    for folder in &local.folders {
        let unread = folder.first_error().map(|(path, finding)| unread(path, finding));
        match unread.map_or_else(|| read_folder(folder, Folder::of_catalog), Err) {
            Ok(connector) => connectors.push(connector),
            Err(error) => left_out.push(format!("{error}; the connector is left out")),
        }
    }
    Ok(connectors)
}

/// The embedded connectors. A reset of a server for tests need not read them again.
static EMBEDDED: LazyLock<Vec<Arc<Connector>>> = LazyLock::new(embedded);

fn embedded() -> Vec<Arc<Connector>> {
    let mut folders: HashMap<String, Files<'static>> = HashMap::new();
    for path in Embedded::iter() {
        if let (Some((folder, file)), Some(content)) = (path.split_once('/'), Embedded::get(&path)) {
            folders.entry(folder.to_owned()).or_default().insert(file.to_owned(), content.data);
        }
    }
    folders
        .into_iter()
        .map(|(folder, files)| {
            let script_name = script_name(&folder).expect("the catalog is tested");
            Arc::new(Folder::read(&files).expect("the catalog is tested").into_connector(script_name))
        })
        .collect()
}

/// Reads the connectors of a folder of connector folders, or of a JSON file, for a server that will change them.
pub fn read(path: &Path, limits: Limits) -> Result<Vec<Connector>, CatalogError> {
    if !path.is_dir() {
        let text = read_file(path)?;
        return import::from_json(&text).map_err(|error| CatalogError::Import { path: path.to_owned(), error });
    }
    let local = folders(path, limits)?;
    if let Some((path, finding)) = local.first_error() {
        return Err(unread(path, finding));
    }
    local.folders.iter().map(|folder| read_folder(folder, Folder::read)).collect()
}

fn read_file(path: &Path) -> Result<Vec<u8>, CatalogError> {
    let io = |error| CatalogError::Io { path: path.to_owned(), error };
    // A pipe may never end.
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(CatalogError::NotAFile(path.to_owned()));
    }
    std::fs::read(path).map_err(io)
}

fn folders(path: &Path, limits: Limits) -> Result<LocalFolders, CatalogError> {
    LocalFolders::read(path, limits).map_err(|error| match error {
        DiskError::Empty(path, _) => CatalogError::Empty(path),
        DiskError::Io { path, error, .. } => CatalogError::Io { path, error },
    })
}

fn unread(path: PathBuf, finding: &Finding) -> CatalogError {
    CatalogError::Unread { path, message: finding.message.clone() }
}

fn read_folder(
    LocalFolder { path, name, files, .. }: &LocalFolder,
    read: fn(&Files<'_>) -> Result<Folder, FolderError>,
) -> Result<Connector, CatalogError> {
    let path = || path.clone();
    let script_name = script_name(name).map_err(|error| CatalogError::FolderName { path: path(), error })?;
    let folder = read(files).map_err(|error| CatalogError::Folder { path: path(), error })?;
    Ok(folder.into_connector(script_name))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_catalog_is_read_and_what_is_not_read_in_it_is_an_error() {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |file: &str, text: &str| {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("written");
            fs::write(path, text).expect("written");
        };
        let load = || super::load(true, &[dir.path().to_owned()], Limits::default()).expect("a catalog");
        // What the strict reader says, and that of the catalog leaves out.
        let error = |file: &str| {
            let error = read(dir.path(), Limits::default()).expect_err(file).to_string();
            let loaded = load();
            assert_eq!(loaded.left_out, [format!("{error}; the connector is left out")]);
            assert!(loaded.connectors.iter().any(|connector| connector.script_name.as_str() == "good"), "{error}");
            error
        };
        write("good/connector.yaml", "name: Good\nclassName: x.Y\n");
        write("%63on/connector.yaml", "name: A console\nclassName: x.Y\n");
        write("docs/notes.md", "not a connector");
        assert!(
            load().left_out.is_empty()
                && load().connectors.iter().any(|connector| connector.script_name.as_str() == "con")
        );
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("%63on/source-config.xml")).expect("a link");
        let link = dir.path().join("%63on/source-config.xml");
        assert!(error("link").starts_with(&format!("{}: this is a symbolic link", link.display())));
        fs::remove_file(link).expect("removed");
        write("%63on/source-confg.xml", "<Form/>");
        assert!(error("misspelt").ends_with("did you mean `source-config.xml`?"));
        fs::remove_file(dir.path().join("%63on/source-confg.xml")).expect("removed");
        write("Upper/connector.yaml", "name: Upper\nclassName: x.Y\n");
        assert!(error("upper case").contains("name it `upper` for the script name `upper`"));
        fs::rename(dir.path().join("Upper"), dir.path().join("%55pper")).expect("renamed");
        assert!(load().connectors.iter().any(|connector| connector.script_name.as_str() == "Upper"));
        write("old/connector.yaml", "name: [\n");
        assert!(error("no YAML").contains("old/connector.yaml: not YAML"));
        write("old/connector.yaml", "name: Old\nclassName: x.Y\n");
        write("old/source-config.xml", "<Form>");
        assert!(error("no XML").contains("old/source-config.xml: line 1"));
        write("old/source-config.xml", "<Form xmlns='http://www.sailpoint.com/xsd/sailpoint_form_1_0.xsd'/>");
        assert!(load().left_out.is_empty(), "an older form is taken as it is");
        std::os::unix::fs::symlink("/etc", dir.path().join("beside")).expect("a link");
        let beside = load();
        assert!(beside.left_out[0].contains("beside: this is a symbolic link"), "{:?}", beside.left_out);
        assert!(beside.left_out[0].ends_with("; it is left out"));
        assert_eq!((beside.left_out.len(), beside.connectors.len()), (1, load_embedded() + 4));
    }

    fn load_embedded() -> usize {
        super::load(true, &[], Limits::default()).expect("the embedded ones").connectors.len()
    }

    #[test]
    fn of_connectors_that_clash_the_first_one_is_taken() {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |file: &str, objects: serde_json::Value| {
            let path = dir.path().join(file);
            fs::write(&path, objects.to_string()).expect("written");
            path
        };
        let a = write(
            "a.json",
            serde_json::json!([
                {"name": "Our JDBC", "scriptName": "jdbc"}, {"name": "One"}, {"name": "scim 2.0", "scriptName": "other"},
                {"name": "ONE", "scriptName": "two"}, {"name": "Bad", "applicationXml": "<"},
            ]),
        );
        let b = write(
            "b.json",
            serde_json::json!([
                {"name": "JDBC", "scriptName": "free-again"}, {"name": "New", "scriptName": "jdbc"}, {"name": "Last"},
            ]),
        );
        let loaded = load(true, &[a.clone(), b.clone()], Limits::default()).expect("catalogs");
        let name = |script_name: &str| {
            let found = loaded.connectors.iter().find(|connector| connector.script_name.as_str() == script_name);
            found.map(|connector| connector.name.as_str())
        };
        assert_eq!(
            [name("jdbc"), name("one"), name("free-again"), name("last")],
            [Some("Our JDBC"), Some("One"), Some("JDBC"), Some("Last")]
        );
        assert_eq!([name("other"), name("two"), name("bad")], [None; 3]);
        let twice = |path: &Path, name: &str| {
            format!(
                "{}: `{name}` is in the catalog twice; names and script names are unique; the second connector is left out",
                path.display()
            )
        };
        assert!(loaded.left_out[0].contains("connector 5 (Bad): `applicationXml`"), "{:?}", loaded.left_out);
        assert_eq!(loaded.left_out[1..], [twice(&a, "scim 2.0"), twice(&a, "ONE"), twice(&b, "jdbc")]);
    }

    #[test]
    fn a_catalog_in_json_may_be_what_a_service_answered() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let list =
            r#"[{"name": "A", "scriptName": "My-Connector", "className": null, "features": null, "type": null}]"#;
        fs::write(file.path(), list).expect("written");
        let read = super::read(file.path(), Limits::default()).expect("a catalog").remove(0);
        assert_eq!(
            (read.script_name.as_str(), read.class_name.as_str()),
            ("My-Connector", "sailpoint.connector.OpenConnectorAdapter")
        );
    }
}

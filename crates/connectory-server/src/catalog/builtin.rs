//! The built-in connectors: the connectors in the program, and the connectors of the catalogs that the operator adds.
//!
//! A catalog is a folder of connector folders or a JSON file. Every tenant sees its connectors and cannot change them.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use connectory_folder::disk::DiskError;
use connectory_folder::folder_name::{FolderNameError, script_name};
use connectory_folder::lint::Limits;
use connectory_folder::local::{LocalFolder, LocalFolders};
use connectory_folder::{CONNECTOR_FILE, Files, Folder, FolderError};
use connectory_model::import::{self, ImportError};
use connectory_model::{Connector, name_key};
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

/// Loads the embedded connectors, if they are wanted, and the connectors of the catalogs. A catalog's connector replaces the embedded
/// connector with the same script name, so that an operator can provide a newer version. `limits` bounds the files.
pub fn load(with_embedded: bool, catalogs: &[PathBuf], limits: Limits) -> Result<Vec<Arc<Connector>>, CatalogError> {
    let mut connectors = if with_embedded { EMBEDDED.clone() } else { Vec::new() };
    let replaceable = connectors.len();
    for path in catalogs {
        for connector in read(path, limits)? {
            let twin = connectors.iter().position(|other| other.script_name == connector.script_name);
            match twin {
                Some(at) if at < replaceable => connectors[at] = Arc::new(connector),
                Some(_) => {
                    let name = connector.script_name.to_string();
                    return Err(CatalogError::Duplicate { path: path.clone(), name });
                }
                None => connectors.push(Arc::new(connector)),
            }
        }
        let mut names = HashSet::new();
        for connector in &connectors {
            if !names.insert(name_key(&connector.name)) {
                return Err(CatalogError::Duplicate { path: path.clone(), name: connector.name.clone() });
            }
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

/// Reads the connectors of a folder of connector folders, or of a JSON file.
pub fn read(path: &Path, limits: Limits) -> Result<Vec<Connector>, CatalogError> {
    let io = |error| CatalogError::Io { path: path.to_owned(), error };
    if !path.is_dir() {
        // A pipe may never end.
        if !std::fs::metadata(path).map_err(io)?.is_file() {
            return Err(CatalogError::NotAFile(path.to_owned()));
        }
        let text = std::fs::read(path).map_err(io)?;
        return import::from_json(&text).map_err(|error| CatalogError::Import { path: path.to_owned(), error });
    }
    let local = LocalFolders::read(path, limits).map_err(|error| match error {
        DiskError::Empty(path, _) => CatalogError::Empty(path),
        DiskError::Io { path, error, .. } => CatalogError::Io { path, error },
    })?;
    if let Some((path, finding)) = local.first_error() {
        return Err(CatalogError::Unread { path, message: finding.message.clone() });
    }
    local.folders.iter().map(read_folder).collect()
}

fn read_folder(LocalFolder { path, name, files, .. }: &LocalFolder) -> Result<Connector, CatalogError> {
    let path = || path.clone();
    let script_name = script_name(name).map_err(|error| CatalogError::FolderName { path: path(), error })?;
    let folder = Folder::read(files).map_err(|error| CatalogError::Folder { path: path(), error })?;
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
        let load = || super::load(true, &[dir.path().to_owned()], Limits::default());
        let error = |file: &str| load().expect_err(file).to_string();
        write("%63on/connector.yaml", "name: A console\nclassName: x.Y\n");
        write("docs/notes.md", "not a connector");
        assert!(load().expect("a catalog").iter().any(|connector| connector.script_name.as_str() == "con"));
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
        assert!(load().expect("a catalog").iter().any(|connector| connector.script_name.as_str() == "Upper"));
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

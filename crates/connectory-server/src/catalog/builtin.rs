//! The built-in connectors: the connectors in the program, and the connectors of the catalogs that the operator adds.
//!
//! A catalog is a folder of connector folders or a JSON file. Every tenant sees its connectors and cannot change them.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connectory_folder::{CONNECTOR_FILE, Files, Folder, FolderError, disk};
use connectory_model::import::{self, ImportError};
use connectory_model::{Connector, InvalidScriptName, ScriptName, name_key};
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
    /// A folder's name is not a script name.
    #[error("{}: the folder's name is the script name, and {error}", .path.display())]
    FolderName {
        /// The path of the file or folder.
        path: PathBuf,
        /// The error in its name or content.
        error: InvalidScriptName,
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

/// Loads the embedded connectors and the connectors of the catalogs. A catalog's connector replaces the embedded
/// connector with the same script name, so that an operator can provide a newer version.
pub fn load(catalogs: &[PathBuf]) -> Result<Vec<Arc<Connector>>, CatalogError> {
    let mut connectors: Vec<Arc<Connector>> = embedded().into_iter().map(Arc::new).collect();
    let replaceable = connectors.len();
    for path in catalogs {
        for connector in read(path)? {
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

fn embedded() -> Vec<Connector> {
    let mut folders: HashMap<String, Files<'static>> = HashMap::new();
    for path in Embedded::iter() {
        if let (Some((folder, file)), Some(content)) = (path.split_once('/'), Embedded::get(&path)) {
            folders.entry(folder.to_owned()).or_default().insert(file.to_owned(), content.data);
        }
    }
    folders
        .into_iter()
        .map(|(folder, files)| {
            let script_name = ScriptName::strict(&folder).expect("the catalog is tested");
            Folder::read(&files).expect("the catalog is tested").into_connector(script_name)
        })
        .collect()
}

fn read(path: &Path) -> Result<Vec<Connector>, CatalogError> {
    let io = |error| CatalogError::Io { path: path.to_owned(), error };
    if !path.is_dir() {
        let text = std::fs::read(path).map_err(io)?;
        return import::from_json(&text).map_err(|error| CatalogError::Import { path: path.to_owned(), error });
    }
    let folders = disk::folders_in(path).map_err(io)?;
    if folders.is_empty() {
        return Err(CatalogError::Empty(path.to_owned()));
    }
    folders.iter().map(|folder| read_folder(folder)).collect()
}

fn read_folder(path: &Path) -> Result<Connector, CatalogError> {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let script_name =
        ScriptName::strict(&name).map_err(|error| CatalogError::FolderName { path: path.to_owned(), error })?;
    let files = disk::files_of(path).map_err(|error| CatalogError::Io { path: path.to_owned(), error })?;
    let folder = Folder::read(&files).map_err(|error| CatalogError::Folder { path: path.to_owned(), error })?;
    Ok(folder.into_connector(script_name))
}

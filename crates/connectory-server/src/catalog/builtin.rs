//! The built-in connectors: released with the program, plus those of the catalogues it is started with.
//!
//! A catalogue is a folder of connector folders or a JSON file. Every tenant sees them; nobody can change them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connectory_model::folder::{self, CONNECTOR_FILE, Files, FolderError};
use connectory_model::import::{self, ImportError};
use connectory_model::{Connector, InvalidScriptName, ScriptName, name_key};
use rust_embed::Embed;

/// The folder `catalog/` of the repository.
#[derive(Embed)]
#[folder = "../../catalog"]
struct Embedded;

/// Why a catalogue cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The file or folder.
    #[error("{}: {error}", .path.display())]
    Io {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A folder's name is no script name.
    #[error("{}: the folder's name is the script name, and {error}", .path.display())]
    FolderName {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        error: InvalidScriptName,
    },
    /// A folder is no connector folder.
    #[error("{}/{error}", .path.display())]
    Folder {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        error: FolderError,
    },
    /// A JSON file is no catalogue.
    #[error("{}: {error}", .path.display())]
    Import {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        error: ImportError,
    },
    /// There is no connector in the folder.
    #[error("{}: no connector here; expected folders with a {CONNECTOR_FILE}, or a JSON file", .0.display())]
    Empty(PathBuf),
    /// Two connectors have the same name or script name.
    #[error("{}: `{name}` is in the catalogue twice; names and script names are unique", .path.display())]
    Duplicate {
        /// The catalogue of the second.
        path: PathBuf,
        /// The name.
        name: String,
    },
}

/// The embedded connectors and those of the catalogues. A catalogue's connector takes the place of an embedded one of
/// the same script name, so that a newer version can be brought along.
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
            let script_name = ScriptName::strict(&folder).expect("the catalogue is tested");
            folder::read(script_name, &files).expect("the catalogue is tested")
        })
        .collect()
}

fn read(path: &Path) -> Result<Vec<Connector>, CatalogError> {
    let io = |error| CatalogError::Io { path: path.to_owned(), error };
    if !path.is_dir() {
        let text = std::fs::read(path).map_err(io)?;
        return import::from_json(&text).map_err(|error| CatalogError::Import { path: path.to_owned(), error });
    }
    let folders = folders_in(path).map_err(io)?;
    if folders.is_empty() {
        return Err(CatalogError::Empty(path.to_owned()));
    }
    folders.iter().map(|folder| read_folder(folder)).collect()
}

/// The connector folders in a folder on disk, by name.
pub fn folders_in(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let folder = entry?.path();
        if folder.join(CONNECTOR_FILE).is_file() {
            folders.push(folder);
        }
    }
    folders.sort();
    Ok(folders)
}

/// The files of a connector folder on disk.
pub fn files_of(path: &Path) -> io::Result<Files<'static>> {
    let mut files = Files::new();
    for (folder, prefix) in [(path.to_owned(), ""), (path.join("translations"), "translations/")] {
        if !folder.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(&folder)? {
            let file = entry?.path();
            if file.is_file() {
                let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                files.insert(format!("{prefix}{name}"), Cow::Owned(std::fs::read(&file)?));
            }
        }
    }
    Ok(files)
}

fn read_folder(path: &Path) -> Result<Connector, CatalogError> {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let script_name =
        ScriptName::strict(&name).map_err(|error| CatalogError::FolderName { path: path.to_owned(), error })?;
    let files = files_of(path).map_err(|error| CatalogError::Io { path: path.to_owned(), error })?;
    folder::read(script_name, &files).map_err(|error| CatalogError::Folder { path: path.to_owned(), error })
}

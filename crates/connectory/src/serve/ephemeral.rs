//! What a server for tests (`connectory serve --ephemeral`) has in the place of a database and around its service, and the
//! file that tells the port.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use axum::response::Response;
use connectory_server::Service;
use connectory_server::clock::Clock;
use connectory_server::ephemeral::Folder;
use connectory_server::http::broken::Dropped;
use connectory_store::Store;
use http::{HeaderValue, Request, header};
use hyper::body::Incoming;

use super::record::Recorder;
use super::settings::Place;
use super::values::Database;
use crate::files::{self, Readers};

/// Where the data of the server is, opened.
#[derive(Clone)]
pub enum Opened {
    /// In a database.
    Database(Store),
    /// In a temporary folder, with custom connectors from these folders and files at the start.
    Folder(Arc<Folder>, Vec<PathBuf>),
}

impl Opened {
    /// Opens the database, or makes the folder.
    pub async fn new(place: &Place) -> Result<Self> {
        Ok(match place {
            Place::Database(Database::Sqlite(path)) => Self::Database(Store::open(path)?),
            Place::Database(Database::Postgres(address)) => Self::Database(Store::open_postgres(address).await?),
            Place::Ephemeral { load } => {
                Self::Folder(Arc::new(Folder::new().context("cannot make a temporary folder")?), load.clone())
            }
        })
    }

    /// The temporary folder.
    pub fn folder(&self) -> Option<&Folder> {
        match self {
            Self::Database(_) => None,
            Self::Folder(folder, _) => Some(folder),
        }
    }
}

/// Starts to record.
pub fn recorder(path: &Path) -> Result<Recorder> {
    Recorder::create(path, |extensions| extensions.get::<Dropped>().is_some()).context("--record")
}

/// What a server for tests does around its service.
pub struct Around {
    recorder: Option<Recorder>,
    /// The clock, if it is not the system's.
    clock: Option<Clock>,
}

impl Around {
    /// Returns none if there is nothing to do.
    pub fn new(recorder: Option<Recorder>, clock: &Clock) -> Option<Arc<Self>> {
        let clock = clock.is_off().then(|| clock.clone());
        (recorder.is_some() || clock.is_some()).then(|| Arc::new(Self { recorder, clock }))
    }

    /// Answers a request by the service.
    pub async fn answer(self: Arc<Self>, service: Arc<Service>, request: Request<Incoming>, peer: IpAddr) -> Response {
        match &self.recorder {
            Some(recorder) => {
                recorder.clone().answer(request, |request| self.dated(service.answer(request, peer))).await
            }
            None => self.dated(service.answer(request, peer)).await,
        }
    }

    async fn dated(&self, answered: impl Future<Output = Response>) -> Response {
        let mut response = answered.await;
        if let Some(clock) = &self.clock {
            set_date(clock, &mut response);
        }
        response
    }
}

/// Sets the header `Date` of an answer to the time of a clock that is not the system's.
fn set_date(clock: &Clock, response: &mut Response) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(clock.unix_seconds());
    if let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(now)) {
        response.headers_mut().insert(header::DATE, date);
    }
}

/// The file with the port, for programs that started the server on a free port. It is there from when the server is ready
/// until it ends.
pub struct PortFile {
    path: PathBuf,
    written: OnceLock<String>,
}

impl PortFile {
    /// Removes the file of an earlier start, so that nobody reads the port of a server that has ended.
    pub fn new(path: PathBuf) -> Result<Self> {
        match fs::symlink_metadata(&path) {
            Ok(found)
                if found.is_file() && found.len() <= PORT_BYTES && fs::read(&path).is_ok_and(|it| is_port(&it)) =>
            {
                fs::remove_file(&path).with_context(|| format!("--port-file: cannot remove {}", path.display()))?;
            }
            Ok(_) => bail!("--port-file: {} exists, and is not the port of an earlier start", path.display()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("--port-file: cannot look at {}", path.display())),
        }
        Ok(Self { path, written: OnceLock::new() })
    }

    /// Writes the port of the address.
    pub fn write(&self, address: SocketAddr) -> Result<()> {
        let text = self.written.get_or_init(|| format!("{}\n", address.port()));
        files::write(&self.path, text.as_bytes(), Readers::AsBefore).context("--port-file")
    }

    /// Removes the file, unless another server has written its port there meanwhile.
    pub fn remove(&self) {
        if self.written.get().is_some_and(|written| fs::read_to_string(&self.path).is_ok_and(|text| text == *written)) {
            let _remains = fs::remove_file(&self.path);
        }
    }
}

impl Drop for PortFile {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Makes what removes the files that must not stay, if the process ends before everything is closed.
pub fn remove_files(opened: &Opened, port_file: Option<&Arc<PortFile>>) -> impl FnOnce() + Send + use<> {
    let folder = opened.folder().map(|folder| folder.path().to_owned());
    let port_file = port_file.map(Arc::downgrade);
    move || {
        if let Some(port_file) = port_file.and_then(|file| file.upgrade()) {
            port_file.remove();
        }
        if let Some(folder) = folder {
            let _remains = fs::remove_dir_all(folder);
        }
    }
}

/// The bytes of the longest port with a line end.
const PORT_BYTES: u64 = 6;

/// Whether a file has a port, or nothing.
fn is_port(text: &[u8]) -> bool {
    text.trim_ascii().iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_file_with_the_port_replaces_that_of_an_earlier_start_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("port");
        for earlier in [None, Some(""), Some("8080\n")] {
            if let Some(earlier) = earlier {
                fs::write(&path, earlier).unwrap();
            }
            let file = PortFile::new(path.clone()).unwrap();
            assert!(!path.exists(), "{earlier:?}");
            file.write(SocketAddr::from(([127, 0, 0, 1], 7102))).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "7102\n");
            drop(file);
            assert!(!path.exists());
        }
        let file = PortFile::new(path.clone()).unwrap();
        file.write(SocketAddr::from(([127, 0, 0, 1], 7102))).unwrap();
        fs::write(&path, "7103\n").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "7103\n", "that of another server stays");
        fs::write(&path, "precious").unwrap();
        let error = PortFile::new(path.clone()).map(drop).unwrap_err().to_string();
        assert!(error.ends_with("port exists, and is not the port of an earlier start"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        assert!(PortFile::new(folder.path().to_owned()).is_err());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(PortFile::new(link.clone()).is_err() && link.exists());
        assert!(PortFile::new("/dev/zero".into()).is_err());
    }
}

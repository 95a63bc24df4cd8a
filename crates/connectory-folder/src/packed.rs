//! Writing connector folders into a zip file. The same connectors make the same bytes.

use std::io::{self, Write};

use connectory_model::Connector;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::folder::Folder;
use crate::folder_name::folder_name;

/// A zip file with a folder for each connector, written from its begin to its end.
pub struct Packed<W: Write> {
    zip: ZipWriter<StreamWriter<W>>,
}

impl<W: Write> Packed<W> {
    /// Begins a zip file.
    pub fn new(into: W) -> Self {
        Self { zip: ZipWriter::new_stream(into) }
    }

    /// Adds the folder of a connector. A script name whose folder would have too long a name is an error.
    pub fn add(&mut self, connector: Connector) -> io::Result<()> {
        let name = folder_name(&connector.script_name).map_err(io::Error::other)?;
        // A revision has a time, and a state of a connector has none that would tell more.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(0o644);
        for (path, bytes) in Folder::from(connector).files() {
            self.zip.start_file(format!("{name}/{path}"), options)?;
            self.zip.write_all(&bytes)?;
        }
        Ok(())
    }

    /// Writes the end of the zip file.
    pub fn finish(self) -> io::Result<W> {
        Ok(self.zip.finish()?.into_inner())
    }
}

//! The files of a zip file. Their content is read when it is asked for, and no further than it may be.

use std::cell::RefCell;
use std::io::{Cursor, Read};

use connectory_model::limits::IMPORT_FILES;
use memchr::memmem;
use zip::ZipArchive;
use zip::result::ZipError;

use super::{Names, Node, UploadError, quoted};

/// How each entry of a zip file's directory begins.
const ENTRY: &[u8] = b"PK\x01\x02";

/// A zip file.
pub(super) struct Unzipped<'a> {
    archive: RefCell<ZipArchive<Cursor<&'a [u8]>>>,
}

impl<'a> Unzipped<'a> {
    /// Reads the directory of a zip file, and returns the names in it.
    pub fn new(bytes: &'a [u8]) -> Result<(Self, Names), UploadError> {
        // The reader keeps all entries in memory, some hundred bytes each, before it tells their number.
        if memmem::find_iter(bytes, ENTRY).nth(IMPORT_FILES).is_some() {
            return Err(UploadError::TooMany);
        }
        let mut archive = ZipArchive::new(Cursor::new(bytes))?;
        let mut names = Names::default();
        for at in 0..archive.len() {
            let entry = archive.by_index_raw(at)?;
            let name = entry.name()?;
            if entry.encrypted() {
                return Err(UploadError::Encrypted(quoted(&name)));
            }
            let node = match () {
                () if entry.is_symlink() => Node::Link,
                () if entry.is_dir() => Node::Folder,
                () => Node::File(at),
            };
            names.add(&name, node)?;
        }
        if archive.has_duplicate_names() {
            return Err(UploadError::Zip("it has two files of one name".to_owned()));
        }
        Ok((Self { archive: RefCell::new(archive) }, names))
    }

    /// The content of an entry. None if it has more bytes than `max`, whatever it says of itself.
    pub fn read(&self, at: usize, max: usize) -> Result<Option<Vec<u8>>, UploadError> {
        let mut archive = self.archive.borrow_mut();
        let entry = archive.by_index(at)?;
        let mut bytes = Vec::new();
        let read = entry.take((max as u64).saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| UploadError::Zip(error.to_string()))?;
        Ok(Some(bytes).filter(|bytes| bytes.len() <= max))
    }
}

impl From<ZipError> for UploadError {
    fn from(error: ZipError) -> Self {
        Self::Zip(error.to_string())
    }
}

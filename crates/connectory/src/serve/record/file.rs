//! The file of a record. It is a whole HAR whenever nothing is being written to it. A reader that meets a write finds a part of
//! an entry, and reads again.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::files::{self, Readers};

/// What the file has before the entries.
const OPENING: &str = concat!(
    r#"{"log":{"version":"1.2","creator":{"name":"connectory","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""},"entries":["#
);

/// A file with a HAR.
pub struct HarFile {
    file: File,
    /// Where the entries end, and what closes the file begins.
    end: u64,
    /// How many bytes the file has.
    length: u64,
    /// How many bytes it may have.
    most: u64,
}

impl HarFile {
    /// Makes the file, or replaces it. Only its owner can read it.
    pub fn create(path: &Path, most: u64) -> Result<Self> {
        let cannot = || format!("cannot record to {}", path.display());
        match fs::metadata(path) {
            Ok(there) if there.is_dir() => bail!("{}: it is a folder; give the path of a file", cannot()),
            Ok(there) if !there.is_file() => {
                bail!("{}: it is a device or a pipe; a record needs a file, in which it can write anywhere", cannot())
            }
            _ => {}
        }
        let empty = [OPENING.as_bytes(), &closing(None)].concat();
        files::write(path, &empty, Readers::Owner)?;
        let file = File::options().write(true).open(path).with_context(cannot)?;
        Ok(Self { file, end: OPENING.len() as u64, length: empty.len() as u64, most })
    }

    /// Fails if the file was removed, or if another program changed its length. What is written there would be lost, or would
    /// be no HAR.
    pub fn check(&self) -> io::Result<()> {
        let now = self.file.metadata()?;
        let (has, had) = (now.len(), self.length);
        if now.nlink() == 0 {
            return Err(io::Error::other("the file was removed or replaced"));
        }
        if has != had {
            return Err(io::Error::other(format!(
                "another program changed the file: it has {has} bytes instead of {had}"
            )));
        }
        Ok(())
    }

    /// Appends an entry, and sets the comment of the record. Returns whether there was room for it.
    pub fn append(&mut self, entry: &impl Serialize, comment: Option<&str>) -> io::Result<bool> {
        let separator: &[u8] = if self.end == OPENING.len() as u64 { b"\n" } else { b",\n" };
        let mut bytes = separator.to_vec();
        serde_json::to_writer(&mut bytes, entry)?;
        let end = self.end + bytes.len() as u64;
        let closing = closing(comment);
        if end + closing.len() as u64 > self.most {
            return Ok(false);
        }
        bytes.extend(closing);
        self.write(&bytes)?;
        self.end = end;
        Ok(true)
    }

    /// Sets the comment of the record.
    pub fn comment(&mut self, comment: &str) -> io::Result<()> {
        self.write(&closing(Some(comment)))
    }

    /// Writes what follows the entries. If that fails, the file ends as it did before, without a comment.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.replace_end(bytes);
        if written.is_err() {
            // A part may be written, if the disk became full. The file had these few bytes before.
            self.length = u64::MAX;
            let _broken = self.replace_end(&closing(None));
        }
        written
    }

    fn replace_end(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.end)?;
        let length = self.end + bytes.len() as u64;
        if length < self.length {
            self.file.set_len(length)?;
        }
        self.length = length;
        Ok(())
    }
}

/// What closes the file.
fn closing(comment: Option<&str>) -> Vec<u8> {
    let comment = comment.map(|comment| format!(r#","comment":{}"#, serde_json::Value::from(comment)));
    format!("\n]{}}}}}\n", comment.unwrap_or_default()).into_bytes()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use har::Spec;
    #[cfg(target_os = "linux")]
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

    use super::*;

    /// The number of entries and the comment.
    fn read(path: &Path) -> (usize, Option<String>) {
        let value: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let comment = value["log"]["comment"].as_str().map(str::to_owned);
        (value["log"]["entries"].as_array().unwrap().len(), comment)
    }

    #[test]
    fn the_file_is_whole_after_every_write_and_has_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.har");
        fs::write(&path, "x".repeat(1000)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let mut file = HarFile::create(&path, 300).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let Spec::V1_2(log) = har::from_path(&path).unwrap().log else { panic!("another version") };
        assert_eq!((log.creator.name.as_str(), log.entries.len()), ("connectory", 0));
        file.comment("none").unwrap();
        assert_eq!(read(&path), (0, Some("none".to_owned())));
        assert!(file.append(&"one", Some("a long comment")).unwrap());
        assert_eq!(read(&path), (1, Some("a long comment".to_owned())));
        assert!(file.append(&"2", None).unwrap());
        assert_eq!(read(&path), (2, None), "nothing of the longer end is left");
        assert!(!file.append(&"x".repeat(300), None).unwrap());
        assert_eq!(read(&path), (2, None));
    }

    #[test]
    fn a_file_that_another_program_removed_or_changed_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.har");
        let changed = |change: &dyn Fn()| {
            let mut file = HarFile::create(&path, 1000).unwrap();
            assert!(file.append(&"one", Some("a long comment")).unwrap() && file.append(&"two", None).unwrap());
            file.check().unwrap();
            change();
            file.check().unwrap_err().to_string()
        };
        let shortened = changed(&|| fs::write(&path, "").unwrap());
        assert!(shortened.contains("it has 0 bytes instead of "), "{shortened}");
        assert_eq!(changed(&|| fs::remove_file(&path).unwrap()), "the file was removed or replaced");
        let other = folder.path().join("other");
        let replaced = || {
            fs::write(&other, "x").unwrap();
            fs::rename(&other, &path).unwrap();
        };
        assert_eq!(changed(&replaced), "the file was removed or replaced");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_write_that_fails_halfway_leaves_a_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = HarFile::create(&folder.path().join("record.har"), u64::MAX).unwrap();
        // A file in memory that cannot grow, as on a full disk. It has some space at its end.
        let memory = memfd_create("record", MemfdFlags::ALLOW_SEALING).unwrap();
        file.file = File::from(memory);
        file.file.write_all_at(OPENING.as_bytes(), 0).unwrap();
        assert!(file.append(&"one", Some("two are missing")).unwrap());
        let end = file.length;
        file.file.write_all_at(&[b' '; 10_000], end).unwrap();
        fcntl_add_seals(&file.file, SealFlags::GROW).unwrap();
        file.append(&"x".repeat(100_000), Some("three are missing")).unwrap_err();
        let mut bytes = vec![0; usize::try_from(file.file.metadata().unwrap().len()).unwrap()];
        file.file.read_exact_at(&mut bytes, 0).unwrap();
        let whole: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(whole["log"]["entries"], serde_json::json!(["one"]));
    }

    #[test]
    fn only_a_file_is_recorded_to() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |path: &Path| format!("{:#}", HarFile::create(path, 1000).err().unwrap());
        assert!(refused(folder.path()).ends_with("it is a folder; give the path of a file"));
        assert!(refused(Path::new("/dev/null")).contains("it is a device or a pipe"));
        let missing = folder.path().join("none/record.har");
        assert!(refused(&missing).starts_with(&format!("cannot write {}", missing.display())));
    }
}

//! Writing a file or a folder whole or not at all.

use std::collections::BTreeMap;
use std::fs::{self, symlink_metadata};
use std::io::{self, Write};
use std::path::Path;

use tempfile::Builder;

/// Writes a file: a new one beside it takes its place when it is complete. So nobody ever reads half of it, and a failure
/// changes nothing. The file keeps its mode. A link is replaced, and what it leads to stays as it is.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = beside(0o666).tempfile_in(folder_of(path))?;
    file.write_all(bytes)?;
    if let Ok(before) = symlink_metadata(path)
        && before.is_file()
    {
        file.as_file().set_permissions(before.permissions())?;
    }
    file.persist(path)?;
    Ok(())
}

/// Writes a new folder with these files, by their paths in it: a hidden folder beside it takes its name when it is complete.
/// Fails if anything has that name already.
pub fn write_whole_folder(path: &Path, files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    fs::create_dir_all(folder_of(path))?;
    let new = beside(0o777).tempdir_in(folder_of(path))?;
    for (file, bytes) in files {
        let file = new.path().join(file);
        fs::create_dir_all(folder_of(&file))?;
        fs::write(file, bytes)?;
    }
    if symlink_metadata(path).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(new.path(), path)?;
    let _renamed = new.keep();
    Ok(())
}

/// What makes a temporary file or folder of this mode. The system takes away what the user's umask says.
fn beside(mode: u32) -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(".connectory-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    builder
}

/// The folder that a path is in. That of `file.json` is the empty path.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_written_whole_with_usual_modes_or_not_at_all() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/hr");
        let files = |names: [&str; 2]| names.map(|name| (name.to_owned(), b"x".to_vec())).into();
        write_whole_folder(&path, &files(["a", "b/c"])).unwrap();
        assert_eq!(fs::read(path.join("b/c")).unwrap(), b"x");
        fs::create_dir(dir.path().join("plain")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&dir.path().join("plain")));
        let error = write_whole_folder(&path, &files(["d", "e"])).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        // One of them is a file and a folder.
        write_whole_folder(&dir.path().join("new/it"), &files(["a", "a/b"])).unwrap_err();
        assert_eq!(fs::read_dir(dir.path().join("new")).unwrap().count(), 1, "nothing is left of a failure");
        assert_eq!(fs::read_dir(&path).unwrap().count(), 2);
    }
}

//! Writing a file whole or not at all.

use std::fs::symlink_metadata;
use std::io::{self, Write};
use std::path::Path;

use tempfile::Builder;

/// Writes a file: a new one beside it takes its place when it is complete. So nobody ever reads half of it, and a failure
/// changes nothing. The file keeps its mode. A link is replaced, and what it leads to stays as it is.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = Builder::new();
    builder.prefix(".connectory-");
    // The mode of a new file. The system takes away what the user's umask says.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    if let Ok(before) = symlink_metadata(path)
        && before.is_file()
    {
        file.as_file().set_permissions(before.permissions())?;
    }
    file.persist(path)?;
    Ok(())
}

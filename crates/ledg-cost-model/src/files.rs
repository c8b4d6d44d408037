//! Files, read within a limit and written atomically.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::error::{CostModelError, Result};

/// Reads a file of at most that many bytes. What the system says of a file's size is not believed: a pipe has none.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let failed = |source| CostModelError::File { path: path.to_owned(), what: "read", source };
    let mut bytes = Vec::new();
    File::open(path).and_then(|f| f.take(limit + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > limit {
        let why = format!("larger than the limit of {limit} bytes for such a file");
        return Err(failed(std::io::Error::new(std::io::ErrorKind::FileTooLarge, why)));
    }
    Ok(bytes)
}

/// Writes a file: under a temporary name in the same folder, renamed when complete. A link stays one and what it leads to is
/// written; what is no file (a device, a pipe) is written as it stands.
///
/// # Errors
/// [`CostModelError::File`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |source| CostModelError::File { path: path.to_owned(), what: "written", source };
    let there = std::fs::canonicalize(path).ok();
    if there.as_ref().is_some_and(|there| !there.is_file()) {
        return std::fs::write(path, bytes).map_err(failed);
    }
    let path = there.as_deref().unwrap_or(path);
    let Some(name) = path.file_name() else {
        return Err(failed(std::io::Error::from(std::io::ErrorKind::InvalidFilename)));
    };
    let (mut file, temporary) = create_beside(path, name).map_err(failed)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(&temporary);
    }
    written.map_err(failed)
}

fn create_beside(path: &Path, name: &std::ffi::OsStr) -> std::io::Result<(File, PathBuf)> {
    for attempt in 0u32.. {
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}.{attempt}.tmp", std::process::id()));
        let temporary = path.with_file_name(temporary);
        match File::create_new(&temporary) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && attempt < 64 => continue,
            created => return created.map(|file| (file, temporary)),
        }
    }
    unreachable!("the loop returns")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_a_link_leads_to_is_written_and_a_device_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        std::fs::write(&file, "before").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, b"after").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"after");
        assert!(link.is_symlink());

        let null = dir.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &null).unwrap();
        write(&null, b"gone").unwrap();
        assert!(null.is_symlink() && !null.is_file());
        assert!(write(dir.path(), b"no file").is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
    }
}

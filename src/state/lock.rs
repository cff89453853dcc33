//! One process per state directory: a lock file beside the databases.
//!
//! redb locks its files too, but it must be closed and opened again after an I/O error, and in between another
//! process could slip in. This lock is held throughout. The kernel drops it when the process ends, however it ends;
//! the file itself stays.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::StateError;

/// The name of the lock file in the state directory.
pub(super) const FILE_NAME: &str = "lock";

/// Held as long as the state is in use.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock of `directory`, or says which process has it.
    pub(super) fn take(directory: &Path) -> Result<Self, StateError> {
        let path = directory.join(FILE_NAME);
        let failed = |error: std::io::Error| StateError::from_io(&path, &error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StateError::InUse { directory: directory.to_path_buf(), pid: holder(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // The number is for the message above and for nothing else; a full disk is no reason not to start.
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        if let Err(error) = written {
            tracing::warn!(file = %path.display(), %error, "cannot note the process id in the lock file");
        }
        Ok(Self { _file: file })
    }
}

/// Refuses where another process has the lock of `directory`. Takes it for no longer than a look, and creates nothing.
pub(super) fn refuse_if_held(directory: &Path) -> Result<(), StateError> {
    let path = directory.join(FILE_NAME);
    let failed = |error: std::io::Error| StateError::from_io(&path, &error);
    let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            Err(StateError::InUse { directory: directory.to_path_buf(), pid: holder(&mut file) })
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// The process that holds the lock, as far as the file says.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_and_told_who_is_first_and_comes_in_once_the_first_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let first = DirectoryLock::take(directory.path()).unwrap();
        let refused = DirectoryLock::take(directory.path()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("another barnabas (pid {}) is using {}", std::process::id(), directory.path().display())
        );
        assert_eq!(refuse_if_held(directory.path()).unwrap_err(), refused, "a look says the same");
        drop(first);
        refuse_if_held(directory.path()).unwrap();
        DirectoryLock::take(directory.path()).unwrap();
    }
}

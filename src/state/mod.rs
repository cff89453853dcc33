//! What barnabas remembers: how far each forward has come, the alerts, and the dead letters. The only code that knows
//! the files.
//!
//! Two redb databases in `state.dir`: offsets.redb, small and written all the time, and archive.redb, large and
//! written rarely, so that a damaged archive does not take the offsets with it. One thread owns both; everybody else
//! has a handle. An answer means that it is on disk.
//!
//! Knows no Kafka client, no webhook and no configuration.

mod archive;
mod codec;
mod dead_letter;
mod dead_letter_json;
mod documents;
mod error;
mod file;
mod handle;
mod key;
mod lock;
mod offsets;
mod offsets_json;
#[cfg(test)]
mod simulated_disk;
mod table;
#[cfg(test)]
mod tests;
mod thread;
mod verified;

use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use tokio::sync::mpsc;

use self::file::{Change, StateFile};
use self::lock::DirectoryLock;
use self::offsets::OffsetsWrite;
use self::thread::Owner;

pub use self::archive::{DeadLetterFilter, DeadLetterPage, DeadLetterTotals, Purge};
pub use self::dead_letter::{
    DeadLetter, DeadLetterSummary, Failure, MAX_REASON_BYTES, MAX_RESPONSE_BYTES, NewDeadLetter,
};
pub use self::documents::{DocumentChange, DocumentKind, MAX_DOCUMENT_BYTES, MAX_KEY_BYTES};
pub use self::error::{BuryError, StateError};
pub use self::handle::StateHandle;
pub use self::offsets::{StoreOffsets, StoredForward, StoredPartition};
pub use self::offsets_json::{ForwardDocument, OffsetsDocument, PartitionDocument};

const OFFSETS_FILE: &str = "offsets.redb";
const ARCHIVE_FILE: &str = "archive.redb";
const OFFSETS_JSON: &str = "offsets.json";
/// Requests that may wait. A sender waits beyond that.
const QUEUE: usize = 64;

/// The thread behind the handles. It ends when the last handle is dropped.
#[derive(Debug)]
pub struct StateThread {
    ended: std_mpsc::Receiver<()>,
}

impl StateThread {
    /// Waits, at most for `limit`, until everything sent is answered, the files are closed and the lock is free.
    /// False: it takes longer. Nothing is lost then; the next start has to verify the files.
    ///
    /// Drop all handles first, or this waits in vain.
    pub fn wait(self, limit: Duration) -> bool {
        // The thread never sends: its end of the channel goes when it ends.
        !matches!(self.ended.recv_timeout(limit), Err(std_mpsc::RecvTimeoutError::Timeout))
    }
}

/// Opens the state in `directory`, which is created where it does not exist, and starts the thread that owns it.
///
/// Refused while another process has it, where a file is of another version or damaged, and where offsets.redb is
/// missing but offsets.json is not. Nothing is ever overwritten: see [`import_into`] for the way out.
pub fn open(directory: &Path) -> Result<(StateHandle, StateThread), StateError> {
    create_directory(directory)?;
    let lock = DirectoryLock::take(directory)?;
    let offsets_json = directory.join(OFFSETS_JSON);
    let offsets_redb = directory.join(OFFSETS_FILE);
    if is_missing(&offsets_redb)? && !is_missing(&offsets_json)? {
        return Err(StateError::Missing { file: offsets_redb });
    }
    let offsets = StateFile::open_or_create(directory, &offsets::KIND)?;
    let archive = StateFile::open_or_create(directory, &archive::KIND)?;
    start(Owner { offsets, archive, offsets_json, exported: None, _lock: lock })
}

/// What [`open`] would meet in a directory, as far as it shows without changing anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// It does not exist; `open` will create it.
    Absent,
    /// It can be written, and nobody uses it.
    Free,
}

/// Looks at `directory` as [`open`] will find it. A file is created in it and deleted; the directory itself never is.
///
/// # Errors
/// It cannot be written, or another process has it.
pub fn look_at(directory: &Path) -> Result<Outlook, StateError> {
    let failed = |error: std::io::Error| StateError::from_io(directory, &error);
    if is_missing(directory)? {
        return match directory.ancestors().find(|ancestor| ancestor.is_dir()) {
            Some(_) => Ok(Outlook::Absent),
            None => Err(failed(std::io::Error::from(ErrorKind::NotADirectory))),
        };
    }
    lock::refuse_if_held(directory)?;
    let probe = directory.join(format!("check-{}", std::process::id()));
    std::fs::File::create_new(&probe).map_err(failed)?;
    std::fs::remove_file(&probe).map_err(failed)?;
    Ok(Outlook::Free)
}

fn start(owner: Owner) -> Result<(StateHandle, StateThread), StateError> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let (end, ended) = std_mpsc::channel();
    let directory = owner.offsets_json.clone();
    std::thread::Builder::new()
        .name("state".to_owned())
        .spawn(move || {
            owner.run(receiver);
            drop(end);
        })
        .map_err(|error| StateError::from_io(&directory, &error))?;
    Ok((StateHandle::new(sender), StateThread { ended }))
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Forwards that were stored.
    pub forwards: usize,
    /// Where an offsets.redb that is damaged, or of an older version, was put.
    pub moved_aside: Option<PathBuf>,
}

/// Stores the offsets of `document` in the state in `directory` while no daemon runs, also where offsets.redb is
/// damaged, of an older version or missing: it is renamed, never deleted. The dead letters are not touched.
///
/// Each forward of the document takes the place of what was stored for it; other forwards stay.
pub fn import_into(directory: &Path, document: OffsetsDocument) -> Result<Imported, StateError> {
    let forwards = document.into_forwards()?;
    create_directory(directory)?;
    let _lock = DirectoryLock::take(directory)?;
    let mut imported = Imported { forwards: forwards.len(), moved_aside: None };
    // Opening alone does not read every row; this does.
    let opened = StateFile::open_or_create(directory, &offsets::KIND)
        .and_then(|mut file| file.read(offsets::forwards).map(|_| file));
    let mut file = match opened {
        Ok(file) => file,
        Err(error) => {
            let why = match error {
                StateError::Damaged { .. } => "damaged",
                StateError::Older { .. } => "older",
                _ => return Err(error),
            };
            imported.moved_aside = Some(move_aside(&directory.join(OFFSETS_FILE), why)?);
            StateFile::open_or_create(directory, &offsets::KIND)?
        }
    };
    let write = OffsetsWrite::Replace { forwards };
    file.write(|transaction| write.apply(transaction).map(|change: Change| ((), change)))?;
    Ok(imported)
}

/// Renames to the first free name of `…damaged-1`, `…damaged-2`, and so on; `why` is the word in it.
fn move_aside(path: &Path, why: &str) -> Result<PathBuf, StateError> {
    let mut number = 1u32;
    let aside = loop {
        let candidate = path.with_extension(format!("redb.{why}-{number}"));
        if is_missing(&candidate)? {
            break candidate;
        }
        number = number.saturating_add(1);
    };
    std::fs::rename(path, &aside).map_err(|error| StateError::from_io(path, &error))?;
    file::sync_directory_of(path)?;
    Ok(aside)
}

fn is_missing(path: &Path) -> Result<bool, StateError> {
    path.try_exists().map(|exists| !exists).map_err(|error| StateError::from_io(path, &error))
}

fn create_directory(directory: &Path) -> Result<(), StateError> {
    let failed = |error: std::io::Error| StateError::from_io(directory, &error);
    match std::fs::metadata(directory) {
        // Not narrowed: it may be a directory that serves other purposes, too. The files are readable by us alone.
        Ok(metadata) if metadata.is_dir() => {
            if metadata.permissions().mode() & 0o077 != 0 {
                tracing::debug!(directory = %directory.display(), "the state directory is open to other users");
            }
            Ok(())
        }
        Ok(_) => Err(failed(std::io::Error::from(ErrorKind::NotADirectory))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

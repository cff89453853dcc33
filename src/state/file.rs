//! One redb file: created whole, checked when it is opened, and opened again after an error.
//!
//! redb refuses everything after the first I/O error ("PreviousIo") until the database is closed and opened again, so
//! this closes it on any fault, and the next request opens it. What was committed before is there then. Knows nothing
//! of what the tables hold.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{Builder, Database, ReadTransaction, ReadableDatabase, StorageBackend, Value, WriteTransaction};

use super::codec::{Malformed, decode_numbers, encode_numbers};
use super::error::{Fault, StateError};
use super::key::Key;
use super::table::{Rows, Table};
use super::verified::Verified;

/// The version that this program writes, and the only one that it reads. 3: all tables are of bytes, and every value
/// has a checksum.
pub(super) const VERSION: u64 = 3;
/// Numbers about the file itself, by name; in every file of ours. The version must remain readable by every release.
pub(super) const ABOUT: Table = Table::named("about");
const VERSION_ROW: &str = "version";
/// redb's default is 1 GiB. The tables are read rarely and written in small pieces.
const CACHE_BYTES: usize = 1024 * 1024;

/// How a file survives a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recovery {
    /// The whole file is read into memory, and its checksums verified, each time it is opened: for a small file.
    Verify,
    /// Each commit also stores which pages are free, so that opening reads nothing else: for a large file.
    Quick,
}

/// What distinguishes our files from each other.
pub(super) struct Kind {
    /// The file's name in the state directory.
    pub(super) name: &'static str,
    pub(super) recovery: Recovery,
    /// Its tables beside [`ABOUT`].
    pub(super) tables: &'static [Table],
}

/// Whether a transaction has anything to commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Change {
    /// Nothing: nothing is written, not even a page.
    None,
    /// Something.
    Made,
}

impl Change {
    pub(super) fn or(self, other: Self) -> Self {
        if self == Self::Made { self } else { other }
    }
}

/// What the database is opened on. Tests put a disk of their own, that fails when told to, in the place of the file.
enum Medium {
    File,
    #[cfg(test)]
    Simulated(Box<dyn Fn() -> super::simulated_disk::Backend + Send>),
}

/// A file of the state directory, open or about to be opened again.
pub(super) struct StateFile {
    path: PathBuf,
    kind: &'static Kind,
    medium: Medium,
    database: Option<OpenDatabase>,
    /// What the last transaction failed with, and has been said.
    failing: Option<StateError>,
}

/// A database, and what keeps it from being closed as if it could be trusted later.
struct OpenDatabase {
    database: Database,
    closing: Arc<AtomicBool>,
}

impl Drop for OpenDatabase {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl StateFile {
    /// Opens the file, or creates it where there is none.
    ///
    /// An empty file is a damaged one: a new file gets its name only when it is complete and on disk, so a power
    /// loss cannot leave an empty one behind, and taking it for new would forget every offset.
    pub(super) fn open_or_create(directory: &Path, kind: &'static Kind) -> Result<Self, StateError> {
        let path = directory.join(kind.name);
        match path.symlink_metadata() {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => create(&path, kind)?,
            Err(error) => return Err(StateError::from_io(&path, &error)),
        }
        let mut file = Self { path, kind, medium: Medium::File, database: None, failing: None };
        file.database()?;
        Ok(file)
    }

    #[cfg(test)]
    pub(super) fn simulated(
        kind: &'static Kind,
        disk: impl Fn() -> super::simulated_disk::Backend + Send + 'static,
    ) -> Result<Self, StateError> {
        let path = PathBuf::from(kind.name);
        let mut file = Self { path, kind, medium: Medium::Simulated(Box::new(disk)), database: None, failing: None };
        file.database()?;
        Ok(file)
    }

    /// One transaction: all that `apply` does becomes durable before this returns, or none of it.
    pub(super) fn write<T>(
        &mut self,
        apply: impl FnOnce(&WriteTransaction) -> Result<(T, Change), Fault>,
    ) -> Result<T, StateError> {
        let recovery = self.kind.recovery;
        let database = self.database()?;
        let result = (|| {
            let mut transaction = begin_write(database, recovery)?;
            match apply(&transaction)? {
                (value, Change::Made) => transaction.commit().map(|()| value).map_err(Fault::from),
                (value, Change::None) => {
                    // Reading through a write transaction left nothing to undo, but redb wants to be told.
                    transaction.set_quick_repair(false);
                    transaction.abort().map(|()| value).map_err(Fault::from)
                }
            }
        })();
        if result.is_ok() {
            self.failing = None;
        }
        result.map_err(|fault| self.close_after(fault))
    }

    /// Reads from one consistent view.
    pub(super) fn read<T>(
        &mut self,
        look_up: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, StateError> {
        let database = self.database()?;
        let result = database.begin_read().map_err(Fault::from).and_then(|transaction| look_up(&transaction));
        result.map_err(|fault| self.close_after(fault))
    }

    fn close_after(&mut self, fault: Fault) -> StateError {
        self.database = None;
        let error = fault.into_state_error(&self.path);
        // Said once: a full disk fails every attempt, and the log may be on it.
        if self.failing.as_ref() == Some(&error) {
            tracing::debug!(%error, "a transaction failed again");
        } else {
            tracing::warn!(%error, "a transaction failed and nothing of it was kept; the file is opened again");
            self.failing = Some(error.clone());
        }
        error
    }

    fn database(&mut self) -> Result<&Database, StateError> {
        if self.database.is_none() {
            let opened = self.open().map_err(|fault| fault.into_state_error(&self.path))?;
            check_version(&opened.database, &self.path)?;
            self.database = Some(opened);
        }
        // Set just above; Closed is what it would mean if it were not.
        self.database.as_ref().map(|opened| &opened.database).ok_or(StateError::Closed)
    }

    fn open(&self) -> Result<OpenDatabase, Fault> {
        tracing::debug!(file = %self.path.display(), "opening");
        match &self.medium {
            Medium::File => {
                let file =
                    OpenOptions::new().read(true).write(true).open(&self.path).map_err(redb::StorageError::Io)?;
                let storage = FileBackend::new(file)?;
                if storage.len().map_err(redb::StorageError::Io)? == 0 {
                    return Err(Malformed("it is empty").into());
                }
                if self.kind.recovery == Recovery::Verify {
                    let copy = copy_of(&storage).map_err(redb::StorageError::Io)?;
                    open_on(copy, self.kind).map_err(Fault::of_memory)?;
                }
                open_on(storage, self.kind)
            }
            #[cfg(test)]
            Medium::Simulated(disk) => {
                let backend = disk();
                let new = backend.is_empty();
                let opened = open_on(backend, self.kind)?;
                if new {
                    initialize(&opened.database, self.kind)?;
                }
                Ok(opened)
            }
        }
    }
}

/// Opens a database, or begins one where the storage is empty.
fn open_on(storage: impl StorageBackend, kind: &Kind) -> Result<OpenDatabase, Fault> {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    let closing = Arc::new(AtomicBool::new(false));
    let database = match kind.recovery {
        Recovery::Verify => builder.create_with_backend(Verified::new(storage, Arc::clone(&closing)))?,
        Recovery::Quick => builder.create_with_backend(storage)?,
    };
    Ok(OpenDatabase { database, closing })
}

/// redb repairs the header of a file before it finds that nothing else in it can be used. A damaged file is evidence:
/// it is tried out on a copy.
fn copy_of(storage: &FileBackend) -> std::io::Result<InMemoryBackend> {
    let length = storage.len()?;
    let mut bytes = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
    storage.read(0, &mut bytes)?;
    let copy = InMemoryBackend::new();
    copy.set_len(length)?;
    copy.write(0, &bytes)?;
    Ok(copy)
}

fn begin_write(database: &Database, recovery: Recovery) -> Result<WriteTransaction, Fault> {
    // Durability::Immediate is the default. Two phases: after a failed fsync the page cache may show a commit whose
    // pages never reached the disk; with two phases nothing refers to them.
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(recovery == Recovery::Quick);
    Ok(transaction)
}

/// Makes a complete file under another name, then gives it its own: a crash leaves either no file or a whole one.
fn create(path: &Path, kind: &'static Kind) -> Result<(), StateError> {
    let unfinished = path.with_extension("redb.new");
    let failed = |error: std::io::Error| StateError::from_io(&unfinished, &error);
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let file =
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&unfinished).map_err(failed)?;
    FileBackend::new(file)
        .map_err(Fault::from)
        .and_then(|storage| open_on(storage, kind))
        .and_then(|opened| initialize(&opened.database, kind))
        .map_err(|fault| fault.into_state_error(&unfinished))?;
    File::open(&unfinished).and_then(|file| file.sync_all()).map_err(failed)?;
    std::fs::rename(&unfinished, path).map_err(failed)?;
    sync_directory_of(path)
}

/// A rename is durable once the directory is.
pub(super) fn sync_directory_of(path: &Path) -> Result<(), StateError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    File::open(directory).and_then(|file| file.sync_all()).map_err(|error| StateError::from_io(directory, &error))
}

fn initialize(database: &Database, kind: &Kind) -> Result<(), Fault> {
    let transaction = begin_write(database, kind.recovery)?;
    set_version(&transaction, VERSION)?;
    for table in kind.tables {
        table.writer(&transaction)?;
    }
    Ok(transaction.commit()?)
}

pub(super) fn set_version(transaction: &WriteTransaction, version: u64) -> Result<(), Fault> {
    ABOUT.writer(transaction)?.insert(&Key::new().text(VERSION_ROW), &encode_numbers([version]))
}

/// Refuses a file of any other version.
fn check_version(database: &Database, path: &Path) -> Result<(), StateError> {
    let file = || path.to_path_buf();
    match stored_version(database) {
        Ok(VERSION) => Ok(()),
        Ok(found) if found > VERSION => Err(StateError::Newer { file: file(), found, known: VERSION }),
        Ok(_) => Err(StateError::Older { file: file(), known: VERSION }),
        Err(fault) if is_of_version_1_or_2(&fault) => Err(StateError::Older { file: file(), known: VERSION }),
        Err(fault) => Err(fault.into_state_error(path)),
    }
}

fn stored_version(database: &Database) -> Result<u64, Fault> {
    const NO_VERSION: Malformed = Malformed("it has no version, so it is not a file of barnabas");
    let transaction = database.begin_read()?;
    let about = match ABOUT.reader(&transaction) {
        Err(Fault::Redb(redb::Error::TableDoesNotExist(_))) => return Err(NO_VERSION.into()),
        opened => opened?,
    };
    let row = about.get(&Key::new().text(VERSION_ROW))?.ok_or(NO_VERSION)?;
    let [version] = decode_numbers(row.value())?;
    Ok(version)
}

/// Up to version 2 the table about the file, where the version is, had types of its own: redb refuses to open it as one
/// of bytes, and says which types it found. Any others are damage.
fn is_of_version_1_or_2(fault: &Fault) -> bool {
    matches!(fault, Fault::Redb(redb::Error::TableTypeMismatch { key, value, .. })
        if *key == <&str>::type_name() && *value == u64::type_name())
}

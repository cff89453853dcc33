//! What can go wrong with the state: said with the file, and with what to do about it.
//!
//! Everything that fails while barnabas runs may be tried again by the caller; what was acknowledged before stays.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::codec::Malformed;

/// A request to the state that was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateError {
    /// Another process has the directory.
    InUse {
        /// The state directory.
        directory: PathBuf,
        /// The process that holds its lock, where it could be read.
        pid: Option<u32>,
    },
    /// The file was written by a later release.
    Newer {
        /// The file.
        file: PathBuf,
        /// The version it has.
        found: u64,
        /// The version that this program writes.
        known: u64,
    },
    /// The file was written by an earlier release, in a format that this one does not read. It is never overwritten.
    Older {
        /// The file.
        file: PathBuf,
        /// The version that this program reads.
        known: u64,
    },
    /// The file is not what this program wrote. It is never overwritten.
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// `offsets.redb` is gone while `offsets.json` shows that there was one.
    Missing {
        /// The file.
        file: PathBuf,
    },
    /// The disk, or the user's quota, is full.
    Full {
        /// The file that could not be written.
        file: PathBuf,
    },
    /// Reading or writing failed otherwise.
    Io {
        /// The file or directory.
        file: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// What was asked for makes no sense: the sentence says why.
    Refused(String),
    /// The state has been closed, as it is during a stop.
    Closed,
}

impl StateError {
    pub(super) fn from_io(file: &Path, error: &std::io::Error) -> Self {
        let file = file.to_path_buf();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { file },
            // What redb says of a file that ends too early or begins wrongly.
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData => Self::Damaged { file, detail: error.to_string() },
            _ => Self::Io { file, detail: error.to_string() },
        }
    }

    /// Whether the same request may succeed later without anybody touching the files.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Io { .. })
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { directory, pid: Some(pid) } => {
                write!(f, "another barnabas (pid {pid}) is using {}", directory.display())
            }
            Self::InUse { directory, pid: None } => write!(f, "another process is using {}", directory.display()),
            Self::Newer { file, found, known } => write!(
                f,
                "{} was written by a newer barnabas (version {found}, this one knows {known}): use that release",
                file.display()
            ),
            Self::Older { file, known } => write!(
                f,
                "{} was written by an older barnabas (a version before {known}, the only one that this one reads): {}",
                file.display(),
                way_out(file)
            ),
            Self::Damaged { file, detail } => {
                write!(f, "{} is damaged ({}): {}", file.display(), detail, way_out(file))
            }
            Self::Missing { file } => write!(
                f,
                "{} is missing, but offsets.json beside it is not: `barnabas offsets import` brings the offsets back; \
                 to begin anew, remove offsets.json too",
                file.display()
            ),
            Self::Full { file } => write!(f, "no space left to write {}: make room on its disk", file.display()),
            Self::Io { file, detail } => write!(f, "cannot use {}: {detail}", file.display()),
            Self::Refused(reason) => f.write_str(reason),
            Self::Closed => f.write_str("the state is closed"),
        }
    }
}

impl std::error::Error for StateError {}

fn way_out(file: &Path) -> &'static str {
    match file.file_name().and_then(|name| name.to_str()) {
        Some(super::ARCHIVE_FILE) => {
            "it holds the dead letters; move it away to begin with an empty one, and keep it if they matter"
        }
        Some(super::OFFSETS_FILE) => {
            "`barnabas offsets import` puts it aside and takes the offsets from offsets.json (or from the file that \
             you give it)"
        }
        _ => "see what it holds",
    }
}

/// A dead letter that was not kept. Its record is not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuryError {
    /// The dead letters of the forward have reached `max_size`.
    Full {
        /// Bytes that they take.
        used: u64,
        /// Bytes that they may take.
        max: u64,
    },
    /// The state could not store it.
    State(StateError),
}

impl fmt::Display for BuryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { used, max } => write!(
                f,
                "the dead letters take {used} bytes of {max} (max_size): replay or purge some, or raise max_size"
            ),
            Self::State(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BuryError {}

/// What a transaction can end with, before the file's name is added.
#[derive(Debug)]
pub(super) enum Fault {
    Redb(redb::Error),
    Malformed(Malformed),
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<redb::StorageError> for Fault {
    fn from(error: redb::StorageError) -> Self {
        Self::Redb(error.into())
    }
}

impl From<redb::TableError> for Fault {
    fn from(error: redb::TableError) -> Self {
        Self::Redb(error.into())
    }
}

impl From<redb::TransactionError> for Fault {
    fn from(error: redb::TransactionError) -> Self {
        Self::Redb(error.into())
    }
}

impl From<redb::CommitError> for Fault {
    fn from(error: redb::CommitError) -> Self {
        Self::Redb(error.into())
    }
}

impl From<redb::DatabaseError> for Fault {
    fn from(error: redb::DatabaseError) -> Self {
        Self::Redb(error.into())
    }
}

impl Fault {
    /// Memory does not fail: a read outside of it means a file that ends too early.
    pub(super) fn of_memory(self) -> Self {
        match self {
            Self::Redb(redb::Error::Io(_)) => Self::Malformed(Malformed("it ends too early")),
            other => other,
        }
    }

    pub(super) fn into_state_error(self, file: &Path) -> StateError {
        let damaged = |detail: String| StateError::Damaged { file: file.to_path_buf(), detail };
        match self {
            Self::Malformed(malformed) => damaged(malformed.to_string()),
            Self::Redb(redb::Error::Io(error)) => StateError::from_io(file, &error),
            Self::Redb(redb::Error::DatabaseAlreadyOpen) => {
                StateError::Io { file: file.to_path_buf(), detail: "another program has it open".to_owned() }
            }
            Self::Redb(
                error @ (redb::Error::Corrupted(_)
                | redb::Error::UpgradeRequired(_)
                | redb::Error::TableTypeMismatch { .. }
                | redb::Error::TableDoesNotExist(_)
                | redb::Error::TypeDefinitionChanged { .. }),
            ) => damaged(error.to_string()),
            Self::Redb(error) => StateError::Io { file: file.to_path_buf(), detail: error.to_string() },
        }
    }
}

//! The thread that owns both databases. Whoever wants something from the state waits for this thread and for nothing
//! else; a slow disk therefore stops only what depends on a promise of the disk.
//!
//! It takes what has come in meanwhile, makes one transaction a file of it, and answers when that is durable: sixteen
//! dead letters at once cost one flush, not sixteen.

use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot};

use super::archive::{self, ArchiveWrite, Outcome};
use super::error::StateError;
use super::file::{Change, StateFile};
use super::lock::DirectoryLock;
use super::offsets::{self, OffsetsWrite};
use super::offsets_json::{self, OffsetsDocument};
use crate::clock;

/// At most so many requests share a transaction.
const BATCH: usize = 128;

pub(super) type Answer<T> = oneshot::Sender<Result<T, StateError>>;
/// Looks something up, and answers by itself.
pub(super) type Read = Box<dyn FnOnce(&mut StateFile) + Send>;

pub(super) enum Request {
    WriteOffsets(OffsetsWrite, Answer<()>),
    WriteArchive(ArchiveWrite, Answer<Outcome>),
    ReadOffsets(Read),
    ReadArchive(Read),
    Rename { old: String, new: String, answer: Answer<()> },
    WriteOffsetsJson(Answer<()>),
}

/// What the thread owns.
pub(super) struct Owner {
    pub(super) offsets: StateFile,
    pub(super) archive: StateFile,
    pub(super) offsets_json: PathBuf,
    /// What offsets.json was last written from; it is not written again for the same.
    pub(super) exported: Option<OffsetsDocument>,
    /// After the databases, so that it is given back when they are closed.
    pub(super) _lock: DirectoryLock,
}

impl Owner {
    /// Until the last handle is gone and everything sent before is answered.
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut batch = Vec::new();
        while let Some(first) = requests.blocking_recv() {
            batch.push(first);
            while let Some(next) = (batch.len() < BATCH).then(|| requests.try_recv().ok()).flatten() {
                batch.push(next);
            }
            self.serve(batch.drain(..));
        }
    }

    /// Who waits for an answer before the next request finds its own writes; requests of different callers have no
    /// order among each other.
    fn serve(&mut self, batch: impl Iterator<Item = Request>) {
        let (mut for_offsets, mut for_archive, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for request in batch {
            match request {
                Request::WriteOffsets(write, answer) => for_offsets.push((write, answer)),
                Request::WriteArchive(write, answer) => for_archive.push((write, answer)),
                other => others.push(other),
            }
        }
        self.write_archive(for_archive);
        self.write_offsets(for_offsets);
        for request in others {
            match request {
                Request::ReadOffsets(read) => read(&mut self.offsets),
                Request::ReadArchive(read) => read(&mut self.archive),
                Request::Rename { old, new, answer } => drop(answer.send(self.rename(&old, &new))),
                Request::WriteOffsetsJson(answer) => drop(answer.send(self.write_offsets_json())),
                Request::WriteOffsets(..) | Request::WriteArchive(..) => {}
            }
        }
    }

    fn write_offsets(&mut self, writes: Vec<(OffsetsWrite, Answer<()>)>) {
        if writes.is_empty() {
            return;
        }
        let result = self.offsets.write(|transaction| {
            let change = writes
                .iter()
                .try_fold(Change::None, |change, (write, _)| write.apply(transaction).map(|made| change.or(made)))?;
            Ok(((), change))
        });
        for (_, answer) in writes {
            // Nobody may wait for it any more.
            let _ = answer.send(result.clone());
        }
    }

    fn write_archive(&mut self, writes: Vec<(ArchiveWrite, Answer<Outcome>)>) {
        if writes.is_empty() {
            return;
        }
        let result = self.archive.write(|transaction| {
            let mut tables = archive::Tables::open(transaction)?;
            let mut outcomes = Vec::with_capacity(writes.len());
            let mut change = Change::None;
            for (write, _) in &writes {
                let (outcome, made) = write.apply(&mut tables)?;
                outcomes.push(outcome);
                change = change.or(made);
            }
            Ok((outcomes, change))
        });
        match result {
            Ok(outcomes) => {
                for ((_, answer), outcome) in writes.into_iter().zip(outcomes) {
                    let _ = answer.send(Ok(outcome));
                }
            }
            Err(error) => {
                for (_, answer) in writes {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
    }

    /// The dead letters first: a crash in between is repaired by the same command, because the old name is still
    /// there.
    fn rename(&mut self, old: &str, new: &str) -> Result<(), StateError> {
        let (old_is_known, new_is_known) = self
            .offsets
            .read(|transaction| Ok((offsets::is_known(transaction, old)?, offsets::is_known(transaction, new)?)))?;
        if !old_is_known {
            return Err(StateError::Refused(format!("nothing is stored for a forward {old}")));
        }
        if new_is_known {
            return Err(StateError::Refused(format!("offsets are already stored for a forward {new}")));
        }
        self.archive.write(|transaction| {
            let renamed = archive::Tables::open(transaction)?.rename(old, new)?;
            Ok(((), if renamed > 0 { Change::Made } else { Change::None }))
        })?;
        self.offsets.write(|transaction| offsets::rename(transaction, old, new).map(|change| ((), change)))
    }

    fn write_offsets_json(&mut self) -> Result<(), StateError> {
        let document = OffsetsDocument::new(self.offsets.read(offsets::forwards)?, clock::wall_clock());
        let same = self.exported.as_ref().is_some_and(|exported| exported.forwards == document.forwards);
        if !same {
            offsets_json::replace_file(&self.offsets_json, &document)?;
            self.exported = Some(document);
        }
        Ok(())
    }
}

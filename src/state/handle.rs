//! What the rest of the program may ask of the state. Every method waits for the thread that owns the files; one that
//! is no longer awaited may still be carried out.

use std::time::Duration;

use redb::ReadTransaction;
use tokio::sync::{mpsc, oneshot};

use super::archive::{
    self, ArchiveWrite, DELETED_AT_ONCE, DeadLetterFilter, DeadLetterPage, DeadLetterTotals, Outcome, Purge,
};
use super::dead_letter::{DeadLetter, NewDeadLetter};
use super::documents::{self, DocumentChange, DocumentKind};
use super::error::{BuryError, Fault, StateError};
use super::file::StateFile;
use super::offsets::{self, OffsetsWrite, StoreOffsets, StoredForward};
use super::offsets_json::OffsetsDocument;
use super::thread::{Answer, Request};
use crate::clock;
use crate::logic::moment::Timestamp;
use crate::logic::offset_tracker::Position;
use crate::logic::record::TopicPartition;

/// Access to the state. Cheap to clone; the files are closed when the last one is dropped.
#[derive(Clone, Debug)]
pub struct StateHandle {
    requests: mpsc::Sender<Request>,
}

/// Offsets. Each method answers when what it did is on disk.
impl StateHandle {
    /// What is stored for a forward; the default where nothing is.
    pub async fn forward(&self, name: &str) -> Result<StoredForward, StateError> {
        let name = name.to_owned();
        self.read_offsets(move |transaction| offsets::forward(transaction, &name)).await
    }

    /// What is stored, by name of the forward.
    pub async fn forwards(&self) -> Result<Vec<(String, StoredForward)>, StateError> {
        self.read_offsets(offsets::forwards).await
    }

    /// Stores offsets and counters together. Where nothing has changed, nothing is written.
    pub async fn store(&self, forward: &str, offsets: StoreOffsets) -> Result<(), StateError> {
        self.write_offsets(OffsetsWrite::Store { forward: forward.to_owned(), offsets }).await
    }

    /// Notes that a person paused or resumed a forward.
    pub async fn set_paused(&self, forward: &str, paused: bool) -> Result<(), StateError> {
        self.write_offsets(OffsetsWrite::SetPaused { forward: forward.to_owned(), paused }).await
    }

    /// Sets the offset of the next record, with everything below settled. Keeps what is known of the topic's and the
    /// cluster's ids; the leader epoch becomes unknown. The forward must not be running.
    pub async fn set_position(
        &self,
        forward: &str,
        topic_partition: TopicPartition,
        position: Position,
    ) -> Result<(), StateError> {
        if position.0 < 0 {
            return Err(StateError::Refused(format!("{} is no offset", position.0)));
        }
        let forward = forward.to_owned();
        self.write_offsets(OffsetsWrite::SetPosition { forward, topic_partition, position }).await
    }

    /// Forgets a partition: if it is read again, it counts as new.
    pub async fn forget_partition(&self, forward: &str, topic_partition: TopicPartition) -> Result<(), StateError> {
        self.write_offsets(OffsetsWrite::ForgetPartition { forward: forward.to_owned(), topic_partition }).await
    }

    /// Gives the offsets and dead letters of a forward to another name, under which no offsets are stored yet.
    /// Idempotency keys stay what they were.
    pub async fn rename_forward(&self, old: &str, new: &str) -> Result<(), StateError> {
        let (old, new) = (old.to_owned(), new.to_owned());
        self.ask(|answer| Request::Rename { old, new, answer }).await
    }

    /// All offsets, as offsets.json has them.
    pub async fn export_offsets(&self) -> Result<OffsetsDocument, StateError> {
        Ok(OffsetsDocument::new(self.forwards().await?, clock::wall_clock()))
    }

    /// Stores the offsets of a document: each of its forwards takes the place of what was stored for it. Refused as
    /// a whole where a part of it cannot be right. None of its forwards may be running.
    pub async fn import_offsets(&self, document: OffsetsDocument) -> Result<(), StateError> {
        self.write_offsets(OffsetsWrite::Replace { forwards: document.into_forwards()? }).await
    }

    /// Writes offsets.json beside the databases, unless it would say the same as the last time.
    pub async fn write_offsets_json(&self) -> Result<(), StateError> {
        self.ask(Request::WriteOffsetsJson).await
    }
}

/// Documents. Each method answers when what it did is on disk.
impl StateHandle {
    /// All documents of a kind: their keys and texts, in the order of the keys.
    pub async fn documents(&self, kind: DocumentKind) -> Result<Vec<(String, String)>, StateError> {
        self.read_offsets(move |transaction| documents::of_kind(transaction, kind)).await
    }

    /// Changes documents: all of them or none. Where nothing has changed, nothing is written.
    ///
    /// # Errors
    /// One of them is too large: [`StateError::Refused`], and none is changed. Or it could not be written.
    pub async fn change_documents(&self, changes: Vec<DocumentChange>) -> Result<(), StateError> {
        changes.iter().try_for_each(DocumentChange::check)?;
        self.write_offsets(OffsetsWrite::ChangeDocuments(changes)).await
    }
}

/// Dead letters. Each method answers when what it did is on disk.
impl StateHandle {
    /// Keeps a record aside; its dead letters may take `max_size` bytes per forward. The record counts as settled
    /// once this answered. A record that is already there gives its id again, and counts once.
    pub async fn bury(&self, letter: NewDeadLetter, max_size: u64) -> Result<u64, BuryError> {
        let write = ArchiveWrite::Bury { letter: Box::new(letter), max_size };
        match self.ask(|answer| Request::WriteArchive(write, answer)).await {
            Ok(Outcome::Buried(id)) => Ok(id),
            Ok(Outcome::NoRoom { used, max }) => Err(BuryError::Full { used, max }),
            Ok(Outcome::Affected(_)) => Err(BuryError::State(StateError::Closed)),
            Err(error) => Err(BuryError::State(error)),
        }
    }

    /// A page of dead letters without their values.
    pub async fn dead_letters(&self, filter: DeadLetterFilter) -> Result<DeadLetterPage, StateError> {
        self.read_archive(move |transaction| archive::letters(transaction, &filter)).await
    }

    /// A dead letter with its value.
    pub async fn dead_letter(&self, id: u64) -> Result<Option<DeadLetter>, StateError> {
        self.read_archive(move |transaction| archive::letter(transaction, id)).await
    }

    /// Per forward; one without dead letters is not listed.
    pub async fn dead_letter_totals(&self) -> Result<Vec<(String, DeadLetterTotals)>, StateError> {
        self.read_archive(archive::totals).await
    }

    /// Deletes the dead letters with these ids; how many there were.
    pub async fn remove(&self, ids: Vec<u64>) -> Result<u64, StateError> {
        self.purge(Purge::Ids(ids)).await
    }

    /// Deletes dead letters; how many. In several transactions where there are many: others get their turn.
    pub async fn purge(&self, purge: Purge) -> Result<u64, StateError> {
        let mut deleted = 0u64;
        if let Purge::Ids(ids) = purge {
            for part in ids.chunks(usize::try_from(DELETED_AT_ONCE).unwrap_or(usize::MAX)) {
                deleted =
                    deleted.saturating_add(self.write_archive(ArchiveWrite::Delete(Purge::Ids(part.to_vec()))).await?);
            }
            return Ok(deleted);
        }
        loop {
            let now = self.write_archive(ArchiveWrite::Delete(purge.clone())).await?;
            deleted = deleted.saturating_add(now);
            if now < DELETED_AT_ONCE {
                return Ok(deleted);
            }
        }
    }

    /// Deletes a forward's dead letters that are older than `max_age`; how many. Letters that were buried before the
    /// machine's clock was set stay.
    pub async fn expire(&self, forward: &str, max_age: Duration, now: Timestamp) -> Result<u64, StateError> {
        let max_age = i64::try_from(max_age.as_millis()).unwrap_or(i64::MAX);
        let time = Timestamp(now.0.saturating_sub(max_age));
        self.purge(Purge::BuriedBefore { forward: Some(forward.to_owned()), time }).await
    }

    /// Notes that a replay failed. False: there is no such dead letter.
    pub async fn update_failed(
        &self,
        id: u64,
        reason: &str,
        status: Option<u16>,
        attempts: u32,
    ) -> Result<bool, StateError> {
        let reason = reason.to_owned();
        Ok(self.write_archive(ArchiveWrite::UpdateFailed { id, reason, status, attempts }).await? > 0)
    }
}

impl StateHandle {
    pub(super) fn new(requests: mpsc::Sender<Request>) -> Self {
        Self { requests }
    }

    async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, StateError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).await.map_err(|_| StateError::Closed)?;
        answered.await.unwrap_or(Err(StateError::Closed))
    }

    async fn write_offsets(&self, write: OffsetsWrite) -> Result<(), StateError> {
        self.ask(|answer| Request::WriteOffsets(write, answer)).await
    }

    async fn write_archive(&self, write: ArchiveWrite) -> Result<u64, StateError> {
        match self.ask(|answer| Request::WriteArchive(write, answer)).await? {
            Outcome::Affected(count) => Ok(count),
            Outcome::Buried(_) | Outcome::NoRoom { .. } => Err(StateError::Closed),
        }
    }

    async fn read_offsets<T: Send + 'static>(
        &self,
        look_up: impl FnOnce(&ReadTransaction) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StateError> {
        self.ask(|answer| Request::ReadOffsets(Box::new(move |file| look_up_and_answer(file, look_up, answer)))).await
    }

    async fn read_archive<T: Send + 'static>(
        &self,
        look_up: impl FnOnce(&ReadTransaction) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StateError> {
        self.ask(|answer| Request::ReadArchive(Box::new(move |file| look_up_and_answer(file, look_up, answer)))).await
    }
}

fn look_up_and_answer<T>(
    file: &mut StateFile,
    look_up: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
    answer: Answer<T>,
) {
    // Nobody may wait for it any more.
    let _ = answer.send(file.read(look_up));
}

//! archive.redb: the dead letters, counted in letters and bytes per forward.
//!
//! A letter is found by its id and by the place of its record; the second makes burying twice harmless, which happens
//! whenever a crash comes between a letter and the offset that is stored after it. Indexes and totals change in the
//! same transaction as the letter.

use redb::{ReadTransaction, WriteTransaction};

use super::codec::{Decoder, Encoder, Malformed, decode_numbers, encode_numbers};
use super::dead_letter::{
    DeadLetter, DeadLetterSummary, Failure, NewDeadLetter, decode_content, decode_summary, encode_content,
    encode_summary,
};
use super::error::Fault;
use super::file::{ABOUT, Change, Kind, Recovery};
use super::key::{Key, KeyParts, decode_key};
use super::table::{Rows, Table, Writer};
use crate::logic::moment::Timestamp;
use crate::logic::record::TopicPartition;

/// By id: everything but value and headers.
const SUMMARIES: Table = Table::named("dead_letters");
/// By id: value and headers.
const CONTENTS: Table = Table::named("dead_letter_contents");
/// By forward, topic, partition, recreated and offset: the id.
const PLACES: Table = Table::named("dead_letter_places");
/// By forward and id: when it was buried, and its stored size.
const BY_FORWARD: Table = Table::named("dead_letters_by_forward");
/// By forward: letters and bytes.
const TOTALS: Table = Table::named("dead_letter_totals");
const NEXT_ID: &str = "next_dead_letter";

/// What a letter counts beyond its content: its rows in the indexes.
const INDEX_BYTES: u64 = 192;
/// One request deletes at most so many letters, so that burying does not wait for a purge of all.
pub(super) const DELETED_AT_ONCE: u64 = 1000;
/// One page of summaries ends beyond so many bytes of them.
const PAGE_BYTES: usize = 1024 * 1024;
/// Before 2020 no clock of a machine that runs this program is set: the age of a letter from then is not known.
const CLOCK_WAS_SET: Timestamp = Timestamp(1_577_836_800_000);

pub(super) const KIND: Kind = Kind {
    name: super::ARCHIVE_FILE,
    recovery: Recovery::Quick,
    tables: &[SUMMARIES, CONTENTS, PLACES, BY_FORWARD, TOTALS],
};

/// How many dead letters wait, and the bytes that count against `max_size`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterTotals {
    /// Letters.
    pub count: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Which dead letters to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Of this forward; none: of all.
    pub forward: Option<String>,
    /// Only ids above this one; 0 for the first page.
    pub after: u64,
    /// At most so many in one page. A page may be shorter although more follow.
    pub limit: usize,
}

/// Dead letters in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterPage {
    /// The letters.
    pub letters: Vec<DeadLetterSummary>,
    /// The `after` of the next page; none: this was the last.
    pub next: Option<u64>,
}

/// Which dead letters to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purge {
    /// These; an id that is not there is no error.
    Ids(Vec<u64>),
    /// Buried before. Letters buried before the machine's clock was set (before 2020) stay: nobody knows their age.
    BuriedBefore {
        /// Of this forward; none: of all.
        forward: Option<String>,
        /// The time.
        time: Timestamp,
    },
    /// All.
    All {
        /// Of this forward; none: of all.
        forward: Option<String>,
    },
}

/// A change to archive.redb.
pub(super) enum ArchiveWrite {
    Bury { letter: Box<NewDeadLetter>, max_size: u64 },
    Delete(Purge),
    UpdateFailed { id: u64, reason: String, status: Option<u16>, attempts: u32 },
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Buried(u64),
    NoRoom {
        used: u64,
        max: u64,
    },
    /// So many letters were deleted or changed.
    Affected(u64),
}

impl ArchiveWrite {
    pub(super) fn apply(&self, tables: &mut Tables<'_>) -> Result<(Outcome, Change), Fault> {
        match self {
            Self::Bury { letter, max_size } => tables.bury(letter, *max_size),
            Self::Delete(purge) => tables.delete(purge).map(affected),
            Self::UpdateFailed { id, reason, status, attempts } => {
                tables.update_failed(*id, reason, *status, *attempts).map(affected)
            }
        }
    }
}

fn affected(count: u64) -> (Outcome, Change) {
    (Outcome::Affected(count), if count > 0 { Change::Made } else { Change::None })
}

/// The tables of one write transaction.
pub(super) struct Tables<'t> {
    about: Writer<'t>,
    summaries: Writer<'t>,
    contents: Writer<'t>,
    places: Writer<'t>,
    by_forward: Writer<'t>,
    totals: Writer<'t>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, Fault> {
        Ok(Self {
            about: ABOUT.writer(transaction)?,
            summaries: SUMMARIES.writer(transaction)?,
            contents: CONTENTS.writer(transaction)?,
            places: PLACES.writer(transaction)?,
            by_forward: BY_FORWARD.writer(transaction)?,
            totals: TOTALS.writer(transaction)?,
        })
    }

    fn bury(&mut self, letter: &NewDeadLetter, max_size: u64) -> Result<(Outcome, Change), Fault> {
        // The id is set below, when it is known that there is room; it is not part of the row.
        let mut summary = letter.summary(0);
        if let Some(row) = self.places.get(&place(&summary))? {
            let [id] = decode_numbers(row.value())?;
            return Ok((Outcome::Buried(id), Change::None));
        }
        let (row, content) = (encode_summary(&summary), encode_content(&letter.record));
        let size = INDEX_BYTES.saturating_add(row.len() as u64).saturating_add(content.len() as u64);
        let used = self.totals(&letter.forward)?.bytes;
        if used.saturating_add(size) > max_size {
            return Ok((Outcome::NoRoom { used, max: max_size }, Change::None));
        }
        let next_id = Key::new().text(NEXT_ID);
        let [id] = self.about.get(&next_id)?.map_or(Ok([1]), |row| decode_numbers(row.value()))?;
        summary.id = id;
        self.about.insert(&next_id, &encode_numbers([id.saturating_add(1)]))?;
        self.summaries.insert(&id_key(id), &row)?;
        self.contents.insert(&id_key(id), &content)?;
        self.insert_into_indexes(&summary, size)?;
        Ok((Outcome::Buried(id), Change::Made))
    }

    /// How many were deleted, at most DELETED_AT_ONCE.
    fn delete(&mut self, purge: &Purge) -> Result<u64, Fault> {
        let ids = match purge {
            Purge::Ids(ids) => ids.clone(),
            Purge::All { forward } => self.ids(forward.as_deref(), |_| true)?,
            Purge::BuriedBefore { forward, time } => {
                self.ids(forward.as_deref(), |buried_at| (CLOCK_WAS_SET..*time).contains(&buried_at))?
            }
        };
        let mut deleted = 0;
        for id in ids {
            if deleted == DELETED_AT_ONCE {
                break;
            }
            deleted += u64::from(self.delete_one(id)?);
        }
        Ok(deleted)
    }

    /// The first letters that were buried at a time that is `wanted`.
    fn ids(&self, forward: Option<&str>, wanted: impl Fn(Timestamp) -> bool) -> Result<Vec<u64>, Fault> {
        let mut ids = Vec::new();
        for row in self.by_forward.rows(forward.map_or_else(Key::new, forward_key))? {
            let (key, value) = row?;
            if ids.len() as u64 == DELETED_AT_ONCE {
                break;
            }
            if wanted(Listed::decode(value.value())?.buried_at) {
                ids.push(listed_id(key.value())?);
            }
        }
        Ok(ids)
    }

    fn delete_one(&mut self, id: u64) -> Result<bool, Fault> {
        let Some(summary) = self.take_summary(id)? else { return Ok(false) };
        self.contents.remove(&id_key(id))?;
        self.remove_from_indexes(&summary)?;
        Ok(true)
    }

    fn update_failed(&mut self, id: u64, reason: &str, status: Option<u16>, attempts: u32) -> Result<u64, Fault> {
        let Some(mut summary) = self.take_summary(id)? else { return Ok(0) };
        let old_size = self.remove_from_indexes(&summary)?;
        let old_row = encode_summary(&summary).len() as u64;
        let first_failed_at = summary.failure.first_failed_at;
        let response = std::mem::take(&mut summary.failure.response);
        summary.failure = Failure { reason: reason.to_owned(), attempts, status, response, first_failed_at };
        let row = encode_summary(&summary);
        let size = old_size.saturating_sub(old_row).saturating_add(row.len() as u64);
        self.summaries.insert(&id_key(id), &row)?;
        self.insert_into_indexes(&summary, size)?;
        Ok(1)
    }

    /// Gives all letters of `old` to `new`. How many; all of them in one transaction, as it is rare.
    pub(super) fn rename(&mut self, old: &str, new: &str) -> Result<u64, Fault> {
        let mut ids = Vec::new();
        for row in self.by_forward.rows(forward_key(old))? {
            ids.push(listed_id(row?.0.value())?);
        }
        for &id in &ids {
            let Some(mut summary) = self.take_summary(id)? else { continue };
            let size = self.remove_from_indexes(&summary)?;
            new.clone_into(&mut summary.forward);
            self.summaries.insert(&id_key(id), &encode_summary(&summary))?;
            self.insert_into_indexes(&summary, size)?;
        }
        Ok(ids.len() as u64)
    }

    fn take_summary(&mut self, id: u64) -> Result<Option<DeadLetterSummary>, Fault> {
        Ok(self.summaries.remove(&id_key(id))?.map(|row| decode_summary(id, row.value())).transpose()?)
    }

    fn insert_into_indexes(&mut self, summary: &DeadLetterSummary, size: u64) -> Result<(), Fault> {
        self.places.insert(&place(summary), &encode_numbers([summary.id]))?;
        self.by_forward.insert(&listed_key(summary), &Listed { buried_at: summary.buried_at, size }.encode())?;
        let DeadLetterTotals { count, bytes } = self.totals(&summary.forward)?;
        let totals = encode_numbers([count.saturating_add(1), bytes.saturating_add(size)]);
        self.totals.insert(&forward_key(&summary.forward), &totals)
    }

    /// The size with which it was counted.
    fn remove_from_indexes(&mut self, summary: &DeadLetterSummary) -> Result<u64, Fault> {
        const NOT_LISTED: Malformed = Malformed("a dead letter is missing from the list of its forward");
        self.places.remove(&place(summary))?;
        let removed = self.by_forward.remove(&listed_key(summary))?.ok_or(NOT_LISTED)?;
        let size = Listed::decode(removed.value())?.size;
        drop(removed);
        let DeadLetterTotals { count, bytes } = self.totals(&summary.forward)?;
        let key = forward_key(&summary.forward);
        if count <= 1 {
            self.totals.remove(&key)?;
        } else {
            self.totals.insert(&key, &encode_numbers([count - 1, bytes.saturating_sub(size)]))?;
        }
        Ok(size)
    }

    fn totals(&self, forward: &str) -> Result<DeadLetterTotals, Fault> {
        let row = self.totals.get(&forward_key(forward))?;
        Ok(row.map(|row| decode_totals(row.value())).transpose()?.unwrap_or_default())
    }
}

/// Per forward; one without dead letters is not listed.
pub(super) fn totals(transaction: &ReadTransaction) -> Result<Vec<(String, DeadLetterTotals)>, Fault> {
    let mut totals = Vec::new();
    for row in TOTALS.reader(transaction)?.rows(Key::new())? {
        let (key, value) = row?;
        totals.push((decode_key(key.value(), KeyParts::text)?, decode_totals(value.value())?));
    }
    Ok(totals)
}

pub(super) fn letters(transaction: &ReadTransaction, filter: &DeadLetterFilter) -> Result<DeadLetterPage, Fault> {
    let first = filter.after.saturating_add(1);
    let summaries = SUMMARIES.reader(transaction)?;
    let mut page = PageBuilder { letters: Vec::new(), bytes: 0, limit: filter.limit.max(1) };
    match &filter.forward {
        None => {
            for row in summaries.rows_from(Key::new(), &id_key(first))? {
                let (key, row) = row?;
                if page.is_full() {
                    return Ok(page.ends_before_more());
                }
                page.add(decode_key(key.value(), KeyParts::u64)?, row.value())?;
            }
        }
        Some(forward) => {
            let of_forward = forward_key(forward);
            let first = of_forward.clone().u64(first);
            for row in BY_FORWARD.reader(transaction)?.rows_from(of_forward, &first)? {
                let id = listed_id(row?.0.value())?;
                if page.is_full() {
                    return Ok(page.ends_before_more());
                }
                if let Some(row) = summaries.get(&id_key(id))? {
                    page.add(id, row.value())?;
                }
            }
        }
    }
    Ok(DeadLetterPage { letters: page.letters, next: None })
}

struct PageBuilder {
    letters: Vec<DeadLetterSummary>,
    bytes: usize,
    limit: usize,
}

impl PageBuilder {
    fn is_full(&self) -> bool {
        self.letters.len() >= self.limit || self.bytes > PAGE_BYTES
    }

    fn add(&mut self, id: u64, row: &[u8]) -> Result<(), Malformed> {
        self.bytes = self.bytes.saturating_add(row.len());
        self.letters.push(decode_summary(id, row)?);
        Ok(())
    }

    fn ends_before_more(self) -> DeadLetterPage {
        let next = self.letters.last().map(|letter| letter.id);
        DeadLetterPage { letters: self.letters, next }
    }
}

pub(super) fn letter(transaction: &ReadTransaction, id: u64) -> Result<Option<DeadLetter>, Fault> {
    let summaries = SUMMARIES.reader(transaction)?;
    let Some(row) = summaries.get(&id_key(id))? else { return Ok(None) };
    let summary = decode_summary(id, row.value())?;
    let contents = CONTENTS.reader(transaction)?;
    let content = contents.get(&id_key(id))?.ok_or(Malformed("a dead letter has lost its content"))?;
    let (value, headers) = decode_content(content.value())?;
    Ok(Some(DeadLetter { summary, value, headers }))
}

/// A row of BY_FORWARD.
struct Listed {
    buried_at: Timestamp,
    /// What the letter counts.
    size: u64,
}

impl Listed {
    fn encode(&self) -> Vec<u8> {
        let mut row = Encoder::with_capacity(16);
        row.signed(self.buried_at.0);
        row.unsigned(self.size);
        row.finish()
    }

    fn decode(row: &[u8]) -> Result<Self, Malformed> {
        let mut row = Decoder::new(row)?;
        let listed = Self { buried_at: Timestamp(row.signed()?), size: row.unsigned()? };
        row.finish().map(|()| listed)
    }
}

fn decode_totals(row: &[u8]) -> Result<DeadLetterTotals, Malformed> {
    decode_numbers(row).map(|[count, bytes]| DeadLetterTotals { count, bytes })
}

fn id_key(id: u64) -> Key {
    Key::new().u64(id)
}

/// The key of a forward's totals, and the beginning of those of its letters in BY_FORWARD.
fn forward_key(name: &str) -> Key {
    Key::new().text(name)
}

fn listed_key(summary: &DeadLetterSummary) -> Key {
    forward_key(&summary.forward).u64(summary.id)
}

/// The id in a key of BY_FORWARD.
fn listed_id(key: &[u8]) -> Result<u64, Malformed> {
    decode_key(key, |key| key.text().and_then(|_| key.u64()))
}

fn place(summary: &DeadLetterSummary) -> Key {
    let TopicPartition { topic, partition } = &summary.topic_partition;
    forward_key(&summary.forward).text(topic).i32(*partition).u32(summary.recreated).i64(summary.offset)
}

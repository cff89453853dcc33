//! The records of a Fetch response: batches of all three formats and five codecs in, records as a consumer may see
//! them out. kafka-protocol's own decoder mixes control records in, drops the offset that follows a batch, and
//! collapses duplicate headers; so this is ours.
//!
//! Knows bytes only: no broker, no topic, no retry. Nothing that the bytes may hold makes it panic, or allocate beyond
//! what the limits and the codecs' windows add up to.

mod batch;
mod codec;
mod error;
mod legacy;
mod lz4;
mod snappy;
mod stream;
mod transactions;
mod zstd;

#[cfg(test)]
mod encode;
#[cfg(test)]
mod tests;

use crate::logic::record::Record;

pub use codec::Codec;
pub use error::{Fault, RecordsError};
pub use transactions::AbortedTransaction;
use transactions::Transactions;

/// What is kept of a key and of a value of a record that is too large.
const BEGINNING: usize = 64 << 10;
/// A batch's base offset and length, which its length does not count.
const LENGTH_PREFIX: usize = 12;
/// The format is at the same place in all formats.
const MAGIC_AT: usize = 16;

/// How much may be handed out at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A record beyond this many bytes is cut: the first 64 KiB of key and value are kept, and
    /// [`Record::truncated_from`] is set.
    pub max_record_size: usize,
    /// No more records are handed out when the sum of [`Record::held_bytes`] would exceed this; but always one.
    pub room: usize,
}

/// What a response holds for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// In ascending order of their offsets, which may have gaps.
    pub records: Vec<Record>,
    /// Where the next fetch begins: after the last batch that came whole, whatever was in it, or at the first record
    /// that there was no room for.
    pub next: i64,
    /// The size in bytes of the batch that the response ends in the middle of. That is normal; where nothing else
    /// came, the next fetch has to allow that much, or ask for this partition first.
    pub cut_batch: Option<usize>,
}

/// Reads the `records` of a Fetch response for one partition, from the offset that was asked for.
///
/// # Errors
///
/// The first batch cannot be read. Where batches before the bad one brought something, that is returned instead, and
/// the error comes when the bad batch is the first of a response.
pub fn parse(
    records: &[u8],
    from: i64,
    aborted: &[AbortedTransaction],
    limits: &Limits,
) -> Result<Parsed, RecordsError> {
    let mut output = Output { from, limits: *limits, records: Vec::new(), held: 0 };
    let mut transactions = Transactions::new(aborted);
    let mut rest = records;
    let mut next = from;
    let mut cut_batch = None;
    while !rest.is_empty() {
        let before = output.records.len();
        match read_batch(rest, &mut transactions, &mut output) {
            Ok(Step::Whole { size, reached: Reached::End { next: behind } }) => {
                next = next.max(behind);
                rest = rest.get(size..).unwrap_or_default();
            }
            Ok(Step::Whole { reached: Reached::Full { at }, .. }) => {
                next = at;
                break;
            }
            Ok(Step::Cut { size }) => {
                cut_batch = Some(size);
                break;
            }
            Err(fault) if next == from => return Err(RecordsError { offset: base_offset(rest), fault }),
            Err(_) => {
                output.records.truncate(before);
                break;
            }
        }
    }
    Ok(Parsed { records: output.records, next, cut_batch })
}

/// What comes next in a response.
enum Step {
    /// A batch of `size` bytes.
    Whole { size: usize, reached: Reached },
    /// The beginning of a batch that has `size` bytes (or more, where not even its length came).
    Cut { size: usize },
}

fn read_batch(response: &[u8], transactions: &mut Transactions, output: &mut Output) -> Result<Step, Fault> {
    let magic = match response.get(MAGIC_AT) {
        Some(&magic) if !(0..=2).contains(&magic) => return Err(Fault::Format(magic.cast_signed())),
        magic => magic,
    };
    let Some(length) = response.get(8..LENGTH_PREFIX).and_then(|bytes| bytes.first_chunk()) else {
        return Ok(Step::Cut { size: LENGTH_PREFIX });
    };
    let size = usize::try_from(i32::from_be_bytes(*length))
        .ok()
        .and_then(|length| length.checked_add(LENGTH_PREFIX))
        .filter(|&size| size > MAGIC_AT)
        .ok_or(Fault::Structure("its length cannot be"))?;
    let (Some(magic), Some(batch)) = (magic, response.get(..size)) else { return Ok(Step::Cut { size }) };
    let reached = match magic {
        2 => batch::read(batch, transactions, output)?,
        _ => legacy::read(batch, output)?,
    };
    Ok(Step::Whole { size, reached })
}

fn base_offset(batch: &[u8]) -> i64 {
    batch.first_chunk().map_or(-1, |bytes| i64::from_be_bytes(*bytes))
}

/// How far a batch was read.
enum Reached {
    /// To its end; behind it comes `next`.
    End { next: i64 },
    /// To the record at this offset, which there was no room for.
    Full { at: i64 },
}

/// Whether there is room for one more record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Space {
    Left,
    Full,
}

/// How much of a record is kept.
struct Keep {
    /// Bytes of the key, and of the value.
    field: usize,
    /// What all headers together may cost to hold, in bytes.
    headers: usize,
    /// The record exceeds the limit.
    cut: bool,
}

/// The records handed out so far.
struct Output {
    /// Records below are not wanted.
    from: i64,
    limits: Limits,
    records: Vec<Record>,
    held: usize,
}

impl Output {
    /// Whether a record of `length` bytes may fit; asked before it is read, so that nothing large is read for nothing.
    fn space_for(&self, length: usize) -> Space {
        self.space(length.min(self.keep_of(length).field))
    }

    fn space(&self, bytes: usize) -> Space {
        let fits = self.held.saturating_add(bytes) <= self.limits.room;
        if fits || self.records.is_empty() { Space::Left } else { Space::Full }
    }

    fn keep_of(&self, length: usize) -> Keep {
        let limit = self.limits.max_record_size;
        if length > limit {
            Keep { field: BEGINNING.min(limit), headers: BEGINNING.min(limit), cut: true }
        } else {
            Keep { field: length, headers: limit.max(BEGINNING), cut: false }
        }
    }

    /// Takes the record, if there is room for it.
    fn push(&mut self, record: Record) -> Space {
        let cost = record.held_bytes();
        let space = self.space(cost);
        if space == Space::Left {
            self.held = self.held.saturating_add(cost);
            self.records.push(record);
        }
        space
    }
}

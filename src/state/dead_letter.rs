//! A dead letter: a record that was kept aside, what was tried with it, and how both become bytes.
//!
//! It is stored in two parts, so that a list of letters does not read their values.

use std::sync::Arc;

use super::codec::{Decoder, Encoder, Malformed};
use crate::logic::moment::Timestamp;
use crate::logic::record::{Header, Record, TopicPartition};

/// Longer reasons are cut to this many bytes.
pub const MAX_REASON_BYTES: usize = 1024;
/// Longer responses are cut to this many bytes.
pub const MAX_RESPONSE_BYTES: usize = 4096;

/// Why a record was kept aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A sentence.
    pub reason: String,
    /// Requests that were made; 0 for a record that never became one.
    pub attempts: u32,
    /// The HTTP status of the last answer, where there was one.
    pub status: Option<u16>,
    /// The beginning of the last answer's body, or empty.
    pub response: String,
    /// When the first attempt failed.
    pub first_failed_at: Timestamp,
}

/// A record to be kept aside.
#[derive(Clone, Debug)]
pub struct NewDeadLetter {
    /// The forward that could not deliver it.
    pub forward: String,
    /// Where it came from.
    pub topic_partition: TopicPartition,
    /// How many times the topic was created again before it was read (`StoredPartition::recreated`).
    pub recreated: u32,
    /// The record; cut, where `truncated_from` is set. Shared, so that a letter on its way takes no memory twice.
    pub record: Arc<Record>,
    /// What was tried.
    pub failure: Failure,
    /// Now.
    pub buried_at: Timestamp,
    /// What a replay must send again.
    pub idempotency_key: String,
    /// The event's own id, where the configuration names one.
    pub event_id: Option<String>,
}

/// All of a dead letter but its value and headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterSummary {
    /// Its number: unique in this state, growing, never used again.
    pub id: u64,
    /// The forward that could not deliver it.
    pub forward: String,
    /// Where it came from.
    pub topic_partition: TopicPartition,
    /// How many times the topic was created again before it was read.
    pub recreated: u32,
    /// Its offset.
    pub offset: i64,
    /// The record's timestamp in milliseconds since 1970; −1 where it has none.
    pub timestamp: i64,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's whole size in bytes, where only its beginning was kept.
    pub truncated_from: Option<usize>,
    /// What was tried.
    pub failure: Failure,
    /// When it was kept aside.
    pub buried_at: Timestamp,
    /// What a replay must send again.
    pub idempotency_key: String,
    /// The event's own id, where the configuration named one.
    pub event_id: Option<String>,
}

/// A dead letter with everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// All but what follows.
    pub summary: DeadLetterSummary,
    /// The record's value; null for a tombstone.
    pub value: Option<Vec<u8>>,
    /// The record's headers in their order.
    pub headers: Vec<Header>,
}

impl DeadLetter {
    /// The record as it was read from Kafka, for a replay.
    pub fn into_record(self) -> Record {
        let Self { summary, value, headers } = self;
        Record {
            offset: summary.offset,
            timestamp: summary.timestamp,
            key: summary.key,
            value,
            headers,
            truncated_from: summary.truncated_from,
        }
    }
}

impl NewDeadLetter {
    pub(super) fn summary(&self, id: u64) -> DeadLetterSummary {
        DeadLetterSummary {
            id,
            forward: self.forward.clone(),
            topic_partition: self.topic_partition.clone(),
            recreated: self.recreated,
            offset: self.record.offset,
            timestamp: self.record.timestamp,
            key: self.record.key.clone(),
            truncated_from: self.record.truncated_from,
            failure: self.failure.clone(),
            buried_at: self.buried_at,
            idempotency_key: self.idempotency_key.clone(),
            event_id: self.event_id.clone(),
        }
    }
}

pub(super) fn encode_summary(letter: &DeadLetterSummary) -> Vec<u8> {
    let failure = &letter.failure;
    let mut row = Encoder::with_capacity(256);
    row.bytes(letter.forward.as_bytes());
    row.bytes(letter.topic_partition.topic.as_bytes());
    row.signed(i64::from(letter.topic_partition.partition));
    row.signed(i64::from(letter.recreated));
    row.signed(letter.offset);
    row.signed(letter.timestamp);
    row.optional(letter.key.as_deref(), Encoder::bytes);
    row.optional(letter.truncated_from, |row, size| row.unsigned(size as u64));
    row.bytes(cut(&failure.reason, MAX_REASON_BYTES).as_bytes());
    row.signed(i64::from(failure.attempts));
    row.optional(failure.status, |row, status| row.signed(i64::from(status)));
    row.bytes(cut(&failure.response, MAX_RESPONSE_BYTES).as_bytes());
    row.signed(failure.first_failed_at.0);
    row.signed(letter.buried_at.0);
    row.bytes(letter.idempotency_key.as_bytes());
    row.optional(letter.event_id.as_deref(), |row, id| row.bytes(id.as_bytes()));
    row.finish()
}

pub(super) fn decode_summary(id: u64, row: &[u8]) -> Result<DeadLetterSummary, Malformed> {
    let mut row = Decoder::new(row)?;
    // In the order of encode_summary: fields are evaluated as they are written.
    let letter = DeadLetterSummary {
        id,
        forward: row.text()?.to_owned(),
        topic_partition: TopicPartition::new(row.text()?, row.number()?),
        recreated: row.number()?,
        offset: row.signed()?,
        timestamp: row.signed()?,
        key: row.optional(|row| row.bytes().map(<[u8]>::to_vec))?,
        truncated_from: row.optional(Decoder::unsigned)?.map(|size| usize::try_from(size).unwrap_or(usize::MAX)),
        failure: Failure {
            reason: row.text()?.to_owned(),
            attempts: row.number()?,
            status: row.optional(Decoder::number)?,
            response: row.text()?.to_owned(),
            first_failed_at: Timestamp(row.signed()?),
        },
        buried_at: Timestamp(row.signed()?),
        idempotency_key: row.text()?.to_owned(),
        event_id: row.optional(|row| row.text().map(str::to_owned))?,
    };
    row.finish()?;
    Ok(letter)
}

pub(super) fn encode_content(record: &Record) -> Vec<u8> {
    let mut row = Encoder::with_capacity(record.held_bytes());
    row.optional(record.value.as_deref(), Encoder::bytes);
    row.unsigned(record.headers.len() as u64);
    for header in &record.headers {
        row.bytes(&header.key);
        row.optional(header.value.as_deref(), Encoder::bytes);
    }
    row.finish()
}

pub(super) fn decode_content(row: &[u8]) -> Result<(Option<Vec<u8>>, Vec<Header>), Malformed> {
    let mut row = Decoder::new(row)?;
    let value = row.optional(|row| row.bytes().map(<[u8]>::to_vec))?;
    let mut headers = Vec::new();
    for _ in 0..row.unsigned()? {
        let key = row.bytes()?.to_vec();
        headers.push(Header { key, value: row.optional(|row| row.bytes().map(<[u8]>::to_vec))? });
    }
    row.finish()?;
    Ok((value, headers))
}

/// The beginning of `text`, at most `bytes` long, without half a character at its end.
fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_header() -> impl Strategy<Value = Header> {
        any::<(Vec<u8>, Option<Vec<u8>>)>().prop_map(|(key, value)| Header { key, value })
    }

    fn any_letter() -> impl Strategy<Value = NewDeadLetter> {
        let place = (any::<String>(), any::<String>(), any::<i32>(), any::<u32>());
        let record = (
            any::<(i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Option<usize>)>(),
            prop::collection::vec(any_header(), 0..4),
        );
        let failure = any::<(String, u32, Option<u16>, String, i64)>();
        let rest = any::<(i64, String, Option<String>)>();
        (place, record, failure, rest).prop_map(|(place, (record, headers), failure, rest)| NewDeadLetter {
            forward: place.0,
            topic_partition: TopicPartition::new(place.1, place.2),
            recreated: place.3,
            record: Arc::new(Record {
                offset: record.0,
                timestamp: record.1,
                key: record.2,
                value: record.3,
                headers,
                truncated_from: record.4,
            }),
            failure: Failure {
                reason: failure.0,
                attempts: failure.1,
                status: failure.2,
                response: failure.3,
                first_failed_at: Timestamp(failure.4),
            },
            buried_at: Timestamp(rest.0),
            idempotency_key: rest.1,
            event_id: rest.2,
        })
    }

    proptest! {
        #[test]
        fn a_letter_is_read_as_it_was_written(letter in any_letter()) {
            let summary = decode_summary(7, &encode_summary(&letter.summary(7))).unwrap();
            prop_assert_eq!(&summary, &letter.summary(7));
            let (value, headers) = decode_content(&encode_content(&letter.record)).unwrap();
            let record = DeadLetter { summary, value, headers }.into_record();
            prop_assert_eq!(&record, letter.record.as_ref());
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        for (text, bytes, expected) in [("äöü", 3, "ä"), ("äöü", 4, "äö"), ("ab", 9, "ab"), ("ä", 1, ""), ("", 0, "")]
        {
            assert_eq!(cut(text, bytes), expected, "{text} cut to {bytes}");
        }
    }
}

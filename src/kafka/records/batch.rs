//! Record batches of format 2 (Kafka 0.11 and later). Knows one batch at a time; what it means for the next fetch
//! and which transactions are aborted, its caller knows.

use bytes::Buf;

use crate::logic::record::{Header, Record};

use super::codec::Codec;
use super::error::Fault;
use super::stream::Stream;
use super::transactions::Transactions;
use super::{Output, Reached, Space};

/// Where the bytes that the checksum covers begin: at the attributes.
const CHECKED_FROM: usize = 21;
const COMPRESSED: i16 = 0b111;
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;
/// The type in the key of a control record that ends an aborted transaction.
const ABORT: i16 = 0;

/// What is said of a batch before its records.
struct BatchHeader {
    base_offset: i64,
    crc: u32,
    attributes: i16,
    last_offset_delta: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    producer_id: i64,
    records: i32,
}

impl BatchHeader {
    /// Takes the header off the front of `batch`.
    fn read(batch: &mut &[u8]) -> Result<Self, bytes::TryGetError> {
        let base_offset = batch.try_get_i64()?;
        let _length = batch.try_get_i32()?;
        let _leader_epoch = batch.try_get_i32()?;
        let _magic = batch.try_get_i8()?;
        let crc = batch.try_get_u32()?;
        let attributes = batch.try_get_i16()?;
        let last_offset_delta = batch.try_get_i32()?;
        let base_timestamp = batch.try_get_i64()?;
        let max_timestamp = batch.try_get_i64()?;
        let producer_id = batch.try_get_i64()?;
        let _producer_epoch = batch.try_get_i16()?;
        let _base_sequence = batch.try_get_i32()?;
        let records = batch.try_get_i32()?;
        Ok(Self {
            base_offset,
            crc,
            attributes,
            last_offset_delta,
            base_timestamp,
            max_timestamp,
            producer_id,
            records,
        })
    }

    fn is(&self, flag: i16) -> bool {
        self.attributes & flag != 0
    }

    /// The offset of the batch's last record, when it was written: compaction may have taken that record since.
    fn last_offset(&self) -> Result<i64, Fault> {
        if self.base_offset < 0 || self.last_offset_delta < 0 {
            return Err(Fault::Structure("its offsets are negative"));
        }
        self.base_offset
            .checked_add(i64::from(self.last_offset_delta))
            .filter(|&last| last < i64::MAX)
            .ok_or(Fault::Structure("its offsets exceed 64 bits"))
    }
}

/// Reads one whole batch.
pub(super) fn read(batch: &[u8], transactions: &mut Transactions, output: &mut Output) -> Result<Reached, Fault> {
    let mut content = batch;
    let header = BatchHeader::read(&mut content).map_err(|_| Fault::Structure("it is too short for its header"))?;
    let computed = crc32c::crc32c(batch.get(CHECKED_FROM..).unwrap_or_default());
    if computed != header.crc {
        return Err(Fault::Checksum { stored: header.crc, computed });
    }
    let last_offset = header.last_offset()?;
    let next = last_offset + 1;
    transactions.reach(last_offset);
    let codec = Codec::of_attributes(header.attributes & COMPRESSED)?;
    let mut stream = Stream::new(codec, content);
    if header.is(CONTROL) {
        if header.records > 0 && control_type(&mut stream)? == ABORT {
            transactions.end(header.producer_id);
        }
        return Ok(Reached::End { next });
    }
    let aborted = header.is(TRANSACTIONAL) && transactions.is_aborted(header.producer_id);
    if aborted || next <= output.from {
        return Ok(Reached::End { next });
    }
    records(&header, &mut stream, output)
}

fn records(header: &BatchHeader, stream: &mut Stream, output: &mut Output) -> Result<Reached, Fault> {
    if header.records < 0 {
        return Err(Fault::Structure("its number of records is negative"));
    }
    let mut previous_delta = -1;
    for _ in 0..header.records {
        let length = length(stream.varint()?)?.ok_or(Fault::Structure("a record has no length"))?;
        stream.enter(length);
        let _attributes = stream.i8()?;
        let timestamp_delta = stream.varlong()?;
        let offset_delta = stream.varint()?;
        if offset_delta <= previous_delta || offset_delta > header.last_offset_delta {
            return Err(Fault::Structure("the offsets of its records do not ascend to its last offset"));
        }
        previous_delta = offset_delta;
        let offset = header.base_offset + i64::from(offset_delta);
        if offset < output.from {
            stream.skip(stream.remaining())?;
            stream.leave()?;
            continue;
        }
        let timestamp = if header.is(LOG_APPEND_TIME) {
            header.max_timestamp
        } else {
            header.base_timestamp.saturating_add(timestamp_delta)
        };
        if output.space_for(length) == Space::Full {
            return Ok(Reached::Full { at: offset });
        }
        let mut record =
            Record { offset, timestamp, key: None, value: None, headers: Vec::new(), truncated_from: None };
        fields(stream, length, output, &mut record)?;
        stream.leave()?;
        if output.push(record) == Space::Full {
            return Ok(Reached::Full { at: offset });
        }
    }
    if !stream.is_at_end()? {
        return Err(Fault::Structure("it holds more than the number of records it names"));
    }
    Ok(Reached::End { next: header.base_offset + i64::from(header.last_offset_delta) + 1 })
}

/// Key, value and headers of a record of `length` bytes, cut where it is too large.
fn fields(stream: &mut Stream, length: usize, output: &Output, record: &mut Record) -> Result<(), Fault> {
    let keep = output.keep_of(length);
    record.key = nullable(stream, keep.field)?;
    record.value = nullable(stream, keep.field)?;
    record.truncated_from = keep.cut.then_some(length);
    let headers = stream.varint()?;
    let headers = usize::try_from(headers).map_err(|_| Fault::Structure("a record's number of headers is negative"))?;
    let mut cost = 0_usize;
    for _ in 0..headers {
        let key_length = self::length(stream.varint()?)?.ok_or(Fault::Structure("a header has no key"))?;
        cost = cost.saturating_add(size_of::<Header>()).saturating_add(key_length);
        if cost > keep.headers {
            return cut_here(stream, length, record);
        }
        let key = stream.bytes(key_length, key_length)?;
        let value_length = self::length(stream.varint()?)?;
        cost = cost.saturating_add(value_length.unwrap_or(0));
        if cost > keep.headers {
            return cut_here(stream, length, record);
        }
        let value = value_length.map(|length| stream.bytes(length, length)).transpose()?;
        record.headers.push(Header { key, value });
    }
    Ok(())
}

/// Drops the headers from here on. Two bytes on the wire may be a header, which costs a hundred to hold: a record may
/// be too large for that alone.
fn cut_here(stream: &mut Stream, length: usize, record: &mut Record) -> Result<(), Fault> {
    record.truncated_from = Some(length);
    stream.skip(stream.remaining())
}

fn nullable(stream: &mut Stream, keep: usize) -> Result<Option<Vec<u8>>, Fault> {
    length(stream.varint()?)?.map(|length| stream.bytes(length, keep)).transpose()
}

/// A length as records have it: −1 for null.
pub(super) fn length(number: i32) -> Result<Option<usize>, Fault> {
    match number {
        -1 => Ok(None),
        _ => usize::try_from(number).map(Some).map_err(|_| Fault::Structure("a length in a record is negative")),
    }
}

/// The type of the first control record (its key is a version and the type). There is only one in a batch.
fn control_type(stream: &mut Stream) -> Result<i16, Fault> {
    let _length = stream.varint()?;
    let _attributes = stream.i8()?;
    let _timestamp_delta = stream.varlong()?;
    let _offset_delta = stream.varint()?;
    match length(stream.varint()?)? {
        Some(4..) => {}
        _ => return Err(Fault::Structure("its control record has no type")),
    }
    let _version = stream.i16()?;
    stream.i16()
}

//! Message sets of formats 0 and 1, which logs of upgraded clusters still hold and brokers up to 2.8 can be told to
//! write. A message is a record, or holds a compressed message set. Knows one message of the outer set at a time.

use crate::logic::record::Record;

use super::batch::length;
use super::codec::Codec;
use super::error::Fault;
use super::stream::Stream;
use super::{Output, Reached, Space};

/// Where the bytes that the checksum covers begin: at the magic byte.
const CHECKED_FROM: usize = 16;
const LOG_APPEND_TIME: i8 = 1 << 3;
const NO_TIMESTAMP: i64 = -1;

/// What is said of a message before its key.
struct MessageHeader {
    offset: i64,
    crc: u32,
    magic: i8,
    attributes: i8,
    timestamp: i64,
}

impl MessageHeader {
    /// Reads up to the key. The stream's fence is then at the message's end.
    fn read(stream: &mut Stream) -> Result<Self, Fault> {
        let offset = stream.i64()?;
        let size = usize::try_from(stream.i32()?).map_err(|_| Fault::Structure("a message's size is negative"))?;
        stream.enter(size);
        let crc = stream.i32()?.cast_unsigned();
        let magic = stream.i8()?;
        let attributes = stream.i8()?;
        let timestamp = match magic {
            0 => NO_TIMESTAMP,
            1 => stream.i64()?,
            _ => return Err(Fault::Structure("a message in it has another format")),
        };
        Ok(Self { offset, crc, magic, attributes, timestamp })
    }

    fn codec(&self) -> Result<Option<Codec>, Fault> {
        match Codec::of_attributes(i16::from(self.attributes))? {
            Some(Codec::Zstd) => Err(Fault::Structure("zstd, which its format does not have")),
            codec => Ok(codec),
        }
    }

    fn has_append_time(&self) -> bool {
        self.magic == 1 && self.attributes & LOG_APPEND_TIME != 0
    }
}

/// Reads one message of the outer set, whole.
pub(super) fn read(message: &[u8], output: &mut Output) -> Result<Reached, Fault> {
    let mut stream = Stream::new(None, message);
    let header = MessageHeader::read(&mut stream)?;
    let mut crc = flate2::Crc::new();
    crc.update(message.get(CHECKED_FROM..).unwrap_or_default());
    if crc.sum() != header.crc {
        return Err(Fault::Checksum { stored: header.crc, computed: crc.sum() });
    }
    if !(0..i64::MAX).contains(&header.offset) {
        return Err(Fault::Structure("its offset is none"));
    }
    let end = Reached::End { next: header.offset + 1 };
    if header.offset < output.from {
        return Ok(end);
    }
    match header.codec()? {
        None => match record(&mut stream, header.offset, header.timestamp, output)? {
            Space::Left => Ok(end),
            Space::Full => Ok(Reached::Full { at: header.offset }),
        },
        Some(codec) => {
            if let Some(key) = length(stream.i32()?)? {
                stream.skip(key)?;
            }
            let size = length(stream.i32()?)?.ok_or(Fault::Structure("a compressed message without a value"))?;
            // The value is the message's last field.
            let value = message.len().checked_sub(size).and_then(|start| message.get(start..)).unwrap_or_default();
            stream.skip(size)?;
            stream.leave()?;
            inner_set(&header, codec, value, output)
        }
    }
}

/// The messages that a compressed message holds. In format 0 they have their own offsets, in format 1 offsets that
/// count from the set's first, while the outer message has that of the last.
fn inner_set(outer: &MessageHeader, codec: Codec, value: &[u8], output: &mut Output) -> Result<Reached, Fault> {
    let base = match outer.magic {
        0 => 0,
        _ => outer.offset.saturating_sub(last_inner_offset(codec, value)?),
    };
    let mut stream = Stream::new(Some(codec), value);
    let mut previous = -1;
    while !stream.is_at_end()? {
        // Its checksum is not looked at: the outer message's covers the same bytes.
        let inner = MessageHeader::read(&mut stream)?;
        if inner.codec()?.is_some() {
            return Err(Fault::Structure("a compressed message in a compressed message"));
        }
        let offset = base.saturating_add(inner.offset);
        if offset <= previous || offset > outer.offset {
            return Err(Fault::Structure("the offsets of its messages do not ascend to its own"));
        }
        previous = offset;
        if offset < output.from {
            stream.skip(stream.remaining())?;
            stream.leave()?;
            continue;
        }
        let timestamp = if outer.has_append_time() { outer.timestamp } else { inner.timestamp };
        if record(&mut stream, offset, timestamp, output)? == Space::Full {
            return Ok(Reached::Full { at: offset });
        }
    }
    Ok(Reached::End { next: outer.offset + 1 })
}

/// What the last inner message counts from the first. It takes a pass of its own, since the set may be too large to
/// be held.
fn last_inner_offset(codec: Codec, value: &[u8]) -> Result<i64, Fault> {
    let mut stream = Stream::new(Some(codec), value);
    let mut last = 0;
    while !stream.is_at_end()? {
        last = MessageHeader::read(&mut stream)?.offset;
        stream.skip(stream.remaining())?;
        stream.leave()?;
    }
    Ok(last)
}

/// The key and value of a message that is a record.
fn record(stream: &mut Stream, offset: i64, timestamp: i64, output: &mut Output) -> Result<Space, Fault> {
    let size = stream.remaining();
    if output.space_for(size) == Space::Full {
        return Ok(Space::Full);
    }
    let keep = output.keep_of(size);
    let key = nullable(stream, keep.field)?;
    let value = nullable(stream, keep.field)?;
    stream.leave()?;
    let truncated_from = keep.cut.then_some(size);
    Ok(output.push(Record { offset, timestamp, key, value, headers: Vec::new(), truncated_from }))
}

fn nullable(stream: &mut Stream, keep: usize) -> Result<Option<Vec<u8>>, Fault> {
    length(stream.i32()?)?.map(|length| stream.bytes(length, keep)).transpose()
}

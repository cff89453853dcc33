//! Batches for tests: written by hand from the format's definition, so that they can also be wrong.

use std::io::Write;

use super::codec::Codec;

/// Key, value and headers of a record to write.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) offset_delta: i32,
    pub(super) timestamp_delta: i64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Content {
    pub(super) fn new(offset_delta: i32, value: &[u8]) -> Self {
        Self { offset_delta, value: Some(value.to_vec()), ..Self::default() }
    }
}

/// A batch to write; whatever is not set by a test is as in a usual one.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) base_offset: i64,
    pub(super) codec: Option<Codec>,
    pub(super) flags: i16,
    pub(super) last_offset_delta: i32,
    pub(super) base_timestamp: i64,
    pub(super) max_timestamp: i64,
    pub(super) producer_id: i64,
    pub(super) record_count: i32,
    /// Not compressed yet.
    pub(super) content: Vec<u8>,
}

impl Batch {
    pub(super) fn of(base_offset: i64, records: &[Content]) -> Self {
        Self {
            base_offset,
            codec: None,
            flags: 0,
            last_offset_delta: records.last().map_or(0, |record| record.offset_delta),
            base_timestamp: 1000,
            max_timestamp: 9000,
            producer_id: -1,
            record_count: records.len() as i32,
            content: records.iter().flat_map(record).collect(),
        }
    }

    /// Records without keys from these values.
    pub(super) fn of_values(base_offset: i64, values: &[&[u8]]) -> Self {
        let records: Vec<_> = (0..).zip(values).map(|(delta, value)| Content::new(delta, value)).collect();
        Self::of(base_offset, &records)
    }

    pub(super) fn codec(self, codec: impl Into<Option<Codec>>) -> Self {
        Self { codec: codec.into(), ..self }
    }

    /// Part of a transaction of this producer.
    pub(super) fn in_transaction(self, producer_id: i64) -> Self {
        Self { producer_id, flags: self.flags | 1 << 4, ..self }
    }

    /// The end of a transaction: 0 aborts, 1 commits.
    pub(super) fn marker(base_offset: i64, producer_id: i64, kind: i16) -> Self {
        let key = [0_i16.to_be_bytes(), kind.to_be_bytes()].concat();
        let marker = Content { key: Some(key), ..Content::new(0, &[0; 6]) };
        let batch = Self::of(base_offset, &[marker]).in_transaction(producer_id);
        Self { flags: batch.flags | 1 << 5, ..batch }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let content = self.codec.map_or_else(|| self.content.clone(), |codec| compress(codec, &self.content));
        self.write_with(&content)
    }

    /// With content that is compressed already, or damaged.
    pub(super) fn write_with(&self, content: &[u8]) -> Vec<u8> {
        let attributes = self.flags | codec_number(self.codec);
        let mut checked = Vec::new();
        checked.extend(attributes.to_be_bytes());
        checked.extend(self.last_offset_delta.to_be_bytes());
        checked.extend(self.base_timestamp.to_be_bytes());
        checked.extend(self.max_timestamp.to_be_bytes());
        checked.extend(self.producer_id.to_be_bytes());
        checked.extend(0_i16.to_be_bytes());
        checked.extend((-1_i32).to_be_bytes());
        checked.extend(self.record_count.to_be_bytes());
        checked.extend(content);
        let mut batch = Vec::new();
        batch.extend(self.base_offset.to_be_bytes());
        batch.extend((checked.len() as i32 + 9).to_be_bytes());
        batch.extend(5_i32.to_be_bytes());
        batch.push(2);
        batch.extend(crc32c::crc32c(&checked).to_be_bytes());
        batch.extend(checked);
        batch
    }
}

fn codec_number(codec: Option<Codec>) -> i16 {
    match codec {
        None => 0,
        Some(Codec::Gzip) => 1,
        Some(Codec::Snappy) => 2,
        Some(Codec::Lz4) => 3,
        Some(Codec::Zstd) => 4,
    }
}

pub(super) fn record(content: &Content) -> Vec<u8> {
    let mut body = vec![0];
    varint(&mut body, content.timestamp_delta);
    varint(&mut body, content.offset_delta.into());
    bytes(&mut body, content.key.as_deref());
    bytes(&mut body, content.value.as_deref());
    varint(&mut body, content.headers.len() as i64);
    for (key, value) in &content.headers {
        bytes(&mut body, Some(key));
        bytes(&mut body, value.as_deref());
    }
    let mut record = Vec::new();
    varint(&mut record, body.len() as i64);
    record.extend(body);
    record
}

pub(super) fn varint(into: &mut Vec<u8>, number: i64) {
    let mut zigzag = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while zigzag > 0x7f {
        into.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    into.push(zigzag as u8);
}

fn bytes(into: &mut Vec<u8>, field: Option<&[u8]>) {
    varint(into, field.map_or(-1, |field| field.len() as i64));
    into.extend(field.unwrap_or_default());
}

pub(super) fn compress(codec: Codec, content: &[u8]) -> Vec<u8> {
    match codec {
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        Codec::Snappy => snap::raw::Encoder::new().compress_vec(content).unwrap(),
        Codec::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        Codec::Zstd => ruzstd::encoding::compress_to_vec(content, ruzstd::encoding::CompressionLevel::Fastest),
    }
}

/// Snappy in the framing of Java's xerial library, in blocks of `block` bytes.
pub(super) fn xerial(content: &[u8], block: usize) -> Vec<u8> {
    let mut framed = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    for part in content.chunks(block) {
        let compressed = compress(Codec::Snappy, part);
        framed.extend((compressed.len() as u32).to_be_bytes());
        framed.extend(compressed);
    }
    framed
}

/// A message of format 0 (no timestamp) or 1.
pub(super) fn message(offset: i64, attributes: i8, timestamp: Option<i64>, value: Option<&[u8]>) -> Vec<u8> {
    let mut checked = vec![u8::from(timestamp.is_some()), attributes.cast_unsigned()];
    checked.extend(timestamp.map(i64::to_be_bytes).into_iter().flatten());
    checked.extend((-1_i32).to_be_bytes());
    checked.extend(value.map_or(-1, |value| value.len() as i32).to_be_bytes());
    checked.extend(value.unwrap_or_default());
    let mut crc = flate2::Crc::new();
    crc.update(&checked);
    let mut message = Vec::new();
    message.extend(offset.to_be_bytes());
    message.extend((checked.len() as i32 + 4).to_be_bytes());
    message.extend(crc.sum().to_be_bytes());
    message.extend(checked);
    message
}

//! The five codecs of Kafka as streams: what a batch holds is read piece by piece, so that memory does not follow
//! the compression ratio. Knows no record formats. Checksums of the codecs' own frames are left alone where the
//! library does not check them anyway: the batch's CRC covers the compressed bytes.

use std::fmt;
use std::io::Read;

use super::error::Fault;
use super::{lz4, snappy, zstd};

/// How a batch is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// RFC 1952, one member or several.
    Gzip,
    /// Blocks in xerial's framing, as Java writes them, or one bare block, as others do.
    Snappy,
    /// LZ4 frames, with blocks that stand alone or refer to each other.
    Lz4,
    /// RFC 8878, one frame or several (KIP-110).
    Zstd,
}

impl Codec {
    /// The codec in the low three bits of a batch's or message's attributes; none: not compressed.
    pub(super) fn of_attributes(attributes: i16) -> Result<Option<Self>, Fault> {
        match attributes & 0b111 {
            0 => Ok(None),
            1 => Ok(Some(Self::Gzip)),
            2 => Ok(Some(Self::Snappy)),
            3 => Ok(Some(Self::Lz4)),
            4 => Ok(Some(Self::Zstd)),
            other => Err(Fault::UnknownCodec(u8::try_from(other).unwrap_or(u8::MAX))),
        }
    }

    /// The decompressed content of `compressed`.
    ///
    /// What a stream holds at once: 32 KiB of window for gzip; a block (32 KiB from Java) for framed snappy; the
    /// whole content, at most [`snappy::LARGEST_BLOCK`], for bare snappy; a block (64 KiB from Java, at most 4 MiB) for
    /// lz4; the window, at most [`zstd::LARGEST_WINDOW`], for zstd.
    pub(super) fn open(self, compressed: &[u8]) -> Box<dyn Read + '_> {
        match self {
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(compressed)),
            Self::Snappy => Box::new(snappy::Reader::new(compressed)),
            Self::Lz4 => Box::new(lz4::Reader::new(compressed)),
            Self::Zstd => Box::new(zstd::Reader::new(compressed)),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}

/// An error of a codec in our own words.
pub(super) fn damaged(text: impl Into<String>) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, text.into())
}

//! Snappy as Kafka clients write it: Java's in the framing of the xerial library, that of librdkafka and Go bare.
//! The framing is read here, the blocks by `snap`. Neither has anything to do with Snappy's official framing.

use std::io::{self, Read};

use super::codec::damaged;

/// The most that a block may hold. A bare block has to be decompressed whole, and 3 bytes can become 64.
pub(super) const LARGEST_BLOCK: usize = 32 << 20;

const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// The magic, then a version and the lowest version that can read it, four bytes each.
const XERIAL_HEADER: usize = 16;

/// The decompressed content of snappy data in either form.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    framed: bool,
    block: Vec<u8>,
    read: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(compressed: &'a [u8]) -> Self {
        Self { rest: compressed, framed: compressed.starts_with(&XERIAL_MAGIC), block: Vec::new(), read: 0 }
    }

    /// Decompresses the next block; false: there is none.
    fn advance(&mut self) -> io::Result<bool> {
        self.block.clear();
        self.read = 0;
        let Some(compressed) = (if self.framed { self.next_frame()? } else { self.bare_block() }) else {
            return Ok(false);
        };
        let size = snap::raw::decompress_len(compressed).map_err(|error| damaged(error.to_string()))?;
        // Asked before anything is allocated: the size is only what the block says about itself.
        if size > LARGEST_BLOCK || size > compressed.len().saturating_mul(22) {
            return Err(damaged(format!(
                "a block of {} bytes that wants to become {size} (at most 22 times as many, and {LARGEST_BLOCK})",
                compressed.len()
            )));
        }
        if size > 0 {
            self.block.resize(size, 0);
            snap::raw::Decoder::new()
                .decompress(compressed, &mut self.block)
                .map_err(|error| damaged(error.to_string()))?;
        }
        Ok(true)
    }

    fn bare_block(&mut self) -> Option<&'a [u8]> {
        let block = std::mem::take(&mut self.rest);
        (!block.is_empty()).then_some(block)
    }

    fn next_frame(&mut self) -> io::Result<Option<&'a [u8]>> {
        // Streams may be joined, so a header can come again wherever a block may begin.
        while self.rest.starts_with(&XERIAL_MAGIC) {
            self.rest = self.rest.get(XERIAL_HEADER..).ok_or_else(|| damaged("a cut header"))?;
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (size, rest) = self.rest.split_first_chunk().ok_or_else(|| damaged("a cut block size"))?;
        let size = usize::try_from(u32::from_be_bytes(*size)).unwrap_or(usize::MAX);
        let (block, rest) = rest.split_at_checked(size).ok_or_else(|| damaged("a cut block"))?;
        self.rest = rest;
        Ok(Some(block))
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.block.get(self.read..).unwrap_or_default();
            if !ready.is_empty() {
                let read = ready.read(into)?;
                self.read += read;
                return Ok(read);
            }
            if !self.advance()? {
                return Ok(0);
            }
        }
    }
}

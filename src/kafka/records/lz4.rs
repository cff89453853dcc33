//! LZ4 frames. The framing is read here, the blocks by `lz4_flex`, for two reasons: producers before Kafka 0.10
//! computed the header's checksum over the wrong bytes, which every strict reader refuses (KAFKA-3160), and our input
//! is in memory already. The frame's checksums are not checked: the batch's CRC covers the same bytes.

use std::io::{self, Read};

use super::codec::damaged;

const MAGIC: [u8; 4] = 0x184D_2204_u32.to_le_bytes();
/// How far back a block may refer to the blocks before it.
const WINDOW: usize = 64 << 10;
const UNCOMPRESSED: u32 = 1 << 31;

/// The decompressed content of one LZ4 frame.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    state: State,
    /// The block that was decompressed last: `read` of its `filled` bytes are handed out.
    block: Vec<u8>,
    read: usize,
    filled: usize,
    /// The end of what came before that block, where blocks refer to each other.
    window: Vec<u8>,
}

#[derive(Clone, Copy)]
enum State {
    Header,
    Blocks { linked: bool, checksums: bool },
    End,
}

impl<'a> Reader<'a> {
    pub(super) fn new(compressed: &'a [u8]) -> Self {
        Self { rest: compressed, state: State::Header, block: Vec::new(), read: 0, filled: 0, window: Vec::new() }
    }

    fn take(&mut self, bytes: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or_else(|| damaged("the frame is cut"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn take_u32(&mut self) -> io::Result<u32> {
        let (number, rest) = self.rest.split_first_chunk().ok_or_else(|| damaged("the frame is cut"))?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*number))
    }

    fn header(&mut self) -> io::Result<State> {
        if self.take(4)? != MAGIC {
            return Err(damaged("it is no LZ4 frame"));
        }
        let &[flags, sizes] = self.take(2)? else { return Err(damaged("the frame is cut")) };
        if flags >> 6 != 1 || flags & 0b10 != 0 {
            return Err(damaged(format!("frame flags {flags:#010b}, which the format does not define")));
        }
        if flags & 1 != 0 {
            return Err(damaged("the frame needs a dictionary"));
        }
        let largest_block = match (sizes >> 4) & 0b111 {
            size @ 4..=7 => 1_usize << (8 + 2 * size),
            size => return Err(damaged(format!("block size {size}, which the format does not define"))),
        };
        let content_size = if flags & 0b1000 != 0 { 8 } else { 0 };
        let header_checksum = 1;
        self.take(content_size + header_checksum)?;
        self.block.resize(largest_block, 0);
        Ok(State::Blocks { linked: flags & 0b10_0000 == 0, checksums: flags & 0b1_0000 != 0 })
    }

    fn next_block(&mut self, linked: bool, checksums: bool) -> io::Result<State> {
        let size = self.take_u32()?;
        if size == 0 {
            return Ok(State::End);
        }
        if linked {
            self.remember();
        }
        let data = self.take(usize::try_from(size & !UNCOMPRESSED).unwrap_or(usize::MAX))?;
        if checksums {
            self.take(4)?;
        }
        self.read = 0;
        self.filled = 0;
        self.filled = if size & UNCOMPRESSED != 0 {
            let into = self.block.get_mut(..data.len()).ok_or_else(|| damaged("a block beyond the frame's limit"))?;
            into.copy_from_slice(data);
            data.len()
        } else {
            lz4_flex::block::decompress_into_with_dict(data, &mut self.block, &self.window)
                .map_err(|error| damaged(error.to_string()))?
        };
        Ok(State::Blocks { linked, checksums })
    }

    /// Keeps the end of the last block for the next to refer to.
    fn remember(&mut self) {
        let block = self.block.get(..self.filled).unwrap_or_default();
        let new = block.get(block.len().saturating_sub(WINDOW)..).unwrap_or_default();
        let excess = (self.window.len() + new.len()).saturating_sub(WINDOW);
        self.window.drain(..excess.min(self.window.len()));
        self.window.extend_from_slice(new);
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.block.get(self.read..self.filled).unwrap_or_default();
            if !ready.is_empty() {
                let read = ready.read(into)?;
                self.read += read;
                return Ok(read);
            }
            self.state = match self.state {
                State::Header => self.header()?,
                State::Blocks { linked, checksums } => self.next_block(linked, checksums)?,
                State::End => return Ok(0),
            };
        }
    }
}

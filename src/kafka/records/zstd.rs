//! Zstandard frames, decompressed by `ruzstd` with a bounded window.
//!
//! A frame announces how far back it may refer, and a decoder has to keep that much. Producers announce what their
//! level allows (128 MiB at level 22), whatever the batch holds. So the announcement is lowered to
//! [`LARGEST_WINDOW`] before the decoder sees it: a batch that truly refers further back is an error of the decoder
//! (it checks each reference), and all others are read.

use std::io::{self, Chain, Cursor, Read};

use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::codec::damaged;

/// The most that is kept for references: what RFC 8878 asks every decoder to support.
pub(super) const LARGEST_WINDOW: u64 = 8 << 20;
/// [`LARGEST_WINDOW`] as a frame header writes it: exponent 13 over 1 KiB, no mantissa.
const LARGEST_WINDOW_DESCRIPTOR: u8 = 13 << 3;

const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
const SINGLE_SEGMENT: u8 = 1 << 5;

type Frame<'a> = StreamingDecoder<Chain<Cursor<Vec<u8>>, &'a [u8]>, FrameDecoder>;

/// The decompressed content of zstd frames, one after the other.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    frame: Option<Box<Frame<'a>>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(compressed: &'a [u8]) -> Self {
        Self { rest: compressed, frame: None }
    }

    fn open_frame(&self) -> io::Result<Frame<'a>> {
        let (header, body) = bounded_header(self.rest).ok_or_else(|| damaged("it is no zstd frame"))?;
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(LARGEST_WINDOW);
        StreamingDecoder::new_with_decoder(Cursor::new(header).chain(body), decoder)
            .map_err(|error| damaged(error.to_string()))
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let read = frame.read(into)?;
                if read > 0 {
                    return Ok(read);
                }
                self.rest = self.frame.take().map(|frame| frame.into_inner().into_inner().1).unwrap_or_default();
            }
            if self.rest.is_empty() {
                return Ok(0);
            }
            self.frame = Some(Box::new(self.open_frame()?));
        }
    }
}

/// The beginning of a frame with a window that we are willing to keep, and what follows it (RFC 8878, section 3.1.1.1).
/// A frame without a window descriptor needs its whole content as window, so a large one gets a descriptor.
fn bounded_header(frame: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let after_magic = frame.strip_prefix(&MAGIC)?;
    let (&descriptor, rest) = after_magic.split_first()?;
    let mut header = MAGIC.to_vec();
    if descriptor & SINGLE_SEGMENT == 0 {
        let (&window, rest) = rest.split_first()?;
        header.extend([descriptor, window.min(LARGEST_WINDOW_DESCRIPTOR)]);
        return Some((header, rest));
    }
    let dictionary_id = match descriptor & 0b11 {
        3 => 4,
        size => usize::from(size),
    };
    let content_size = rest.get(dictionary_id..)?;
    let content_size = match descriptor >> 6 {
        2 => u64::from(u32::from_le_bytes(*content_size.first_chunk()?)),
        3 => u64::from_le_bytes(*content_size.first_chunk()?),
        // One or two bytes: 64 KiB at most, and the width of the field would depend on the flag.
        _ => 0,
    };
    if content_size > LARGEST_WINDOW {
        header.extend([descriptor & !SINGLE_SEGMENT, LARGEST_WINDOW_DESCRIPTOR]);
    } else {
        header.push(descriptor);
    }
    Some((header, rest))
}

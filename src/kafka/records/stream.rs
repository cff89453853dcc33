//! The content of a batch, read field by field: straight from the response where it is not compressed, through a small
//! buffer where it is. Every length is checked against a fence (the end of the record) before it is believed, and
//! nothing is allocated on the word of a length alone. Knows numbers and byte strings, no record formats.

use std::io::{ErrorKind, Read};

use super::codec::Codec;
use super::error::Fault;

const BUFFER: usize = 32 << 10;
/// The longest varint: 64 bits, seven a byte.
const LONGEST_VARINT: usize = 10;
const NO_FENCE: u64 = u64::MAX;

const ENDS_EARLY: Fault = Fault::Structure("its records end early");
const OVER_THE_FENCE: Fault = Fault::Structure("a field of a record is longer than the record");

/// A stream of fields.
pub(super) struct Stream<'a> {
    input: Input<'a>,
    position: u64,
    fence: u64,
}

enum Input<'a> {
    Plain(&'a [u8]),
    Compressed { codec: Codec, source: Box<dyn Read + 'a>, buffer: Box<[u8]>, start: usize, end: usize, ended: bool },
}

impl<'a> Stream<'a> {
    /// The content of a batch that holds `bytes`.
    pub(super) fn new(codec: Option<Codec>, bytes: &'a [u8]) -> Self {
        let input = match codec {
            None => Input::Plain(bytes),
            Some(codec) => Input::Compressed {
                codec,
                source: codec.open(bytes),
                buffer: vec![0; BUFFER].into_boxed_slice(),
                start: 0,
                end: 0,
                ended: false,
            },
        };
        Self { input, position: 0, fence: NO_FENCE }
    }

    /// Lets no field reach further than `length` bytes from here, until [`Stream::leave`].
    pub(super) fn enter(&mut self, length: usize) {
        self.fence = self.position.saturating_add(length as u64);
    }

    /// Bytes to the fence.
    pub(super) fn remaining(&self) -> usize {
        usize::try_from(self.fence.saturating_sub(self.position)).unwrap_or(usize::MAX)
    }

    /// Takes the fence down, which must have been reached.
    pub(super) fn leave(&mut self) -> Result<(), Fault> {
        if self.remaining() != 0 {
            return Err(Fault::Structure("the fields of a record do not fill it"));
        }
        self.fence = NO_FENCE;
        Ok(())
    }

    /// Whether nothing follows.
    pub(super) fn is_at_end(&mut self) -> Result<bool, Fault> {
        self.buffer_up(1)?;
        Ok(self.buffered().is_empty())
    }

    fn buffered(&self) -> &[u8] {
        match &self.input {
            Input::Plain(bytes) => bytes,
            Input::Compressed { buffer, start, end, .. } => buffer.get(*start..*end).unwrap_or_default(),
        }
    }

    /// Has `wanted` bytes buffered (at most [`BUFFER`]), or all that is left.
    fn buffer_up(&mut self, wanted: usize) -> Result<(), Fault> {
        let Input::Compressed { codec, source, buffer, start, end, ended } = &mut self.input else { return Ok(()) };
        if *end - *start >= wanted || *ended {
            return Ok(());
        }
        buffer.copy_within(*start..*end, 0);
        *end -= *start;
        *start = 0;
        while *end < wanted && !*ended {
            match source.read(buffer.get_mut(*end..).unwrap_or_default()) {
                Ok(0) => *ended = true,
                Ok(read) => *end += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::Decompression { codec: *codec, text: error.to_string() }),
            }
        }
        Ok(())
    }

    /// Steps over bytes that are buffered.
    fn consume(&mut self, bytes: usize) {
        self.position = self.position.saturating_add(bytes as u64);
        match &mut self.input {
            Input::Plain(rest) => *rest = rest.get(bytes..).unwrap_or_default(),
            Input::Compressed { start, end, .. } => *start = (*start + bytes).min(*end),
        }
    }

    fn check_fence(&self, bytes: usize) -> Result<(), Fault> {
        if bytes > self.remaining() { Err(OVER_THE_FENCE) } else { Ok(()) }
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.check_fence(N)?;
        self.buffer_up(N)?;
        let bytes = *self.buffered().first_chunk().ok_or(ENDS_EARLY)?;
        self.consume(N);
        Ok(bytes)
    }

    /// One byte.
    pub(super) fn i8(&mut self) -> Result<i8, Fault> {
        self.fixed().map(i8::from_be_bytes)
    }

    /// Two bytes, big end first.
    pub(super) fn i16(&mut self) -> Result<i16, Fault> {
        self.fixed().map(i16::from_be_bytes)
    }

    /// Four bytes, big end first.
    pub(super) fn i32(&mut self) -> Result<i32, Fault> {
        self.fixed().map(i32::from_be_bytes)
    }

    /// Eight bytes, big end first.
    pub(super) fn i64(&mut self) -> Result<i64, Fault> {
        self.fixed().map(i64::from_be_bytes)
    }

    fn unsigned_varint(&mut self) -> Result<u64, Fault> {
        self.buffer_up(LONGEST_VARINT)?;
        let mut value = 0_u64;
        for (place, &byte) in self.buffered().iter().take(LONGEST_VARINT).enumerate() {
            let bits = u64::from(byte & 0x7f);
            let shift = 7 * place;
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                self.check_fence(place + 1)?;
                self.consume(place + 1);
                return Ok(value);
            }
        }
        let cut = self.buffered().len() < LONGEST_VARINT;
        Err(if cut { ENDS_EARLY } else { Fault::Structure("a number of a record has more than 64 bits") })
    }

    /// A zigzag number of up to 64 bits.
    pub(super) fn varlong(&mut self) -> Result<i64, Fault> {
        let value = self.unsigned_varint()?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// A zigzag number of up to 32 bits.
    pub(super) fn varint(&mut self) -> Result<i32, Fault> {
        i32::try_from(self.varlong()?).map_err(|_| Fault::Structure("a number of a record has more than 32 bits"))
    }

    /// A string of `length` bytes, of which the first `keep` are kept.
    pub(super) fn bytes(&mut self, length: usize, keep: usize) -> Result<Vec<u8>, Fault> {
        self.check_fence(length)?;
        let kept = length.min(keep);
        self.buffer_up(kept.min(BUFFER))?;
        let mut bytes = Vec::with_capacity(kept.min(self.buffered().len().max(BUFFER)));
        while bytes.len() < kept {
            self.buffer_up(1)?;
            let buffered = self.buffered();
            let part = buffered.get(..buffered.len().min(kept - bytes.len())).unwrap_or_default();
            if part.is_empty() {
                return Err(ENDS_EARLY);
            }
            bytes.extend_from_slice(part);
            let read = part.len();
            self.consume(read);
        }
        self.skip(length - kept)?;
        Ok(bytes)
    }

    /// Steps over `length` bytes.
    pub(super) fn skip(&mut self, length: usize) -> Result<(), Fault> {
        self.check_fence(length)?;
        let mut left = length;
        while left > 0 {
            self.buffer_up(1)?;
            let step = self.buffered().len().min(left);
            if step == 0 {
                return Err(ENDS_EARLY);
            }
            self.consume(step);
            left -= step;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: &str, bytes: &[u8], number: Result<i64, Fault>) {
        assert_eq!(Stream::new(None, bytes).varlong(), number, "{rule}");
    }

    #[test]
    fn variable_numbers() {
        let too_long = Fault::Structure("a number of a record has more than 64 bits");
        check("zero", &[0], Ok(0));
        check("the sign is the lowest bit", &[1], Ok(-1));
        check("", &[2], Ok(1));
        check("seven bits a byte, low ones first", &[0x80, 0x01], Ok(64));
        check("the greatest", &[0xfe, 255, 255, 255, 255, 255, 255, 255, 255, 1], Ok(i64::MAX));
        check("the least", &[255, 255, 255, 255, 255, 255, 255, 255, 255, 1], Ok(i64::MIN));
        check("65 bits", &[255, 255, 255, 255, 255, 255, 255, 255, 255, 2], Err(too_long.clone()));
        check("a number without an end", &[0x80; 20], Err(too_long));
        check("cut", &[0x80, 0x80], Err(ENDS_EARLY));
        check("nothing", &[], Err(ENDS_EARLY));
        assert!(Stream::new(None, &[0x80, 0x80, 0x80, 0x80, 0x20]).varint().is_err(), "33 bits where 32 may be");
    }

    #[test]
    fn no_field_crosses_the_fence_and_no_record_ends_before_it() {
        let mut stream = Stream::new(None, &[1, 2, 3, 4, 5]);
        stream.enter(4);
        assert_eq!(stream.bytes(5, 5), Err(OVER_THE_FENCE));
        assert_eq!(stream.bytes(3, 2), Ok(vec![1, 2]), "cut, but read to its end");
        assert!(stream.leave().is_err(), "one byte is left");
        assert_eq!(stream.i16(), Err(OVER_THE_FENCE));
        assert_eq!(stream.i8(), Ok(4));
        assert_eq!(stream.leave(), Ok(()));
        assert_eq!(stream.is_at_end(), Ok(false));
    }
}

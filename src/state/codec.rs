//! The bytes of a row: variable-length integers and length-prefixed bytes between a format number and a checksum.
//!
//! redb verifies its pages only when it repairs a file, so a row carries a checksum of its own: flash that has
//! forgotten a bit gives an error instead of a wrong offset. Knows nothing of what the rows mean.

use std::fmt;

/// The encoding of rows that this program writes. A file's version covers all its rows; this number is for the case
/// that one kind of row has to change alone.
const FORMAT: u8 = 1;
const CHECKSUM_BYTES: usize = 4;

/// A row that cannot be what this program wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Builds a row.
pub(super) struct Encoder(Vec<u8>);

impl Encoder {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        let mut row = Vec::with_capacity(bytes.saturating_add(1 + CHECKSUM_BYTES));
        row.push(FORMAT);
        Self(row)
    }

    /// LEB128: seven bits a byte, the lowest first.
    pub(super) fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// Zigzag, so that −1 takes one byte.
    pub(super) fn signed(&mut self, value: i64) {
        self.unsigned(((value << 1) ^ (value >> 63)) as u64);
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.unsigned(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// Whether something follows, then it.
    pub(super) fn optional<T>(&mut self, value: Option<T>, encode: impl FnOnce(&mut Self, T)) {
        self.unsigned(u64::from(value.is_some()));
        if let Some(value) = value {
            encode(self, value);
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let checksum = crc32c::crc32c(&self.0);
        self.0.extend_from_slice(&checksum.to_le_bytes());
        self.0
    }
}

/// A row of so many numbers and nothing else.
pub(super) fn encode_numbers<const COUNT: usize>(numbers: [u64; COUNT]) -> Vec<u8> {
    let mut row = Encoder::with_capacity(16);
    for number in numbers {
        row.unsigned(number);
    }
    row.finish()
}

pub(super) fn decode_numbers<const COUNT: usize>(row: &[u8]) -> Result<[u64; COUNT], Malformed> {
    let mut row = Decoder::new(row)?;
    let mut numbers = [0; COUNT];
    for number in &mut numbers {
        *number = row.unsigned()?;
    }
    row.finish().map(|()| numbers)
}

/// Takes a row apart. Nothing that it reads is trusted: every length is compared with what is there.
pub(super) struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    pub(super) fn new(row: &'a [u8]) -> Result<Self, Malformed> {
        let (content, checksum) = row.split_last_chunk::<CHECKSUM_BYTES>().ok_or(Malformed("the row is too short"))?;
        if crc32c::crc32c(content) != u32::from_le_bytes(*checksum) {
            return Err(Malformed("the row's checksum is wrong"));
        }
        match content.split_first() {
            Some((&FORMAT, rest)) => Ok(Self(rest)),
            _ => Err(Malformed("the row has an unknown format")),
        }
    }

    pub(super) fn unsigned(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..u64::BITS).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(Malformed("the row ends inside a number"))?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits << shift;
            if shifted >> shift != bits {
                break;
            }
            value |= shifted;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed("a number in the row is too large"))
    }

    pub(super) fn signed(&mut self) -> Result<i64, Malformed> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A number that must fit into `T`.
    pub(super) fn number<T: TryFrom<i64>>(&mut self) -> Result<T, Malformed> {
        T::try_from(self.signed()?).map_err(|_| Malformed("a number in the row is out of range"))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.unsigned()?).map_err(|_| Malformed("a length in the row is too large"))?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Malformed("the row ends inside a value"))?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed("a text in the row is not UTF-8"))
    }

    pub(super) fn optional<T>(
        &mut self,
        decode: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        match self.unsigned()? {
            0 => Ok(None),
            1 => decode(self).map(Some),
            _ => Err(Malformed("a mark in the row is neither 0 nor 1")),
        }
    }

    pub(super) fn finish(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed("the row is too long")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(unsigned: u64, signed: i64, bytes: Vec<u8>, optional: Option<i64>) {
            let mut row = Encoder::with_capacity(0);
            row.unsigned(unsigned);
            row.signed(signed);
            row.bytes(&bytes);
            row.optional(optional, Encoder::signed);
            let row = row.finish();
            let mut decoder = Decoder::new(&row).unwrap();
            prop_assert_eq!(decoder.unsigned(), Ok(unsigned));
            prop_assert_eq!(decoder.signed(), Ok(signed));
            prop_assert_eq!(decoder.bytes(), Ok(&bytes[..]));
            prop_assert_eq!(decoder.optional(Decoder::signed), Ok(optional));
            prop_assert_eq!(decoder.finish(), Ok(()));
        }

        #[test]
        fn numbers_are_read_as_they_were_written_and_only_so_many(numbers: [u64; 2]) {
            let row = encode_numbers(numbers);
            prop_assert_eq!(decode_numbers(&row), Ok(numbers));
            prop_assert!(decode_numbers::<1>(&row).is_err() && decode_numbers::<3>(&row).is_err());
        }

        #[test]
        fn a_flipped_bit_is_noticed(bytes: Vec<u8>, place: prop::sample::Index, bit in 0..8u8) {
            let mut row = Encoder::with_capacity(0);
            row.bytes(&bytes);
            let mut row = row.finish();
            let place = place.index(row.len());
            row[place] ^= 1 << bit;
            prop_assert!(Decoder::new(&row).is_err());
        }

        #[test]
        fn any_bytes_give_an_error_and_no_panic(mut bytes: Vec<u8>) {
            bytes.insert(0, FORMAT);
            bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
            let mut decoder = Decoder::new(&bytes).unwrap();
            while decoder.bytes().is_ok() && !decoder.0.is_empty() {}
            let _ = decoder.signed();
            let _ = decoder.number::<i32>();
        }
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_refused() {
        for bytes in [&[0xff; 10][..], &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02]] {
            assert_eq!(Decoder(bytes).unsigned(), Err(Malformed("a number in the row is too large")));
        }
    }
}

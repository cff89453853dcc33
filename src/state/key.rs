//! The keys of rows as bytes, which sort like the names and numbers in them.
//!
//! All tables are of bytes (see `table`), so the order in which rows come is the order of these bytes. A text ends with
//! a zero byte, and a 0 or 1 inside of it becomes 1 1 or 1 2: so "f" comes before "f1" as it does in text, all keys
//! of forward "f" begin with the same bytes, and no other name, whatever it holds, begins with them. A length in front
//! would do the latter, too, but sort "z" before "aa", and lists are shown in the order of names. Numbers have a fixed
//! width, the highest byte first, and the sign flipped where they have one.
//!
//! A key has exactly one form; whatever else is read is damage. Knows nothing of what the keys mean.

use super::codec::Malformed;

const END: u8 = 0;
const ESCAPE: u8 = 1;
const ESCAPED_ZERO: u8 = 1;
const ESCAPED_ONE: u8 = 2;

/// A key, or the beginning of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Key(Vec<u8>);

impl Key {
    /// The beginning of every key.
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        self.0.reserve(text.len().saturating_add(1));
        for byte in text.bytes() {
            match byte {
                0 => self.0.extend([ESCAPE, ESCAPED_ZERO]),
                1 => self.0.extend([ESCAPE, ESCAPED_ONE]),
                other => self.0.push(other),
            }
        }
        self.0.push(END);
        self
    }

    pub(super) fn u64(self, number: u64) -> Self {
        self.number(number.to_be_bytes())
    }

    pub(super) fn u32(self, number: u32) -> Self {
        self.number(number.to_be_bytes())
    }

    pub(super) fn i64(self, number: i64) -> Self {
        self.u64(number.cast_unsigned() ^ (1 << 63))
    }

    pub(super) fn i32(self, number: i32) -> Self {
        self.u32(number.cast_unsigned() ^ (1 << 31))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn number<const WIDTH: usize>(mut self, bytes: [u8; WIDTH]) -> Self {
        self.0.extend(bytes);
        self
    }
}

/// Takes a key apart: `take` takes all its parts in their order.
pub(super) fn decode_key<'a, T>(
    key: &'a [u8],
    take: impl FnOnce(&mut KeyParts<'a>) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    let mut parts = KeyParts(key);
    let taken = take(&mut parts)?;
    if parts.0.is_empty() { Ok(taken) } else { Err(Malformed("a key is too long")) }
}

/// What is left of a key.
pub(super) struct KeyParts<'a>(&'a [u8]);

impl KeyParts<'_> {
    pub(super) fn text(&mut self) -> Result<String, Malformed> {
        let mut text = Vec::new();
        loop {
            text.push(match self.byte()? {
                END => break,
                ESCAPE => match self.byte()? {
                    ESCAPED_ZERO => 0,
                    ESCAPED_ONE => 1,
                    _ => return Err(Malformed("a name in a key has an unknown escape")),
                },
                other => other,
            });
        }
        String::from_utf8(text).map_err(|_| Malformed("a name in a key is not UTF-8"))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.number().map(u64::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Malformed> {
        self.number().map(|bytes| (u32::from_be_bytes(bytes) ^ (1 << 31)).cast_signed())
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.number::<1>().map(|[byte]| byte)
    }

    fn number<const WIDTH: usize>(&mut self) -> Result<[u8; WIDTH], Malformed> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Malformed("a key is too short"))?;
        self.0 = rest;
        Ok(*bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Short texts of few characters, so that one is often the beginning of another.
    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof!["[\u{0}\u{1}\u{2}a\u{fc}\u{10ffff}]{0,5}", any::<String>()]
    }

    fn any_number<T: Arbitrary + Copy>(edges: &'static [T]) -> impl Strategy<Value = T> {
        prop_oneof![any::<T>(), prop::sample::select(edges)]
    }

    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Parts(String, i32, String, u64, u32, i64);

    impl Parts {
        fn key(&self) -> Key {
            Key::new().text(&self.0).i32(self.1).text(&self.2).u64(self.3).u32(self.4).i64(self.5)
        }
    }

    fn any_parts() -> impl Strategy<Value = Parts> {
        let numbers = (
            any_number(&[i32::MIN, -1, 0, 1, i32::MAX]),
            any_number(&[0, 1, 255, 256, u64::MAX]),
            any_number(&[0, 255, 256, u32::MAX]),
            any_number(&[i64::MIN, -1, 0, 1, i64::MAX]),
        );
        (any_text(), any_text(), numbers).prop_map(|(a, b, (c, d, e, f))| Parts(a, c, b, d, e, f))
    }

    proptest! {
        #[test]
        fn keys_sort_like_their_parts(one in any_parts(), other in any_parts()) {
            prop_assert_eq!(one.key().bytes().cmp(other.key().bytes()), one.cmp(&other));
            let later = Parts(one.0.clone(), one.1, other.2.clone(), other.3, other.4, other.5);
            prop_assert_eq!(one.key().bytes().cmp(later.key().bytes()), one.cmp(&later), "with the same beginning");
        }

        #[test]
        fn a_key_is_read_as_it_was_written(text in any_text(), number: i32, second in any_text(), id: u64) {
            let key = Key::new().text(&text).i32(number).text(&second).u64(id);
            let read = decode_key(key.bytes(), |key| Ok((key.text()?, key.i32()?, key.text()?, key.u64()?)));
            prop_assert_eq!(read, Ok((text, number, second, id)));
        }

        #[test]
        fn only_keys_of_a_name_begin_with_it(name in any_text(), other in any_text(), rest in any_text()) {
            let key = Key::new().text(&other).text(&rest);
            prop_assert_eq!(key.bytes().starts_with(Key::new().text(&name).bytes()), name == other);
        }

        /// Also: what is read is written as the same bytes again, so two keys never mean the same row.
        #[test]
        fn any_bytes_give_an_error_or_their_only_meaning(
            bytes in prop_oneof![any::<Vec<u8>>(), prop::collection::vec(0..4u8, 0..24)],
        ) {
            let numbers = decode_key(&bytes, |key| Ok(Key::new().text(&key.text()?).i32(key.i32()?)));
            let texts = decode_key(&bytes, |key| Ok(Key::new().text(&key.text()?).text(&key.text()?)));
            for key in [numbers, texts].into_iter().flatten() {
                prop_assert_eq!(key.bytes(), &bytes[..]);
            }
        }
    }

    #[test]
    fn the_bytes_are_those_that_files_have() {
        for (rule, key, bytes) in [
            ("a name ends with a zero", Key::new().text("ab"), &b"ab\0"[..]),
            ("the empty name", Key::new().text(""), b"\0"),
            ("zero and one are escaped", Key::new().text("a\0b\u{1}"), b"a\x01\x01b\x01\x02\0"),
            ("two names", Key::new().text("f").text("event"), b"f\0event\0"),
            ("an id", Key::new().u64(258), b"\0\0\0\0\0\0\x01\x02"),
            ("a partition", Key::new().i32(3), b"\x80\0\0\x03"),
            ("minus one", Key::new().i32(-1), b"\x7f\xff\xff\xff"),
            ("an offset", Key::new().i64(1), b"\x80\0\0\0\0\0\0\x01"),
            ("how often recreated", Key::new().u32(1), b"\0\0\0\x01"),
        ] {
            assert_eq!(key.bytes(), bytes, "{rule}");
        }
    }

    #[test]
    fn damaged_keys_are_refused_with_what_is_wrong() {
        let text_and_id = |bytes| decode_key(bytes, |key| Ok((key.text()?, key.u64()?)));
        assert_eq!(text_and_id(b"f\0\0\0\0\0\0\0\0\x01"), Ok(("f".to_owned(), 1)));
        for (bytes, expected) in [
            (&b""[..], "a key is too short"),
            (b"f", "a key is too short"),
            (b"f\x01", "a key is too short"),
            (b"f\0\0\0\0\0\0\0\x01", "a key is too short"),
            (b"f\0\0\0\0\0\0\0\0\x01\x01", "a key is too long"),
            (b"f\x01\x03\0\0\0\0\0\0\0\0\x01", "a name in a key has an unknown escape"),
            (b"f\x01\0\0\0\0\0\0\0\0\x01", "a name in a key has an unknown escape"),
            (b"f\xff\0\0\0\0\0\0\0\0\x01", "a name in a key is not UTF-8"),
        ] {
            assert_eq!(text_and_id(bytes), Err(Malformed(expected)), "{bytes:?}");
        }
    }
}

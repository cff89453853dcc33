//! Checks that a response has the structure that it should have, before kafka-protocol decodes it.
//!
//! The crate's decoders reserve room for an array from its length field alone: four bytes of a broken or hostile peer
//! can ask for 192 GB, and a failed allocation aborts the process. A walk over the bytes proves first that every
//! array, string and tag is really there, so that what is then reserved stays within a small multiple of what was
//! sent. It allocates nothing, and knows nothing of the values' meaning.

use std::fmt;

/// Tagged fields that nobody here knows are legal (KIP-482), but each costs the decoder some 500 bytes for two on the
/// wire. No broker sends nearly as many.
const MOST_UNKNOWN_TAGS: usize = 100_000;

/// A value as it stands on the wire. Strings, bytes and arrays are compact in flexible versions.
#[derive(Debug)]
pub(crate) enum Shape {
    /// So many bytes: numbers, booleans, UUIDs.
    Fixed(usize),
    /// A string, perhaps null.
    Text,
    /// Bytes, perhaps null.
    Bytes,
    /// An array of values that are not structures; perhaps null.
    Array(&'static Shape),
    /// An array of structures; perhaps null.
    Structs(&'static Structure),
    /// A structure by itself.
    Struct(&'static Structure),
}

/// A field, and the versions that have it.
#[derive(Debug)]
pub(crate) struct Field {
    first: i16,
    last: i16,
    shape: Shape,
}

/// The fields in their order, and the tagged fields that the decoder knows.
#[derive(Debug)]
pub(crate) struct Structure {
    /// In the order of the wire.
    pub(crate) fields: &'static [Field],
    /// By tag.
    pub(crate) tagged: &'static [(u32, Field)],
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct MessageShape {
    /// The first version with compact lengths and tagged fields (KIP-482).
    pub(crate) flexible: i16,
    /// Its fields.
    pub(crate) body: Structure,
}

/// In every version.
pub(crate) const fn always(shape: Shape) -> Field {
    between(i16::MIN, i16::MAX, shape)
}

/// From version `first` on.
pub(crate) const fn since(first: i16, shape: Shape) -> Field {
    between(first, i16::MAX, shape)
}

/// In the versions `first` to `last`, both included.
pub(crate) const fn between(first: i16, last: i16, shape: Shape) -> Field {
    Field { first, last, shape }
}

/// A structure without tagged fields of its own.
pub(crate) const fn structure(fields: &'static [Field]) -> Structure {
    Structure { fields, tagged: &[] }
}

/// Where a response stops making sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// It ends in the middle of a value, or a length is larger than what is there.
    Truncated,
    /// A length is negative that cannot be.
    NegativeLength,
    /// A tagged field's content is not as long as it says.
    TagLength,
    /// More unknown tagged fields than any broker sends.
    TooManyTags,
    /// So many bytes follow the last field.
    LeftOver(usize),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("it ends in the middle of a value"),
            Self::NegativeLength => f.write_str("a length is negative"),
            Self::TagLength => f.write_str("a tagged field is not as long as it says"),
            Self::TooManyTags => f.write_str("it has an absurd number of tagged fields"),
            Self::LeftOver(bytes) => write!(f, "{bytes} bytes follow its end"),
        }
    }
}

impl MessageShape {
    /// Walks over `body`, a response without its header, as one of `version`.
    pub(crate) fn check(&self, body: &[u8], version: i16) -> Result<(), Malformed> {
        let mut walk = Walk { rest: body, version, flexible: version >= self.flexible, unknown_tags: 0 };
        walk.structure(&self.body)?;
        match walk.rest.len() {
            0 => Ok(()),
            bytes => Err(Malformed::LeftOver(bytes)),
        }
    }
}

/// The tagged fields that end a flexible response header (version 1): returns what follows them.
pub(crate) fn after_header_tags(rest: &[u8]) -> Result<&[u8], Malformed> {
    let mut walk = Walk { rest, version: 1, flexible: true, unknown_tags: 0 };
    walk.tags(&[])?;
    Ok(walk.rest)
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    unknown_tags: usize,
}

impl<'a> Walk<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn structure(&mut self, structure: &Structure) -> Result<(), Malformed> {
        for field in structure.fields {
            self.field(field)?;
        }
        if self.flexible { self.tags(structure.tagged) } else { Ok(()) }
    }

    fn field(&mut self, field: &Field) -> Result<(), Malformed> {
        if (field.first..=field.last).contains(&self.version) { self.value(&field.shape) } else { Ok(()) }
    }

    fn value(&mut self, shape: &Shape) -> Result<(), Malformed> {
        match shape {
            Shape::Fixed(bytes) => self.take(*bytes).map(|_| ()),
            Shape::Text => {
                let length = if self.flexible { self.compact_length()? } else { self.short_length()? };
                self.take(length).map(|_| ())
            }
            Shape::Bytes => {
                let length = self.length()?;
                self.take(length).map(|_| ())
            }
            Shape::Array(element) => self.each(|walk| walk.value(element)),
            Shape::Structs(element) => self.each(|walk| walk.structure(element)),
            Shape::Struct(content) => self.structure(content),
        }
    }

    /// An array's elements. None is shorter than a byte, so a count beyond the rest is refused before the first.
    fn each(&mut self, element: impl Fn(&mut Self) -> Result<(), Malformed>) -> Result<(), Malformed> {
        let count = self.length()?;
        if count > self.rest.len() {
            return Err(Malformed::Truncated);
        }
        for _ in 0..count {
            let before = self.rest.len();
            element(self)?;
            debug_assert!(self.rest.len() < before, "an element without bytes would be counted for ever");
        }
        Ok(())
    }

    fn tags(&mut self, known: &[(u32, Field)]) -> Result<(), Malformed> {
        for _ in 0..self.varint()? {
            let (tag, size) = (self.varint()?, self.varint()?);
            let content = self.take(usize::try_from(size).map_err(|_| Malformed::Truncated)?)?;
            let field = known.iter().find(|(known, _)| *known == tag).map(|(_, field)| field);
            match field.filter(|field| (field.first..=field.last).contains(&self.version)) {
                Some(field) => self.tagged(field, content)?,
                None => {
                    self.unknown_tags = self.unknown_tags.saturating_add(1);
                    if self.unknown_tags > MOST_UNKNOWN_TAGS {
                        return Err(Malformed::TooManyTags);
                    }
                }
            }
        }
        Ok(())
    }

    /// The decoder ignores the size of a tagged field that it knows and reads on: the two must agree.
    fn tagged(&mut self, field: &Field, content: &'a [u8]) -> Result<(), Malformed> {
        let after = std::mem::replace(&mut self.rest, content);
        self.value(&field.shape)?;
        if !self.rest.is_empty() {
            return Err(Malformed::TagLength);
        }
        self.rest = after;
        Ok(())
    }

    /// The length of bytes or of an array; null counts as 0.
    fn length(&mut self) -> Result<usize, Malformed> {
        if self.flexible {
            return self.compact_length();
        }
        let bytes: [u8; 4] = self.take(4)?.try_into().map_err(|_| Malformed::Truncated)?;
        nullable(i32::from_be_bytes(bytes))
    }

    fn short_length(&mut self) -> Result<usize, Malformed> {
        let bytes: [u8; 2] = self.take(2)?.try_into().map_err(|_| Malformed::Truncated)?;
        nullable(i32::from(i16::from_be_bytes(bytes)))
    }

    /// One more than the length; 0 is null.
    fn compact_length(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.varint()?.saturating_sub(1)).map_err(|_| Malformed::Truncated)
    }

    /// As the decoder reads it: the bits beyond 32, and a sixth byte, do not exist.
    fn varint(&mut self) -> Result<u32, Malformed> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = u32::from(self.take(1)?.first().copied().unwrap_or_default());
            value |= (byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Ok(value)
    }
}

fn nullable(length: i32) -> Result<usize, Malformed> {
    match length {
        -1 => Ok(0),
        length => usize::try_from(length).map_err(|_| Malformed::NegativeLength),
    }
}

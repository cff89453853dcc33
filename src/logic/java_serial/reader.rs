//! The grammar of the Java Object Serialization Specification, chapter 6, as a reader of a slice with a limit on
//! everything. Knows no class.

use std::rc::Rc;

use super::{Array, Class, Content, Field, Layer, Object, SerialError, Value};

/// How deep values may lie in each other. An exception with its causes takes about 20.
const MAX_DEPTH: usize = 64;
/// Values, fields and layers together; the names of all metrics of requests take about 5,000.
const MAX_NODES: usize = 100_000;
/// Classes above a class.
const MAX_ANCESTORS: usize = 16;
/// Bytes of one string or block.
const MAX_LENGTH: usize = 1 << 20;

const SC_WRITE_METHOD: u8 = 1;
const SC_SERIALIZABLE: u8 = 2;
const SC_EXTERNALIZABLE: u8 = 4;
const SC_BLOCK_DATA: u8 = 8;

const TC_NULL: u8 = 0x70;
const TC_REFERENCE: u8 = 0x71;
const TC_CLASSDESC: u8 = 0x72;
const TC_OBJECT: u8 = 0x73;
const TC_STRING: u8 = 0x74;
const TC_ARRAY: u8 = 0x75;
const TC_CLASS: u8 = 0x76;
const TC_BLOCKDATA: u8 = 0x77;
const TC_ENDBLOCKDATA: u8 = 0x78;
const TC_RESET: u8 = 0x79;
const TC_BLOCKDATALONG: u8 = 0x7a;
const TC_LONGSTRING: u8 = 0x7c;
const TC_PROXYCLASSDESC: u8 = 0x7d;
const TC_ENUM: u8 = 0x7e;
const FIRST_HANDLE: u32 = 0x7e_0000;

/// What was read from the beginning of a slice.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The stream's contents.
    pub contents: Vec<Content>,
    /// How many bytes they took.
    pub length: usize,
}

/// Reads a stream header and then contents, until `enough` says that what came is a whole answer.
///
/// # Errors
/// `Incomplete` where the bytes end before; otherwise it can never become an answer.
pub fn read(bytes: &[u8], enough: impl Fn(&[Content]) -> bool) -> Result<Read, SerialError> {
    let mut reader = Reader { bytes, at: 0, depth: 0, nodes: 0, handles: Vec::new() };
    if reader.array::<4>()? != [0xac, 0xed, 0, 5] {
        return Err(SerialError::Malformed("no stream header"));
    }
    let mut contents = Vec::new();
    while !enough(&contents) {
        if let Some(content) = reader.content()? {
            contents.push(content);
        } else {
            return Err(SerialError::Malformed("an end without a beginning"));
        }
    }
    Ok(Read { contents, length: reader.at })
}

/// What a handle of the stream stands for.
#[derive(Clone)]
enum Handle {
    /// Its value is being read.
    Unfinished,
    Value(Value),
    Class(Rc<Class>),
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    nodes: usize,
    handles: Vec<Handle>,
}

impl Reader<'_> {
    // --- bytes ---

    fn take(&mut self, length: usize) -> Result<&[u8], SerialError> {
        if length > MAX_LENGTH {
            return Err(SerialError::Limit("a length"));
        }
        let end = self.at.saturating_add(length);
        let taken = self.bytes.get(self.at..end).ok_or(SerialError::Incomplete)?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SerialError> {
        self.take(N)?.try_into().map_err(|_| SerialError::Incomplete)
    }

    fn u8(&mut self) -> Result<u8, SerialError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, SerialError> {
        self.array().map(u16::from_be_bytes)
    }

    fn length(&mut self) -> Result<usize, SerialError> {
        usize::try_from(i32::from_be_bytes(self.array()?)).map_err(|_| SerialError::Malformed("a negative length"))
    }

    fn short_text(&mut self) -> Result<Rc<str>, SerialError> {
        let length = usize::from(self.u16()?);
        Ok(modified_utf8(self.take(length)?).into())
    }

    fn long_text(&mut self) -> Result<Rc<str>, SerialError> {
        let length = usize::try_from(u64::from_be_bytes(self.array()?)).unwrap_or(usize::MAX);
        Ok(modified_utf8(self.take(length)?).into())
    }

    // --- limits ---

    fn node(&mut self) -> Result<(), SerialError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES { Err(SerialError::Limit("too many values")) } else { Ok(()) }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, SerialError>) -> Result<T, SerialError> {
        self.node()?;
        if self.depth >= MAX_DEPTH {
            return Err(SerialError::Limit("too deep"));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    // --- handles ---

    fn new_handle(&mut self) -> usize {
        self.handles.push(Handle::Unfinished);
        self.handles.len() - 1
    }

    fn finish(&mut self, handle: usize, what: Handle) {
        if let Some(slot) = self.handles.get_mut(handle) {
            *slot = what;
        }
    }

    fn keep(&mut self, value: Value) -> Value {
        self.handles.push(Handle::Value(value.clone()));
        value
    }

    fn referenced(&mut self) -> Result<Handle, SerialError> {
        let number = u32::from_be_bytes(self.array()?);
        let index = number.checked_sub(FIRST_HANDLE).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.handles.get(index)).cloned().ok_or(SerialError::Malformed("a reference to nothing"))
    }

    // --- contents ---

    /// One content; none: the end of a class's contents.
    fn content(&mut self) -> Result<Option<Content>, SerialError> {
        let tag = self.u8()?;
        self.content_of(tag)
    }

    fn content_of(&mut self, tag: u8) -> Result<Option<Content>, SerialError> {
        match tag {
            TC_BLOCKDATA => {
                self.node()?;
                let length = usize::from(self.u8()?);
                Ok(Some(Content::Block(self.take(length)?.to_vec())))
            }
            TC_BLOCKDATALONG => {
                self.node()?;
                let length = self.length()?;
                Ok(Some(Content::Block(self.take(length)?.to_vec())))
            }
            TC_ENDBLOCKDATA => Ok(None),
            tag => self.deeper(|reader| reader.value_of(tag)).map(|value| Some(Content::Value(value))),
        }
    }

    fn contents(&mut self) -> Result<Vec<Content>, SerialError> {
        let mut contents = Vec::new();
        while let Some(content) = self.content()? {
            contents.push(content);
        }
        Ok(contents)
    }

    fn value(&mut self) -> Result<Value, SerialError> {
        let tag = self.u8()?;
        self.deeper(|reader| reader.value_of(tag))
    }

    fn value_of(&mut self, tag: u8) -> Result<Value, SerialError> {
        match tag {
            TC_NULL => Ok(Value::Null),
            TC_REFERENCE => Ok(match self.referenced()? {
                Handle::Value(value) => value,
                Handle::Class(class) => Value::Class(class),
                Handle::Unfinished => Value::Enclosing,
            }),
            TC_STRING => {
                let text = Value::Text(self.short_text()?);
                Ok(self.keep(text))
            }
            TC_LONGSTRING => {
                let text = Value::Text(self.long_text()?);
                Ok(self.keep(text))
            }
            TC_OBJECT => self.object(),
            TC_ARRAY => self.array_of_values(),
            TC_CLASS => {
                let class = self.class()?.ok_or(SerialError::Malformed("no class"))?;
                Ok(self.keep(Value::Class(class)))
            }
            TC_ENUM => {
                let class = self.class()?.ok_or(SerialError::Malformed("no class"))?;
                let handle = self.new_handle();
                let name = self.value()?;
                let name = name.text().ok_or(SerialError::Malformed("a constant without a name"))?;
                let value = Value::Constant(class, name.into());
                self.finish(handle, Handle::Value(value.clone()));
                Ok(value)
            }
            // Handles begin anew; a server does this between answers, never within one.
            TC_RESET => Err(SerialError::Malformed("a reset in the middle")),
            _ => Err(SerialError::Malformed("an unknown tag")),
        }
    }

    fn class(&mut self) -> Result<Option<Rc<Class>>, SerialError> {
        let tag = self.u8()?;
        match tag {
            TC_NULL => Ok(None),
            TC_REFERENCE => match self.referenced()? {
                Handle::Class(class) => Ok(Some(class)),
                _ => Err(SerialError::Malformed("a reference to something that is no class")),
            },
            TC_CLASSDESC => self.deeper(Self::class_description).map(Some),
            TC_PROXYCLASSDESC => self.deeper(Self::proxy_description).map(Some),
            _ => Err(SerialError::Malformed("no class")),
        }
    }

    fn class_description(&mut self) -> Result<Rc<Class>, SerialError> {
        let name = self.short_text()?;
        let _serial_version = self.array::<8>()?;
        let handle = self.new_handle();
        let flags = self.u8()?;
        let count = self.u16()?;
        let mut fields = Vec::new();
        for _ in 0..count {
            self.node()?;
            let kind = self.u8()?;
            let name = self.short_text()?;
            match kind {
                b'B' | b'C' | b'D' | b'F' | b'I' | b'J' | b'S' | b'Z' => {}
                b'[' | b'L' => {
                    self.value()?.text().ok_or(SerialError::Malformed("a field without a type"))?;
                }
                _ => return Err(SerialError::Malformed("a field of an unknown type")),
            }
            fields.push((kind, name));
        }
        self.class_end(handle, name, flags, fields)
    }

    fn proxy_description(&mut self) -> Result<Rc<Class>, SerialError> {
        let handle = self.new_handle();
        for _ in 0..self.length()? {
            self.node()?;
            self.short_text()?;
        }
        self.class_end(handle, "(proxy)".into(), SC_SERIALIZABLE, Vec::new())
    }

    fn class_end(
        &mut self,
        handle: usize,
        name: Rc<str>,
        flags: u8,
        fields: Vec<(u8, Rc<str>)>,
    ) -> Result<Rc<Class>, SerialError> {
        // Where its code could be loaded from, which nobody here wants to know.
        self.contents()?;
        let mut ancestors = Vec::new();
        if let Some(parent) = self.class()? {
            ancestors.clone_from(&parent.ancestors);
            ancestors.push(parent);
        }
        if ancestors.len() > MAX_ANCESTORS {
            return Err(SerialError::Limit("too many ancestors"));
        }
        let class = Rc::new(Class { name, flags, fields, ancestors });
        self.finish(handle, Handle::Class(Rc::clone(&class)));
        Ok(class)
    }

    fn object(&mut self) -> Result<Value, SerialError> {
        let class = self.class()?.ok_or(SerialError::Malformed("an object without a class"))?;
        let handle = self.new_handle();
        let mut layers = Vec::new();
        for ancestor in class.ancestors.iter().chain([&class]) {
            layers.push(self.layer(ancestor)?);
        }
        let fields = layers.iter().flat_map(|layer| &layer.fields).filter_map(|(_, field)| match field {
            Field::Value(value) => Some(value),
            _ => None,
        });
        let height = height_above(fields.chain(layers.iter().flat_map(Layer::values)))?;
        let value = Value::Object(Rc::new(Object { class, layers, height }));
        self.finish(handle, Handle::Value(value.clone()));
        Ok(value)
    }

    fn layer(&mut self, class: &Rc<Class>) -> Result<Layer, SerialError> {
        self.node()?;
        let mut layer = Layer { class: Rc::clone(class), fields: Vec::new(), extra: Vec::new() };
        if class.flags & SC_EXTERNALIZABLE != 0 {
            if class.flags & SC_BLOCK_DATA == 0 {
                return Err(SerialError::Malformed("an object in a format of its own"));
            }
            layer.extra = self.contents()?;
        } else if class.flags & SC_SERIALIZABLE != 0 {
            for (kind, name) in &class.fields {
                self.node()?;
                let field = self.field(*kind)?;
                layer.fields.push((Rc::clone(name), field));
            }
            if class.flags & SC_WRITE_METHOD != 0 {
                layer.extra = self.contents()?;
            }
        }
        Ok(layer)
    }

    fn field(&mut self, kind: u8) -> Result<Field, SerialError> {
        Ok(match kind {
            b'B' => Field::Integer(i8::from_be_bytes(self.array()?).into()),
            b'Z' => Field::Integer(self.u8()?.into()),
            b'C' => Field::Integer(self.u16()?.into()),
            b'S' => Field::Integer(i16::from_be_bytes(self.array()?).into()),
            b'I' => Field::Integer(i32::from_be_bytes(self.array()?).into()),
            b'J' => Field::Integer(i64::from_be_bytes(self.array()?)),
            b'F' => Field::Real(f32::from_be_bytes(self.array()?).into()),
            b'D' => Field::Real(f64::from_be_bytes(self.array()?)),
            _ => Field::Value(self.value()?),
        })
    }

    fn array_of_values(&mut self) -> Result<Value, SerialError> {
        let class = self.class()?.ok_or(SerialError::Malformed("an array without a class"))?;
        let handle = self.new_handle();
        let length = self.length()?;
        let mut elements = Vec::new();
        match class.name.as_bytes() {
            [b'[', b'[' | b'L', ..] => {
                for _ in 0..length {
                    elements.push(self.value()?);
                }
            }
            [b'[', kind] => {
                let size = match kind {
                    b'B' | b'Z' => 1,
                    b'C' | b'S' => 2,
                    b'F' | b'I' => 4,
                    b'D' | b'J' => 8,
                    _ => return Err(SerialError::Malformed("an array of an unknown type")),
                };
                self.take(length.saturating_mul(size))?;
            }
            _ => return Err(SerialError::Malformed("an array of an unknown type")),
        }
        let height = height_above(elements.iter())?;
        let value = Value::Array(Rc::new(Array { class, elements, height }));
        self.finish(handle, Handle::Value(value.clone()));
        Ok(value)
    }
}

/// The height of what holds these values.
fn height_above<'v>(values: impl Iterator<Item = &'v Value>) -> Result<usize, SerialError> {
    let height = 1 + values.map(Value::height).max().unwrap_or(0);
    if height > MAX_DEPTH { Err(SerialError::Limit("too deep by references")) } else { Ok(height) }
}

/// Java's own UTF-8: a character beyond the first plane is two surrogates of three bytes each, and 0 takes two bytes.
/// What is wrong in it becomes U+FFFD.
pub(super) fn modified_utf8(bytes: &[u8]) -> String {
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        rest = match rest {
            [] => break,
            [a, rest @ ..] if *a < 0x80 => {
                units.push(u16::from(*a));
                rest
            }
            [a, b, rest @ ..] if a & 0xe0 == 0xc0 && b & 0xc0 == 0x80 => {
                units.push((u16::from(a & 0x1f) << 6) | u16::from(b & 0x3f));
                rest
            }
            [a, b, c, rest @ ..] if a & 0xf0 == 0xe0 && b & 0xc0 == 0x80 && c & 0xc0 == 0x80 => {
                units.push((u16::from(a & 0x0f) << 12) | (u16::from(b & 0x3f) << 6) | u16::from(c & 0x3f));
                rest
            }
            [_, rest @ ..] => {
                units.push(0xfffd);
                rest
            }
        };
    }
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

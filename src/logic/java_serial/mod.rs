//! Java's object serialization (protocol version 2), as far as the answers of a JMX server need it: bytes to values, and
//! values to the few things that JMX says. Pure.
//!
//! The reader knows the grammar and no class: it builds a bounded tree and runs nothing. What a class means is known in
//! `views` alone, and a class that is not known there is refused by name.

use std::fmt;
use std::rc::Rc;

pub mod views;

mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::{Read, read};
pub use writer::{Argument, write_arguments};

/// A serialized value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// A `java.lang.String`. A lone surrogate is U+FFFD.
    Text(Rc<str>),
    /// An object.
    Object(Rc<Object>),
    /// An array of objects; those of numbers are kept as their length.
    Array(Rc<Array>),
    /// A constant of an enum: its class and its name.
    Constant(Rc<Class>, Rc<str>),
    /// A class itself.
    Class(Rc<Class>),
    /// A reference to an object that this one is part of (an exception is its own cause).
    Enclosing,
}

/// A class as the stream describes it.
#[derive(Debug, PartialEq)]
pub struct Class {
    /// Its full name, such as `java.lang.Long`; a dynamic proxy's is `(proxy)`.
    pub name: Rc<str>,
    flags: u8,
    fields: Vec<(u8, Rc<str>)>,
    ancestors: Vec<Rc<Class>>,
}

/// An object: what each class of its ancestry wrote.
#[derive(Debug, PartialEq)]
pub struct Object {
    /// Its class.
    pub class: Rc<Class>,
    /// From the topmost ancestor to the class itself.
    pub layers: Vec<Layer>,
    height: usize,
}

/// What one class of an object's ancestry wrote.
#[derive(Debug, PartialEq)]
pub struct Layer {
    /// That class.
    pub class: Rc<Class>,
    /// Its fields.
    pub fields: Vec<(Rc<str>, Field)>,
    /// What its own method wrote beside them.
    pub extra: Vec<Content>,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// A number of any width; a character and a boolean count as integers.
    Integer(i64),
    /// A float or a double.
    Real(f64),
    /// An object.
    Value(Value),
}

/// A piece of what a class's own method wrote.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Bytes.
    Block(Vec<u8>),
    /// An object.
    Value(Value),
}

/// An array.
#[derive(Debug, PartialEq)]
pub struct Array {
    /// Its class, such as `[Ljava.lang.String;`.
    pub class: Rc<Class>,
    /// The elements; none in an array of numbers, which nobody needs.
    pub elements: Vec<Value>,
    height: usize,
}

/// Why bytes are no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SerialError {
    /// More bytes are needed.
    Incomplete,
    /// It goes beyond what any answer of a JMX server needs; which limit that is.
    Limit(&'static str),
    /// It breaks the grammar.
    Malformed(&'static str),
    /// It holds something of this class where something else belongs. Printable and short.
    Unexpected {
        /// What came.
        class: String,
        /// What belongs there.
        wanted: &'static str,
    },
}

impl fmt::Display for SerialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete => f.write_str("it ends in the middle"),
            Self::Limit(what) => write!(f, "it is larger than an answer can be ({what})"),
            Self::Malformed(what) => write!(f, "it is no Java serialization ({what})"),
            Self::Unexpected { class, wanted } => write!(f, "it holds {class} where {wanted} belongs"),
        }
    }
}

impl std::error::Error for SerialError {}

impl Value {
    /// The class's name, for people: printable and short.
    pub fn class_name(&self) -> String {
        let name = match self {
            Self::Null => "null",
            Self::Text(_) => "java.lang.String",
            Self::Object(object) => &object.class.name,
            Self::Array(array) => &array.class.name,
            Self::Constant(class, _) => &class.name,
            Self::Class(_) => "java.lang.Class",
            Self::Enclosing => "a reference to itself",
        };
        shown(name)
    }

    /// How many objects lie in each other here. References make this more than the stream's own depth, and whatever walks
    /// or frees a value needs stack for it.
    fn height(&self) -> usize {
        match self {
            Self::Object(object) => object.height,
            Self::Array(array) => array.height,
            _ => 0,
        }
    }

    fn object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Object {
    fn layer(&self, class: &str) -> Option<&Layer> {
        self.layers.iter().find(|layer| &*layer.class.name == class)
    }
}

impl Layer {
    fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|(field, _)| &**field == name).map(|(_, value)| value)
    }

    fn values(&self) -> impl Iterator<Item = &Value> {
        self.extra.iter().filter_map(|content| match content {
            Content::Value(value) => Some(value),
            Content::Block(_) => None,
        })
    }
}

/// A peer's words, fit to be printed: nothing hidden, and not without end.
fn shown(text: &str) -> String {
    let beginning: String = text.chars().take(300).collect();
    crate::logic::printable::printable(&beginning).into_owned()
}

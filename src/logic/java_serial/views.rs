//! What the answers of a JMX server mean: numbers, attributes, object names, remote objects, exceptions. A class that is
//! not known here is refused by name. Sizes are bounded again, since references make a value larger than its bytes.

use super::{Content, Field, Layer, Object, SerialError, Value, shown};

/// Object names that one answer may hold.
const MAX_NAMES: usize = 5_000;
/// Characters of an object name; longer ones are none of ours.
const MAX_NAME: usize = 1_000;
/// Attributes or items of one answer.
const MAX_ATTRIBUTES: usize = 200;

/// The value of an attribute, as far as somebody wants it.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// A number.
    Number(f64),
    /// A composite's numbers by name (`HeapMemoryUsage` has `used` and `max`).
    Composite(Vec<(String, f64)>),
    /// Something else, of this class.
    Other(String),
}

/// An object that can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteObject {
    /// Where the JVM thinks that it can be reached, which is often wrong.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// Its id there.
    pub id: [u8; 22],
    /// How it is to be called.
    pub transport: Transport,
}

/// How a remote object is to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Over TCP.
    Plain,
    /// Over TLS.
    Tls,
}

/// An exception that a call ended with. Texts are printable and short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Its class, such as `java.lang.SecurityException`.
    pub class: String,
    /// Its message; empty where there is none.
    pub message: String,
    /// Class and message of what caused it, and of what caused that.
    pub causes: Vec<(String, String)>,
}

fn unexpected(value: &Value, wanted: &'static str) -> SerialError {
    SerialError::Unexpected { class: value.class_name(), wanted }
}

/// A boxed number.
///
/// # Errors
/// Names the class of anything else.
pub fn number(value: &Value) -> Result<f64, SerialError> {
    boxed(value).ok_or_else(|| unexpected(value, "a number"))
}

fn boxed(value: &Value) -> Option<f64> {
    let object = value.object()?;
    match &*object.class.name {
        "java.lang.Double" | "java.lang.Float" | "java.lang.Long" | "java.lang.Integer" | "java.lang.Short"
        | "java.lang.Byte" => {}
        _ => return None,
    }
    match object.layers.last()?.field("value")? {
        // Counters stay exact up to 2^53, which takes 104 days in nanoseconds; beyond, a difference is off by one or two.
        Field::Integer(value) => Some(*value as f64),
        Field::Real(value) => Some(*value),
        Field::Value(_) => None,
    }
}

/// The value of an attribute.
///
/// # Errors
/// A composite without the structure of one.
pub fn attribute(value: &Value) -> Result<Attribute, SerialError> {
    if let Some(number) = boxed(value) {
        return Ok(Attribute::Number(number));
    }
    match value.object() {
        Some(object) if &*object.class.name == "javax.management.openmbean.CompositeDataSupport" => {
            composite(value, object)
        }
        _ => Ok(Attribute::Other(value.class_name())),
    }
}

fn composite(value: &Value, object: &Object) -> Result<Attribute, SerialError> {
    let malformed = || unexpected(value, "a composite with its contents");
    let layer = object.layers.last().ok_or_else(malformed)?;
    let Some(Field::Value(contents)) = layer.field("contents") else { return Err(malformed()) };
    let map = contents
        .object()
        .and_then(|map| map.layer("java.util.TreeMap"))
        .ok_or_else(|| unexpected(contents, "java.util.TreeMap"))?;
    let mut items = Vec::new();
    let mut rest = map.values();
    while let (Some(name), Some(item)) = (rest.next(), rest.next()) {
        if items.len() >= MAX_ATTRIBUTES {
            return Err(SerialError::Limit("items of a composite"));
        }
        if let (Some(name), Some(item)) = (name.text(), boxed(item)) {
            items.push((short(name)?, item));
        }
    }
    Ok(Attribute::Composite(items))
}

fn short(name: &str) -> Result<String, SerialError> {
    if name.len() > MAX_NAME { Err(SerialError::Limit("the length of a name")) } else { Ok(name.to_owned()) }
}

/// The elements of an `AttributeList`, by name.
///
/// # Errors
/// Names the class of what is no `AttributeList` of `Attribute`s.
pub fn attributes(value: &Value) -> Result<Vec<(String, Attribute)>, SerialError> {
    let list = value.object().and_then(|list| list.layer("java.util.ArrayList"));
    let list = list.ok_or_else(|| unexpected(value, "javax.management.AttributeList"))?;
    let mut attributes = Vec::new();
    for element in list.values() {
        let wanted = || unexpected(element, "javax.management.Attribute");
        let layer =
            element.object().and_then(|object| object.layer("javax.management.Attribute")).ok_or_else(wanted)?;
        let (Some(Field::Value(Value::Text(name))), Some(Field::Value(value))) =
            (layer.field("name"), layer.field("value"))
        else {
            return Err(wanted());
        };
        if attributes.len() >= MAX_ATTRIBUTES {
            return Err(SerialError::Limit("attributes"));
        }
        attributes.push((short(name)?, attribute(value)?));
    }
    Ok(attributes)
}

/// The object names of a set; those that are longer than any of Kafka's are left out.
///
/// # Errors
/// Names the class of what is no `HashSet` of `ObjectName`s.
pub fn object_names(value: &Value) -> Result<Vec<String>, SerialError> {
    let set = value.object().and_then(|set| set.layer("java.util.HashSet"));
    let set = set.ok_or_else(|| unexpected(value, "java.util.HashSet"))?;
    let mut names = Vec::new();
    for element in set.values() {
        let name = element.object().and_then(|object| object.layer("javax.management.ObjectName"));
        let name = name.and_then(|layer| layer.values().find_map(Value::text));
        let name = name.ok_or_else(|| unexpected(element, "javax.management.ObjectName"))?;
        if names.len() >= MAX_NAMES {
            return Err(SerialError::Limit("object names"));
        }
        if name.len() <= MAX_NAME {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// The remote object that a stub, or a proxy with a handler, stands for.
///
/// # Errors
/// Names the class of what is no stub, or says what is wrong with it.
pub fn remote_object(value: &Value) -> Result<RemoteObject, SerialError> {
    let object = value.object().ok_or_else(|| unexpected(value, "a remote object"))?;
    let layer = object.layer("java.rmi.server.RemoteObject").or_else(|| {
        // A dynamic proxy: its invocation handler is the remote object.
        let Field::Value(handler) = object.layer("java.lang.reflect.Proxy")?.field("h")? else { return None };
        handler.object()?.layer("java.rmi.server.RemoteObject")
    });
    reference(layer.ok_or_else(|| unexpected(value, "a remote object"))?)
}

fn reference(layer: &Layer) -> Result<RemoteObject, SerialError> {
    const WRONG: SerialError = SerialError::Malformed("a remote object without an address");
    // Host and port lie before the socket factory, where there is one, and the id after it.
    let bytes: Vec<u8> = layer
        .extra
        .iter()
        .flat_map(|content| match content {
            Content::Block(block) => block.as_slice(),
            Content::Value(_) => &[],
        })
        .copied()
        .collect();
    let (kind, rest) = text(&bytes).ok_or(WRONG)?;
    let (has_factory, rest) = match (kind.as_str(), rest) {
        ("UnicastRef", rest) => (false, rest),
        ("UnicastRef2", [format, rest @ ..]) => (*format == 1, rest),
        _ => return Err(SerialError::Unexpected { class: shown(&kind), wanted: "UnicastRef" }),
    };
    let transport = match (has_factory, layer.values().next()) {
        (true, Some(factory)) if factory.class_name() == "javax.rmi.ssl.SslRMIClientSocketFactory" => Transport::Tls,
        (true, Some(factory)) => return Err(unexpected(factory, "javax.rmi.ssl.SslRMIClientSocketFactory")),
        _ => Transport::Plain,
    };
    let (host, rest) = text(rest).ok_or(WRONG)?;
    let (port, rest) = rest.split_first_chunk::<4>().ok_or(WRONG)?;
    let port = u16::try_from(i32::from_be_bytes(*port)).ok().filter(|port| *port != 0).ok_or(WRONG)?;
    let (id, _) = rest.split_first_chunk::<22>().ok_or(WRONG)?;
    Ok(RemoteObject { host: shown(&host), port, id: *id, transport })
}

fn text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((super::reader::modified_utf8(text), rest))
}

/// The exception that a call ended with.
///
/// # Errors
/// Names the class of what is no exception.
pub fn exception(value: &Value) -> Result<Exception, SerialError> {
    let (class, message) = throwable(value).ok_or_else(|| unexpected(value, "an exception"))?;
    let mut causes = Vec::new();
    let mut last = value;
    while let Some(cause) = cause(last).filter(|_| causes.len() < 3) {
        causes.extend(throwable(cause));
        last = cause;
    }
    Ok(Exception { class, message, causes })
}

fn throwable(value: &Value) -> Option<(String, String)> {
    let message = match value.object()?.layer("java.lang.Throwable")?.field("detailMessage") {
        Some(Field::Value(Value::Text(message))) => shown(message),
        _ => String::new(),
    };
    Some((value.class_name(), message))
}

/// What caused it. RMI's exceptions keep that in a field of their own, `detail`.
fn cause(value: &Value) -> Option<&Value> {
    let fields = value.object()?.layers.iter().flat_map(|layer| &layer.fields);
    fields.into_iter().find_map(|(name, field)| match field {
        Field::Value(cause @ Value::Object(_)) if matches!(&**name, "cause" | "detail") => Some(cause),
        _ => None,
    })
}

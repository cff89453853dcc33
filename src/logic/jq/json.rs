//! JSON in and out of jq values, strictly by RFC 8259 and within limits. Numbers keep their digits, members their order.
//!
//! serde_json decides what is JSON; jaq's own reader, which would take comments, NaN and several values, and recurses
//! without end, only sees what passed, and keeps numbers exact that no f64 can hold.

use std::io::Write as _;

use jaq_json::{Num, Val};
use serde::de::IgnoredAny;

/// How deep arrays and objects of an event may be nested: serde_json's own limit for values.
pub const MAX_DEPTH: usize = 128;

/// How deep what a program builds may be nested when it is written.
const MAX_WRITTEN_DEPTH: usize = 512;

/// Digits of a number. Reading an integer of n digits takes n² steps, so a megabyte of them would take seconds.
const MAX_NUMBER_LENGTH: usize = 1000;

/// Reads one JSON value. The last of several members with the same name counts.
///
/// # Errors
///
/// It is not UTF-8, no JSON, more than one value, nested too deep, or holds a number of more than 1,000 characters or
/// half of a surrogate pair.
pub fn parse(bytes: &[u8]) -> Result<Val, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8 at byte {}", error.valid_up_to()))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| error.to_string())?;
    check_limits(bytes)?;
    jaq_json::read::parse_single(bytes).map_err(|error| error.to_string())
}

/// Expects valid JSON: outside of strings a bracket is a bracket, and digits belong to a number.
fn check_limits(json: &[u8]) -> Result<(), String> {
    let (mut depth, mut number) = (0_usize, 0_usize);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                number = 0;
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'"' => break,
                        // The escaped character may be a quote.
                        b'\\' => drop(bytes.next()),
                        _ => {}
                    }
                }
            }
            b'[' | b'{' => {
                depth = depth.saturating_add(1);
                if depth > MAX_DEPTH {
                    return Err(format!("nested deeper than {MAX_DEPTH} levels"));
                }
            }
            b']' | b'}' => {
                number = 0;
                depth = depth.saturating_sub(1);
            }
            b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-' => {
                number = number.saturating_add(1);
                if number > MAX_NUMBER_LENGTH {
                    return Err(format!("a number of more than {MAX_NUMBER_LENGTH} characters"));
                }
            }
            _ => number = 0,
        }
    }
    Ok(())
}

/// The JSON text of `value`, without spaces. Floats without a fraction are written as integers, as jq does: what is
/// divided without a remainder is an integer to every receiver.
///
/// # Errors
///
/// The text is longer than `limit` bytes, or `value` cannot be JSON: NaN, infinity, nested too deep, or an object
/// with a name that is no string.
pub fn write(value: &Val, limit: usize) -> Result<Vec<u8>, String> {
    let mut writer = Writer { out: Vec::new(), limit };
    writer.value(value, 0)?;
    Ok(writer.out)
}

struct Writer {
    out: Vec<u8>,
    limit: usize,
}

impl Writer {
    fn value(&mut self, value: &Val, depth: usize) -> Result<(), String> {
        if depth > MAX_WRITTEN_DEPTH {
            return Err(format!("the value is nested deeper than {MAX_WRITTEN_DEPTH} levels"));
        }
        match value {
            Val::Null => self.raw(b"null"),
            Val::Bool(true) => self.raw(b"true"),
            Val::Bool(false) => self.raw(b"false"),
            Val::Num(number) => self.number(number),
            Val::TStr(text) | Val::BStr(text) => self.string(text),
            Val::Arr(items) => {
                self.raw(b"[")?;
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.raw(b",")?;
                    }
                    self.value(item, depth.saturating_add(1))?;
                }
                self.raw(b"]")
            }
            Val::Obj(members) => {
                self.raw(b"{")?;
                for (index, (name, member)) in members.iter().enumerate() {
                    if index > 0 {
                        self.raw(b",")?;
                    }
                    match name {
                        Val::TStr(name) => self.string(name)?,
                        _ => return Err("the name of a member must be a string".to_owned()),
                    }
                    self.raw(b":")?;
                    self.value(member, depth.saturating_add(1))?;
                }
                self.raw(b"}")
            }
        }
    }

    fn number(&mut self, number: &Num) -> Result<(), String> {
        // Whole floats up to here are exact in every receiver's f64, and written without an exponent.
        const WHOLE: f64 = 1e17;
        match number {
            Num::Int(integer) => self.show(integer),
            Num::BigInt(integer) => self.show(integer),
            Num::Float(float) if !float.is_finite() => {
                Err("the program gives NaN or infinity, which JSON cannot hold".to_owned())
            }
            Num::Float(float) if float.fract() == 0.0 && float.abs() < WHOLE => self.show(&(*float as i64)),
            Num::Float(float) => {
                serde_json::to_writer(&mut self.out, float).map_err(|error| error.to_string())?;
                self.raw(b"")
            }
            // A number of the program may have zeros in front, which JSON does not know.
            Num::Dec(digits) if serde_json::from_str::<IgnoredAny>(digits).is_err() => {
                self.number(&Num::from_dec_str(digits))
            }
            Num::Dec(digits) => self.raw(digits.as_bytes()),
        }
    }

    fn show(&mut self, number: &impl std::fmt::Display) -> Result<(), String> {
        write!(self.out, "{number}").map_err(|error| error.to_string())?;
        self.raw(b"")
    }

    /// Bytes that are not UTF-8 (a program may decode base64) become U+FFFD.
    fn string(&mut self, text: &[u8]) -> Result<(), String> {
        serde_json::to_writer(&mut self.out, &*String::from_utf8_lossy(text)).map_err(|error| error.to_string())?;
        self.raw(b"")
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.out.extend_from_slice(bytes);
        if self.out.len() > self.limit { Err(format!("the text is longer than {} bytes", self.limit)) } else { Ok(()) }
    }
}

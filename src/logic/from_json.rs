//! Reading our own documents back from JSON: the status, what is stored of alerts, offsets.json, requests and answers.
//! By way of a [`Value`] and with one small function a type of member: serde's derived readers do the same in ten times
//! the code, and nothing here is read often. Writing is serde's.

use std::fmt;

use litemap::LiteMap;
use serde_json::{Map, Value};

/// What can be read from JSON.
pub trait FromJson: Sized {
    /// Reads `value`.
    ///
    /// # Errors
    /// The first place in it where something else is expected.
    fn from_json(value: &Value) -> Result<Self, Unreadable>;
}

/// Reads the whole of `json`.
///
/// # Errors
/// Where it is no JSON, or what else is expected in it; in words.
pub fn read<T: FromJson>(json: &[u8]) -> Result<T, String> {
    T::from_json(&parse(json)?).map_err(|unreadable| unreadable.to_string())
}

fn parse(json: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(json).map_err(|error| error.to_string())
}

/// Why a value is not what it should be, and which one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// From the outside to the inside: `.forwards[0].lag`; empty for the whole.
    path: String,
    reason: String,
}

impl Unreadable {
    /// It should be something like `expected`.
    pub fn expected(expected: &str) -> Self {
        Self::because(format!("expected {expected}"))
    }

    /// It cannot be read because of `reason`.
    pub fn because(reason: String) -> Self {
        Self { path: String::new(), reason }
    }

    /// The same, seen from one level further out; `step` is `.name` or `[0]`.
    fn within(mut self, step: &str) -> Self {
        self.path.insert_str(0, step);
        self
    }

    fn within_item(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.strip_prefix('.').unwrap_or(&self.path) {
            "" => f.write_str(&self.reason),
            path => write!(f, "`{path}`: {}", self.reason),
        }
    }
}

impl std::error::Error for Unreadable {}

/// The members of an object while they are taken. The first problem is kept, and reading goes on: what is returned in
/// place of something wrong is never used, because [`Members::end`] fails then.
#[derive(Debug)]
pub struct Members<'a> {
    object: &'a Map<String, Value>,
    taken: Vec<&'static str>,
    problem: Option<Unreadable>,
}

impl<'a> Members<'a> {
    /// Those of `value`.
    ///
    /// # Errors
    /// It is no object.
    pub fn of(value: &'a Value) -> Result<Self, Unreadable> {
        let object = value.as_object().ok_or_else(|| Unreadable::expected("an object"))?;
        Ok(Self { object, taken: Vec::new(), problem: None })
    }

    /// The member `name`. It must be there, unless `T` is an option.
    pub fn take<T: FromJson + Default>(&mut self, name: &'static str) -> T {
        self.taken.push(name);
        let read = T::from_json(self.object.get(name).unwrap_or(&Value::Null));
        read.unwrap_or_else(|unreadable| {
            self.note(name, unreadable);
            T::default()
        })
    }

    /// The member `name`; the default where it is not there.
    pub fn take_or_default<T: FromJson + Default>(&mut self, name: &'static str) -> T {
        self.take_or(name, T::default())
    }

    /// The member `name`; `missing` where it is not there.
    pub fn take_or<T: FromJson + Default>(&mut self, name: &'static str, missing: T) -> T {
        if self.object.contains_key(name) {
            return self.take(name);
        }
        self.taken.push(name);
        missing
    }

    /// All is taken that is wanted of the object: `read` was made of it.
    ///
    /// # Errors
    /// The first problem there was.
    pub fn end<T>(self, read: T) -> Result<T, Unreadable> {
        match self.problem {
            None => Ok(read),
            Some(problem) => Err(problem),
        }
    }

    /// As [`Members::end`], and nothing else may be there.
    ///
    /// # Errors
    /// The first problem there was, or a member that was not taken.
    pub fn end_of_all<T>(mut self, read: T) -> Result<T, Unreadable> {
        self.refuse_unknown();
        self.end(read)
    }

    #[cold]
    fn note(&mut self, name: &str, unreadable: Unreadable) {
        let missing = !self.object.contains_key(name);
        let unreadable =
            if missing { Unreadable { reason: "it is missing".to_owned(), ..unreadable } } else { unreadable };
        self.problem.get_or_insert_with(|| unreadable.within(&format!(".{name}")));
    }

    fn refuse_unknown(&mut self) {
        if self.problem.is_none()
            && let Some(unknown) = self.object.keys().find(|name| !self.taken.contains(&name.as_str()))
        {
            let reason = format!("unknown member; known here: {}", self.taken.join(", "));
            self.problem = Some(Unreadable { path: format!(".{unknown}"), reason });
        }
    }
}

/// Reads a struct member by member: `from_json!(Silence { name, until })`. Behind a semicolon stand those that may be
/// missing, because an older version does not write them; `member as "name"` where the document has another name.
/// `from_json!(only Silence { … })` refuses what is not listed: for what a person may have written and misspelt.
macro_rules! from_json {
    (@name $member:ident) => { stringify!($member) };
    (@name $member:ident $name:literal) => { $name };
    (only $type:ty { $($members:tt)* }) => { $crate::logic::from_json::from_json!(@read end_of_all $type { $($members)* }); };
    (@read $end:ident $type:ty { $($member:ident $(as $name:literal)?),* $(; $($newer:ident),*)? }) => {
        impl $crate::logic::from_json::FromJson for $type {
            fn from_json(value: &serde_json::Value) -> Result<Self, $crate::logic::from_json::Unreadable> {
                let mut members = $crate::logic::from_json::Members::of(value)?;
                let read = Self {
                    $($member: members.take($crate::logic::from_json::from_json!(@name $member $($name)?)),)*
                    $($($newer: members.take_or_default(stringify!($newer)),)*)?
                };
                members.$end(read)
            }
        }
    };
    ($type:ty { $($members:tt)* }) => { $crate::logic::from_json::from_json!(@read end $type { $($members)* }); };
}
pub(crate) use from_json;

/// Reads one of some words: `from_json_word!(State, "a state", { "firing" => Self::Firing })`.
macro_rules! from_json_word {
    ($type:ty, $expected:literal, { $($word:literal => $value:expr),* $(,)? }) => {
        impl $crate::logic::from_json::FromJson for $type {
            fn from_json(value: &serde_json::Value) -> Result<Self, $crate::logic::from_json::Unreadable> {
                match value.as_str() {
                    $(Some($word) => Ok($value),)*
                    _ => Err($crate::logic::from_json::Unreadable::expected($expected)),
                }
            }
        }
    };
}
pub(crate) use from_json_word;

impl FromJson for Value {
    fn from_json(value: &Value) -> Result<Self, Unreadable> {
        Ok(value.clone())
    }
}

impl FromJson for String {
    fn from_json(value: &Value) -> Result<Self, Unreadable> {
        value.as_str().map(str::to_owned).ok_or_else(|| Unreadable::expected("a string"))
    }
}

impl FromJson for bool {
    fn from_json(value: &Value) -> Result<Self, Unreadable> {
        value.as_bool().ok_or_else(|| Unreadable::expected("true or false"))
    }
}

impl FromJson for f64 {
    fn from_json(value: &Value) -> Result<Self, Unreadable> {
        value.as_f64().ok_or_else(|| Unreadable::expected("a number"))
    }
}

/// Whole numbers, each within its range.
macro_rules! whole_numbers {
    ($($type:ty, $read:ident;)*) => {$(
        impl FromJson for $type {
            fn from_json(value: &Value) -> Result<Self, Unreadable> {
                let number = value.$read().and_then(|number| Self::try_from(number).ok());
                number.ok_or_else(|| Unreadable::expected(concat!("a whole number (", stringify!($type), ")")))
            }
        }
    )*};
}

whole_numbers! {
    u16, as_u64;
    u32, as_u64;
    u64, as_u64;
    usize, as_u64;
    i32, as_i64;
    i64, as_i64;
}

impl<T: FromJson> FromJson for Option<T> {
    fn from_json(value: &Value) -> Result<Self, Unreadable> {
        if value.is_null() { Ok(None) } else { T::from_json(value).map(Some) }
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(value: &Value) -> Result<Self, Unreadable> {
        let items = value.as_array().ok_or_else(|| Unreadable::expected("an array"))?;
        let mut read = Self::with_capacity(items.len());
        for item in items {
            // The length is the index.
            read.push(T::from_json(item).map_err(|unreadable| unreadable.within_item(read.len()))?);
        }
        Ok(read)
    }
}

/// An object whose keys are data.
impl<T: FromJson> FromJson for LiteMap<String, T> {
    fn from_json(value: &Value) -> Result<Self, Unreadable> {
        let object = value.as_object().ok_or_else(|| Unreadable::expected("an object"))?;
        let mut read = Self::with_capacity(object.len());
        for (key, value) in object {
            let item = T::from_json(value).map_err(|unreadable| unreadable.within(&format!(".{key}")))?;
            read.insert(key.clone(), item);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq)]
    struct Disk {
        name: String,
        used: u64,
        share: Option<f64>,
        parts: Vec<i32>,
        labels: LiteMap<String, String>,
    }

    from_json!(Disk { name as "dir", used, share; parts, labels });

    #[test]
    fn members_that_may_be_missing_are_their_default() {
        let read = read::<Disk>(br#"{"dir": "a", "used": 7, "what a later version adds": []}"#);
        assert_eq!(read, Ok(Disk { name: "a".into(), used: 7, ..Disk::default() }));
        let read = super::read::<Disk>(
            br#"{"dir": "a", "used": 0, "share": 1, "parts": [-1], "labels": {"z": "", "a": "b"}}"#,
        );
        let labels = [("a", "b"), ("z", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        let labels = labels.into_iter().collect();
        assert_eq!(read, Ok(Disk { name: "a".into(), used: 0, share: Some(1.0), parts: vec![-1], labels }));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (json, expected) in [
            ("[]", "expected an object"),
            (r#"{"used": 1}"#, "`dir`: it is missing"),
            (r#"{"dir": null, "used": -1}"#, "`dir`: expected a string"),
            (r#"{"dir": "", "used": -1}"#, "`used`: expected a whole number (u64)"),
            (r#"{"dir": "", "used": 1.5}"#, "`used`: expected a whole number (u64)"),
            (r#"{"dir": "", "used": 1, "parts": [0, 2147483648]}"#, "`parts[1]`: expected a whole number (i32)"),
            (r#"{"dir": "", "used": 1, "labels": {"a": 1}}"#, "`labels.a`: expected a string"),
            (r#"{"dir": "", "used": 1, "share": "1"}"#, "`share`: expected a number"),
        ] {
            assert_eq!(
                read::<Disk>(json.as_bytes()).map_err(|error| error.to_string()),
                Err(expected.to_owned()),
                "{json}"
            );
        }
        assert!(read::<Disk>(b"{").is_err_and(|error| error.contains("line 1 column 1")));
    }

    #[test]
    fn nothing_unknown_where_all_must_be_known() {
        let value = serde_json::json!({"a": 1, "b": 2});
        let mut members = Members::of(&value).expect("an object");
        let a: u32 = members.take("a");
        let problem = members.end_of_all(a).expect_err("b is unknown").to_string();
        assert_eq!(problem, "`b`: unknown member; known here: a");
    }
}

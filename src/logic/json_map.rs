//! A [`LiteMap`] as a JSON object, for `#[serde(with = …)]`: litemap's own way writes an empty one as `[]`.

use std::fmt;
use std::marker::PhantomData;

use litemap::LiteMap;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes an object, sorted by key.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<V: Serialize, S: Serializer>(map: &LiteMap<String, V>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(map)
}

/// Reads an object in any order. Where a key stands twice, the last one counts.
///
/// # Errors
/// Those of the deserializer, also where there is something else than an object.
pub fn deserialize<'de, V, D>(deserializer: D) -> Result<LiteMap<String, V>, D::Error>
where
    V: Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_map(Members(PhantomData))
}

struct Members<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Members<V> {
    type Value = LiteMap<String, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(member) = members.next_entry()? {
            found.push(member);
        }
        Ok(found.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Document(#[serde(with = "super")] LiteMap<String, u64>);

    #[test]
    fn is_an_object_even_without_members() {
        for (json, written) in [("{}", "{}"), (r#"{"b":2,"a":1,"b":3}"#, r#"{"a":1,"b":3}"#)] {
            let read: Document = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), written);
        }
        for wrong in ["[]", "null", r#"[["a",1]]"#] {
            serde_json::from_str::<Document>(wrong).unwrap_err();
        }
    }
}

//! A [`LiteMap`] as a JSON object, for `#[serde(serialize_with = …)]`: litemap's own way writes an empty one as `[]`.

use litemap::LiteMap;
use serde::{Serialize, Serializer};

/// Writes an object, sorted by key.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<V: Serialize, S: Serializer>(map: &LiteMap<String, V>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Document(#[serde(serialize_with = "serialize")] LiteMap<String, u64>);

    #[test]
    fn is_an_object_even_without_members() {
        let b_and_a = [("b", 3), ("a", 1)].map(|(name, number)| (name.to_owned(), number));
        for (map, written) in [(LiteMap::new(), "{}"), (b_and_a.into_iter().collect(), r#"{"a":1,"b":3}"#)] {
            assert_eq!(serde_json::to_string(&Document(map)).unwrap(), written);
        }
    }
}

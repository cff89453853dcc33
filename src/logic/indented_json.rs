//! JSON for eyes: line feeds and blanks between the tokens of a text that has none. What serializes into an indented form
//! directly exists once more for every type that is written in both.

/// `json`, which has no layout of its own, with a line for each item and member, indented by two blanks a level.
pub fn indented(json: &str) -> String {
    let mut text = String::with_capacity(json.len() * 2);
    let mut level: usize = 0;
    let (mut in_string, mut escaped, mut just_opened) = (false, false, false);
    for character in json.chars() {
        if in_string {
            text.push(character);
            in_string = escaped || character != '"';
            escaped = character == '\\' && !escaped;
            continue;
        }
        let closes = matches!(character, '}' | ']');
        if closes {
            level = level.saturating_sub(1);
        }
        // What is empty stays in its line.
        if just_opened != closes {
            new_line(&mut text, level);
        }
        text.push(character);
        just_opened = matches!(character, '{' | '[');
        match character {
            '"' => in_string = true,
            '{' | '[' => level += 1,
            ':' => text.push(' '),
            ',' => new_line(&mut text, level),
            _ => {}
        }
    }
    text
}

fn new_line(text: &mut String, level: usize) {
    text.push('\n');
    for _ in 0..level {
        text.push_str("  ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[track_caller]
    fn check(document: &Value) {
        let expected = serde_json::to_string_pretty(document).expect("JSON");
        assert_eq!(indented(&document.to_string()), expected);
    }

    #[test]
    fn is_laid_out_as_serde_json_does_it() {
        for document in [
            json!(null),
            json!([]),
            json!({}),
            json!([[], {}, [{}], ""]),
            json!({"a": {"b": [1, -2.5e300, true]}, "": [null]}),
            json!(["{\"a\":[1,2]}", "\\", "\\\"", "\u{1}\n, : 告"]),
        ] {
            check(&document);
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let text = "[a\\\\\"{}:,\\[\\] \n]{0,6}";
        let leaf =
            prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), any::<i64>().prop_map(Value::from)];
        let leaf = prop_oneof![leaf, text.prop_map(Value::from)];
        leaf.prop_recursive(4, 30, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text, inner, 0..4)
                    .prop_map(|members| members.into_iter().collect::<Value>()),
            ]
        })
    }

    proptest! {
        #[test]
        fn also_where_strings_look_like_json(document in any_json()) {
            check(&document);
        }
    }
}

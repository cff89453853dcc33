//! Text from outside (records, names, answers of endpoints) made fit for a terminal, a log line and a table: nothing in
//! it can move the cursor, forge a line or turn the writing direction. Also how many columns a text takes. Pure.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` with everything escaped that is not shown: control characters as `\n`, `\t`, `\x1b`, the invisible characters
/// that reorder or split lines as `\u{202e}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            hidden if is_hidden(hidden) && u32::from(hidden) < 0x100 => {
                // Writing to a String cannot fail.
                let _ = write!(shown, "\\x{:02x}", u32::from(hidden));
            }
            hidden if is_hidden(hidden) => {
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(hidden));
            }
            visible => shown.push(visible),
        }
    }
    Cow::Owned(shown)
}

/// JSON text with everything escaped that is not shown, which leaves it the same JSON. Line feeds stay: outside of
/// strings they are layout, and inside JSON has them escaped already.
pub fn printable_json(json: &str) -> Cow<'_, str> {
    let is_hidden = |character: char| character != '\n' && is_hidden(character);
    if !json.chars().any(is_hidden) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if is_hidden(character) {
            // All that is hidden lies in the basic plane. Writing to a String cannot fail.
            let _ = write!(shown, "\\u{:04x}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Bytes that should be text: what is not UTF-8 becomes U+FFFD, and the rest is [`printable`].
pub fn printable_bytes(bytes: &[u8]) -> String {
    printable(&String::from_utf8_lossy(bytes)).into_owned()
}

/// The beginning of `text`, at most `columns` wide, with an ellipsis where something is missing.
pub fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    let mut taken = 1; // the ellipsis
    for character in text.chars() {
        taken += character_width(character);
        if taken > columns {
            break;
        }
        shown.push(character);
    }
    shown.push('…');
    Cow::Owned(shown)
}

/// How many columns a terminal takes to show `text` (which should be printable).
pub fn width(text: &str) -> usize {
    text.chars().map(character_width).sum()
}

/// Control characters (C0, DEL, C1), and of the format characters those that change lines or direction.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{feff}')
}

/// 0 for combining marks, 2 for what East Asian terminals show wide (UAX 11, by blocks), 1 for the rest.
fn character_width(character: char) -> usize {
    match u32::from(character) {
        0x0300..=0x036f | 0x200b..=0x200d | 0x20d0..=0x20ff | 0xfe00..=0xfe0f | 0xfe20..=0xfe2f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xa960..=0xa97f
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f680..=0x1f6ff
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: &str, text: &str, shown: &str) {
        assert_eq!(printable(text), shown, "{rule}");
    }

    #[test]
    fn what_is_hidden_is_shown() {
        check("plain text stays", "order-1 ok", "order-1 ok");
        check("so does any script", "告警 für Ωmega", "告警 für Ωmega");
        check("a line cannot be forged", "a\n2026 ERROR b\r", "a\\n2026 ERROR b\\r");
        check("a terminal cannot be driven", "\u{1b}[2J", "\\x1b[2J");
        check("not by the one-character form either", "\u{9b}2J", "\\x9b2J");
        check("nothing is deleted", "a\u{7f}\u{8}", "a\\x7f\\x08");
        check("the direction stays", "a\u{202e}b", "a\\u{202e}b");
        check("Unicode's own line ends", "a\u{2028}b", "a\\u{2028}b");
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(printable_bytes(b"a\xff\x00"), "a\u{fffd}\\x00");
    }

    #[test]
    fn json_stays_the_same_json() {
        let text = "{\n \"a\u{7f}\": \"\u{9b}2J \u{202e}告 \u{1f600}\"\n}";
        let shown = printable_json(text);
        assert_eq!(shown, "{\n \"a\\u007f\": \"\\u009b2J \\u202e告 \u{1f600}\"\n}");
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(parse(&shown), parse(text));
    }

    #[test]
    fn widths() {
        for (text, columns) in [("", 0), ("abc", 3), ("告警", 4), ("e\u{301}", 1), ("가", 2), ("…", 1), ("ＡＢ", 4)]
        {
            assert_eq!(width(text), columns, "{text}");
        }
    }

    #[test]
    fn a_cut_text_fits() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "long…");
        assert_eq!(cut("告警告警", 5), "告警…");
        assert_eq!(cut("告警告警", 4), "告…");
    }

    proptest::proptest! {
        #[test]
        fn nothing_hidden_is_left(text in proptest::string::string_regex("(?s).{0,40}").expect("a pattern"), columns in 1_usize..30) {
            let shown = printable(&text);
            proptest::prop_assert!(!shown.chars().any(is_hidden));
            proptest::prop_assert!(width(&cut(&shown, columns)) <= columns);
        }
    }
}

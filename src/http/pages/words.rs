//! Figures, times and names as a person reads them on a page; names from outside become text that is no markup, and
//! links that lead back to them.

use std::borrow::Cow;
use std::fmt::Write;

use crate::logic::moment::Timestamp;
use crate::logic::printable::printable;
use crate::logic::rfc3339;
use crate::logic::watch::view::Seconds;

/// For what is not known.
pub(super) const UNKNOWN: &str = "–";
/// The longest text from outside that a page shows, in characters.
const LONGEST_TEXT: usize = 300;

/// 1234567 → `1 234 567`, with narrow no-break spaces, which no language mistakes for a decimal mark.
pub(super) fn grouped(number: impl ToString) -> String {
    let number = number.to_string();
    let (sign, digits) = number.strip_prefix('-').map_or(("", number.as_str()), |digits| ("-", digits));
    let mut text = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// The same for what may be unknown.
pub(super) fn known(number: Option<impl ToString>) -> String {
    number.map_or_else(|| UNKNOWN.to_owned(), grouped)
}

/// What may be unknown, in words.
pub(super) fn or_unknown<T>(value: Option<T>, words: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), words)
}

/// Seconds as a person says them: `0.4 s`, `12 s`, `3 min`, `5.2 h`, `4.0 d`.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 9.95 => format!("{:.1} s", s.max(0.0)),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} d", s / 86_400.0),
    }
}

/// An age that may be wrong or a lower bound: `21 min`, `over 21 min`.
pub(super) fn age(seconds: Seconds) -> String {
    let bound = if seconds.error.is_finite() { "" } else { "over " };
    format!("{bound}{}", duration(seconds.value))
}

/// A short time: `0.9 ms`, `23 ms`, then as [`duration`].
pub(super) fn latency(seconds: f64) -> String {
    match seconds * 1000.0 {
        ms if ms < 9.95 => format!("{:.1} ms", ms.max(0.0)),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        _ => duration(seconds),
    }
}

/// A rate or another number with a fraction: `0.5`, `12.3`, `1 234`.
pub(super) fn decimal(number: f64) -> String {
    if number.abs() < 99.95 { format!("{number:.1}") } else { grouped(format!("{number:.0}")) }
}

/// A signed distance in percent: `+12 %`.
pub(super) fn skew(percent: f64) -> String {
    // What is rounded to zero has no sign.
    if percent.abs() < 0.5 { "0 %".to_owned() } else { format!("{percent:+.0} %") }
}

/// `1.5 GiB`.
#[allow(clippy::cast_precision_loss, reason = "two digits are shown")]
pub(super) fn bytes(bytes: u64) -> String {
    size(bytes as f64)
}

/// `1.5 MiB`, for a rate in bytes.
pub(super) fn size(bytes: f64) -> String {
    let (mut shown, mut unit) = (bytes, "B");
    for larger in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        if shown < 1023.95 {
            break;
        }
        (shown, unit) = (shown / 1024.0, larger);
    }
    if unit == "B" { format!("{shown:.0} B") } else { format!("{shown:.1} {unit}") }
}

/// `2026-11-21T07:00:00.123Z` → `2026-11-21 07:00:00 UTC`; anything else as it is.
pub(super) fn to_the_second(time: &str) -> Cow<'_, str> {
    match (time.get(..10), time.get(11..19)) {
        (Some(day), Some(clock)) if time.ends_with('Z') => Cow::Owned(format!("{day} {clock} UTC")),
        _ => Cow::Borrowed(time),
    }
}

/// How long ago `then` was; none: it is no time.
pub(super) fn seconds_since(then: &str, now: Timestamp) -> Option<f64> {
    rfc3339::parse(then).map(|then| seconds_between(then, now))
}

/// From `then` to `now`; zero where the clock went back.
#[allow(clippy::cast_precision_loss, reason = "milliseconds far below 2^53")]
pub(super) fn seconds_between(then: Timestamp, now: Timestamp) -> f64 {
    (now.0.saturating_sub(then.0)).max(0) as f64 / 1000.0
}

/// `s` unless there is exactly one.
pub(super) fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// Fit for an element and for a quoted attribute; what is endless is cut.
pub(super) fn escape(text: &str) -> String {
    let shown = printable(text);
    let mut escaped = String::with_capacity(shown.len().min(2 * LONGEST_TEXT));
    for (index, character) in shown.chars().enumerate() {
        if index == LONGEST_TEXT {
            escaped.push('…');
            break;
        }
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            plain => escaped.push(plain),
        }
    }
    escaped
}

/// Fit for a path and for a query.
pub(super) fn percent_encoded(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            other => {
                // Writing to a String cannot fail.
                let _ = write!(encoded, "%{other:02X}");
            }
        }
    }
    encoded
}

/// What was encoded so; none: it was not, or it is no text.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let (high, low) = (digit()?, digit()?);
            bytes.push(high * 16 + low);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_for_people() {
        for (number, text) in
            [(0_i64, "0"), (999, "999"), (1000, "1\u{202f}000"), (-1_234_567, "-1\u{202f}234\u{202f}567")]
        {
            assert_eq!(grouped(number), text);
        }
        for (seconds, text) in [
            (0.0, "0.0 s"),
            (-1.0, "0.0 s"),
            (9.94, "9.9 s"),
            (59.6, "60 s"),
            (180.0, "3 min"),
            (18_720.0, "5.2 h"),
            (345_600.0, "4.0 d"),
        ] {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!(age(Seconds { value: 60.0, error: 15.0 }), "60 s");
        assert_eq!(age(Seconds { value: 60.0, error: f64::INFINITY }), "over 60 s");
        for (seconds, text) in [(0.0009, "0.9 ms"), (0.0234, "23 ms"), (0.9996, "1000 ms"), (2.5, "2.5 s")] {
            assert_eq!(latency(seconds), text);
        }
        for (number, text) in [(0.04, "0.0"), (99.9, "99.9"), (1234.5, "1\u{202f}234")] {
            assert_eq!(decimal(number), text);
        }
        for (percent, text) in [(12.5, "+12 %"), (-12.6, "-13 %"), (-0.4, "0 %")] {
            assert_eq!(skew(percent), text);
        }
        for (number, text) in [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5_000_000_000, "4.7 GiB")] {
            assert_eq!(bytes(number), text);
        }
        assert_eq!(to_the_second("2026-11-21T07:00:00.123Z"), "2026-11-21 07:00:00 UTC");
        assert_eq!(to_the_second("yesterday"), "yesterday");
        assert_eq!(seconds_since("1970-01-01T00:00:10Z", Timestamp(70_000)), Some(60.0));
        assert_eq!(seconds_since("yesterday", Timestamp(70_000)), None);
    }

    #[test]
    fn names_that_cannot_stand_in_a_path() {
        for (name, encoded) in [
            ("orders-v1.x_y", "orders-v1.x_y"),
            ("a/b?c=d&e#f", "a%2Fb%3Fc%3Dd%26e%23f"),
            ("100 %", "100%20%25"),
            ("告", "%E5%91%8A"),
        ] {
            assert_eq!(percent_encoded(name), encoded);
            assert_eq!(percent_decoded(encoded).as_deref(), Some(name));
        }
        for broken in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(percent_decoded(broken), None, "{broken}");
        }
    }

    #[test]
    fn an_endless_text_is_cut() {
        let shown = escape(&"<".repeat(100_000));
        assert_eq!(shown, format!("{}…", "&lt;".repeat(LONGEST_TEXT)));
    }
}

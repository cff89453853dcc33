//! Durations as people write them in the configuration and on the command line: "250ms", "10s", "1h30m", "7d".
//! Knows no file and no key; a message never repeats the text it is about, which may be a secret.

use std::time::Duration;

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const FORM: &str = "a duration is whole numbers with units, as in \"250ms\", \"10s\", \"1h30m\" or \"7d\"";

/// Reads a duration: whole numbers, each with a unit of d, h, m, s, ms, from the largest unit to the smallest.
///
/// # Errors
/// Anything else, and more milliseconds than 64 bits hold; the message says what the form is.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut smallest = u64::MAX;
    if rest.is_empty() {
        return Err(FORM.to_owned());
    }
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        let (unit, after) = after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
        if unit.is_empty() {
            return Err(format!("the unit is missing: {FORM}"));
        }
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(FORM.to_owned());
        };
        if *factor >= smallest {
            return Err(format!("units go from the largest to the smallest, each once: {FORM}"));
        }
        smallest = *factor;
        let number: u64 = number.parse().map_err(|_| FORM.to_owned())?;
        total = number
            .checked_mul(*factor)
            .and_then(|milliseconds| total.checked_add(milliseconds))
            .ok_or("that is longer than any duration can be")?;
        rest = after;
    }
    Ok(Duration::from_millis(total))
}

/// Writes a duration in the same form; what is below a millisecond is left out.
pub fn display_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, factor) in UNITS {
        let number = rest / factor;
        rest %= factor;
        if number > 0 {
            text.push_str(&format!("{number}{unit}"));
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("10s", 10_000),
            ("5m", 300_000),
            ("36h", 129_600_000),
            ("7d", 604_800_000),
            ("1h30m", 5_400_000),
            ("1d1h1m1s1ms", 90_061_001),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for (rule, text) in [
            ("nothing", ""),
            ("a number without a unit", "10"),
            ("a unit without a number", "s"),
            ("a unit we do not have", "10y"),
            ("a unit in capitals, which elsewhere is a month", "5M"),
            ("a fraction", "1.5s"),
            ("a sign", "-1s"),
            ("a space", "1 s"),
            ("the small unit first", "30m1h"),
            ("a unit twice", "1h1h"),
            ("more than 64 bits", "999999999999999999d"),
            ("a number of more than 64 bits", "99999999999999999999s"),
            ("digits of another script", "１０s"),
        ] {
            assert!(parse_duration(text).is_err(), "{rule}: {text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_displayed_reads_back_the_same(milliseconds in any::<u64>()) {
            let duration = Duration::from_millis(milliseconds);
            prop_assert_eq!(parse_duration(&display_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = parse_duration(&text);
        }
    }
}

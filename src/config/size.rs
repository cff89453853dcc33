//! Sizes as people write them in the configuration: "64KiB", "8MiB"; "10MB" is decimal, as the SI has it.
//! Knows no file and no key; a message never repeats the text it is about, which may be a secret.

const UNITS: [(&str, u64); 10] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("kB", 1_000),
    ("B", 1),
];
const FORM: &str = "a size is a whole number with a unit, as in \"64KiB\", \"8MiB\", \"10MB\" or \"512B\"";

/// Reads a size in bytes: a whole number and B, KiB, MiB, GiB, TiB (powers of 1024) or KB, MB, GB, TB (of 1000).
///
/// # Errors
/// Anything else, and more bytes than 64 bits hold; the message says what the form is.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    if !number.is_empty() && unit.is_empty() {
        return Err(format!("the unit is missing: {FORM}"));
    }
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(FORM)?;
    let number: u64 = number.parse().map_err(|_| FORM.to_owned())?;
    number.checked_mul(*factor).ok_or_else(|| "that is larger than any size can be".to_owned())
}

/// Writes a size in the largest unit (of 1024) that it is a whole number of.
pub fn display_size(bytes: u64) -> String {
    for (unit, factor) in UNITS.into_iter().filter(|(unit, _)| unit.ends_with("iB")) {
        if bytes >= factor && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    format!("{bytes}B")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_numbers_with_units() {
        for (text, bytes) in [
            ("0B", 0),
            ("512B", 512),
            ("64KiB", 65_536),
            ("8MiB", 8_388_608),
            ("2GiB", 2_147_483_648),
            ("1TiB", 1_099_511_627_776),
            ("10KB", 10_000),
            ("10kB", 10_000),
            ("10MB", 10_000_000),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for (rule, text) in [
            ("nothing", ""),
            ("a number without a unit", "1024"),
            ("a unit without a number", "MiB"),
            ("a unit that is two things to two people", "8M"),
            ("bits", "8Mib"),
            ("a fraction", "1.5MiB"),
            ("a space", "8 MiB"),
            ("more than 64 bits", "99999999999TiB"),
        ] {
            assert!(parse_size(text).is_err(), "{rule}: {text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_displayed_reads_back_the_same(bytes in any::<u64>()) {
            prop_assert_eq!(parse_size(&display_size(bytes)), Ok(bytes));
        }
    }
}

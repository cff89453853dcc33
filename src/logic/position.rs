//! POSITION as a person gives it on the command line: `earliest`, `latest`, an offset, `end-N` or a time. Only what was
//! asked for: the offset that it means has to be looked up on the broker. Pure.

use std::fmt;
use std::str::FromStr;

use super::moment::Timestamp;
use super::rfc3339;

/// The place in a partition that somebody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedPosition {
    /// The first record that the log still has.
    Earliest,
    /// After the last record.
    Latest,
    /// This offset, 0 or more.
    Offset(i64),
    /// So many records before the log end offset, 0 or more.
    BeforeEnd(i64),
    /// The first record with this timestamp or a later one.
    Time(Timestamp),
}

/// The text is no position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAPosition {
    text: String,
}

impl fmt::Display for NotAPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no position: it takes earliest, latest, an offset, end-N or a time such as 2026-11-21T07:00:00Z",
            self.text
        )
    }
}

impl std::error::Error for NotAPosition {}

impl FromStr for RequestedPosition {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let position = match text {
            "earliest" => Some(Self::Earliest),
            "latest" | "end" => Some(Self::Latest),
            _ => match text.strip_prefix("end-") {
                Some(count) => digits(count).map(Self::BeforeEnd),
                None => digits(text).map(Self::Offset).or_else(|| rfc3339::parse(text).map(Self::Time)),
            },
        };
        position.ok_or_else(|| NotAPosition { text: text.to_owned() })
    }
}

impl fmt::Display for RequestedPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earliest => f.write_str("earliest"),
            Self::Latest => f.write_str("latest"),
            Self::Offset(offset) => write!(f, "{offset}"),
            Self::BeforeEnd(count) => write!(f, "end-{count}"),
            Self::Time(time) => f.write_str(&rfc3339::format(*time)),
        }
    }
}

/// A number of decimal digits and nothing else; `parse` alone would take "+5", too.
fn digits(text: &str) -> Option<i64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RequestedPosition::*;

    #[track_caller]
    fn check(rule: &str, text: &str, expected: Option<RequestedPosition>) {
        assert_eq!(text.parse::<RequestedPosition>().ok(), expected, "{rule}");
    }

    #[test]
    fn positions() {
        check("by name", "earliest", Some(Earliest));
        check("by name", "latest", Some(Latest));
        check("an offset", "0", Some(Offset(0)));
        check("the highest offset", "9223372036854775807", Some(Offset(i64::MAX)));
        check("an offset that no log can have", "9223372036854775808", None);
        check("a negative offset is not one of ours (-1 and -2 mean something to Kafka)", "-1", None);
        check("a sign", "+5", None);
        check("from the end", "end-100", Some(BeforeEnd(100)));
        check("the end itself", "end-0", Some(BeforeEnd(0)));
        check("beyond the end there is nothing", "end--1", None);
        check("no number", "end-", None);
        check("a time", "2026-11-21T07:00:00Z", Some(Time(Timestamp(1_795_244_400_000))));
        check("a time with an offset", "2026-11-21T08:00:00+01:00", Some(Time(Timestamp(1_795_244_400_000))));
        check("nothing", "", None);
        check("another word", "Latest", None);
    }

    #[test]
    fn the_refusal_says_what_it_takes() {
        let refusal = "yesterday".parse::<RequestedPosition>().expect_err("no position").to_string();
        assert!(refusal.contains("\"yesterday\"") && refusal.contains("end-N"), "{refusal}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_what_is_shown_reads_back(text in ".{0,24}") {
            if let Ok(position) = text.parse::<RequestedPosition>() {
                proptest::prop_assert_eq!(position.to_string().parse::<RequestedPosition>(), Ok(position));
            }
        }
    }
}

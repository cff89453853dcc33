//! Timestamps as people write them: RFC 3339, in UTC, with milliseconds. Pure: knows no clock and no time zone of the
//! machine.

use chrono::{DateTime, SecondsFormat};

use super::moment::Timestamp;

/// `2026-11-21T07:00:00.123Z`; the bare number where no calendar reaches that far.
pub fn format(timestamp: Timestamp) -> String {
    match DateTime::from_timestamp_millis(timestamp.0) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Millis, true),
        None => timestamp.0.to_string(),
    }
}

/// The time that `text` names, with any offset from UTC; finer than a millisecond is cut. None: it is not RFC 3339.
pub fn parse(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| Timestamp(time.timestamp_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: &str, text: &str, expected: Option<i64>) {
        assert_eq!(parse(text), expected.map(Timestamp), "{rule}");
    }

    #[test]
    fn times_are_read() {
        check("UTC", "2026-11-21T07:00:00Z", Some(1_795_244_400_000));
        check("milliseconds", "2026-11-21T07:00:00.123Z", Some(1_795_244_400_123));
        check("an offset", "2026-11-21T08:00:00+01:00", Some(1_795_244_400_000));
        check("before 1970", "1969-12-31T23:59:59Z", Some(-1000));
        check("a date alone is not a time", "2026-11-21", None);
        check("a time without an offset is ambiguous", "2026-11-21T07:00:00", None);
    }

    #[test]
    fn what_is_written_can_be_read() {
        assert_eq!(format(Timestamp(1_795_244_400_123)), "2026-11-21T07:00:00.123Z");
        assert_eq!(format(Timestamp(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(format(Timestamp(i64::MAX)), i64::MAX.to_string());
    }
}

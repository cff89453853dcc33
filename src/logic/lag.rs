//! How far a consumer group is behind in a partition. Pure: whoever asks must have read the committed offset before the
//! end of the log, or the group may seem to be ahead of it.

/// Records that the group has not read: from where it would go on to the end of the log. None: it never committed.
///
/// What retention deleted before it was read is not counted, and a log that was cut below the committed offset makes
/// no negative lag.
pub fn lag(committed: Option<i64>, log_start: i64, end: i64) -> Option<i64> {
    next_to_read(committed, log_start).map(|next| end.saturating_sub(next).max(0))
}

/// The offset at which the group would go on. None: it never committed.
pub fn next_to_read(committed: Option<i64>, log_start: i64) -> Option<i64> {
    // Kafka says "none" with −1.
    committed.filter(|committed| *committed >= 0).map(|committed| committed.max(log_start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: &str, committed: Option<i64>, log_start: i64, end: i64, expected: Option<i64>) {
        assert_eq!(lag(committed, log_start, end), expected, "{rule}");
    }

    #[test]
    fn lags() {
        check("from the committed offset to the end", Some(7), 0, 10, Some(3));
        check("all was read", Some(10), 0, 10, Some(0));
        check("what is deleted will not be read", Some(2), 5, 10, Some(5));
        check("all was deleted", Some(2), 10, 10, Some(0));
        check("the topic was made again, shorter", Some(50), 0, 10, Some(0));
        check("never committed", None, 0, 10, None);
        check("never committed, in Kafka's word", Some(-1), 0, 10, None);
        check("no overflow", Some(0), i64::MIN, i64::MAX, Some(i64::MAX));
    }
}

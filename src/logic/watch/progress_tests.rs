use GroupStatus::{Ok, Rewind, Stall, Stop, Warning};
use Readers::{Gone, Members, NeverSeen, Unknown};

use super::*;
use crate::logic::watch::example::{SECOND, at};

/// Polls with the same readers: (seconds, committed, lag, the status after it).
type Timeline<'a> = &'a [(u64, i64, Option<i64>, GroupStatus)];

#[track_caller]
fn check(rule: &str, readers: Readers, timeline: Timeline<'_>) {
    let mut progress = Progress::found(0, timeline[0].1);
    for (seconds, committed, lag, expected) in timeline {
        let poll = Poll { now: at(*seconds), interval: 30 * SECOND, readers };
        assert_eq!(progress.observe(*committed, *lag, poll), *expected, "{rule}: at {seconds} s");
    }
}

#[test]
fn a_group_that_stands_still() {
    check(
        "no members: a stop, after three polls and a minute",
        Gone,
        &[(0, 5, Some(9), Ok), (30, 5, Some(9), Ok), (60, 5, Some(9), Stop), (90, 5, Some(0), Ok)],
    );
    check("three quick polls are no minute", Gone, &[(0, 5, Some(9), Ok), (5, 5, Some(9), Ok), (10, 5, Some(9), Ok)]);
    check("two polls are no evidence, however far apart", Gone, &[(0, 5, Some(9), Ok), (900, 5, Some(9), Ok)]);
    check(
        "no members, and one message waits",
        NeverSeen,
        &[(0, 5, Some(1), Ok), (30, 5, Some(1), Ok), (60, 5, Some(1), Stop)],
    );
    check(
        "members that never committed while we looked get five minutes",
        Members,
        &[(0, 5, Some(9), Ok), (60, 5, Some(9), Ok), (270, 5, Some(9), Ok), (300, 5, Some(9), Stall)],
    );
    check(
        "members that did commit get a minute; what was known stays while the end is not known",
        Members,
        &[
            (0, 5, Some(0), Ok),
            (30, 6, Some(0), Ok),
            (60, 6, Some(50), Ok),
            (90, 6, Some(60), Ok),
            (120, 6, Some(60), Stall),
            (150, 6, None, Stall),
            (180, 7, Some(60), Ok),
        ],
    );
    check(
        "nobody tells whether there are members: Burrow's word",
        Unknown,
        &[(0, 5, Some(0), Ok), (30, 6, Some(9), Ok), (60, 6, Some(9), Ok), (90, 6, Some(9), Stop)],
    );
    check(
        "waiting begins when there is something to read, not at the last commit",
        Members,
        &[(0, 5, Some(0), Ok), (30, 6, Some(0), Ok), (9_000, 6, Some(9), Ok), (9_030, 6, Some(9), Ok)],
    );
    check(
        "no new messages and nothing left is fine for ever",
        Gone,
        &[(0, 5, Some(0), Ok), (30, 5, Some(0), Ok), (90_000, 5, Some(0), Ok)],
    );
    check(
        "one behind for ever: the marker of a transaction",
        Members,
        &[(0, 5, Some(1), Ok), (300, 5, Some(1), Ok), (9_000, 5, Some(1), Ok)],
    );
}

#[test]
fn a_group_that_commits_rarely_is_given_twice_its_longest_time() {
    check(
        "every four minutes",
        Members,
        &[
            (0, 5, Some(9), Ok),
            (120, 5, Some(9), Ok),
            (240, 14, Some(9), Ok),
            (360, 14, Some(20), Ok),
            (480, 23, Some(9), Ok),
            (600, 23, Some(20), Ok),
            (720, 23, Some(20), Ok),
            (930, 23, Some(20), Ok),
            (960, 23, Some(20), Stall),
        ],
    );
    let mut timeline = vec![(0, 0, Some(9), Ok), (3_600, 1, Some(9), Ok)];
    timeline.extend((1..=9).map(|n| (3_600 + 30 * n as u64, 1 + n, Some(9), Ok)));
    timeline.extend([(3_900, 10, Some(9), Ok), (3_930, 10, Some(9), Stall)]);
    check("a long time is forgotten after ten commits", Members, &timeline);
}

#[test]
fn a_group_that_goes_back() {
    check(
        "until it is where it was",
        Members,
        &[(0, 50, Some(9), Ok), (30, 20, Some(39), Rewind), (60, 49, Some(10), Rewind), (90, 50, Some(9), Ok)],
    );
    check("and has nothing to read there: the topic is empty", Members, &[(0, 50, Some(0), Ok), (30, 0, Some(0), Ok)]);
    let mut timeline = vec![(0, 500, Some(0), Ok), (30, 0, Some(500), Rewind)];
    timeline.extend((1..=8).map(|n| (30 + 30 * n as u64, n, Some(500 - n), Rewind)));
    timeline.push((300, 9, Some(491), Ok));
    check("ten commits later it is only behind", Members, &timeline);
    check(
        "who goes back and stays there has stopped",
        Gone,
        &[(0, 50, Some(0), Ok), (30, 0, Some(50), Rewind), (60, 0, Some(50), Rewind), (90, 0, Some(50), Stop)],
    );
}

#[test]
fn a_group_that_falls_behind() {
    let commits = |lags: &[i64]| -> Vec<(u64, i64, Option<i64>)> {
        (0..).zip(lags).map(|(n, lag)| (30 * n, 100 * n as i64, Some(*lag))).collect()
    };
    for (rule, lags, expected) in [
        ("ten commits, and more left at each", &[5, 6, 7, 8, 9, 10, 11, 12, 13, 14][..], Warning),
        ("or not less", &[5, 5, 5, 5, 9, 9, 9, 9, 9, 14], Warning),
        ("nine are too few", &[5, 6, 7, 8, 9, 10, 11, 12, 13], Ok),
        ("once less", &[5, 6, 7, 8, 9, 8, 11, 12, 13, 14], Ok),
        ("always the same: it keeps pace", &[5; 10], Ok),
        ("once nothing left", &[0, 6, 7, 8, 9, 10, 11, 12, 13, 14], Ok),
        ("that was eleven commits ago", &[0, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], Warning),
    ] {
        let mut progress = Progress::found(0, 0);
        let poll = |seconds| Poll { now: at(seconds), interval: 30 * SECOND, readers: Members };
        let last =
            commits(lags).into_iter().map(|(seconds, offset, lag)| progress.observe(offset, lag, poll(seconds))).last();
        assert_eq!(last, Some(expected), "{rule}");
    }
}

#[test]
fn a_history_takes_48_bytes() {
    assert!(size_of::<Progress>() <= 48, "{}", size_of::<Progress>());
}

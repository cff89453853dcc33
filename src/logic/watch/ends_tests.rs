use proptest::prelude::*;

use super::*;
use crate::logic::watch::example::{self, SECOND, at, cluster, with};

fn ring_of(ends: &[Option<i64>]) -> Ring {
    let mut ring = Ring::new(0, None);
    ends.iter().for_each(|end| ring.push(*end));
    ring
}

/// The points of a ring after polls at each second.
fn points(ends: &[Option<i64>]) -> Vec<(u64, i64)> {
    let polls: Vec<Moment> = (0..ends.len() as u64).map(at).collect();
    let ring = ring_of(ends);
    let mut points: Vec<_> = ring.points(&polls).map(|(time, end)| (time.since_start().as_secs(), end)).collect();
    points.reverse();
    points
}

#[test]
fn a_ring_tells_what_it_was_told() {
    for (rule, ends, expected) in [
        ("growth", &[Some(5), Some(5), Some(700)][..], &[(0, 5), (1, 5), (2, 700)][..]),
        ("an end that was not known is no point", &[Some(5), None, Some(6)], &[(0, 5), (2, 6)]),
        ("nor is what came before it was first known", &[None, None, Some(6)], &[(2, 6)]),
        ("an end that goes back begins a new log", &[Some(9), Some(10), Some(3), Some(4)], &[(2, 3), (3, 4)]),
        ("an end that cannot be is not known", &[Some(-1), Some(0)], &[(1, 0)]),
        ("the largest end", &[Some(0), Some(i64::MAX)], &[(0, 0), (1, i64::MAX)]),
    ] {
        assert_eq!(points(ends), expected, "{rule}");
    }
}

/// Polls at these times, the newest last.
fn kept(polls: &[u64]) -> Vec<u64> {
    let moments: Vec<Moment> = polls.iter().map(|seconds| at(*seconds)).collect();
    polls.iter().zip(to_keep(&moments)).filter(|(_, keep)| *keep).map(|(seconds, _)| *seconds).collect()
}

#[test]
fn the_older_two_points_are_the_further_apart_they_may_be() {
    let mut polls = Vec::new();
    for poll in 0..1_000 {
        polls.push(poll * 30);
        polls = kept(&polls);
    }
    let now = *polls.last().unwrap();
    assert!(polls.len() <= 52, "{} points", polls.len());
    assert!(now - polls[0] >= 2 * 3600 && now - polls[1] < 2 * 3600, "two hours are covered: {polls:?}");
    for pair in polls.windows(2) {
        assert!(pair[1] - pair[0] <= (now - pair[1]) / 8 + 30, "{pair:?}");
    }
}

#[test]
fn a_gap_between_polls_is_kept() {
    assert_eq!(kept(&[0, 30, 3_600, 3_630]), [0, 30, 3_600, 3_630]);
    assert_eq!(kept(&[0]), [0]);
    assert_eq!(kept(&[]).len(), 0);
}

proptest! {
    #[test]
    fn a_ring_decodes_to_what_was_encoded(growths in prop::collection::vec(prop::option::of(0..1_i64 << 40), 0..100)) {
        let mut end = 0;
        let ends: Vec<_> = growths.iter().map(|growth| growth.map(|growth| { end += growth; end })).collect();
        let expected: Vec<_> = (0..).zip(&ends).filter_map(|(time, end)| Some((time, (*end)?))).collect();
        prop_assert_eq!(points(&ends), expected);
    }

    #[test]
    fn the_true_age_lies_within_the_error(
        growths in prop::collection::vec(prop::option::weighted(0.9, 0..1_000_i64), 2..80),
        wanted in 0.0..1.0_f64,
    ) {
        // A record a moment, evenly spread between two polls of which each knows the end, or only the next one does.
        let mut ends = Ends::default();
        let mut appended: Vec<f64> = Vec::new();
        let mut since = 0.0;
        let topic = |end: Option<i64>| TopicSeen {
            partitions: vec![PartitionSeen { latest: end, earliest: Some(0), ..PartitionSeen::default() }],
            ..TopicSeen::default()
        };
        let name: Arc<str> = "t".into();
        let mut latest = topic(None);
        for (poll, growth) in (1..).zip(&growths) {
            let now = poll as f64 * 30.0;
            if let Some(growth) = growth {
                appended.extend((0..*growth).map(|n| since + (now - since) * (n as f64 + 0.5) / *growth as f64));
                since = now;
            }
            latest = topic(growth.map(|_| appended.len() as i64));
            let seen = with(cluster(poll * 30), |seen| {
                seen.topics.insert(Arc::clone(&name), latest.clone());
            });
            ends.begin(&seen);
            ends.topic(&name, &latest).age(&latest.partitions[0], 0, seen.taken_at);
            ends.finish(true);
        }
        let now = at(growths.len() as u64 * 30);
        let next = (wanted * appended.len() as f64) as usize;
        prop_assume!(latest.partitions[0].latest.is_some() && next < appended.len());
        let age = ends.topic(&name, &latest).age(&latest.partitions[0], next as i64, now);
        let truth = now.since_start().as_secs_f64() - appended[next];
        let seconds = age.seconds();
        if let Some(seconds) = seconds {
            prop_assert!((seconds.value - truth).abs() <= seconds.error + 1e-6, "{seconds:?}, in truth {truth}");
        } else {
            prop_assert!(truth <= 30.0 * growths.len() as f64, "only of the last poll nothing is known");
        }
    }
}

#[test]
fn a_partition_that_nobody_reads_any_more_is_forgotten_when_all_groups_were_seen() {
    let seen = example::topic(cluster(0), "t", &[(0, 10)]);
    let name: Arc<str> = "t".into();
    let mut ends = Ends::default();
    ends.begin(&seen);
    ends.topic(&name, &seen.topics[&name]).age(&seen.topics[&name].partitions[0], 0, seen.taken_at);
    ends.finish(true);
    ends.begin(&seen);
    ends.finish(false);
    assert_eq!(ends.topics.len(), 1, "the group that reads it may just not have been seen");
    ends.begin(&seen);
    ends.finish(true);
    assert!(ends.topics.is_empty());
}

#[test]
fn an_age_and_its_error() {
    let at_poll = |seconds: u64, end: i64| (at(seconds), end);
    #[track_caller]
    fn check(rule: &str, age: Age, expected: Option<(f64, f64)>) {
        assert_eq!(age.seconds().map(|seconds| (seconds.value, seconds.error)), expected, "{rule}");
    }
    let middle = Age::between(Some(at_poll(0, 0)), at_poll(30, 100), 50, at(100));
    check("half way between two polls", middle, Some((85.0, 15.0)));
    let first = Age::between(Some(at_poll(0, 0)), at_poll(30, 100), 0, at(100));
    check("the first after a poll: at once, or just before the next", first, Some((100.0, 30.0)));
    let older = Age::between(None, at_poll(30, 100), 50, at(100));
    check("older than all polls: at least so old", older, Some((70.0, f64::INFINITY)));
    check("only just seen", Age::between(None, at_poll(100, 100), 50, at(100)), None);
    check("nothing unread", Age::ZERO, Some((0.0, 0.0)));
    check("the oldest of two is the older one", middle.oldest(first), Some((100.0, 30.0)));
    check("one that is not known may be older", middle.oldest(Age::UNKNOWN), Some((85.0, f64::INFINITY)));
    let exact = |answers: &[(u32, Option<bool>)]| {
        let answers: Vec<_> = answers.iter().map(|(age, older)| (SECOND * *age, *older)).collect();
        move |age: Age| age.with_exact(answers.clone().into_iter())
    };
    check("a broker's answer narrows it", exact(&[(80, Some(true)), (90, Some(false))])(middle), Some((85.0, 5.0)));
    check("and makes an end of it", exact(&[(3_600, Some(false))])(older), Some((70.0, 3_530.0)));
    check("it has the last word", exact(&[(3_600, Some(true))])(middle), Some((3_600.0, 0.0)));
    check("no answer changes nothing", exact(&[(3_600, None)])(middle), Some((85.0, 15.0)));
}

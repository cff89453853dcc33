use super::example::{SECOND, at, cluster, group, nobody, partition, slow, topic, watched, with};
use super::*;
use crate::logic::watch::view::GroupStatus;

/// At the time of a poll, `topics` topics of ten partitions that grow at different rates, and `readers` groups that
/// read each of them, a little behind.
fn large(seconds: u64, topics: i64, readers: i64) -> Snapshot {
    let at = i64::try_from(seconds).unwrap();
    let end = |topic: i64, partition: i64| 1_000_000_000 + at * (1 + topic * 37 % 100) + partition;
    let mut snapshot = cluster(seconds);
    for number in 0..topics {
        let logs: Vec<_> = (0..10).map(|partition| (0, end(number, partition))).collect();
        snapshot = topic(snapshot, &format!("topic-{number}"), &logs);
    }
    for number in 0..topics * readers {
        let topic = number / readers;
        let offsets: Vec<_> = (0..10).map(|partition| end(topic, partition) - 500 - number % 7 * 100).collect();
        snapshot = group(snapshot, &format!("group-{number}"), &[(&format!("topic-{topic}"), &offsets)]);
    }
    snapshot
}

#[test]
fn what_is_held_for_a_partition_and_for_a_place_of_a_group_is_small() {
    let (topics, readers) = (5, 2);
    let mut watch = watched([]);
    let mut most = 0;
    // Three hours: longer than ends are kept.
    for poll in 0..360 {
        watch.observe(large(poll * 30, topics, readers));
        most = most.max(watch.ends.held_bytes());
    }
    let (partitions, places) = (topics as usize * 10, (topics * readers) as usize * 10);
    assert!(most / partitions <= 170, "{} bytes for a partition's ends", most / partitions);
    let held = watch.groups.held_bytes();
    assert!(held / places <= 60, "{} bytes for a group's place in a partition", held / places);
    let view = watch.view();
    let chart = &view.groups.get("group-0").unwrap().topics.get("topic-0").unwrap().lag_chart;
    assert!(chart.len() <= 120 && chart.iter().all(|lag| *lag > 0.0));
}

#[test]
fn charts_keep_to_their_bounds_and_span_hours() {
    let mut watch = watched([]);
    for poll in 0..1_200_u64 {
        watch.observe(large(poll * 30, 1, 1));
        let view = watch.view();
        let lags = &view.groups.get("group-0").unwrap().topics.get("topic-0").unwrap().lag_chart;
        let rates = &view.topics.get("topic-0").unwrap().rate_chart;
        assert!(view.chart_times.len() <= 120 && lags.len() == view.chart_times.len() && rates.len() == lags.len());
    }
    let times = watch.view().chart_times.clone();
    let hours = (times.last().unwrap().0 - times.first().unwrap().0) / 3_600_000;
    assert!((6..=8).contains(&hours), "{hours} hours");
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "oldest first");
}

#[test]
fn beyond_a_number_of_series_there_are_no_charts() {
    let seen = |seconds| large(seconds, 250, 5);
    let watch = watched([seen(0), seen(30)]);
    let view = watch.view();
    let lengths = view.groups.values().flat_map(|group| group.topics.values()).map(|topic| topic.lag_chart.len());
    assert_eq!(lengths.clone().filter(|points| *points == 2).count(), charts::MOST_CHARTS);
    assert_eq!(lengths.filter(|points| *points == 0).count(), 250);
}

#[test]
fn a_series_that_begins_later_ends_with_the_others() {
    let one = |seconds| topic(cluster(seconds), "t", &[(0, 10)]);
    let watch = watched([one(0), one(30), group(one(60), "g", &[("t", &[4])])]);
    let view = watch.view();
    assert_eq!(view.chart_times.len(), 3);
    assert_eq!(&*view.groups.get("g").unwrap().topics.get("t").unwrap().lag_chart, [6.0]);
}

#[test]
fn a_poll_that_reached_nobody_claims_nothing() {
    let mut watch = watched([large(0, 1, 1), large(30, 1, 1)]);
    watch.observe_slow(slow(31, 250));
    watch.observe(nobody(60));
    let view = watch.view();
    assert!(view.topics.is_empty() && view.groups.is_empty() && view.racks.is_empty() && view.dirs.is_empty());
    assert!(view.brokers.values().all(|broker| broker.up.is_none() && broker.restart == view::Restart::Unknown));
    assert_eq!((view.brokers.len(), view.missing.as_slice()), (3, &["nobody answered".to_owned()][..]));
    watch.observe(large(90, 1, 1));
    let view = watch.view();
    assert_eq!(view.dirs.len(), 3, "what is asked for rarely is still known");
    let topic = view.groups.get("group-0").unwrap().topics.get("topic-0").unwrap();
    assert!(topic.lag_chart.len() == 4 && topic.lag_chart[2].is_nan(), "{:?}", topic.lag_chart);
    assert_eq!(topic.status, GroupStatus::Ok);
}

#[test]
fn the_view_is_computed_once_for_each_poll() {
    let watch = watched([cluster(0)]);
    assert!(Arc::ptr_eq(&watch.view(), &watch.view()));
}

#[test]
fn a_slow_poll_that_comes_first_is_kept() {
    let mut watch = Watch::new(30 * SECOND);
    watch.observe_slow(slow(0, 250));
    assert!(watch.view().dirs.is_empty(), "nobody has answered a poll yet");
    watch.observe(topic(cluster(1), "t", &[(0, 10)]));
    assert_eq!((watch.view().dirs.len(), watch.view().topics.get("t").unwrap().bytes), (3, Some(1_000)));
}

#[test]
fn another_cluster_at_the_same_addresses_is_begun_anew() {
    let mut other = large(60, 1, 1);
    other.cluster_id = Some("another".to_owned());
    let watch = watched([large(0, 1, 1), large(30, 1, 1), other]);
    assert_eq!(watch.view().chart_times.len(), 1);
    assert_eq!(watch.view().topics.get("topic-0").unwrap().messages_in_per_second, None);
}

#[test]
fn a_topic_of_which_the_brokers_tell_an_error_alone_stays_as_it_was_without_figures() {
    let offline = |seen: &mut Snapshot| partition(seen, 0).leader = None;
    let before = with(group(topic(cluster(0), "t", &[(0, 10)]), "g", &[("t", &[4])]), offline);
    let mut untold = group(cluster(30), "g", &[("t", &[4])]);
    untold.untold = vec!["t".into(), "never-seen".into()];
    let mut later = untold.clone();
    later.taken_at = at(60);
    let mut watch = watched([before, untold]);
    for poll in ["at once", "as long as it lasts"] {
        let view = watch.view();
        assert_eq!(
            (view.topics.get("t").unwrap().offline, view.topics.get("t").unwrap().messages),
            (1, None),
            "{poll}"
        );
        let place = view.groups.get("g").unwrap().topics.get("t").unwrap();
        assert_eq!((place.lag, place.complete), (None, false), "{poll}");
        assert!(!view.topics.contains_key("never-seen"), "{poll}");
        watch.observe(later.clone());
    }
    watch.observe(cluster(90));
    assert!(watch.view().topics.is_empty(), "now it is gone");
}

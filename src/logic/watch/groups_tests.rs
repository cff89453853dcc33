use super::*;
use crate::logic::topic_pattern::TopicPattern;
use crate::logic::watch::Watch;
use crate::logic::watch::example::{SECOND, cluster, group, group_of, nobody, partition, topic, watched, with};
use crate::logic::watch::view::{GroupStatus, Seconds};

/// The topic `t` with one log from 0 to `end`, of which the group `g` committed `committed`.
fn poll(seconds: u64, end: i64, committed: i64) -> Snapshot {
    group(topic(cluster(seconds), "t", &[(0, end)]), "g", &[("t", &[committed])])
}

fn of_topic(watch: &Watch) -> GroupTopicView {
    watch.view().groups.get("g").unwrap().topics.get("t").unwrap().clone()
}

#[test]
fn lag_of_partitions_topics_and_groups() {
    let seen = topic(topic(cluster(0), "t", &[(0, 10), (5, 10), (0, 10), (0, 10)]), "u", &[(0, 100)]);
    let seen = group(seen, "g", &[("t", &[4, 2, 12, 9]), ("u", &[60])]);
    let view = watched([seen]).view();
    let lags: Vec<_> = view
        .groups
        .get("g")
        .unwrap()
        .topics
        .get("t")
        .unwrap()
        .partitions
        .iter()
        .map(|partition| partition.lag)
        .collect();
    assert_eq!(lags, [Some(6), Some(5), Some(0), Some(1)], "from the log's start on, and never negative");
    assert_eq!(
        (view.groups.get("g").unwrap().topics.get("t").unwrap().lag, view.groups.get("g").unwrap().lag),
        (Some(12), Some(52))
    );
    assert!(view.groups.get("g").unwrap().topics.get("t").unwrap().complete);
}

#[test]
fn what_could_not_be_seen_is_unknown() {
    let two = || group(topic(cluster(0), "t", &[(0, 10), (0, 10)]), "g", &[("t", &[4, 4])]);
    #[track_caller]
    fn check(rule: &str, seen: Snapshot, lag: Option<i64>, complete: bool) {
        let topic = of_topic(&watched([seen]));
        assert_eq!((topic.lag, topic.complete), (lag, complete), "{rule}");
    }
    check("all", two(), Some(12), true);
    check("one end", with(two(), |seen| partition(seen, 1).latest = None), Some(6), false);
    check("one start", with(two(), |seen| partition(seen, 1).earliest = None), Some(6), false);
    let neither = with(two(), |seen| (partition(seen, 0).latest, partition(seen, 1).latest) = (None, None));
    check("both ends", neither, None, false);
    let fewer = with(two(), |seen| drop(seen.topics.get_mut("t").unwrap().partitions.pop()));
    check("a partition that does not exist is not unknown", fewer, Some(6), true);
}

#[test]
fn a_group_whose_coordinator_cannot_tell_keeps_its_topics_without_figures() {
    let silent = |seconds| with(poll(seconds, 10, 4), |seen| group_of(seen).committed = None);
    let watch = watched([poll(0, 10, 4), silent(30)]);
    let topic = of_topic(&watch);
    assert_eq!((topic.lag, topic.complete, topic.lag_seconds), (None, false, None));
    assert_eq!((topic.partitions[0].committed, topic.partitions[0].lag), (4, None));
    assert_eq!(watch.view().groups.get("g").unwrap().lag, None);
    assert!(
        watched([silent(0)]).view().groups.get("g").unwrap().topics.is_empty(),
        "nothing was known of it before either"
    );
    let gone = with(silent(30), |seen| seen.topics.clear());
    assert!(watched([poll(0, 10, 4), gone]).view().groups.get("g").unwrap().topics.is_empty(), "but its topic is gone");
}

#[test]
fn topics_that_count_for_a_group() {
    let both = |seconds| {
        let seen = topic(topic(cluster(seconds), "t", &[(0, 10)]), "u", &[(0, 10)]);
        group(seen, "g", &[("t", &[1]), ("u", &[1])])
    };
    let only_u = |seen: &mut Snapshot| group_of(seen).assigned = Some(vec!["u".into()]);
    let topics = |watch: &Watch| {
        watch.view().groups.get("g").unwrap().topics.keys().map(ToString::to_string).collect::<Vec<_>>()
    };
    #[track_caller]
    fn check(rule: &str, topics: &[String], expected: &[&str]) {
        assert_eq!(topics, expected, "{rule}");
    }
    check("assigned", &topics(&watched([both(0)])), &["t", "u"]);
    let mut watch = watched([with(both(0), only_u)]);
    check("one that no member reads any more does not lag for ever", &topics(&watch), &["u"]);
    watch.observe(with(both(30), |seen| {
        group_of(seen).state = Some("PreparingRebalance".to_owned());
        group_of(seen).assigned = None;
    }));
    check("nor does it come back while the group rebalances", &topics(&watch), &["u"]);
    watch.observe(both(60));
    check("only when it is assigned again", &topics(&watch), &["t", "u"]);
    let empty = |seen: &mut Snapshot| {
        (group_of(seen).state, group_of(seen).members) = (Some("Empty".to_owned()), Some(0));
        group_of(seen).assigned = None;
    };
    check("without members all that was committed counts", &topics(&watched([with(both(0), empty)])), &["t", "u"]);
    let unknown = with(both(0), |seen| group_of(seen).assigned = None);
    check("an assignment that is not known leaves nothing out", &topics(&watched([unknown])), &["t", "u"]);
    let gone = with(both(0), |seen| drop(seen.topics.remove("t")));
    check("a topic that is gone", &topics(&watched([gone])), &["u"]);
    let internal = || {
        with(both(0), |seen| {
            seen.topics.get_mut("t").unwrap().internal = true;
        })
    };
    check("an internal topic does not count", &topics(&watched([internal()])), &["u"]);
    let pattern = |text| TopicPattern::parse(text).unwrap();
    let mut watch = Watch::new(30 * SECOND).with_internal_topics(vec![pattern("*"), pattern("t")]);
    watch.observe(internal());
    check("unless it is named", &topics(&watch), &["t", "u"]);
}

#[test]
fn the_age_of_the_oldest_unread_record_over_time() {
    let mut watch = watched([poll(0, 100, 40)]);
    assert_eq!(of_topic(&watch).lag_seconds, None, "nothing is known of when records came");
    watch.observe(poll(30, 160, 40));
    assert_eq!(of_topic(&watch).lag_seconds, Some(Seconds { value: 30.0, error: f64::INFINITY }), "at least");
    watch.observe(poll(60, 160, 130));
    assert_eq!(of_topic(&watch).lag_seconds, Some(Seconds { value: 45.0, error: 15.0 }), "it came at 15 s or so");
    watch.observe(nobody(90));
    watch.observe(poll(120, 160, 130));
    assert_eq!(of_topic(&watch).lag_seconds, Some(Seconds { value: 105.0, error: 15.0 }));
    watch.observe(poll(150, 160, 160));
    assert_eq!(of_topic(&watch).lag_seconds, Some(Seconds { value: 0.0, error: 0.0 }));
    watch.observe(poll(180, 90, 40));
    assert_eq!(of_topic(&watch).lag_seconds, None, "the log was cut: what was known of it is void");
    let made_again = with(poll(210, 500, 60), |seen| seen.topics.get_mut("t").unwrap().id = Some([2; 16]));
    watch.observe(made_again);
    assert_eq!(of_topic(&watch).lag_seconds, None, "the topic was made again");
}

#[test]
fn a_partition_that_cannot_be_seen_makes_the_age_a_lower_bound() {
    let two = |seconds, end| group(topic(cluster(seconds), "t", &[(0, end), (0, end)]), "g", &[("t", &[100, 100])]);
    let unseen = with(two(60, 130), |seen| partition(seen, 1).latest = None);
    let seconds = of_topic(&watched([two(0, 100), two(30, 130), unseen])).lag_seconds.unwrap();
    assert_eq!((seconds.value, seconds.error), (60.0, f64::INFINITY));
}

#[test]
fn whether_the_oldest_unread_record_is_older_is_told_exactly() {
    let minute = 60 * SECOND;
    let poll = |committed: &[i64], answers: &[Option<Option<i64>>]| {
        let seen = group(topic(cluster(0), "t", &[(0, 10), (0, 10)]), "g", &[("t", committed)]);
        let answers = (0..).zip(answers).filter_map(|(partition, answer)| Some((("t".into(), partition), (*answer)?)));
        let offsets = answers.collect();
        with(seen, |seen| seen.offsets_at = vec![OffsetsAt { age: minute, offsets }])
    };
    #[track_caller]
    fn check(rule: &str, seen: Snapshot, expected: Option<bool>) {
        let older: Vec<_> = of_topic(&watched([seen])).older_than.iter().map(|(_, older)| *older).collect();
        assert_eq!(older, [expected], "{rule}");
    }
    let at = |offset| Some(Some(offset));
    check("what is unread is younger", poll(&[5, 5], &[at(5), at(3)]), Some(false));
    check("one record of one partition is older", poll(&[5, 5], &[at(5), at(6)]), Some(true));
    check("no record is young enough", poll(&[5, 5], &[at(5), Some(None)]), Some(true));
    check("but nothing is unread", poll(&[10, 10], &[Some(None), Some(None)]), Some(false));
    check("nothing unread needs no answer", poll(&[10, 10], &[None, None]), Some(false));
    check("an answer is missing", poll(&[5, 5], &[at(5), None]), None);
    check("an answer is missing, and another is enough", poll(&[5, 5], &[at(6), None]), Some(true));
    let unseen = with(poll(&[5, 5], &[at(5), at(5)]), |seen| partition(seen, 1).latest = None);
    check("a partition could not be seen", unseen, None);
}

#[test]
fn a_group_by_its_state() {
    let status = |state: &str, members: Option<u32>| {
        let poll = |seconds: u64| {
            with(poll(seconds, 100, 5), |seen| {
                (group_of(seen).state, group_of(seen).members) = (Some(state.to_owned()), members);
                group_of(seen).assigned = None;
            })
        };
        watched((0..=10).map(|n| poll(n * 30))).view().groups.get("g").unwrap().status
    };
    assert_eq!(status("Empty", Some(0)), GroupStatus::Stop);
    assert_eq!(status("Dead", None), GroupStatus::Stop);
    assert_eq!(status("Stable", Some(2)), GroupStatus::Stall);
    assert_eq!(status("Stable", None), GroupStatus::Stall);
    assert_eq!(status("Unknown", None), GroupStatus::Stop);
}

#[test]
fn a_group_that_loses_its_members_has_stopped_after_a_minute() {
    let empty = |seconds| {
        with(poll(seconds, 100, 40), |seen| {
            (group_of(seen).state, group_of(seen).members) = (Some("Empty".to_owned()), Some(0));
        })
    };
    let mut watch = watched([poll(0, 100, 10), poll(30, 100, 40)]);
    for (seconds, expected) in [(60, GroupStatus::Ok), (90, GroupStatus::Stop), (120, GroupStatus::Stop)] {
        watch.observe(empty(seconds));
        assert_eq!(of_topic(&watch).status, expected, "at {seconds} s");
    }
    watch.observe(poll(150, 100, 100));
    assert_eq!(of_topic(&watch).status, GroupStatus::Ok);
}

#[test]
fn a_group_that_is_gone_is_forgotten_and_one_that_was_not_seen_is_not() {
    let without = |seconds, groups_complete| {
        with(poll(seconds, 160, 40), |seen| {
            seen.groups.clear();
            seen.groups_complete = groups_complete;
        })
    };
    let begun = || watched([poll(0, 100, 40), poll(30, 100, 40), poll(60, 160, 40)]);
    let mut watch = begun();
    watch.observe(without(90, false));
    assert!(watch.view().groups.is_empty(), "it is not claimed to be there");
    watch.observe(poll(120, 160, 100));
    assert_eq!(of_topic(&watch).lag_seconds.map(|seconds| seconds.value), Some(90.0), "its logs were not forgotten");
    assert!(of_topic(&watch).lag_chart.len() == 5 && of_topic(&watch).lag_chart[3].is_nan(), "its chart has a gap");
    let mut watch = begun();
    watch.observe(without(90, true));
    watch.observe(poll(120, 160, 100));
    assert_eq!(of_topic(&watch).lag_seconds, None);
    assert_eq!(of_topic(&watch).lag_chart.len(), 1);
    let mut watch = begun();
    watch.observe(without(3_660, false));
    assert!(watch.groups.by_name.is_empty(), "an hour later it is forgotten all the same");
}

use super::*;
use crate::logic::watch::example::{cluster, nobody, partition, slow, topic, watched, with};
use crate::logic::watch::{SlowSnapshot, Watch};

/// A snapshot whose topic `t` has these (leader, replicas, in sync).
fn partitions(seconds: u64, all: &[(Option<i32>, &[i32], &[i32])]) -> Snapshot {
    with(topic(cluster(seconds), "t", &vec![(0, 0); all.len()]), |seen| {
        for (number, (leader, replicas, isr)) in all.iter().enumerate() {
            let partition = partition(seen, number);
            (partition.leader, partition.replicas, partition.isr) = (*leader, (*replicas).into(), (*isr).into());
        }
    })
}

#[test]
fn leaders_and_replicas_are_counted_for_brokers_racks_and_topics() {
    let seen = partitions(
        0,
        &[(Some(1), &[1, 2], &[1, 2]), (Some(1), &[1, 2, 3], &[1, 2]), (Some(1), &[2, 1], &[1]), (None, &[3], &[])],
    );
    let seen = with(seen, |seen| {
        for (id, broker) in seen.brokers.as_mut().unwrap() {
            broker.rack = Some(if *id == 3 { "b" } else { "a" }.to_owned());
        }
    });
    let view = watched([seen]).view();
    let broker = |id| {
        let broker: &BrokerView = &view.brokers[&id];
        (broker.leaders, broker.replicas, broker.preferred_not_leading)
    };
    assert_eq!([broker(1), broker(2), broker(3)], [(3, 3, 0), (0, 3, 1), (0, 2, 0)]);
    assert_eq!(view.brokers[&1].leader_skew_percent, Some(200.0), "three, where one is the mean");
    assert_eq!(view.brokers[&2].leader_skew_percent, Some(-100.0));
    let topic = view.topics.get("t").unwrap();
    assert_eq!((topic.offline, topic.under_replicated, topic.not_preferred), (1, 3, 2));
    assert_eq!(topic.under_min_isr, None, "min.insync.replicas is not known yet");
    assert_eq!(*view.racks.get("a").unwrap(), RackView { brokers: 2, leaders: 3, replicas: 6 });
    assert_eq!(*view.racks.get("b").unwrap(), RackView { brokers: 1, leaders: 0, replicas: 2 });
}

#[test]
fn topics_that_are_not_watched_count_for_brokers_and_have_no_figures() {
    let seen = with(partitions(0, &[(Some(1), &[1], &[1])]), |seen| {
        seen.others = partitions(0, &[(Some(2), &[2, 9], &[2]), (Some(1), &[2, 1], &[1])]).topics;
        let topic = seen.others.remove("t").unwrap();
        seen.others.insert("other".into(), topic);
    });
    let mut watch = watched([seen]);
    let mut slow = slow(1, 0);
    slow.min_insync.insert("other".into(), 1);
    watch.observe_slow(slow);
    let view = watch.view();
    let leaders = [1, 2, 3, 9].map(|id| (view.brokers[&id].leaders, view.brokers[&id].replicas));
    assert_eq!(leaders, [(2, 2), (1, 2), (0, 0), (0, 1)]);
    assert_eq!(view.brokers[&1].leader_skew_percent, Some(100.0), "two, where one is the mean");
    assert_eq!(view.brokers[&2].restart, Restart::Hurts { partitions: 1, example: "other/0".to_owned() });
    assert_eq!((view.brokers[&9].up, &view.brokers[&3].restart), (Some(false), &Restart::Safe));
    assert_eq!(view.topics.keys().map(|name| &**name).collect::<Vec<_>>(), ["t"]);
}

#[test]
fn while_a_topic_is_untold_no_broker_can_be_stopped_for_certain() {
    let seen = with(partitions(0, &[(Some(1), &[1], &[1])]), |seen| seen.untold = vec!["other".into()]);
    let mut watch = watched([seen]);
    watch.observe_slow(slow(1, 0));
    let view = watch.view();
    assert_eq!(view.brokers[&1].restart, Restart::Hurts { partitions: 1, example: "t/0".to_owned() });
    assert_eq!(view.brokers[&2].restart, Restart::Unknown);
}

#[test]
fn brokers_without_racks_make_no_racks() {
    assert!(watched([cluster(0)]).view().racks.is_empty());
}

#[test]
fn skew_is_from_the_mean_over_live_brokers() {
    let seen = with(partitions(0, &[(Some(1), &[1], &[1]), (Some(2), &[2], &[2])]), |seen| {
        seen.brokers.as_mut().unwrap().get_mut(&3).unwrap().answer = Err("it is frozen".to_owned());
    });
    let view = watched([seen]).view();
    assert_eq!(view.brokers[&1].leader_skew_percent, Some(0.0));
    assert_eq!(view.brokers[&3].leader_skew_percent, None, "it is down");
    assert_eq!((view.brokers[&3].up, view.brokers[&3].error.as_deref()), (Some(false), Some("it is frozen")));
    let nothing = watched([cluster(0)]).view();
    assert_eq!(nothing.brokers[&1].leader_skew_percent, None, "there is nothing to share");
}

#[test]
fn whether_a_broker_can_be_stopped() {
    let hurts = |partitions| Restart::Hurts { partitions, example: "t/0".to_owned() };
    #[track_caller]
    fn check(rule: &str, min_insync: Option<u32>, partition: (Option<i32>, &[i32], &[i32]), expected: [Restart; 3]) {
        let mut watch = watched([partitions(0, &[partition])]);
        let mut slow = slow(1, 0);
        slow.min_insync = min_insync.map(|replicas| ("t".into(), replicas)).into_iter().collect();
        watch.observe_slow(slow);
        let view = watch.view();
        let restart = [1, 2, 3].map(|id| view.brokers[&id].restart.clone());
        assert_eq!(restart, expected, "{rule}");
    }
    use Restart::{Safe, Unknown};
    let full: (Option<i32>, &[i32], &[i32]) = (Some(1), &[1, 2, 3], &[1, 2, 3]);
    check("one to spare", Some(2), full, [Safe, Safe, Safe]);
    check("none to spare", Some(3), full, [hurts(1), hurts(1), hurts(1)]);
    check("who is not in sync is no loss", Some(2), (Some(1), &[1, 2, 3], &[1, 2]), [hurts(1), hurts(1), Safe]);
    check("it is below already", Some(2), (Some(1), &[1, 2, 3], &[1]), [hurts(1), Safe, Safe]);
    check("its only replica leads it", Some(1), (Some(3), &[3], &[3]), [Safe, Safe, hurts(1)]);
    check("who has no replica does not matter", Some(2), (Some(1), &[1, 2], &[1, 2]), [hurts(1), hurts(1), Safe]);
    check("offline: nobody is left to hurt it", Some(1), (None, &[1], &[]), [Safe, Safe, Safe]);
    check("not known how many are needed", None, full, [Unknown, Unknown, Unknown]);
    check("but one must be left to lead", None, (Some(1), &[1, 2], &[1]), [hurts(1), Safe, Safe]);
}

#[test]
fn before_the_settings_are_known_nothing_is_said_of_a_restart() {
    let view = watched([partitions(0, &[(Some(1), &[1, 2], &[1, 2])])]).view();
    assert_eq!(view.brokers[&1].restart, Restart::Unknown);
}

#[test]
fn partitions_under_min_insync_are_counted_when_it_is_known() {
    let mut watch = watched([partitions(0, &[(Some(1), &[1, 2], &[1]), (Some(1), &[1, 2], &[1, 2])])]);
    watch.observe_slow(with_min_insync(2));
    watch.observe_slow(with_min_insync(2));
    let topic = watch.view().topics.get("t").unwrap().clone();
    assert_eq!((topic.under_min_isr, topic.under_replicated), (Some(1), 1), "counted once");
}

fn with_min_insync(replicas: u32) -> SlowSnapshot {
    SlowSnapshot { min_insync: LiteMap::from_iter([("t".into(), replicas)]), ..slow(0, 0) }
}

fn without(seconds: u64, gone: i32) -> Snapshot {
    with(cluster(seconds), |seen| {
        seen.brokers.as_mut().unwrap().remove(&gone);
    })
}

#[track_caller]
fn up_of(watch: &Watch, broker: i32, expected: Option<Option<bool>>) {
    assert_eq!(watch.view().brokers.get(&broker).map(|broker| broker.up), expected);
}

#[test]
fn a_broker_that_is_not_listed_any_more_is_down_for_a_quarter_of_an_hour() {
    let mut watch = watched([cluster(0)]);
    up_of(&watch, 3, Some(Some(true)));
    watch.observe(without(30, 3));
    up_of(&watch, 3, Some(Some(false)));
    assert_eq!(watch.view().brokers[&3].address.as_deref(), Some("kafka-3:9092"));
    watch.observe(nobody(60));
    up_of(&watch, 3, Some(None));
    up_of(&watch, 1, Some(None));
    watch.observe(without(899, 3));
    up_of(&watch, 3, Some(Some(false)));
    watch.observe(without(900, 3));
    up_of(&watch, 3, None);
    watch.observe(cluster(930));
    up_of(&watch, 3, Some(Some(true)));
}

#[test]
fn a_broker_that_holds_replicas_is_down_while_it_is_not_listed() {
    let holding = |seconds| {
        with(without(seconds, 3), |seen| {
            seen.topics = partitions(seconds, &[(Some(1), &[1, 3], &[1]), (Some(1), &[1, 9], &[1])]).topics;
        })
    };
    let watch = watched([cluster(0), holding(30), holding(90_000)]);
    up_of(&watch, 3, Some(Some(false)));
    up_of(&watch, 9, Some(Some(false)));
    assert_eq!(watch.view().brokers[&3].address.as_deref(), Some("kafka-3:9092"), "where it was");
    assert_eq!(watch.view().brokers[&9].address, None, "never listed");
    assert_eq!(watch.view().brokers[&9].replicas, 1);
}

use super::*;
use crate::logic::alert::{METRICS, Source};
use crate::logic::watch::Watch;
use crate::logic::watch::example::{SECOND, cluster, group, group_of, nobody, partition, slow, topic, watched, with};
use crate::logic::watch::snapshot::Snapshot;

fn metric(name: &str) -> Metric {
    Metric::named(name).unwrap()
}

fn poll(seconds: u64, end: i64) -> Snapshot {
    group(topic(cluster(seconds), "t", &[(0, end), (0, end)]), "g", &[("t", &[100, 100])])
}

/// Two polls, and a slow one between.
fn usual() -> Watch {
    let mut watch = watched([poll(0, 100)]);
    watch.observe_slow(slow(1, 250));
    watch.observe(poll(30, 160));
    watch
}

/// The series as `label=value,…: figure`.
fn series(watch: &Watch, name: &str) -> Vec<String> {
    let observed = observe(&watch.view(), &metric(name));
    let labels = |labels: &Labels| labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
    observed.series.iter().map(|series| format!("{}: {:?}", labels(&series.labels).join(","), series.figure)).collect()
}

#[test]
fn every_metric_of_a_cluster_has_the_labels_of_the_contract() {
    let watch = usual();
    for metric in METRICS {
        let observed = observe(&watch.view(), metric);
        if metric.source != Source::Cluster {
            assert_eq!(observed, Observed::default(), "{}", metric.name);
            continue;
        }
        assert!(observed.complete, "{}", metric.name);
        for series in observed.series {
            let mut expected: Vec<&str> = metric.labels.iter().copied().chain(["cluster"]).collect();
            expected.sort_unstable();
            assert_eq!(series.labels.keys().collect::<Vec<_>>(), expected, "{}", metric.name);
        }
    }
}

#[test]
fn the_figures_of_a_usual_cluster() {
    let watch = usual();
    for (name, expected) in [
        ("cluster_up", &["cluster=test: Value(1.0)"][..]),
        (
            "broker_up",
            &[
                "broker=1,cluster=test: Value(1.0)",
                "broker=2,cluster=test: Value(1.0)",
                "broker=3,cluster=test: Value(1.0)",
            ],
        ),
        (
            "broker_messages_in_per_second",
            &[
                "broker=1,cluster=test,source=logs: Value(4.0)",
                "broker=2,cluster=test,source=logs: Value(0.0)",
                "broker=3,cluster=test,source=logs: Value(0.0)",
            ],
        ),
        ("broker_load_percent", &[]),
        ("broker_bytes_out_per_second", &[]),
        ("broker_requests_per_second", &[]),
        ("partitions_offline", &["cluster=test,topic=t: Value(0.0)"]),
        ("partitions_under_min_isr", &["cluster=test,topic=t: Value(0.0)"]),
        ("topic_messages", &["cluster=test,topic=t: Value(320.0)"]),
        ("topic_messages_in_per_second", &["cluster=test,topic=t: Value(4.0)"]),
        ("topic_bytes", &["cluster=test,topic=t: Value(1000.0)"]),
        ("group_lag", &["cluster=test,group=g,topic=t: Value(120.0)"]),
        (
            "group_lag_seconds",
            &["cluster=test,group=g,topic=t: Age { seconds: Some(30.0), error: 30.0, older_than: [] }"],
        ),
        // It was not watched for long enough to be judged.
        ("group_status", &["cluster=test,group=g,topic=t: Unknown"]),
        ("group_members", &["cluster=test,group=g: Value(1.0)"]),
    ] {
        assert_eq!(series(&watch, name), expected, "{name}");
    }
    assert_eq!(series(&watch, "disk_used_bytes")[0], "broker=1,cluster=test,dir=/data: Value(250.0)");
    assert_eq!(series(&watch, "disk_used_percent")[0], "broker=1,cluster=test,dir=/data: Value(25.0)");
    assert_eq!(series(&watch, "disk_full_in_seconds")[0], "broker=1,cluster=test,dir=/data: Unknown");
}

#[test]
fn before_the_first_poll_nothing_is_said() {
    let watch = Watch::new(30 * SECOND);
    assert!(METRICS.iter().all(|metric| observe(&watch.view(), metric) == Observed::default()));
}

#[test]
fn a_cluster_that_cannot_be_reached_says_only_that() {
    let mut watch = usual();
    watch.observe(nobody(60));
    for metric in METRICS.iter().filter(|metric| metric.source == Source::Cluster) {
        let observed = observe(&watch.view(), metric);
        assert_eq!(observed.complete, metric.name == "cluster_up", "{}", metric.name);
        let is_known = |series: &Series| series.figure != Figure::Unknown;
        assert_eq!(observed.series.iter().any(is_known), metric.name == "cluster_up", "{}", metric.name);
    }
    assert_eq!(series(&watch, "cluster_up"), ["cluster=test: Value(0.0)"]);
    assert_eq!(series(&watch, "broker_up").len(), 3, "they exist, and are unknown");
}

#[test]
fn what_could_not_be_read_is_unknown_and_never_gone() {
    #[track_caller]
    fn check(rule: &str, change: impl FnOnce(&mut Snapshot), name: &str, expected: &[&str], complete: bool) {
        let mut watch = usual();
        watch.observe(with(poll(60, 160), change));
        assert_eq!(series(&watch, name), expected, "{rule}");
        assert_eq!(observe(&watch.view(), &metric(name)).complete, complete, "{rule}");
    }
    let lag = "cluster=test,group=g,topic=t: ";
    let unknown = format!("{lag}Unknown");
    check(
        "some of a lag: the rest may be more",
        |seen| partition(seen, 1).latest = None,
        "group_lag",
        &[&unknown],
        true,
    );
    let silent = |seen: &mut Snapshot| group_of(seen).committed = None;
    check("a coordinator that is silent", silent, "group_lag", &[&unknown], true);
    check("and the age", silent, "group_lag_seconds", &[&unknown], true);
    check("and the status", silent, "group_status", &[&unknown], true);
    check(
        "groups that could not be listed",
        |seen| {
            seen.groups.clear();
            seen.groups_complete = false;
        },
        "group_lag",
        &[],
        false,
    );
    check("a group that is gone", |seen| seen.groups.clear(), "group_lag", &[], true);
    check("members", |seen| group_of(seen).members = None, "group_members", &["cluster=test,group=g: Unknown"], true);
    check(
        "a forward without a group has none",
        |seen| {
            group_of(seen).members = None;
            group_of(seen).group_type = "forward".to_owned();
        },
        "group_members",
        &[],
        true,
    );
    check(
        "an end",
        |seen| partition(seen, 1).latest = None,
        "topic_messages",
        &["cluster=test,topic=t: Unknown"],
        true,
    );
    check(
        "an internal topic",
        |seen| {
            seen.topics.get_mut("t").unwrap().internal = true;
        },
        "topic_messages",
        &[],
        true,
    );
    check(
        "a broker that is frozen",
        |seen| {
            seen.brokers.as_mut().unwrap().retain(|id, _| *id == 1);
            seen.brokers.as_mut().unwrap().get_mut(&1).unwrap().answer = Err("frozen".to_owned());
            seen.topics.clear();
        },
        "broker_latency_seconds",
        &["broker=1,cluster=test: Unknown", "broker=2,cluster=test: Unknown", "broker=3,cluster=test: Unknown"],
        true,
    );
}

#[test]
fn partitions_that_are_not_well_say_which_brokers_are_missing() {
    #[track_caller]
    fn check(rule: &str, change: impl FnOnce(&mut Snapshot), name: &str, expected: Option<&[&str]>) {
        let mut watch = usual();
        let mut slow = slow(1, 250);
        slow.min_insync.insert("t".into(), 2);
        watch.observe_slow(slow);
        let three = |seen: &mut Snapshot| {
            for number in 0..2 {
                (partition(seen, number).replicas, partition(seen, number).isr) = ([1, 2, 3].into(), [1, 2, 3].into());
            }
        };
        watch.observe(with(with(poll(60, 160), three), change));
        let series = observe(&watch.view(), &metric(name)).series.remove(0);
        let expected = expected.map(|brokers| brokers.iter().map(|broker| (*broker).to_owned()).collect());
        assert_eq!(series.because_of, expected, "{rule}: {:?}", series.figure);
    }
    let isr = |number: usize, isr: &'static [i32]| move |seen: &mut Snapshot| partition(seen, number).isr = isr.into();
    let offline = |isr: &'static [i32]| {
        move |seen: &mut Snapshot| (partition(seen, 1).leader, partition(seen, 1).isr) = (None, isr.into())
    };
    check("all is well", |_| (), "partitions_under_replicated", None);
    check("who is out of sync", isr(1, &[1, 2]), "partitions_under_replicated", Some(&["3"]));
    check(
        "in any of the partitions",
        |seen| (partition(seen, 0).isr, partition(seen, 1).isr) = ([1, 2].into(), [1, 3].into()),
        "partitions_under_replicated",
        Some(&["2", "3"]),
    );
    check("of those under min.insync.replicas", isr(1, &[1]), "partitions_under_min_isr", Some(&["2", "3"]));
    check("and of no others", isr(1, &[1, 2]), "partitions_under_min_isr", None);
    check(
        "fewer replicas than that: no broker's fault",
        |seen| {
            isr(0, &[1])(seen);
            (partition(seen, 1).replicas, partition(seen, 1).isr) = ([1].into(), [1].into());
        },
        "partitions_under_min_isr",
        Some(&[]),
    );
    check("who could lead", offline(&[2]), "partitions_offline", Some(&["2"]));
    check("with eligible leader replicas: one of all", offline(&[]), "partitions_offline", Some(&["1", "2", "3"]));
    check("other metrics do not say", |_| (), "topic_messages", None);
}

#[test]
fn disks_that_are_not_known() {
    let mut watch = usual();
    let mut silent = slow(40, 250);
    silent.dirs.insert(2, None);
    watch.observe_slow(silent);
    assert_eq!(series(&watch, "disk_used_bytes").len(), 2);
    assert!(!observe(&watch.view(), &metric("disk_used_bytes")).complete, "the third may have some");
    let mut old = slow(50, 250);
    for dir in old.dirs.iter_mut().flat_map(|(_, dirs)| dirs).flatten() {
        (dir.volume, dir.free) = (None, None);
    }
    old.dirs.get_mut(&3).unwrap().as_mut().unwrap()[0].error = Some("it broke".to_owned());
    watch.observe_slow(old);
    assert_eq!(series(&watch, "disk_used_percent"), ["broker=3,cluster=test,dir=/data: Unknown"], "brokers before 3.3");
}

#[test]
fn a_disk_that_does_not_grow_is_never_full() {
    let mut watch = usual();
    for look in 1..=12 {
        watch.observe_slow(slow(look * 300, 250));
    }
    assert!(series(&watch, "disk_full_in_seconds").is_empty());
    assert!(observe(&watch.view(), &metric("disk_full_in_seconds")).complete, "so an alert on it ends");
}

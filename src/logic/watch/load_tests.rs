use super::*;
use crate::logic::alert::{Figure, METRICS, Metric};
use crate::logic::broker_load::RequestTime;
use crate::logic::watch::example::{at, cluster, nobody, partition, topic, watched, with};
use crate::logic::watch::{Snapshot, Watch, series};

fn figures(load: f64) -> BrokerFigures {
    let time = RequestTime { p50_ms: Some(2.0), p99_ms: Some(40.0), local_p99_ms: Some(5.0) };
    BrokerFigures {
        load_percent: Some(load),
        bytes_in_per_second: Some(1000.0),
        under_replicated_partitions: Some(0),
        request_time_ms: [("Produce", time)].into_iter().collect(),
        ..BrokerFigures::default()
    }
}

fn reading(seconds: u64, figures: BrokerFigures) -> LoadReading {
    LoadReading { broker: 1, source: "jmx", taken_at: at(seconds), result: Ok(figures) }
}

fn failure(seconds: u64) -> LoadReading {
    LoadReading { broker: 1, source: "jmx", taken_at: at(seconds), result: Err("jmx://kafka-1:9999: closed".into()) }
}

fn poll(seconds: u64) -> Snapshot {
    topic(cluster(seconds), "t", &[(0, 100)])
}

/// Broker 1 has a source, and was read once, at 30 s.
fn usual() -> Watch {
    let mut watch = watched([poll(0)]);
    watch.expect_loads(&[(1, "jmx")].into_iter().collect());
    watch.observe(poll(30));
    watch.observe_load(reading(30, figures(42.0)));
    watch.show_loads();
    watch
}

fn series(watch: &Watch, name: &str) -> Vec<String> {
    let observed = series::observe(&watch.view(), &Metric::named(name).unwrap());
    assert!(observed.complete, "{name}");
    let label = |labels: &crate::logic::alert::Labels| {
        let others = labels.iter().filter(|(name, _)| *name != "cluster");
        others.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ")
    };
    observed.series.iter().map(|series| format!("{}: {:?}", label(&series.labels), series.figure)).collect()
}

#[test]
fn a_broker_s_own_figures_stand_in_place_of_those_from_its_logs() {
    let watch = usual();
    for (name, expected) in [
        ("broker_load_percent", &["1 jmx: Value(42.0)"][..]),
        ("broker_bytes_in_per_second", &["1 jmx: Value(1000.0)", "2 logs: Value(0.0)", "3 logs: Value(0.0)"]),
        ("broker_requests_per_second", &["1 jmx: Unknown"]),
        ("broker_under_replicated_partitions", &["1: Value(0.0)"]),
        ("broker_request_seconds", &["1 0.5 Produce: Value(0.002)", "1 0.99 Produce: Value(0.04)"]),
        ("broker_replication_disagreement", &["1: Value(0.0)"]),
        ("broker_slow", &["1: Value(0.0)"]),
    ] {
        assert_eq!(series(&watch, name), expected, "{name}");
    }
}

#[test]
fn a_figure_that_was_never_read_or_long_ago_is_unknown_and_its_series_stays() {
    let load = |watch: &Watch| series(watch, "broker_load_percent");
    let mut watch = watched([poll(0)]);
    assert_eq!(load(&watch), [""; 0], "nobody has a source");
    watch.expect_loads(&[(1, "jmx")].into_iter().collect());
    watch.observe(poll(30));
    assert_eq!(load(&watch), ["1 jmx: Unknown"], "an alert from before a restart must not end");
    let mut watch = usual();
    watch.observe_load(failure(60));
    watch.observe(poll(60));
    assert_eq!(load(&watch), ["1 jmx: Value(42.0)"], "one reading failed");
    assert_eq!(watch.view().missing, ["broker 1: its load: jmx://kafka-1:9999: closed"]);
    watch.observe_load(failure(121));
    watch.show_loads();
    assert_eq!(load(&watch), ["1 jmx: Unknown"], "three intervals");
    for metric in METRICS.iter().filter(|metric| load_metric(metric.name).is_some()) {
        let observed = series::observe(&watch.view(), metric);
        let own = observed.series.iter().find(|series| series.labels.get("broker").unwrap() == "1").unwrap();
        assert_eq!(own.figure, Figure::Unknown, "{}", metric.name);
    }
    assert_eq!(series(&watch, "broker_request_seconds").len(), 6);
    watch.observe_load(reading(122, figures(50.0)));
    watch.show_loads();
    assert_eq!((load(&watch), watch.view().missing.len()), (vec!["1 jmx: Value(50.0)".to_owned()], 0), "it is back");
}

#[test]
fn a_broker_that_left_has_no_series_and_one_of_a_cluster_that_does_not_answer_keeps_its_own() {
    let mut watch = usual();
    watch.observe(nobody(60));
    let observed = series::observe(&watch.view(), &Metric::named("broker_load_percent").unwrap());
    assert_eq!((observed.series[0].figure.clone(), observed.complete), (Figure::Value(42.0), false));
    let gone = |seconds| {
        with(cluster(seconds), |seen| {
            seen.brokers.as_mut().unwrap().remove(&1);
        })
    };
    watch.observe(gone(90));
    assert_eq!(series(&watch, "broker_load_percent"), ["1 jmx: Value(42.0)"], "it is missing, and did not leave");
    watch.observe(gone(2000));
    assert_eq!(series(&watch, "broker_load_percent"), [""; 0]);
    watch.observe_load(reading(2001, figures(1.0)));
    watch.show_loads();
    assert!(watch.view().brokers.values().all(|broker| broker.load.is_none()), "its last reading came late");
}

#[test]
fn what_a_broker_counts_is_compared_with_the_metadata_where_all_of_it_is_seen() {
    let under_replicated = |count| BrokerFigures { under_replicated_partitions: Some(count), ..figures(1.0) };
    let comparison = |topics, by_broker, isr: &[i32]| {
        let mut watch = watched([]).with_topics(topics);
        watch.expect_loads(&[(1, "jmx")].into_iter().collect());
        watch.observe(with(poll(30), |seen| partition(seen, 0).isr = isr.into()));
        watch.observe_load(reading(30, under_replicated(by_broker)));
        watch.show_loads();
        watch.view().brokers[&1].load.as_ref().unwrap().replication.number()
    };
    for (rule, topics, by_broker, isr, expected) in [
        ("both see none", Topics::All, 0, &[1, 2][..], Some(0)),
        ("both see one", Topics::All, 1, &[1], Some(0)),
        ("the broker alone", Topics::All, 1, &[1, 2], Some(1)),
        ("it may be of a topic that is not watched", Topics::Selected, 1, &[1, 2], None),
        ("the metadata alone", Topics::Selected, 0, &[1], Some(1)),
    ] {
        assert_eq!(comparison(topics, by_broker, isr), expected, "{rule}");
    }
}

#[test]
fn a_broker_that_takes_much_longer_than_it_used_to_is_slow() {
    let mut watch = usual();
    for second in 31..60 {
        watch.observe_load(reading(second, figures(42.0)));
    }
    let mut slow = figures(42.0);
    slow.request_time_ms.get_mut("Produce").unwrap().local_p99_ms = Some(500.0);
    watch.observe_load(reading(60, slow));
    watch.show_loads();
    assert_eq!(series(&watch, "broker_slow"), ["1: Value(1.0)"]);
    let view = watch.view();
    let sentence = view.brokers[&1].load.as_ref().unwrap().slow.sentence().unwrap();
    assert!(sentence.starts_with("broker 1 is slow"), "{sentence}");
}

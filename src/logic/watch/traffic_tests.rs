use super::*;
use crate::logic::watch::example::{cluster, nobody, partition, slow, topic, watched, with};

fn rates(view: &ClusterView) -> (Option<f64>, Option<f64>, Option<f64>) {
    let broker = &view.brokers[&1];
    (view.topics.get("t").unwrap().messages_in_per_second, broker.messages_in_per_second, broker.bytes_in_per_second)
}

#[test]
fn rates_over_time() {
    let mut watch = watched([topic(cluster(0), "t", &[(0, 100), (0, 0)])]);
    assert_eq!(rates(&watch.view()), (None, None, None), "one poll shows no growth");
    watch.observe(topic(cluster(30), "t", &[(0, 130), (0, 30)]));
    assert_eq!(rates(&watch.view()), (Some(2.0), Some(2.0), None), "bytes are not known yet");
    assert_eq!(watch.view().brokers[&1].traffic_share_percent, Some(100.0), "by messages");
    assert_eq!(watch.view().brokers[&2].traffic_share_percent, Some(0.0));
    watch.observe_slow(slow(31, 0));
    watch.observe(topic(cluster(60), "t", &[(0, 160), (40, 40)]));
    let bytes = 1_000.0 / 160.0 * 40.0 / 30.0;
    assert_eq!(
        rates(&watch.view()),
        (Some(40.0 / 30.0), Some(40.0 / 30.0), Some(bytes)),
        "160 messages in 1,000 bytes"
    );
    watch.observe(with(topic(cluster(90), "t", &[(0, 160), (0, 0)]), |seen| partition(seen, 1).latest = None));
    assert_eq!(rates(&watch.view()), (None, None, None), "of one partition it is not known");
    watch.observe(topic(cluster(120), "t", &[(0, 160), (0, 10)]));
    assert_eq!(rates(&watch.view()), (None, None, None), "nor since when");
    watch.observe(nobody(150));
    assert_eq!(watch.view().brokers[&1].messages_in_per_second, None);
    watch.observe(topic(cluster(180), "t", &[(0, 220), (0, 10), (0, 6)]));
    assert_eq!(rates(&watch.view()).0, Some(1.1), "since the poll that reached it; a new partition begins at zero");
    watch.observe(topic(cluster(210), "t", &[(0, 20), (0, 10), (0, 6)]));
    assert_eq!(rates(&watch.view()).0, None, "an end that goes back is no rate");
}

#[test]
fn a_topic_that_was_made_again_begins_anew() {
    let mut watch = watched([topic(cluster(0), "t", &[(0, 100)])]);
    watch.observe(with(topic(cluster(30), "t", &[(0, 160)]), |seen| {
        seen.topics.get_mut("t").unwrap().id = Some([2; 16]);
    }));
    assert_eq!(rates(&watch.view()).0, None);
    watch.observe(with(topic(cluster(60), "t", &[(0, 190)]), |seen| {
        seen.topics.get_mut("t").unwrap().id = Some([2; 16]);
    }));
    assert_eq!(rates(&watch.view()).0, Some(1.0));
}

#[test]
fn a_chart_of_rates_has_the_mean_between_its_points() {
    let mut watch = watched([]);
    for (seconds, end) in [(0, 100), (30, 130), (60, 190)] {
        watch.observe(topic(cluster(seconds), "t", &[(0, end)]));
    }
    watch.observe(nobody(90));
    watch.observe(topic(cluster(120), "t", &[(0, 200)]));
    watch.observe(topic(cluster(150), "t", &[(0, 230)]));
    let view = watch.view();
    assert_eq!(view.chart_times.len(), 6);
    let chart = &view.topics.get("t").unwrap().rate_chart;
    assert_eq!(chart.len(), 6);
    assert_eq!([chart[1], chart[2], chart[5]], [1.0, 2.0, 1.0]);
    assert!([chart[0], chart[3], chart[4]].iter().all(|rate| rate.is_nan()), "{chart:?}");
}

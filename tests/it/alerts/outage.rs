//! Brokers that die, and a cluster that goes as a whole: what caused it is told, and not everything that follows from it.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::barnabas::Barnabas;
use crate::support::config::kafka_section;
use crate::support::kafka::{Kafka, Options};
use crate::support::sink::Sink;
use crate::support::wait::wait_until;

use super::scene::{free_port, get, http, name_and_status, wait_for_alert};

/// Until a quorum of three has noticed, elected and caught up, on a busy machine.
const LIMIT: Duration = Duration::from_secs(180);

/// A broker is down when it was not seen for some seconds: brokers do not go, nor come back, in the same moment.
const RULES: &str = "[monitor]\ninterval = \"1s\"\n\
    [[alert]]\nname = \"broker-down\"\nmetric = \"broker_up\"\nbelow = 1\nfor = \"5s\"\nseverity = \"critical\"\n\
    notify = [\"hook\"]\n\
    [[alert]]\nname = \"under-replicated\"\nmetric = \"partitions_under_replicated\"\nlabels = { topic = \"watched\" }\n\
    above = 0\nnotify = [\"hook\"]\n\
    [[alert]]\nname = \"cluster-unreachable\"\nmetric = \"cluster_up\"\nbelow = 1\nseverity = \"critical\"\n\
    notify = [\"hook\"]\n\
    [notify.hook]\ngroup_wait = \"2s\"\ngroup_interval = \"2s\"\n[notify.hook.webhook]\n";

/// Name, labels and status of every alert of every document, in order.
fn told(sink: &Sink) -> Vec<Vec<(String, String, Value)>> {
    let alerts = |document: &Value| -> Vec<_> {
        let alerts = document["alerts"].as_array().expect("alerts").iter();
        alerts
            .map(|alert| {
                let (name, status) = name_and_status(alert);
                (name, status, alert["labels"]["broker"].clone())
            })
            .collect()
    };
    sink.accepted().iter().map(|request| alerts(&request.body)).collect()
}

#[test]
fn a_dead_broker_and_a_dead_cluster_explain_what_follows_from_them() {
    let kafka = Kafka::start(&Options { brokers: 3, ..Options::default() });
    kafka.create_topic("watched", 3, &[]);
    let (sink, port) = (Sink::start(), free_port());
    let config =
        format!("{}request_timeout = \"3s\"\n{RULES}url = {:?}\n{}", kafka_section(&kafka), sink.url(), http(port));
    let barnabas = Barnabas::start(&config);
    wait_until(LIMIT, "all brokers are seen", || {
        let status = barnabas.status().expect("it runs");
        let brokers = status["monitor"]["clusters"][0]["brokers"].as_array().cloned().unwrap_or_default();
        brokers.len() == 3 && brokers.iter().all(|broker| broker["up"] == true)
    });
    let firing = |name: &str, broker: Value| (name.to_owned(), "firing".to_owned(), broker);
    let broker_down = firing("broker-down", json!("1"));

    kafka.kill(1);
    wait_until(LIMIT, "the broker's end is told", || !told(&sink).is_empty());
    let explained = wait_for_alert(&barnabas, "under-replicated", |alert| alert["state"] == "firing");
    assert_eq!((&explained["explained_by"], &explained["told"]), (&json!("broker-down"), &json!([])), "{explained:#}");
    assert_eq!(get(port, "/readyz").0, 200, "the cluster can be reached");

    // What comes next is the mark that nothing came after the first.
    thread::scope(|scope| {
        let kafka = &kafka;
        for broker in [2, 3] {
            scope.spawn(move || kafka.kill(broker));
        }
    });
    wait_until(LIMIT, "the cluster's end is told", || told(&sink).len() >= 2);
    assert_eq!(told(&sink), [vec![broker_down.clone()], vec![firing("cluster-unreachable", Value::Null)]]);
    let (code, reasons) = get(port, "/readyz");
    assert!(code == 503 && reasons.contains("cluster default cannot be reached"), "{code} {reasons}");
    let still = wait_for_alert(&barnabas, "broker-down", |alert| alert["labels"]["broker"] == "1");
    assert_eq!(still["explained_by"], "cluster-unreachable", "{still:#}");

    thread::scope(|scope| {
        let kafka = &kafka;
        for broker in [1, 2, 3] {
            scope.spawn(move || kafka.restart(broker));
        }
    });
    let over = |wanted: &(String, String, Value)| {
        let ends = told(&sink).into_iter().flatten().filter(|(_, status, _)| status == "resolved");
        ends.filter(|(name, _, broker)| (name, broker) == (&wanted.0, &wanted.2)).count()
    };
    wait_until(LIMIT, "everything is over", || barnabas.json(&["alerts", "list"]) == json!([]));
    let begun: Vec<_> = told(&sink).into_iter().flatten().filter(|(_, status, _)| status == "firing").collect();
    wait_until(LIMIT, "all ends are told", || begun.iter().all(|alert| over(alert) > 0));
    assert!(begun.iter().all(|alert| over(alert) == 1), "each once: {:#?}", told(&sink));
    assert!(begun.contains(&broker_down));
    assert_eq!(get(port, "/readyz").0, 200);
}

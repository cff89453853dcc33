//! Where a forward begins that never ran, and the offsets it shows to other tools.

use std::time::Duration;

use serde_json::json;

use crate::support::barnabas::Barnabas;
use crate::support::config::{Config, FORWARD};
use crate::support::kafka::{Kafka, topic_name};
use crate::support::sink::Sink;
use crate::support::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(60);

fn produce(topic: &str, partition: i32, count: usize) {
    Kafka::shared().produce(topic, partition, (0..count).map(|n| (None::<&str>, json!({"id": n}).to_string())));
}

/// The offsets that arrived, by partition.
fn arrived(sink: &Sink, partition: i32) -> Vec<i64> {
    let mut offsets: Vec<i64> = sink
        .accepted()
        .iter()
        .filter_map(|request| {
            let mut parts = request.idempotency_key.rsplit('/');
            let offset = parts.next()?.parse().ok()?;
            (parts.next()? == partition.to_string()).then_some(offset)
        })
        .collect();
    offsets.sort_unstable();
    offsets
}

#[test]
fn earliest_begins_at_the_first_record_that_is_left() {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let topic = kafka.new_topic("earliest", 1, &[]);
    produce(&topic, 0, 10);
    kafka.delete_records(&topic, 0, 4);
    let barnabas = Barnabas::start(&Config::new(kafka, &topic, &sink.url()).text());
    let status = barnabas.wait_until_consumed(FORWARD, 6, LIMIT);
    assert_eq!(arrived(&sink, 0), [4, 5, 6, 7, 8, 9]);
    assert_eq!(status["lost_offsets"], 0, "nothing is lost that never was ours");
}

#[test]
fn latest_begins_after_the_last_record_and_is_remembered_at_once() {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let topic = kafka.new_topic("latest", 2, &[]);
    produce(&topic, 0, 10);
    let config = Config::new(kafka, &topic, &sink.url()).start_at("latest");
    let mut barnabas = Barnabas::start(&config.tables("[state]\ncommit_interval = \"5m\"").text());
    wait_until(LIMIT, "the beginning is stored", || {
        let shown = barnabas.json(&["offsets", "show"]);
        shown.as_array().is_some_and(|all| all.len() == 2 && all.iter().all(|each| each["stored"].is_i64()))
    });
    barnabas.kill9();
    produce(&topic, 0, 3);
    produce(&topic, 1, 2);
    barnabas.run();
    barnabas.wait_until_consumed(FORWARD, 5, LIMIT);
    assert_eq!((arrived(&sink, 0), arrived(&sink, 1)), (vec![10, 11, 12], vec![0, 1]));
}

#[test]
fn none_refuses_to_start_and_says_what_to_do_and_other_forwards_run() {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let (refused, other) = (kafka.new_topic("none", 1, &[]), kafka.new_topic("none-other", 1, &[]));
    produce(&refused, 0, 3);
    produce(&other, 0, 3);
    let config = Config::new(kafka, &refused, &sink.url()).start_at("none").tables(&format!(
        "[[forward]]\nname = \"g\"\ntopics = [{other:?}]\nstart = \"earliest\"\n[forward.webhook]\nurl = {:?}",
        sink.url()
    ));
    let barnabas = Barnabas::start(&config.text());
    barnabas.wait_until_consumed("g", 3, LIMIT);
    let status =
        barnabas.wait_for_forward(FORWARD, LIMIT, |status| status["reasons"].to_string().contains("offsets set"));
    assert_eq!(status["consumed"], 0);
    assert_eq!(barnabas.status().expect("the daemon answers")["ready"], false);
}

#[test]
fn a_time_begins_at_the_first_record_of_it() {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let topic = kafka.new_topic("time", 2, &["retention.ms=-1"]);
    // 2026-01-01T00:00:00Z, and a second before and after it.
    let script: String = [1_767_225_599_000_i64, 1_767_225_600_000, 1_767_225_601_000]
        .iter()
        .map(|timestamp| format!("send\t-\t0\t{timestamp}\tk\t{{\"id\":1}}\nflush\n"))
        .collect();
    let younger_only = "send\t-\t1\t1767225599000\tk\t{\"id\":1}\nflush\n";
    kafka.produce_script(&topic, "none", &(script + younger_only));
    let config = Config::new(kafka, &topic, &sink.url()).start_at("2026-01-01T00:00:00Z");
    let barnabas = Barnabas::start(&config.text());
    barnabas.wait_until_consumed(FORWARD, 2, LIMIT);
    produce(&topic, 1, 1);
    barnabas.wait_until_consumed(FORWARD, 3, LIMIT);
    assert_eq!((arrived(&sink, 0), arrived(&sink, 1)), (vec![1, 2], vec![1]), "no record so young: behind the last");
}

#[test]
fn the_offsets_of_a_group_are_taken_over_and_shown_to_other_tools_from_then_on() {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let topic = kafka.new_topic("group", 2, &[]);
    let group = topic_name("omp");
    produce(&topic, 0, 10);
    produce(&topic, 1, 3);
    kafka.commit_offset(&group, &topic, 0, 7);
    let config = Config::new(kafka, &topic, &sink.url()).start_at("group").forward(&format!("group = {group:?}"));
    let mut barnabas = Barnabas::start(&config.text());
    barnabas.wait_until_consumed(FORWARD, 6, LIMIT);
    assert_eq!((arrived(&sink, 0), arrived(&sink, 1)), (vec![7, 8, 9], vec![0, 1, 2]));
    assert!(barnabas.terminate().success());
    assert_eq!((kafka.committed(&group, &topic, 0), kafka.committed(&group, &topic, 1)), (Some(10), Some(3)));
    let shown = kafka.run("tool", &["groups", "--describe", "--group", &group], "");
    let lags: Vec<&str> =
        shown.lines().filter(|line| line.contains(&topic)).filter_map(|line| line.split_whitespace().nth(5)).collect();
    assert_eq!(lags, ["0", "0"], "{shown}");

    kafka.commit_offset(&group, &topic, 0, 2);
    barnabas.run();
    produce(&topic, 0, 1);
    barnabas.wait_until_consumed(FORWARD, 7, LIMIT);
    assert_eq!(arrived(&sink, 0), [7, 8, 9, 10], "once there is a state of our own, it counts");
}

#[test]
fn a_forward_waits_for_the_live_members_of_its_group_to_leave() {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let topic = kafka.new_topic("members", 1, &[]);
    let group = topic_name("alive");
    produce(&topic, 0, 5);
    let member = kafka.join_group(&group, &topic);
    let config = Config::new(kafka, &topic, &sink.url()).start_at("group").forward(&format!("group = {group:?}"));
    let barnabas = Barnabas::start(&config.text());
    let status =
        barnabas.wait_for_forward(FORWARD, LIMIT, |status| status["reasons"].to_string().contains("live members"));
    assert_eq!((&status["state"], &status["consumed"]), (&json!("starting"), &json!(0)), "{status:#}");
    assert!(sink.delivered().is_empty());
    drop(member);
    barnabas.wait_until_consumed(FORWARD, 5, LIMIT);
}

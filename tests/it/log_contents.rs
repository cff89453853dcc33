//! What a log can hold besides plain records: transactions, gaps, codecs, odd headers, the broker's timestamps; and logs
//! that change: offsets that are gone, topics and partitions that come, topics that are deleted and created again.

use std::time::Duration;

use barnabas::clock;
use serde_json::{Value, json};

use crate::support::barnabas::Barnabas;
use crate::support::config::{Config, FORWARD};
use crate::support::conservation::{Expected, Fate, check_books};
use crate::support::kafka::{Kafka, block_on, partition_client, topic_name};
use crate::support::sink::Sink;
use crate::support::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(60);

fn produce(topic: &str, partition: i32, count: usize) -> Vec<i64> {
    Kafka::shared().produce(topic, partition, (0..count).map(|n| (None::<&str>, json!({"id": n}).to_string())))
}

fn in_order() -> Fate {
    Fate::Delivered(Some("in order".to_owned()))
}

fn keys(sink: &Sink) -> Vec<String> {
    sink.accepted().into_iter().map(|request| request.idempotency_key).collect()
}

fn bodies(sink: &Sink) -> Vec<Value> {
    sink.accepted().into_iter().map(|request| request.body).collect()
}

#[test]
fn aborted_records_are_not_delivered_and_markers_leave_no_lag() {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let topic = kafka.new_topic("transactions", 1, &[]);
    let (good, bad) = (topic_name("good"), topic_name("bad"));
    let mut script = String::new();
    let mut fates = Vec::new();
    for round in 0..10 {
        script.push_str(&format!("begin\t{good}\nbegin\t{bad}\n"));
        for (producer, taken) in [(good.as_str(), true), (&bad, false), ("-", true), (&bad, false), (&good, true)] {
            script.push_str(&format!("send\t{producer}\t0\t\\N\tk\t{{\"id\": {round}}}\nflush\n"));
            fates.push(taken);
        }
        script.push_str(&format!("abort\t{bad}\ncommit\t{good}\n"));
    }
    let sent = kafka.produce_script(&topic, "gzip", &script);
    let mut expected = Expected::new(FORWARD, &topic);
    for ((partition, offset), taken) in sent.into_iter().zip(fates) {
        if taken {
            expected.add(partition, [offset], &in_order());
        }
    }
    let barnabas = Barnabas::start(&Config::new(kafka, &topic, &sink.url()).text());
    let status = barnabas.wait_for_forward(FORWARD, LIMIT, |status| status["consumed"] == 30 && status["lag"] == 0);
    assert_eq!(status["partitions"][0]["fetched"], 70, "50 records and 20 markers: {status:#}");
    barnabas.wait_for_forward(FORWARD, LIMIT, |status| status["partitions"][0]["stored"] == 70);
    check_books(&status);
    expected.check(&sink.delivered(), &[]);
}

/// The offsets below `end` that the log of partition 0 still has. A fetch ends with its segment.
fn offsets(topic: &str, end: i64) -> Vec<i64> {
    block_on(async {
        let client = partition_client(Kafka::shared().bootstrap(), topic, 0).await;
        let mut offsets: Vec<i64> = Vec::new();
        while offsets.last() != Some(&(end - 1)) {
            let next = offsets.last().map_or(0, |last| last + 1);
            let (records, _) = client.fetch_records(next, 1..1_000_000, 500).await.expect("records");
            offsets.extend(records.iter().map(|record| record.offset));
        }
        offsets
    })
}

#[test]
fn gaps_that_compaction_left_are_passed() {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let settings =
        ["cleanup.policy=compact", "segment.ms=1000", "min.cleanable.dirty.ratio=0.01", "delete.retention.ms=0"];
    let topic = kafka.new_topic("compacted", 1, &settings);
    // A segment for each round, by the timestamps of its records; ten keys that are the same in every round, and one of
    // its own.
    let now = clock::wall_clock().0;
    let script: String = (0..4)
        .flat_map(|round| (0..10).chain([100 + round]).map(move |key| (round, key)))
        .map(|(round, key)| {
            let timestamp = now - 60_000 + round * 5_000;
            format!("send\t-\t0\t{timestamp}\tkey-{key}\t{{\"round\": {round}}}\nflush\n")
        })
        .collect();
    kafka.produce_script(&topic, "none", &script);
    // The last segment is not compacted, nor does it make room in the others.
    let left: Vec<i64> = [10, 21].into_iter().chain(22..44).collect();
    wait_until(LIMIT, "the log is compacted", || offsets(&topic, 44) == left);
    let barnabas = Barnabas::start(&Config::new(kafka, &topic, &sink.url()).text());
    let status = barnabas.wait_for_forward(FORWARD, LIMIT, |status| {
        status["partitions"][0]["fetched"] == 44 && status["pending"] == 0 && status["lag"] == 0
    });
    let mut expected = Expected::new(FORWARD, &topic);
    expected.add(0, left, &in_order());
    expected.check(&sink.delivered(), &[]);
    assert_eq!(status["lost_offsets"], 0, "a gap is no loss");
}

#[test]
fn all_five_codecs_are_read() {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let topic = kafka.new_topic("codecs", 1, &[]);
    let mut values = Vec::new();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let value = |n: usize| json!({"codec": codec, "n": n, "text": "Wörter, 日志 ".repeat(n)}).to_string();
        let script: String = (0..60).map(|n| format!("send\t-\t0\t\\N\tk\t{}\n", value(n))).collect();
        kafka.produce_script(&topic, codec, &script);
        values.extend((0..60).map(|n| serde_json::from_str::<Value>(&value(n)).expect("JSON")));
    }
    let barnabas = Barnabas::start(&Config::new(kafka, &topic, &sink.url()).text());
    barnabas.wait_until_consumed(FORWARD, 300, LIMIT);
    assert_eq!(bodies(&sink), values);
}

#[test]
fn programs_see_duplicate_and_null_headers_and_null_keys() {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let topic = kafka.new_topic("headers", 1, &[]);
    let script = "send\t-\t0\t\\N\t\\N\t{}\ta=1\ta=2\tnull=\\N\tempty=\nsend\t-\t0\t\\N\tk\t{}\n";
    kafka.produce_script(&topic, "none", script);
    let config = Config::new(kafka, &topic, &sink.url()).forward("transform = '{k: $record.key, h: $record.headers}'");
    let barnabas = Barnabas::start(&config.text());
    barnabas.wait_until_consumed(FORWARD, 2, LIMIT);
    let headers = json!([
        {"key": "a", "value": "1"}, {"key": "a", "value": "2"}, {"key": "null", "value": null}, {"key": "empty", "value": ""}
    ]);
    assert_eq!(bodies(&sink), [json!({"k": null, "h": headers}), json!({"k": "k", "h": []})]);
}

#[test]
fn a_tombstone_is_filtered_where_no_filter_says_otherwise() {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let topic = kafka.new_topic("tombstone", 1, &[]);
    kafka.produce_script(&topic, "none", "send\t-\t0\t\\N\tk\t\\N\nsend\t-\t0\t\\N\tk\t{\"id\":1}\n");
    let barnabas = Barnabas::start(&Config::new(kafka, &topic, &sink.url()).text());
    let status = barnabas.wait_until_consumed(FORWARD, 2, LIMIT);
    assert_eq!((&status["filtered"], &status["delivered"]), (&json!(1), &json!(1)));
}

#[test]
fn where_the_broker_sets_the_time_programs_see_the_brokers() {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let topic = kafka.new_topic("append-time", 1, &["message.timestamp.type=LogAppendTime"]);
    let before = clock::wall_clock().0;
    kafka.produce_script(&topic, "gzip", "send\t-\t0\t1000\tk\t{}\nsend\t-\t0\t2000\tk\t{}\n");
    let config = Config::new(kafka, &topic, &sink.url()).forward("transform = '$record.timestamp'");
    let barnabas = Barnabas::start(&config.text());
    barnabas.wait_until_consumed(FORWARD, 2, LIMIT);
    let times: Vec<i64> = bodies(&sink).iter().map(|body| body.as_i64().expect("a number")).collect();
    let after = clock::wall_clock().0;
    assert!(times.iter().all(|time| (before..=after).contains(time)), "{before} {times:?} {after}");
}

/// A forward that read 20 records and was stopped; then 30 more came, and retention took all below offset 35.
fn fallen_behind(prefix: &str, rule: &str) -> (String, Sink, Barnabas) {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let topic = kafka.new_topic(prefix, 1, &[]);
    produce(&topic, 0, 20);
    let config = Config::new(kafka, &topic, &sink.url()).forward(&format!("on_out_of_range = {rule:?}"));
    let mut barnabas = Barnabas::start(&config.text());
    barnabas.wait_until_consumed(FORWARD, 20, LIMIT);
    assert!(barnabas.terminate().success());
    produce(&topic, 0, 30);
    kafka.delete_records(&topic, 0, 35);
    barnabas.run();
    (topic, sink, barnabas)
}

#[test]
fn offsets_that_are_gone_are_counted_as_lost_and_the_first_that_is_left_comes_next() {
    let (topic, sink, barnabas) = fallen_behind("range-earliest", "earliest");
    let status = barnabas.wait_until_consumed(FORWARD, 35, LIMIT);
    assert_eq!(status["lost_offsets"], 15);
    check_books(&status);
    let mut expected = Expected::new(FORWARD, &topic);
    expected.add(0, (0..20).chain(35..50), &in_order());
    expected.check(&sink.delivered(), &[]);
    assert!(barnabas.log().contains("WARN the log no longer holds the next offset"), "it is said");
}

#[test]
fn offsets_that_are_gone_can_mean_to_go_on_at_the_end() {
    let (topic, sink, barnabas) = fallen_behind("range-latest", "latest");
    barnabas.wait_for_forward(FORWARD, LIMIT, |status| status["lost_offsets"] == 30);
    produce(&topic, 0, 5);
    let status = barnabas.wait_until_consumed(FORWARD, 25, LIMIT);
    check_books(&status);
    let mut expected = Expected::new(FORWARD, &topic);
    expected.add(0, (0..20).chain(50..55), &in_order());
    expected.check(&sink.delivered(), &[]);
}

#[test]
fn offsets_that_are_gone_can_mean_to_stop_until_somebody_says_where_to_go_on() {
    let (topic, sink, mut barnabas) = fallen_behind("range-stop", "stop");
    let status = barnabas.wait_for_forward(FORWARD, LIMIT, |status| status["state"] == "stalled");
    assert!(status["reasons"][0].as_str().is_some_and(|it| it.contains("offsets set")), "{status:#}");
    assert_eq!(barnabas.status().expect("the daemon answers")["ready"], false);
    assert!(barnabas.terminate().success());
    barnabas.command(&["offsets", "set", FORWARD, &format!("{topic}:0"), "40", "--yes"], "").success();
    barnabas.run();
    barnabas
        .wait_for_forward(FORWARD, LIMIT, |status| status["partitions"][0]["fetched"] == 50 && status["pending"] == 0);
    let mut expected = Expected::new(FORWARD, &topic);
    expected.add(0, (0..20).chain(40..50), &in_order());
    expected.check(&sink.delivered(), &[]);
}

#[test]
fn topics_and_partitions_that_appear_later_are_read_from_their_beginning() {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let first = kafka.new_topic("glob", 1, &[]);
    produce(&first, 0, 5);
    let later = format!("{first}-later");
    let config = Config::new(kafka, &format!("{first}*"), &sink.url()).start_at("latest");
    let barnabas = Barnabas::start(&config.text());
    barnabas.wait_for_forward(FORWARD, LIMIT, |status| status["state"] == "running" && status["lag"] == 0);
    kafka.create_topic(&later, 1, &[]);
    produce(&later, 0, 4);
    barnabas.wait_until_consumed(FORWARD, 4, LIMIT);
    assert_eq!(keys(&sink), (0..4).map(|n| format!("{FORWARD}/{later}/0/{n}")).collect::<Vec<_>>());

    kafka.run("tool", &["topics", "--alter", "--topic", &first, "--partitions", "2"], "");
    wait_until(LIMIT, "the partition has a leader", || {
        let described = kafka.run("tool", &["topics", "--describe", "--topic", &first], "");
        described.contains("Partition: 1\tLeader: 1")
    });
    produce(&first, 1, 3);
    barnabas.wait_until_consumed(FORWARD, 7, LIMIT);
    let added: Vec<_> = keys(&sink).split_off(4);
    assert_eq!(added, (0..3).map(|n| format!("{FORWARD}/{first}/1/{n}")).collect::<Vec<_>>());
}

#[test]
fn a_topic_that_is_deleted_and_created_again_is_read_from_its_beginning_under_new_keys() {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let topic = kafka.new_topic("recreated", 1, &[]);
    produce(&topic, 0, 5);
    let mut barnabas = Barnabas::start(&Config::new(kafka, &topic, &sink.url()).text());
    barnabas.wait_until_consumed(FORWARD, 5, LIMIT);
    // Once while it runs, and once while it does not.
    for life in [2, 3] {
        if life == 3 {
            assert!(barnabas.terminate().success());
        }
        let before = keys(&sink).len();
        kafka.delete_topic(&topic);
        wait_until(LIMIT, "the name is free again", || {
            let listed = kafka.run("tool", &["topics", "--list"], "");
            !listed.lines().any(|line| line == topic)
        });
        kafka.create_topic(&topic, 1, &[]);
        produce(&topic, 0, 7);
        if life == 3 {
            barnabas.run();
        }
        barnabas.wait_for_forward(FORWARD, LIMIT, |status| status["delivered"] == before + 7);
        let again: Vec<_> = keys(&sink).split_off(before);
        assert_eq!(again, (0..7).map(|n| format!("{FORWARD}/{topic}/0/{n}~{life}")).collect::<Vec<_>>());
    }
    check_books(&barnabas.forward(FORWARD));
}

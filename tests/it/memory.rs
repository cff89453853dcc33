//! What is held in memory while the endpoint hangs, however much waits in the topics; and records that are too large.

use std::time::Duration;

use serde_json::json;

use crate::support::barnabas::Barnabas;
use crate::support::config::{Config, FORWARD};
use crate::support::conservation::check_books;
use crate::support::kafka::Kafka;
use crate::support::sink::Sink;
use crate::support::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(60);
const MIB: u64 = 1024;
/// buffer_size, and what is promised for the rest, and as much again: the binary of the tests is not the optimised one.
const MOST: u64 = (8 + 2 * 32) * MIB;

/// Memory in KiB at its peak, with `count` records of `size` bytes waiting behind an endpoint that hangs.
fn peak_kib(prefix: &str, count: usize, size: usize) -> u64 {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    sink.script(&json!([{"then": {"hang": true}}]));
    let topic = kafka.new_topic(prefix, 3, &[]);
    let value = json!({"id": 1, "text": "x".repeat(size)}).to_string();
    for partition in 0..3 {
        kafka.produce(&topic, partition, (0..count / 3).map(|_| (None::<&str>, value.as_str())));
    }
    let config = Config::new(kafka, &topic, &sink.url()).forward("transform = '. + {more: 1}'\norder_by = \"none\"");
    let barnabas = Barnabas::start(&config.webhook("timeout = \"60s\"").text());
    barnabas.wait_for_forward(FORWARD, LIMIT, |status| status["in_flight"].as_u64() > Some(0));
    // Full: nothing more comes in, over some looks.
    let mut before = 0;
    let mut same = 0;
    wait_until(LIMIT, "the buffer is full", || {
        let consumed = barnabas.forward(FORWARD)["consumed"].as_u64().expect("a count");
        same = if consumed == before { same + 1 } else { 0 };
        before = consumed;
        same >= 40
    });
    assert!(before < count as u64 / 2, "{before} of {count} were read: the buffer did not hold anything back");
    check_books(&barnabas.forward(FORWARD));
    barnabas.peak_resident_kib()
}

#[test]
fn large_records_that_wait_stay_within_the_buffer() {
    let peak = peak_kib("memory-large", 300, 500_000);
    assert!(peak < MOST, "{peak} KiB");
}

#[test]
fn small_records_that_wait_stay_within_the_buffer() {
    let peak = peak_kib("memory-small", 30_000, 1_000);
    assert!(peak < MOST, "{peak} KiB");
}

#[test]
fn a_record_that_is_too_large_is_kept_with_its_beginning_and_what_follows_is_delivered() {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let topic = kafka.new_topic("too-large", 1, &["max.message.bytes=20000000"]);
    let small = "send\t-\t0\t\\N\tk\t{\"id\":1}\nflush\n";
    let large = format!("send\t-\t0\t\\N\tk\t{{\"text\": \"{}\"}}\nflush\n", "abc".repeat(3_000_000));
    // Larger than the buffer, and only when it is decompressed.
    kafka.produce_script(&topic, "gzip", &[small, &large, small, &large, small].concat());
    let config = Config::new(kafka, &topic, &sink.url()).forward("max_record_size = \"1MiB\"");
    let barnabas = Barnabas::start(&config.text());
    let status = barnabas.wait_until_consumed(FORWARD, 5, LIMIT);
    check_books(&status);
    assert_eq!((&status["delivered"], &status["dead_lettered"]), (&json!(3), &json!(2)));
    let letters = barnabas.dead_letters();
    assert_eq!(letters.iter().map(|letter| letter["offset"].clone()).collect::<Vec<_>>(), [1, 3]);
    let shown = barnabas.json(&["dead-letters", "show", &letters[0]["id"].to_string()]);
    let value = shown["value"].as_str().expect("text");
    assert!(value.starts_with("{\"text\": \"abcabc") && value.len() < 1_100_000, "{} bytes are kept", value.len());
    assert!(shown.to_string().contains("truncated") || shown["reason"].to_string().contains("larger"), "it is marked");
    assert!(barnabas.peak_resident_kib() < MOST, "{} KiB", barnabas.peak_resident_kib());
}

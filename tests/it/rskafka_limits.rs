//! Why rskafka is our producer and not our reader: what it cannot read on a real broker. These tests pin its limits down;
//! the day one of them fails, rskafka learned it, and the decision (README, ARCHITECTURE.md) can be looked at again.

use std::time::Duration;

use rskafka::client::partition::UnknownTopicHandling;
use rskafka::record::RecordAndOffset;

use crate::support::kafka::{Kafka, block_on, client, partition_client, topic_name};
use crate::support::wait::wait_until;

/// What rskafka gives for a fetch at `offset`.
fn fetch(topic: &str, offset: i64) -> Result<Vec<RecordAndOffset>, String> {
    block_on(async {
        let reader = partition_client(Kafka::shared().bootstrap(), topic, 0).await;
        let fetched = reader.fetch_records(offset, 1..1_000_000, 500);
        match tokio::time::timeout(Duration::from_secs(20), fetched).await {
            Ok(Ok((records, _))) => Ok(records),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer".to_owned()),
        }
    })
}

#[test]
fn rskafka_reads_plain_records() {
    let kafka = Kafka::shared();
    let topic = kafka.new_topic("plain", 1, &[]);
    kafka.produce(&topic, 0, [(Some("k"), "v1"), (None, "v2")]);
    let records = fetch(&topic, 0).expect("records");
    assert_eq!(records.len(), 2, "so that the failures below are about what was written, not about the set-up");
}

#[test]
fn rskafka_cannot_pass_a_null_header_value() {
    let kafka = Kafka::shared();
    let topic = kafka.new_topic("null-header", 1, &[]);
    let script = "send\t-\t0\t\\N\tk\tgood\nflush\nsend\t-\t0\t\\N\tk\tv\tname=\\N\nflush\nsend\t-\t0\t\\N\tk\tgood\n";
    assert_eq!(kafka.produce_script(&topic, "none", script), [(0, 0), (0, 1), (0, 2)]);

    let error = fetch(&topic, 0).expect_err("the good record before it is lost with it");
    assert!(error.contains("out of range integral type conversion"), "{error}");
    assert!(fetch(&topic, 1).is_err(), "and so is every further attempt at it");
    assert_eq!(fetch(&topic, 2).expect("the record behind it").len(), 1);
}

#[test]
fn rskafka_cannot_pass_a_transaction_marker() {
    let kafka = Kafka::shared();
    let topic = kafka.new_topic("marker", 1, &[]);
    let producer = topic_name("transaction");
    let script = format!("begin\t{producer}\nsend\t{producer}\t0\t\\N\tk\tv\ncommit\t{producer}\n");
    assert_eq!(kafka.produce_script(&topic, "none", &script), [(0, 0)]);

    let error = fetch(&topic, 0).expect_err("the committed record is lost with its marker");
    assert!(error.contains("control batch"), "{error}");
    assert!(fetch(&topic, 1).is_err(), "there is no call to step over the marker");
}

#[test]
fn rskafka_creates_the_topic_that_it_is_asked_for() {
    let kafka = Kafka::shared();
    let topic = topic_name("never-created");
    block_on(async {
        let client = client(kafka.bootstrap()).await;
        // Whether it gives a client or an error: the request for metadata alone creates the topic.
        let _ = client.partition_client(topic.as_str(), 0, UnknownTopicHandling::Error).await;
    });
    wait_until(Duration::from_secs(20), "the topic appears (if it does not, that is good news)", || {
        let topics = block_on(async { client(kafka.bootstrap()).await.list_topics().await });
        topics.expect("the topics").iter().any(|each| each.name == topic)
    });
}

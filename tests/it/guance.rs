//! The first user's case, as its files in examples/ say it: which event becomes which request, and what becomes of the
//! others.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::barnabas::Barnabas;
use crate::support::kafka::{Kafka, topic_name};
use crate::support::sink::Sink;

const LIMIT: Duration = Duration::from_secs(60);

fn example(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "examples", name].iter().collect();
    fs::read_to_string(path).expect("an example")
}

/// The example with our brokers, our receiver and a topic and group that nobody else uses.
fn config(topic: &str, sink: &Sink) -> String {
    let mut text = example("guance.toml");
    let replacements = [
        ("[\"kafka-1:9092\", \"kafka-2:9092\", \"kafka-3:9092\"]", Kafka::shared().bootstrap_toml()),
        ("dir = \"/var/lib/barnabas\"", String::new()),
        ("127.0.0.1:9863", "127.0.0.1:0".to_owned()),
        ("topics = [\"event\"]", format!("topics = [{topic:?}]")),
        ("group = \"omp\"", format!("group = {:?}", topic_name("omp"))),
        ("https://omp.example.com/api/alerts", sink.url()),
    ];
    for (from, to) in replacements {
        assert!(text.contains(from), "the example has no {from} any more");
        text = text.replacen(from, &to, 1);
    }
    text
}

#[test]
fn every_sample_event_becomes_what_the_example_says() {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let no_host = json!({"status": 400, "body": {"error": "alert does not match any cmdb instance"}});
    sink.script(&json!([{"when": {"body_contains": "no-cmdb"}, "then": no_host}]));
    let topic = kafka.new_topic("event", 1, &[]);
    let events = example("guance-events.jsonl");
    let count = events.lines().count();
    kafka.produce(&topic, 0, events.lines().map(|line| (None::<&str>, line)));
    let barnabas = Barnabas::start(&config(&topic, &sink));
    let status = barnabas.wait_until_consumed("guance-to-omp", count as u64, LIMIT);

    let expected: Vec<Value> = serde_json::from_str(&example("guance-expected.json")).expect("JSON");
    assert_eq!(expected.len(), count);
    let requests = sink.delivered();
    let letters = barnabas.dead_letters();
    let mut of_outcome = [0_u64; 3];
    for case in &expected {
        let what = case["what"].as_str().expect("a sentence");
        let offset = case["line"].as_i64().expect("a line") - 1;
        let key = format!("guance-to-omp/{topic}/0/{offset}");
        let request = requests.iter().find(|request| request.idempotency_key == key);
        let letter = letters.iter().find(|letter| letter["offset"] == offset);
        assert_eq!(request.map_or(&Value::Null, |request| &request.body), &case["body"], "the request for {what}");
        let outcome = case["outcome"].as_str().expect("an outcome");
        let taken = request.is_some_and(|request| request.accepted());
        assert_eq!(taken, outcome == "delivered", "{what}");
        assert_eq!(letter.is_some(), outcome == "dead-lettered", "{what}: {outcome}");
        of_outcome[usize::from(letter.is_some()) + 2 * usize::from(outcome == "filtered")] += 1;
    }
    assert_eq!(requests.len(), expected.iter().filter(|case| case.get("body").is_some()).count(), "and no others");
    let counted = ["delivered", "dead_lettered", "filtered"].map(|name| status[name].as_u64().expect("a count"));
    assert_eq!(counted, of_outcome);
    let time =
        requests.iter().find(|request| request.idempotency_key.ends_with("/0")).map(|it| it.body["time"].clone());
    assert_eq!(time.expect("the first").to_string(), "1732160000", "an integer, not a float");
}

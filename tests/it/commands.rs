//! The commands, on a real broker and a running daemon: what they print, what they change, and their exit status.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::barnabas::{BINARY, Barnabas};
use crate::support::config::kafka_section;
use crate::support::kafka::{Kafka, Options, block_on, client, partition_client, topic_name};
use crate::support::sink::Sink;
use crate::support::wait::{exit_within, wait_until};

const LIMIT: Duration = Duration::from_secs(60);
/// Refused, and therefore a dead letter.
const BAD: &str = r#"{"bad":1}"#;

fn config(kafka: &Kafka, topic: &str, url: &str) -> String {
    let kafka = kafka_section(kafka);
    format!(
        "{kafka}[[forward]]\nname = \"f\"\ntopics = [{topic:?}]\nstart = \"earliest\"\n\
         [forward.webhook]\nurl = {url:?}\n[forward.retry]\ninitial = \"20ms\"\n"
    )
}

/// A receiver that refuses the events that say so.
fn refusing_sink() -> Sink {
    let sink = Sink::start();
    sink.script(&json!([{"when": {"body_contains": "bad"}, "then": {"status": 400, "body": {"error": "no cmdb"}}}]));
    sink
}

/// The records of a topic: (key, value) to partition and offset.
fn records(kafka: &Kafka, topic: &str, partitions: i32) -> BTreeMap<(Option<String>, String), (i32, i64)> {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    block_on(async {
        let mut found = BTreeMap::new();
        for partition in 0..partitions {
            let reader = partition_client(kafka.bootstrap(), topic, partition).await;
            let (records, _) = reader.fetch_records(0, 1..10_000_000, 500).await.expect("records");
            for record in records {
                let (key, value) = (record.record.key.map(text), text(record.record.value.expect("a value")));
                found.insert((key, value), (partition, record.offset));
            }
        }
        found
    })
}

// --- produce ---

#[test]
fn produce_places_keys_where_javas_client_does_and_reports_each_line() {
    let kafka = Kafka::shared();
    let (ours, javas) = (kafka.new_topic("produced", 7, &[]), kafka.new_topic("java", 7, &[]));
    let input: String = (0..200).map(|n| format!("key-{n}{}:value {n}\n", "ä".repeat(n % 5))).collect();
    let barnabas = Barnabas::new(&kafka_section(kafka));
    let printed =
        barnabas.command(&["produce", &ours, "--key-separator", ":", "--compression", "gzip", "--json"], &input);
    let console = ["--topic", &javas, "--property", "parse.key=true", "--property", "key.separator=:"];
    kafka.run("tool", &[&["console-producer"], &console[..]].concat(), &input);

    let written = records(kafka, &ours, 7);
    let partition_of = |(record, (partition, _)): (_, (i32, i64))| (record, partition);
    let placed: BTreeMap<_, i32> = written.clone().into_iter().map(partition_of).collect();
    let placed_by_java: BTreeMap<_, i32> = records(kafka, &javas, 7).into_iter().map(partition_of).collect();
    assert_eq!(placed_by_java.len(), 200);
    assert_eq!(placed, placed_by_java);
    assert_eq!(placed.values().collect::<BTreeSet<_>>().len(), 7, "or it would prove little");

    for (line, (report, record)) in printed.success().lines().zip(input.lines()).enumerate() {
        let (key, value) = record.split_once(':').expect("a key");
        let (partition, offset) = written[&(Some(key.to_owned()), value.to_owned())];
        let expected = json!({"line": line + 1, "topic": ours, "partition": partition, "offset": offset});
        assert_eq!(serde_json::from_str::<Value>(report).expect("JSON"), expected);
    }
}

#[test]
fn a_record_that_is_refused_does_not_fail_the_others() {
    let kafka = Kafka::shared();
    let topic = kafka.new_topic("small", 1, &["max.message.bytes=1000"]);
    let input = format!("one\n{}\nthree\n", "x".repeat(2000));
    let finished = Barnabas::new(&kafka_section(kafka)).command(&["produce", &topic], &input);
    assert_eq!(finished.status.code(), Some(1));
    let lines: Vec<&str> = finished.stdout.lines().collect();
    assert_eq!((lines[0], lines[2]), (&*format!("line 1 → {topic}/0 0"), &*format!("line 3 → {topic}/0 1")));
    assert!(lines[1].starts_with("line 2 failed: ") && lines[1].contains("max.message.bytes"), "{}", lines[1]);
    assert!(finished.stderr.contains("1 of 3 lines were not written"), "{}", finished.stderr);
}

#[test]
fn produce_creates_no_topic() {
    let kafka = Kafka::shared();
    let name = kafka.new_topic("almost-right", 1, &[]);
    let missing = name.replace("almost", "almots");
    let finished = Barnabas::new(&kafka_section(kafka)).command(&["produce", &missing], "lost\n");
    assert_eq!((finished.status.code(), finished.stdout.as_str()), (Some(1), ""));
    assert!(finished.stderr.contains(&format!("did you mean {name:?}?")), "{}", finished.stderr);
    let topics = block_on(async { client(kafka.bootstrap()).await.list_topics().await.expect("topics") });
    assert!(!topics.iter().any(|topic| topic.name == missing), "it is there now");
}

// --- check ---

#[test]
fn check_connect_tries_everything_and_says_which_broker_is_gone() {
    let kafka = Kafka::start(&Options::default());
    let (topic, sink) = (kafka.new_topic("checked", 2, &[]), Sink::start());
    let barnabas = Barnabas::new(&config(&kafka, &topic, &sink.url()));
    let printed = barnabas.command(&["check", "--connect"], "").success();
    for expected in [
        "ok cluster default: 1 brokers",
        "ok cluster default, broker 1 at ",
        &format!("ok forward f, topic {topic}: 2 partitions"),
        "ok forward f, reading: allowed",
        "ok forward f, start: known for 2 partitions",
        "ok forward f, webhook http://",
        "ok state ",
    ] {
        assert!(printed.contains(expected), "{expected} is not in\n{printed}");
    }
    assert_eq!(sink.stats()["requests"], 0, "nothing was posted");
    assert!(!barnabas.dir().join("state").exists(), "nothing was created");

    barnabas.configure(&config(&kafka, "no-such-topic", "http://127.0.0.1:1/"));
    let finished = barnabas.command(&["check", "--connect"], "");
    assert_eq!(finished.status.code(), Some(1));
    assert!(finished.stdout.contains("FAILED forward f, topic no-such-topic: "), "{}", finished.stdout);
    assert!(finished.stdout.contains("FAILED forward f, webhook http://127.0.0.1:1/: "), "{}", finished.stdout);

    kafka.terminate(1);
    let finished = barnabas.command(&["check", "--connect"], "");
    assert_eq!(finished.status.code(), Some(1));
    let gone = format!("FAILED cluster default, bootstrap server {}: cannot connect", kafka.broker(1));
    assert!(finished.stdout.contains(&gone), "{}", finished.stdout);
    assert!(finished.stdout.contains("\nok state "), "the rest is tried all the same: {}", finished.stdout);
    assert!(finished.stderr.contains("3 of 4 checks failed"), "{}", finished.stderr);
}

// --- offsets ---

#[test]
fn offsets_are_shown_set_exported_and_imported() {
    let kafka = Kafka::shared();
    let (topic, sink) = (kafka.new_topic("offsets", 1, &[]), Sink::start());
    kafka.produce(&topic, 0, (0..10).map(|n| (None::<&str>, json!({"n": n}).to_string())));
    let mut barnabas = Barnabas::start(&config(kafka, &topic, &sink.url()));
    barnabas.wait_for_forward("f", LIMIT, |status| status["delivered"] == 10 && status["pending"] == 0);
    let row = |stored: i64| json!([{"forward": "f", "topic": topic, "partition": 0, "stored": stored, "fetched": stored, "unsettled": []}]);
    let shown = |barnabas: &Barnabas| barnabas.json(&["offsets", "show"]);
    wait_until(LIMIT, "all offsets are stored", || shown(&barnabas) == row(10));

    let place = format!("{topic}:0");
    let unasked = barnabas.command(&["offsets", "set", "f", &place, "7"], "");
    assert_eq!(unasked.status.code(), Some(2), "it needs --yes where nobody can be asked");
    barnabas.command(&["offsets", "set", "f", &place, "7", "--yes"], "").success();
    wait_until(LIMIT, "three come again", || sink.accepted().len() == 13);
    wait_until(LIMIT, "and are stored", || shown(&barnabas) == row(10));
    let exported = barnabas.command(&["offsets", "export"], "").success();
    let import = ["offsets", "import", "--yes"];
    let refused = barnabas.command(&import, &exported);
    assert_eq!(refused.status.code(), Some(1), "a running forward would store over them");

    barnabas.terminate();
    assert_eq!(shown(&barnabas), row(10), "also without a daemon");
    barnabas.command(&["offsets", "set", "f", &place, "2", "--yes"], "").success();
    assert_eq!(shown(&barnabas), row(2));
    barnabas.command(&import, &exported).success();
    assert_eq!(shown(&barnabas), row(10));
    assert_eq!(barnabas.command(&import, "{}").status.code(), Some(1), "no such document");
}

// --- dead letters ---

#[test]
fn dead_letters_are_listed_shown_exported_replayed_and_purged() {
    let kafka = Kafka::shared();
    let (topic, sink) = (kafka.new_topic("dead", 1, &[]), refusing_sink());
    kafka.produce(&topic, 0, [(Some("k"), BAD), (None, r#"{"good":1}"#), (Some("k2"), "no JSON")]);
    let mut barnabas = Barnabas::start(&config(kafka, &topic, &sink.url()));
    barnabas.wait_for_forward("f", LIMIT, |status| status["dead_lettered"] == 2 && status["delivered"] == 1);

    let list = |barnabas: &Barnabas| barnabas.json(&["dead-letters", "list"]).as_array().expect("an array").clone();
    let letters = list(&barnabas);
    assert_eq!(letters.len(), 2);
    let refused = letters.iter().find(|letter| letter["offset"] == 0).expect("the refused one");
    for (name, value) in [
        ("forward", json!("f")),
        ("topic", json!(topic)),
        ("partition", json!(0)),
        ("key", json!("k")),
        ("attempts", json!(1)),
        ("status", json!(400)),
        ("response", json!(r#"{"error":"no cmdb"}"#)),
        ("idempotency_key", json!(format!("f/{topic}/0/0"))),
    ] {
        assert_eq!(refused[name], value, "{name}");
    }
    for name in ["id", "timestamp", "reason", "first_failed_at"] {
        assert!(!refused[name].is_null(), "{name}");
    }
    let id = refused["id"].to_string();
    let shown = barnabas.json(&["dead-letters", "show", &id]);
    assert_eq!((&shown["value"], &shown["headers"]), (&json!(BAD), &json!([])));
    assert!(barnabas.command(&["dead-letters", "show", &id], "").success().contains("no cmdb"));
    let exported = barnabas.command(&["dead-letters", "export"], "").success();
    let exported: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((exported.len(), exported.contains(&shown)), (2, true));

    sink.script(&json!([]));
    barnabas.command(&["dead-letters", "replay", &id], "").success();
    wait_until(LIMIT, "the one that is accepted now is gone", || list(&barnabas).len() == 1);
    assert!(sink.accepted().iter().any(|each| each.idempotency_key == format!("f/{topic}/0/0")), "under its old key");

    barnabas.terminate();
    assert_eq!(list(&barnabas).len(), 1, "also without a daemon");
    assert_eq!(barnabas.command(&["dead-letters", "purge", "--all"], "").status.code(), Some(2), "needs --yes");
    barnabas.command(&["dead-letters", "purge", "--all", "--yes"], "").success();
    assert_eq!(list(&barnabas).len(), 0);
}

// --- the daemon ---

#[test]
fn a_pause_survives_a_restart_and_ends_with_resume() {
    let kafka = Kafka::shared();
    let (topic, sink) = (kafka.new_topic("paused", 1, &[]), Sink::start());
    let mut barnabas = Barnabas::start(&config(kafka, &topic, &sink.url()));
    barnabas.wait_for_forward("f", LIMIT, |status| status["state"] == "running");
    barnabas.command(&["forwards", "pause", "f"], "").success();
    barnabas.wait_for_forward("f", LIMIT, |status| status["state"] == "paused");
    kafka.produce(&topic, 0, [(None::<&str>, r#"{"n":1}"#)]);
    assert!(barnabas.terminate().success());
    barnabas.run();
    // It has read the record, so that it could have been sent.
    barnabas.wait_for_forward("f", LIMIT, |status| status["state"] == "paused" && status["pending"] == 1);
    let listed = barnabas.json(&["forwards", "list"]);
    assert_eq!((&listed[0]["name"], &listed[0]["state"]), (&json!("f"), &json!("paused")));
    assert_eq!(sink.stats()["requests"], 0);
    barnabas.command(&["forwards", "resume", "f"], "").success();
    sink.wait_for_accepted(1, LIMIT);
}

#[test]
fn a_second_daemon_on_the_same_state_is_refused() {
    let kafka = Kafka::shared();
    let (topic, sink) = (kafka.new_topic("second", 1, &[]), Sink::start());
    let barnabas = Barnabas::start(&config(kafka, &topic, &sink.url()));
    let second = barnabas.command(&["run"], "");
    assert_eq!(second.status.code(), Some(1));
    let expected = format!("another barnabas (pid {})", barnabas.pid());
    assert!(second.stderr.contains(&expected), "{}", second.stderr);
    assert!(barnabas.status().is_some(), "the first one still answers");
}

// --- ends ---

#[test]
fn a_closed_pipe_is_no_error() {
    let kafka = Kafka::shared();
    let topic = kafka.new_topic("pipe", 1, &[]);
    let barnabas = Barnabas::new(&config(kafka, &topic, "http://127.0.0.1:1/"));
    let config = barnabas.config_file();
    let config = config.to_str().expect("a path");
    for arguments in [vec!["check", "--config", config], vec!["--help"], vec!["test", "--config", config]] {
        let mut child = Command::new(BINARY)
            .args(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("start barnabas");
        // Before it can have written anything of an event; the others are small enough to wait in no buffer but ours.
        drop(child.stdout.take());
        let mut input = child.stdin.take().expect("piped");
        // It may have ended already.
        let _ = std::io::Write::write_all(&mut input, b"{\"a\":1}\n");
        drop(input);
        let status = exit_within(&mut child, LIMIT).expect("it ends");
        assert_eq!(status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn exit_statuses() {
    let kafka = Kafka::shared();
    let barnabas = Barnabas::new(&config(kafka, &topic_name("never-made"), "http://127.0.0.1:1/"));
    let check = |rule: &str, arguments: &[&str], status: i32, said: &str| {
        let finished = barnabas.command(arguments, "");
        assert_eq!(finished.status.code(), Some(status), "{rule}: {}", finished.stderr);
        assert!(finished.stderr.contains(said), "{rule}: {}", finished.stderr);
        assert_eq!(finished.stdout, "", "{rule}: data only goes to standard output");
    };
    check("no daemon", &["status"], 1, "is barnabas running?");
    check("no state", &["offsets", "show"], 1, "there is no state in ");
    check("no such forward", &["forwards", "pause", "nobody"], 2, "no forward is called \"nobody\"");
    check("no such option", &["status", "--jsn"], 2, "did you mean --json?");
    check("no position", &["offsets", "set", "f", "t", "yesterday", "--yes"], 2, "is no position");
    check("two clusters at once", &["produce", "t", "--bootstrap-server", "localhost:1"], 2, "exclude each other");
    barnabas.configure("[kafka]\nbootstrap_server = \"x\"\n");
    check("a bad configuration", &["check"], 2, "did you mean");
    check("a bad configuration for the daemon", &["run"], 2, "did you mean");
}

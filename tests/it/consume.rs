//! `consume` beside Kafka's own console consumer: the same records, its end, positions, and what it must not disturb.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::barnabas::{BINARY, Barnabas};
use crate::support::config::kafka_section;
use crate::support::kafka::{Kafka, now_ms};
use crate::support::wait::{exit_within, wait_until};

const LIMIT: Duration = Duration::from_secs(60);

/// Eight records that can be read, in three partitions: keys, none, headers that repeat and are null, a tombstone, text
/// beyond ASCII, a transaction that was committed, and around them one that was aborted.
fn mixed_topic(kafka: &Kafka) -> String {
    let topic = kafka.new_topic("mixed", 3, &[]);
    let now = now_ms();
    let script = format!(
        "send\t-\t0\t{now}\tk1\tplain\n\
         begin\tgone\nsend\tgone\t0\t{now}\tk\taborted\nabort\tgone\n\
         send\t-\t0\t{now}\tk2\theaders\ta=1\ta=2\tb=\\N\n\
         begin\tkept\nsend\tkept\t0\t{now}\tk3\tcommitted\nsend\tkept\t1\t{now}\tk3\tcommitted\ncommit\tkept\n\
         send\t-\t1\t{now}\t\\N\tno key\nsend\t-\t1\t{now}\tk4\t\\N\n\
         send\t-\t2\t{now}\tk5\t{{\"host\":\"告警\"}}\nsend\t-\t2\t{now}\tk6\t\n"
    );
    kafka.produce_script(&topic, "gzip", &script);
    topic
}

fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn console_consumer(kafka: &Kafka, topic: &str, count: usize, properties: &[&str]) -> String {
    let count = count.to_string();
    let mut arguments = vec!["console-consumer", "--topic", topic, "--from-beginning"];
    arguments.extend(["--isolation-level", "read_committed", "--max-messages", &count]);
    for property in properties {
        arguments.extend(["--property", property]);
    }
    let printed = kafka.run("tool", &arguments, "");
    // It says on standard output what it thinks of its older options.
    printed.lines().filter(|line| !line.starts_with("Option --")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn consume_shows_what_kafkas_own_consumer_shows() {
    let kafka = Kafka::shared();
    let topic = mixed_topic(kafka);
    let barnabas = Barnabas::new(&kafka_section(kafka));

    let values = barnabas.command(&["consume", &topic], "").success();
    let theirs = console_consumer(kafka, &topic, 8, &[]);
    assert_eq!(lines(&values).len(), 8);
    assert_eq!(lines(&values), lines(&theirs));

    let all = ["print.timestamp", "print.partition", "print.offset", "print.headers", "print.key"];
    let all: Vec<String> = all.iter().map(|name| format!("{name}=true")).collect();
    let theirs = console_consumer(kafka, &topic, 8, &all.iter().map(String::as_str).collect::<Vec<_>>());
    let json = barnabas.command(&["consume", &topic, "--json"], "").success();
    let ours: Vec<String> = json.lines().map(as_console_consumer).collect();
    assert_eq!(lines(&ours.join("\n")), lines(&theirs));
}

/// A JSON line in the form of Kafka's console consumer.
fn as_console_consumer(line: &str) -> String {
    let record: Value = serde_json::from_str(line).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or("null").to_owned();
    let headers = record["headers"].as_array().expect("headers").iter();
    let headers: Vec<String> =
        headers.map(|header| format!("{}:{}", text(&header["key"]), text(&header["value"]))).collect();
    let headers = if headers.is_empty() { "NO_HEADERS".to_owned() } else { headers.join(",") };
    format!(
        "CreateTime:{}\tPartition:{}\tOffset:{}\t{headers}\t{}\t{}",
        record["timestamp"],
        record["partition"],
        record["offset"],
        text(&record["key"]),
        text(&record["value"])
    )
}

#[test]
fn consume_ends_where_an_open_transaction_begins() {
    let kafka = Kafka::shared();
    let topic = kafka.new_topic("open", 1, &[]);
    kafka.produce(&topic, 0, [(None::<&str>, "before")]);
    let _transaction = kafka.open_transaction(&topic, 0, "undecided");
    wait_until(LIMIT, "the record of the open transaction is in the log", || {
        kafka.run("tool", &["offsets", "--topic", &topic], "").trim().ends_with(":2")
    });
    kafka.produce(&topic, 0, [(None::<&str>, "behind")]);
    let barnabas = Barnabas::new(&kafka_section(kafka));
    // Were it waiting for the transaction, the command's limit would end it.
    assert_eq!(barnabas.command(&["consume", &topic], "").success(), "before\n");
}

#[test]
fn consume_begins_and_ends_where_it_is_told() {
    let kafka = Kafka::shared();
    let topic = kafka.new_topic("positions", 1, &[]);
    let now = now_ms();
    let sends: Vec<String> =
        (0..10).map(|n| format!("send\t-\t0\t{}\t\\N\t{{\"n\":{n}}}\n", now - 10_000 + n * 1000)).collect();
    kafka.produce_script(&topic, "none", &sends.concat());
    kafka.delete_records(&topic, 0, 2);
    let barnabas = Barnabas::new(&kafka_section(kafka));
    let shown = |arguments: &[&str]| {
        let all = [&["consume", &topic, "--jq", ".value | fromjson | .n"], arguments].concat();
        barnabas.command(&all, "").success().lines().map(|n| n.parse().expect("a number")).collect::<Vec<i64>>()
    };
    assert_eq!(shown(&[]), [2, 3, 4, 5, 6, 7, 8, 9], "from the first that is there");
    assert_eq!(shown(&["--from", "8"]), [8, 9]);
    assert_eq!(shown(&["--from", "end-3"]), [7, 8, 9]);
    assert_eq!(shown(&["--from", "end-100", "--count", "2"]), [2, 3]);
    assert_eq!(shown(&["--from", "latest"]), [0_i64; 0]);
    let time = chrono::DateTime::from_timestamp_millis(now - 10_000 + 6500).expect("a time").to_rfc3339();
    assert_eq!(shown(&["--from", &time]), [7, 8, 9]);
    let odd = barnabas.command(&["consume", &topic, "--jq", "select(.offset % 2 == 1).offset", "--count", "2"], "");
    assert_eq!(odd.success(), "3\n5\n", "the count is of those that the filter shows");

    let refused = barnabas.command(&["consume", &topic, "--from", "1"], "");
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains("2 to 10"), "{}", refused.stderr);
}

#[test]
fn consume_names_the_topic_that_was_meant_and_creates_none() {
    let kafka = Kafka::shared();
    let name = kafka.new_topic("rightly-spelt", 1, &[]);
    let missing = name.replace("spelt", "splet");
    let barnabas = Barnabas::new(&kafka_section(kafka));
    for _ in 0..2 {
        let finished = barnabas.command(&["consume", &missing], "");
        assert_eq!((finished.status.code(), finished.stdout.as_str()), (Some(1), ""));
        assert!(finished.stderr.contains(&format!("did you mean {name:?}?")), "{}", finished.stderr);
    }
}

#[test]
fn consume_follows_until_it_is_interrupted_and_is_no_member_of_anything() {
    let kafka = Kafka::shared();
    let topic = kafka.new_topic("followed", 2, &[]);
    let groups = kafka.run("tool", &["groups", "--list"], "");
    let mut child = Command::new(BINARY)
        .args(["consume", &topic, "--follow", "--bootstrap-server", kafka.bootstrap()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("start barnabas");
    let mut printed = BufReader::new(child.stdout.take().expect("piped"));
    let mut next = || {
        let mut line = String::new();
        printed.read_line(&mut line).expect("a line");
        line
    };
    for n in 0..3 {
        kafka.produce(&topic, n % 2, [(None::<&str>, format!("record {n}"))]);
        assert_eq!(next(), format!("record {n}\n"), "at once, though standard output is a pipe");
    }
    assert_eq!(kafka.run("tool", &["groups", "--list"], ""), groups);
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(interrupt.success());
    let status = exit_within(&mut child, LIMIT).expect("it ends");
    assert_eq!((status.code(), next()), (Some(0), String::new()));
}

#[test]
fn consume_ends_quietly_when_nobody_reads_on() {
    let kafka = Kafka::shared();
    let topic = kafka.new_topic("piped", 1, &[]);
    kafka.produce(&topic, 0, (0..20_000).map(|n| (None::<&str>, format!("{n:0>100}"))));
    let command = format!("{BINARY} consume {topic} --bootstrap-server {} | head -n 1", kafka.bootstrap());
    let done = Command::new("bash").args(["-o", "pipefail", "-c", &command]).output().expect("bash");
    assert!(done.status.success() && done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(String::from_utf8_lossy(&done.stdout), format!("{:0>100}\n", 0));
}

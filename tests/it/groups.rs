//! `groups` beside Kafka's own tool: states, members, lag, and resets that nobody notices too late.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::barnabas::Barnabas;
use crate::support::config::kafka_section;
use crate::support::kafka::{Kafka, now_ms, topic_name};
use crate::support::wait::wait_for;

const LIMIT: Duration = Duration::from_secs(60);

fn describe(barnabas: &Barnabas, group: &str) -> Value {
    barnabas.json(&["groups", "describe", group])[0].clone()
}

/// Kafka's own table: topic, partition, committed, latest, lag, client id; "-" where it has that.
fn kafkas_table(kafka: &Kafka, group: &str) -> Vec<Vec<String>> {
    let printed = kafka.run("tool", &["groups", "--describe", "--group", group], "");
    let mut lines = printed.lines().filter(|line| !line.trim().is_empty());
    let head: Vec<&str> =
        lines.by_ref().find(|line| line.starts_with("GROUP")).expect("a head").split_whitespace().collect();
    let at = |name: &str| head.iter().position(|column| *column == name).expect("the column");
    let columns = ["TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CLIENT-ID"].map(at);
    let mut rows: Vec<Vec<String>> = lines
        .map(|line| {
            let cells: Vec<&str> = line.split_whitespace().collect();
            columns.iter().map(|column| cells[*column].to_owned()).collect()
        })
        .collect();
    rows.sort();
    rows
}

/// The same of ours.
fn our_table(group: &Value) -> Vec<Vec<String>> {
    let cell = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let names = ["topic", "partition", "committed", "latest", "lag", "client_id"];
    let rows = group["partitions"].as_array().expect("partitions").iter();
    rows.map(|row| names.iter().map(|name| cell(&row[*name])).collect()).collect()
}

#[test]
fn a_group_without_members_is_described_as_by_kafkas_own_tool() {
    let kafka = Kafka::shared();
    let (topic, group) = (kafka.new_topic("lagging", 3, &[]), topic_name("group"));
    let barnabas = Barnabas::new(&kafka_section(kafka));
    let age = 600_000;
    let sends: Vec<String> =
        (0..30).map(|n| format!("send\t-\t{}\t{}\t\\N\tv{n}\n", n % 3, now_ms() - age + n)).collect();
    kafka.produce_script(&topic, "gzip", &sends.concat());
    kafka.commit_offset(&group, &topic, 0, 4);
    kafka.commit_offset(&group, &topic, 1, 10);
    kafka.delete_records(&topic, 0, 6);

    let ours = describe(&barnabas, &group);
    assert_eq!((&ours["state"], &ours["type"], &ours["members"]), (&json!("Empty"), &json!("classic"), &json!([])));
    // Kafka's tool counts what is deleted; who reads on does not get it.
    let lags: Vec<&Value> = ours["partitions"].as_array().expect("rows").iter().map(|row| &row["lag"]).collect();
    assert_eq!((lags, &ours["lag"]), (vec![&json!(4), &json!(0)], &json!(4)));
    kafka.commit_offset(&group, &topic, 0, 6);
    let ours = describe(&barnabas, &group);
    assert_eq!(our_table(&ours), kafkas_table(kafka, &group));

    let seconds = |row: usize| ours["partitions"][row]["lag_seconds"].as_f64().expect("seconds");
    assert!((599.0..700.0).contains(&seconds(0)), "the oldest that was not read: {}", seconds(0));
    assert!(seconds(1).abs() < f64::EPSILON, "nothing is left to read");

    let listed = barnabas.json(&["groups", "list"]);
    let mut names: Vec<&str> =
        listed.as_array().expect("groups").iter().map(|it| it["group"].as_str().expect("a name")).collect();
    assert!(names.contains(&group.as_str()), "{names:?}");
    names.retain(|name| *name == group);
    assert!(kafka.run("tool", &["groups", "--list"], "").lines().any(|name| names == [name]));

    let near = barnabas.command(&["groups", "describe", &format!("{group}s")], "");
    assert_eq!(near.status.code(), Some(1));
    assert!(near.stderr.contains("did you mean"), "{}", near.stderr);
}

/// With both protocols: members with their partitions, as Kafka's own tool has them; and no reset while they live.
fn a_live_group(protocol: &str) {
    let kafka = Kafka::shared();
    let (topic, group) = (kafka.new_topic("live", 2, &[]), topic_name(protocol));
    let barnabas = Barnabas::new(&kafka_section(kafka));
    kafka.produce(&topic, 0, (0..5).map(|n| (None::<&str>, n.to_string())));
    kafka.commit_offset(&group, &topic, 0, 2);
    let member = kafka.join_group_by(&group, &topic, protocol);

    let ours = wait_for(LIMIT, "the group is stable", || {
        let ours = describe(&barnabas, &group);
        (ours["state"] == "Stable").then_some(ours)
    });
    assert_eq!((&ours["type"], &ours["lag"]), (&json!(protocol), &json!(3)));
    assert_eq!(our_table(&ours), kafkas_table(kafka, &group));
    let members = ours["members"].as_array().expect("members");
    let assigned = json!([{"topic": topic, "partition": 0}, {"topic": topic, "partition": 1}]);
    assert_eq!((members.len(), &members[0]["partitions"]), (1, &assigned));

    let client_id = members[0]["client_id"].as_str().expect("a client id");
    for arguments in
        [&["groups", "reset", &group, &topic, "earliest", "--yes"][..], &["groups", "delete", &group, "--yes"]]
    {
        let refused = barnabas.command(arguments, "");
        assert_eq!(refused.status.code(), Some(1));
        assert!(refused.stderr.contains("live members") && refused.stderr.contains(client_id), "{}", refused.stderr);
    }
    assert_eq!(kafka.committed(&group, &topic, 0), Some(2));

    drop(member);
    wait_for(LIMIT, "the member has left", || (describe(&barnabas, &group)["state"] == "Empty").then_some(()));
    barnabas.command(&["groups", "reset", &group, &topic, "end-1", "--yes"], "").success();
    assert_eq!((kafka.committed(&group, &topic, 0), kafka.committed(&group, &topic, 1)), (Some(4), Some(0)));
    barnabas.command(&["groups", "delete", &group, "--yes"], "").success();
    assert!(!kafka.run("tool", &["groups", "--list"], "").lines().any(|name| name == group), "it is deleted");
}

#[test]
fn a_classic_group_with_members_is_described_and_left_alone() {
    a_live_group("classic");
}

#[test]
fn a_group_of_the_new_protocol_with_members_is_described_and_left_alone() {
    a_live_group("consumer");
}

#[test]
fn a_reset_is_shown_first_and_needs_a_yes() {
    let kafka = Kafka::shared();
    let (topic, group) = (kafka.new_topic("reset", 2, &[]), topic_name("reset-group"));
    let barnabas = Barnabas::new(&kafka_section(kafka));
    kafka.produce(&topic, 0, (0..5).map(|n| (None::<&str>, n.to_string())));
    kafka.commit_offset(&group, &topic, 0, 1);

    let planned = barnabas.json(&["groups", "reset", &group, &topic, "latest", "--dry-run"]);
    let row = |partition: i32, from: Value, to: i64| json!({"group": group, "topic": topic, "partition": partition, "from": from, "to": to, "error": null});
    assert_eq!(planned, json!([row(0, json!(1), 5), row(1, Value::Null, 0)]));
    let unsure = barnabas.command(&["groups", "reset", &group, &topic, "latest"], "");
    assert_eq!(unsure.status.code(), Some(2));
    assert!(unsure.stderr.contains("--yes"), "{}", unsure.stderr);
    assert_eq!(kafka.committed(&group, &topic, 0), Some(1), "nothing was changed");

    let outside = barnabas.command(&["groups", "reset", &group, &format!("{topic}:0"), "6", "--yes"], "");
    assert!(outside.stderr.contains("0 to 5"), "{}", outside.stderr);
    barnabas.command(&["groups", "reset", &group, &format!("{topic}:0"), "3", "--yes"], "").success();
    assert_eq!((kafka.committed(&group, &topic, 0), kafka.committed(&group, &topic, 1)), (Some(3), None));
}

//! `barnabas topics` and `barnabas brokers` beside Kafka's own tools on the same cluster, and the requests about groups
//! beside Kafka's own consumers.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use barnabas::config::schema::{ClusterSettings, HostPort};
use barnabas::kafka::admin::describe_groups::{GroupDescription, GroupType};
use barnabas::kafka::wire::{Client, ErrorKind, KafkaError};
use barnabas::logic::record::TopicPartition;
use litemap::LiteMap;
use serde_json::Value;

use crate::support::barnabas::BINARY;
use crate::support::kafka::{Kafka, Options, block_on, topic_name};
use crate::support::wait::{self, Finished, wait_until};

const LIMIT: Duration = Duration::from_secs(60);

/// The binary on this cluster, without any configuration.
#[track_caller]
fn barnabas(kafka: &Kafka, arguments: &[&str]) -> Finished {
    let mut command = Command::new(BINARY);
    command.args(arguments).args(["--bootstrap-server", kafka.bootstrap()]).env_remove("BARNABAS_CONFIG");
    wait::run(&mut command, "", LIMIT)
}

#[track_caller]
fn json(kafka: &Kafka, arguments: &[&str]) -> Value {
    let printed = barnabas(kafka, &[arguments, &["--json"]].concat()).success();
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {printed}"))
}

/// What Kafka's own tool prints.
fn tool(kafka: &Kafka, name: &str, arguments: &[&str]) -> String {
    kafka.run("tool", &[&[name], arguments].concat(), "")
}

#[track_caller]
fn refused(finished: &Finished, status: i32, contains: &str) {
    let said = finished.stderr.trim_end();
    assert_eq!(finished.status.code(), Some(status), "{said}");
    assert!(said.contains(contains), "{said}");
}

/// `name: 7` (old versions: `name:7`) in what kafka-topics --describe prints, where fields are separated by tabs.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split('\t').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

fn numbers(value: &Value) -> String {
    let numbers: Vec<String> = value.as_array().expect("an array").iter().map(ToString::to_string).collect();
    numbers.join(",")
}

#[test]
fn a_topic_is_created_described_and_deleted_as_by_kafka_topics() {
    let kafka = Kafka::shared();
    let topic = topic_name("created");
    let create = ["topics", "create", &topic, "--partitions", "3", "--replication-factor", "1"];
    let create = [&create[..], &["--setting", "retention.ms=86400000"]].concat();

    barnabas(kafka, &[&create[..], &["--dry-run"]].concat()).success();
    assert!(!tool(kafka, "topics", &["--list"]).lines().any(|line| line == topic), "a dry run creates nothing");
    barnabas(kafka, &create).success();
    refused(&barnabas(kafka, &create), 1, "exists already");
    assert!(tool(kafka, "topics", &["--list"]).lines().any(|line| line == topic));

    kafka.produce(&topic, 1, (0..5).map(|n| (None::<String>, format!("value {n}"))));
    kafka.delete_records(&topic, 1, 2);
    let ours = json(kafka, &["topics", "describe", &topic]);
    let ours = &ours[0];
    let theirs = tool(kafka, "topics", &["--describe", "--topic", &topic]);
    let head = theirs.lines().find(|line| line.contains("PartitionCount")).expect("a head");
    if let Some(id) = field(head, "TopicId") {
        assert_eq!(ours["id"], id);
    }
    assert_eq!(field(head, "PartitionCount"), Some("3"));
    assert!(head.contains("retention.ms=86400000"), "{head}");
    let partitions: Vec<&str> = theirs.lines().filter(|line| line.contains("\tPartition: ")).collect();
    assert_eq!(partitions.len(), 3, "{theirs}");
    for (line, ours) in partitions.iter().zip(ours["partitions"].as_array().expect("partitions")) {
        assert_eq!(field(line, "Partition"), Some(ours["partition"].to_string().as_str()));
        assert_eq!(field(line, "Leader"), Some(ours["leader"].to_string().as_str()));
        assert_eq!(field(line, "Replicas"), Some(numbers(&ours["replicas"]).as_str()));
        assert_eq!(field(line, "Isr"), Some(numbers(&ours["isr"]).as_str()));
        assert_eq!(ours["state"], "ok");
    }
    let second = &ours["partitions"][1];
    assert_eq!((&second["earliest"], &second["latest"]), (&Value::from(2), &Value::from(5)));
    for (time, name) in [("-2", "earliest"), ("-1", "latest")] {
        let printed = tool(kafka, "offsets", &["--topic", &topic, "--time", time]);
        let ours = ours["partitions"].as_array().expect("partitions");
        let ours: BTreeSet<String> =
            ours.iter().map(|it| format!("{topic}:{}:{}", it["partition"], it[name])).collect();
        assert_eq!(printed.lines().map(str::to_owned).collect::<BTreeSet<_>>(), ours, "{name}");
    }
    if let Some(settings) = ours["settings"].as_array() {
        let retention = settings.iter().find(|setting| setting["name"] == "retention.ms").expect("a setting of ours");
        assert_eq!((&retention["value"], &retention["source"]), (&"86400000".into(), &"topic".into()));
    }

    let misspelt = format!("{topic}x");
    refused(&barnabas(kafka, &["topics", "describe", &misspelt]), 1, &format!("did you mean {topic:?}?"));
    refused(&barnabas(kafka, &["topics", "delete", &topic]), 2, "--yes");
    refused(&barnabas(kafka, &["topics", "delete", &topic, &misspelt, "--yes"]), 1, &format!("no topic {misspelt:?}"));
    assert!(tool(kafka, "topics", &["--list"]).lines().any(|line| line == topic), "all or nothing");
    barnabas(kafka, &["topics", "delete", &topic, "--yes"]).success();
    wait_until(LIMIT, "the topic is gone", || !tool(kafka, "topics", &["--list"]).lines().any(|line| line == topic));
}

#[test]
fn the_list_is_that_of_kafka_topics_and_kafkas_own_topics_are_shown_on_request() {
    let kafka = Kafka::shared();
    kafka.new_topic("listed", 2, &[]);
    // The first commit of a cluster makes Kafka's own topic.
    let group = topic_name("group");
    let topic = kafka.new_topic("committed", 1, &[]);
    kafka.commit_offset(&group, &topic, 0, 0);
    let names = |listed: &Value| -> BTreeSet<String> {
        let listed = listed.as_array().expect("an array").iter();
        listed.map(|it| it["topic"].as_str().expect("a name").to_owned()).collect()
    };
    // Other tests create and delete topics meanwhile: those are told apart by a list before and one after.
    wait_until(LIMIT, "two lists agree", || {
        let theirs = || tool(kafka, "topics", &["--list"]).lines().map(str::to_owned).collect::<BTreeSet<_>>();
        let (before, ours, after) = (theirs(), names(&json(kafka, &["topics", "list", "--internal"])), theirs());
        before == after && ours == before
    });
    assert!(!names(&json(kafka, &["topics", "list"])).contains("__consumer_offsets"));
    assert!(names(&json(kafka, &["topics", "list", "--internal"])).contains("__consumer_offsets"));
    let named = json(kafka, &["topics", "describe", "__consumer_offsets"]);
    assert_eq!(named[0]["internal"], true, "one that is named is shown");
    refused(&barnabas(kafka, &["topics", "delete", "__consumer_offsets", "--yes"]), 1, "Kafka's own");
}

#[test]
fn what_the_cluster_refuses_is_told_in_its_words() {
    let kafka = Kafka::shared();
    let create = |more: &[&str]| {
        let name = topic_name("refused");
        barnabas(kafka, &[&["topics", "create", &name, "--partitions", "1"][..], more].concat())
    };
    refused(&create(&["--replication-factor", "9"]), 1, "INVALID_REPLICATION_FACTOR");
    refused(&create(&["--replication-factor", "1", "--setting", "retention.sm=1"]), 1, "INVALID_CONFIG");
    let odd = ["topics", "create", "a b", "--partitions", "1", "--replication-factor", "1"];
    refused(&barnabas(kafka, &odd), 1, "INVALID_TOPIC_EXCEPTION");
}

#[test]
fn brokers_their_versions_and_their_disks_are_those_of_kafkas_tools() {
    let kafka = Kafka::start(&Options { brokers: 3, ..Options::default() });
    let topic = kafka.new_topic("spread", 6, &[]);
    let values = |partition| (0..100).map(move |n| (None::<String>, format!("{partition} {n} {}", "x".repeat(500))));
    for partition in 0..6 {
        kafka.produce(&topic, partition, values(partition));
    }
    let brokers = json(&kafka, &["brokers", "--api-versions", "--disks"]);
    let brokers = brokers.as_array().expect("brokers");
    let at = |broker: &Value| format!("{}:{}", broker["host"].as_str().expect("a host"), broker["port"]);
    assert_eq!(brokers.iter().map(at).collect::<Vec<_>>().join(","), kafka.bootstrap());
    assert_eq!(brokers.iter().filter(|broker| broker["controller"] == true).count(), 1, "{brokers:?}");
    let sum = |name: &str| brokers.iter().filter_map(|broker| broker[name].as_u64()).sum::<u64>();
    assert_eq!((sum("leaders"), sum("replicas"), sum("out_of_sync")), (6, 18, 0));

    let printed =
        tool(&kafka, "org.apache.kafka.tools.BrokerApiVersionsCommand", &["--bootstrap-server", kafka.bootstrap()]);
    let theirs: BTreeSet<String> = printed.lines().filter_map(api_of_line).collect();
    assert!(theirs.len() > 40, "{printed}");
    let apis = brokers.iter().flat_map(|broker| broker["api_versions"].as_array().expect("versions"));
    let ours: BTreeSet<String> = apis
        .map(|api| format!("{}({}): {} to {}", api["name"].as_str().unwrap_or("?"), api["key"], api["min"], api["max"]))
        .collect();
    assert_eq!(ours, theirs);

    // Segments are written by the leader and copied: the sizes stay as they are now.
    let printed = tool(
        &kafka,
        "org.apache.kafka.tools.LogDirsCommand",
        &["--bootstrap-server", kafka.bootstrap(), "--describe", "--topic-list", &topic],
    );
    let document = printed.lines().find(|line| line.starts_with('{')).expect("JSON");
    let theirs: Value = serde_json::from_str(document).expect("JSON");
    let mut sizes = BTreeMap::new();
    for broker in theirs["brokers"].as_array().expect("brokers") {
        for dir in broker["logDirs"].as_array().expect("directories") {
            for it in dir["partitions"].as_array().expect("partitions") {
                let name = it["partition"].as_str().expect("a name").to_owned();
                sizes.insert((broker["broker"].to_string(), name), it["size"].clone());
            }
        }
    }
    assert_eq!(sizes.len(), 18, "{printed}");
    for broker in brokers {
        let dir = &broker["log_dirs"][0];
        assert!(dir["total"].as_i64() >= dir["usable"].as_i64() && dir["usable"].as_i64() > Some(0), "{dir}");
        for it in dir["partitions"].as_array().expect("partitions").iter().filter(|it| it["topic"] == *topic) {
            let name = format!("{topic}-{}", it["partition"]);
            assert_eq!(sizes.get(&(broker["broker"].to_string(), name)), Some(&it["size"]));
        }
    }

    // One that is killed: what the others say is shown, and what is missing is named.
    kafka.kill(3);
    wait_until(LIMIT, "the others have noticed", || {
        let topics = json(&kafka, &["topics", "list"]);
        topics[0]["under_replicated"] == 6 && topics[0]["without_leader"] == 0
    });
    let brokers = json(&kafka, &["brokers"]);
    assert_eq!(brokers[2]["error"], "not among the live brokers");
    assert_eq!(brokers[2]["out_of_sync"], 6);
    let described = json(&kafka, &["topics", "describe", &topic]);
    assert!(
        described[0]["partitions"].as_array().expect("partitions").iter().all(|it| it["state"] == "under-replicated")
    );
}

/// `  Fetch(1): 4 to 18 [usable: 18],` as `Fetch(1): 4 to 18`.
fn api_of_line(line: &str) -> Option<String> {
    let (api, _) = line.trim().split_once(" [usable")?;
    let (name, versions) = api.split_once(": ")?;
    // A single version stands alone.
    let versions = if versions.contains(" to ") { versions.to_owned() } else { format!("{versions} to {versions}") };
    Some(format!("{name}: {versions}"))
}

#[test]
fn a_user_without_rights_is_told_which_one_it_takes() {
    let kafka = Kafka::start(&Options {
        sasl: true,
        properties: vec![
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned(),
            "super.users=User:ANONYMOUS".to_owned(),
        ],
        ..Options::default()
    });
    let topic = kafka.new_topic("secret", 1, &[]);
    let config = tempfile::NamedTempFile::new().expect("a file");
    let text = format!(
        "[kafka]\nbootstrap_servers = [{:?}]\nsasl = {{ mechanism = \"PLAIN\", username = \"bob\", password = \"bob-secret\" }}\n",
        kafka.env("SASL_PLAINTEXT")
    );
    std::fs::write(config.path(), text).expect("write the configuration");
    let bob = |arguments: &[&str]| {
        let mut command = Command::new(BINARY);
        wait::run(command.args(arguments).arg("--config").arg(config.path()), "", LIMIT)
    };
    let list = bob(&["topics", "list"]);
    assert!(list.stderr.contains("none that this user may see"), "{}", list.stderr);
    refused(&bob(&["topics", "describe", &topic]), 1, "give this user DESCRIBE on the topic");
    let create = ["topics", "create", "mine", "--partitions", "1", "--replication-factor", "1"];
    refused(&bob(&create), 1, "give this user CREATE on the topic or the cluster");
    refused(&bob(&["brokers", "--disks"]), 1, "give this user DESCRIBE on the cluster");
    let brokers = bob(&["brokers"]);
    assert!(brokers.stderr.contains("the controller is unknown"), "{}", brokers.stderr);
    assert!(brokers.status.success(), "the rest is shown: {}", brokers.stderr);
}

// --- groups, by the requests themselves ---

fn wire(kafka: &Kafka) -> Client {
    let address = |text: &str| {
        let (host, port) = text.split_once(':').expect("host:port");
        HostPort { host: host.to_owned(), port: port.parse().expect("a port") }
    };
    let settings = ClusterSettings {
        name: "test".to_owned(),
        bootstrap_servers: kafka.bootstrap().split(',').map(address).collect(),
        client_id: "test".to_owned(),
        request_timeout: Duration::from_secs(10),
        addresses: LiteMap::new(),
        tls: None,
        sasl: None,
    };
    Client::new(Arc::new(settings)).expect("a client")
}

fn describe(kafka: &Kafka, group: &str) -> GroupDescription {
    let described = block_on(async { wire(kafka).describe_groups(&[group.to_owned()]).await });
    described.get(group).unwrap().clone().unwrap_or_else(|error| panic!("{group}: {error}"))
}

#[track_caller]
fn check_group(protocol: &str, group_type: GroupType) {
    let kafka = Kafka::shared();
    let (group, topic) = (topic_name("members"), kafka.new_topic("read", 3, &[]));
    let (empty, nobody) = (topic_name("empty"), topic_name("nobody"));
    kafka.commit_offset(&empty, &topic, 1, 7);
    let member = kafka.join_group_by(&group, &topic, protocol);

    let all = [group.clone(), empty.clone(), nobody.clone()];
    let listing = block_on(async { wire(kafka).list_groups().await }).expect("the groups");
    assert!(listing.missing.is_empty() && !listing.groups.contains_key(&nobody));
    if let Some(listed) = &listing.groups[&group].group_type {
        assert_eq!(listed, protocol);
    }
    let mut described = describe(kafka, &group);
    wait_until(LIMIT, "the group is stable", || {
        described = describe(kafka, &group);
        described.state == "Stable"
    });
    assert_eq!((described.group_type, described.protocol_type.as_str()), (group_type, "consumer"));
    assert_eq!(described.members.len(), 1);
    let expected: Vec<TopicPartition> = (0..3).map(|n| TopicPartition::new(topic.as_str(), n)).collect();
    assert_eq!(described.members[0].assignment.as_ref(), Some(&expected));
    assert_eq!(describe(kafka, &empty).state, "Empty");
    assert!(describe(kafka, &nobody).is_dead());

    let offsets = block_on(async { wire(kafka).group_offsets(&all).await });
    let committed = offsets[&empty].as_ref().expect("offsets");
    assert_eq!(committed.len(), 1);
    let offset = committed[&TopicPartition::new(topic.as_str(), 1)].as_ref().expect("an offset");
    assert_eq!(offset.offset, 7);
    assert!(offsets[&group].as_ref().is_ok_and(LiteMap::is_empty) && offsets[&nobody].is_ok());

    let deleted = block_on(async { wire(kafka).delete_groups(&all).await });
    if let Err(error) = &deleted[&group]
        && matches!(error.kind, ErrorKind::Unsupported(_))
    {
        assert!(error.to_string().contains("this needs Kafka 1.1 or later"), "{error}");
        return;
    }
    let error = |group: &String| deleted[group].as_ref().err().and_then(|error| error.kafka());
    assert_eq!(error(&group), Some(KafkaError::NON_EMPTY_GROUP), "it has a member");
    assert_eq!(error(&empty), None);
    assert_eq!(error(&nobody), Some(KafkaError::GROUP_ID_NOT_FOUND));
    drop(member);
    wait_until(LIMIT, "the empty group can be deleted", || {
        let deleted = block_on(async { wire(kafka).delete_groups(std::slice::from_ref(&group)).await });
        deleted[&group].is_ok()
    });
}

#[test]
fn classic_groups_are_listed_described_and_deleted() {
    check_group("classic", GroupType::Classic);
}

#[test]
fn groups_of_kip_848_are_listed_described_and_deleted() {
    check_group("consumer", GroupType::Consumer);
}

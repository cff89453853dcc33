use argh::FromArgs;
use litemap::LiteMap;

use super::*;

fn create(arguments: &[&str]) -> Result<NewTopic, String> {
    let command = TopicsCreate::from_args(&["create"], arguments).map_err(|early| early.output)?;
    new_topic(&command).map_err(|failure| failure.to_string())
}

#[test]
fn a_new_topic_as_it_was_typed() {
    let topic = create(&["event", "--partitions", "6", "--setting", "a=b=c", "--setting", "d="]).expect("a topic");
    assert_eq!((topic.partitions, topic.replication_factor), (Some(6), None));
    let settings = [("a".to_owned(), "b=c".to_owned()), ("d".to_owned(), String::new())];
    assert_eq!(topic.settings, settings);
}

#[test]
fn what_no_cluster_could_accept_is_refused_at_once() {
    for (arguments, contains) in [
        (&["event", "--partitions", "0"][..], "--partitions must be at least 1"),
        (&["event", "--replication-factor", "-1"], "--replication-factor must be at least 1"),
        (&["event", "--setting", "retention.ms"], "KEY=VALUE"),
        (&["event", "--setting", "=7"], "KEY=VALUE"),
        (&["event", "--setting", "a=1", "--setting", "a=2"], "twice"),
    ] {
        let refused = create(arguments).expect_err("refused");
        assert!(refused.contains(contains), "{arguments:?}: {refused}");
    }
}

#[test]
fn listed_topics_count_what_is_wrong_with_them() {
    let partition = |leader, isr: &[i32]| Partition {
        leader,
        leader_epoch: 0,
        replicas: vec![1, 2],
        isr: isr.to_vec(),
        offline: Vec::new(),
        error: None,
    };
    let topic = |internal, partitions| Topic { id: None, internal, error: None, partitions };
    let metadata = ClusterMetadata {
        topics: LiteMap::from_iter([
            ("__consumer_offsets".into(), topic(true, LiteMap::from_iter([(0, partition(Some(1), &[1, 2]))]))),
            (
                "event".into(),
                topic(false, LiteMap::from_iter([(0, partition(Some(1), &[1])), (1, partition(None, &[2]))])),
            ),
        ]),
        ..ClusterMetadata::default()
    };
    let expected = ListedTopic {
        topic: "event",
        internal: false,
        partition_count: 2,
        replication_factor: 2,
        under_replicated: 2,
        without_leader: 1,
        error: None,
    };
    assert_eq!(listed(&metadata, false), [expected]);
    assert_eq!(listed(&metadata, true).len(), 2);
}

#[test]
fn topic_ids_are_written_as_kafka_s_tools_write_them() {
    assert_eq!(topic_id(Some([0xfb; 16])).as_deref(), Some("-_v7-_v7-_v7-_v7-_v7-w"));
    assert_eq!(topic_id(None), None);
}

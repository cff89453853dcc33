//! The cluster's figures under the names, labels and arithmetic of danielqsj/kafka_exporter, so that its dashboards and
//! rules work unchanged. Where it shows -1 or 0 for what it could not read, there is no sample here. Lag is end −
//! committed, also where the log begins later.

use super::cluster::Clusters;
use super::exposition::Exposition;
use crate::logic::watch::snapshot::{Committed, GroupSeen, PartitionSeen, Snapshot, TopicSeen};

/// All families, over all clusters that answer.
pub(super) fn render(text: &mut Exposition, clusters: &Clusters<'_>) {
    brokers(text, clusters);
    text.family("kafka_topic_partitions", "gauge", "Number of partitions for this Topic");
    for (cluster, view) in clusters.reachable() {
        for (name, topic) in &view.seen.topics {
            text.sample(&cluster.labels(&[("topic", name)]), topic.partitions.len());
        }
    }
    for figure in PARTITION_FIGURES {
        text.family(figure.name, "gauge", figure.help);
        for (cluster, view) in clusters.reachable() {
            for (name, topic) in &view.seen.topics {
                for partition in &topic.partitions {
                    if let Some(value) = (figure.value)(partition) {
                        text.sample(&cluster.labels(&[("topic", name), ("partition", &partition.number)]), value);
                    }
                }
            }
        }
    }
    group_partitions(text, clusters);
    group_topics(text, clusters);
    text.family("kafka_consumergroup_members", "gauge", "Amount of members in a consumer group");
    for (cluster, view) in clusters.reachable() {
        for (name, group) in consumer_groups(&view.seen) {
            if let Some(members) = group.members {
                text.sample(&cluster.labels(&[("consumergroup", &name)]), members);
            }
        }
    }
}

fn brokers(text: &mut Exposition, clusters: &Clusters<'_>) {
    text.family("kafka_brokers", "gauge", "Number of Brokers in the Kafka Cluster.");
    for (cluster, view) in clusters.reachable() {
        if let Some(brokers) = &view.seen.brokers {
            text.sample(&cluster.labels(&[]), brokers.len());
        }
    }
    text.family("kafka_broker_info", "gauge", "Information about the Kafka Broker.");
    for (cluster, view) in clusters.reachable() {
        for (id, broker) in view.seen.brokers.iter().flatten() {
            let address = format!("{}:{}", broker.host, broker.port);
            text.sample(&cluster.labels(&[("id", id), ("address", &address)]), 1);
        }
    }
}

struct PartitionFigure {
    name: &'static str,
    help: &'static str,
    value: fn(&PartitionSeen) -> Option<i64>,
}

const PARTITION_FIGURES: &[PartitionFigure] = &[
    PartitionFigure {
        name: "kafka_topic_partition_current_offset",
        help: "Current Offset of a Broker at Topic/Partition",
        value: |partition| partition.latest,
    },
    PartitionFigure {
        name: "kafka_topic_partition_oldest_offset",
        help: "Oldest Offset of a Broker at Topic/Partition",
        value: |partition| partition.earliest,
    },
    PartitionFigure {
        name: "kafka_topic_partition_leader",
        help: "Leader Broker ID of this Topic/Partition",
        value: |partition| partition.leader.map(i64::from),
    },
    PartitionFigure {
        name: "kafka_topic_partition_leader_is_preferred",
        help: "1 if Topic/Partition is using the Preferred Broker",
        value: |partition| {
            let preferred = partition.leader.is_some() && partition.leader == partition.replicas.first().copied();
            Some(i64::from(preferred))
        },
    },
    PartitionFigure {
        name: "kafka_topic_partition_replicas",
        help: "Number of Replicas for this Topic/Partition",
        value: |partition| i64::try_from(partition.replicas.len()).ok(),
    },
    PartitionFigure {
        name: "kafka_topic_partition_in_sync_replica",
        help: "Number of In-Sync Replicas for this Topic/Partition",
        value: |partition| i64::try_from(partition.isr.len()).ok(),
    },
    PartitionFigure {
        name: "kafka_topic_partition_under_replicated_partition",
        help: "1 if Topic/Partition is under Replicated",
        value: |partition| Some(i64::from(partition.isr.len() < partition.replicas.len())),
    },
];

fn group_partitions(text: &mut Exposition, clusters: &Clusters<'_>) {
    let each = |text: &mut Exposition, value: fn(&Committed, &TopicSeen) -> Option<i64>| {
        for (cluster, view) in clusters.reachable() {
            for (group, topic, committed) in committed_topics(&view.seen) {
                for committed in committed {
                    if let Some(value) = value(committed, topic) {
                        let labels: super::exposition::Labels<'_> = &[
                            ("consumergroup", &group),
                            ("topic", &committed.topic),
                            ("partition", &committed.partition),
                        ];
                        text.sample(&cluster.labels(labels), value);
                    }
                }
            }
        }
    };
    text.family("kafka_consumergroup_current_offset", "gauge", "Current Offset of a ConsumerGroup at Topic/Partition");
    each(text, |committed, _| Some(committed.offset));
    text.family("kafka_consumergroup_lag", "gauge", "Current Approximate Lag of a ConsumerGroup at Topic/Partition");
    each(text, lag);
}

fn group_topics(text: &mut Exposition, clusters: &Clusters<'_>) {
    let each = |text: &mut Exposition, value: fn(&Committed, &TopicSeen) -> Option<i64>| {
        for (cluster, view) in clusters.reachable() {
            for (group, topic, committed) in committed_topics(&view.seen) {
                let known = committed.iter().filter_map(|committed| value(committed, topic)).map(i128::from);
                // None known is no sample rather than a zero.
                let sum = known.fold(None, |sum: Option<i128>, value| Some(sum.unwrap_or(0) + value));
                if let (Some(sum), Some(first)) = (sum, committed.first()) {
                    text.sample(&cluster.labels(&[("consumergroup", &group), ("topic", &first.topic)]), sum);
                }
            }
        }
    };
    text.family(
        "kafka_consumergroup_current_offset_sum",
        "gauge",
        "Current Offset of a ConsumerGroup at Topic for all partitions",
    );
    each(text, |committed, _| Some(committed.offset));
    text.family(
        "kafka_consumergroup_lag_sum",
        "gauge",
        "Current Approximate Lag of a ConsumerGroup at Topic for all partitions",
    );
    each(text, lag);
}

/// end − committed; none: the end is not known.
fn lag(committed: &Committed, topic: &TopicSeen) -> Option<i64> {
    let at = topic.partitions.binary_search_by_key(&committed.partition, |partition| partition.number).ok()?;
    topic.partitions.get(at)?.latest?.checked_sub(committed.offset)
}

/// Groups that commit offsets in Kafka: neither forwards of this process nor share groups.
fn consumer_groups(seen: &Snapshot) -> impl Iterator<Item = (&str, &GroupSeen)> {
    let groups = seen.groups.iter().map(|(name, group)| (name.as_ref(), group));
    groups.filter(|(_, group)| group.group_type != "forward" && group.group_type != "share")
}

/// What each consumer group committed, by topic; topics that are not there (any more) are left out.
fn committed_topics(seen: &Snapshot) -> impl Iterator<Item = (&str, &TopicSeen, &[Committed])> {
    consumer_groups(seen).flat_map(move |(name, group)| {
        let committed = group.committed.as_deref().unwrap_or_default();
        let by_topic = committed.chunk_by(|one, other| one.topic == other.topic);
        by_topic.filter_map(move |committed| {
            let topic = seen.topics.get(&committed.first()?.topic)?;
            Some((name, topic, committed))
        })
    })
}

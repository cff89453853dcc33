//! `barnabas topics describe`: everything about the partitions of topics, gathered from all brokers at once. What one of
//! them does not answer is missing, and said; the rest is shown.

use std::sync::Arc;

use litemap::LiteMap;
use serde::Serialize;

use super::{replication_factor, topic_id};
use crate::cli::cluster::{self, explain};
use crate::cli::definitions::TopicsDescribe;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, remark};
use crate::cli::runtime;
use crate::cli::table::{Column, Table, number, size};
use crate::kafka::admin::log_dirs::{LogDir, PerBroker, ReplicasWanted};
use crate::kafka::admin::topic_settings::{Setting, SettingSource, TopicSettings};
use crate::kafka::list_offsets::{ListedOffset, ListedOffsets, OffsetSpec};
use crate::kafka::metadata::{ClusterMetadata, Partition, Topic, TopicsWanted};
use crate::kafka::wire::{Client, Error};
use crate::logic::record::TopicPartition;
use crate::logic::sorted_set::SortedSet;

/// A topic in the document.
#[derive(Debug, Serialize)]
struct TopicDocument {
    topic: String,
    id: Option<String>,
    internal: bool,
    replication_factor: usize,
    /// Those that differ from Kafka's defaults; none where they could not be asked for.
    settings: Option<Vec<SettingDocument>>,
    partitions: Vec<PartitionDocument>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct SettingDocument {
    name: String,
    value: Option<String>,
    source: &'static str,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct PartitionDocument {
    partition: i32,
    leader: Option<i32>,
    replicas: Vec<i32>,
    isr: Vec<i32>,
    offline: Vec<i32>,
    state: PartitionState,
    earliest: Option<i64>,
    latest: Option<i64>,
    size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// How a partition is, the worst that is true of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum PartitionState {
    Ok,
    /// Some replica is not in sync.
    UnderReplicated,
    /// So few are in sync that a producer with acks=all is refused.
    UnderMinIsr,
    /// It can neither be read nor written.
    WithoutLeader,
}

impl PartitionState {
    fn of(partition: &Partition, min_isr: Option<usize>) -> Self {
        let in_sync = partition.isr.len();
        match partition.leader {
            None => Self::WithoutLeader,
            Some(_) if min_isr.is_some_and(|least| in_sync < least) => Self::UnderMinIsr,
            Some(_) if in_sync < partition.replicas.len() => Self::UnderReplicated,
            Some(_) => Self::Ok,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::UnderReplicated => "under-replicated",
            Self::UnderMinIsr => "under-min-isr",
            Self::WithoutLeader => "without-leader",
        }
    }
}

/// What the brokers answered.
struct Answers {
    earliest: ListedOffsets,
    latest: ListedOffsets,
    settings: TopicSettings,
    log_dirs: PerBroker<Vec<LogDir>>,
}

pub(super) fn describe(command: &TopicsDescribe, output: &mut Output<'_>) -> Result<(), Failure> {
    let client = command.cluster().client()?;
    let names: SortedSet<&str> = command.topics.iter().map(String::as_str).collect();
    let (metadata, unknown, answers) = runtime::block_on(async {
        let wanted = match names.is_empty() {
            true => TopicsWanted::All,
            false => TopicsWanted::Named(names.iter().map(|name| Arc::from(*name)).collect()),
        };
        let metadata = client.metadata(wanted).await.map_err(Failure::failed)?;
        let mut unknown = Vec::new();
        for name in &names {
            unknown.extend(cluster::found(&client, &metadata, name, "DESCRIBE").await.err());
        }
        // Named topics are shown even if they are Kafka's own.
        let shown = |topic: &Topic| topic.error.is_none() && (!names.is_empty() || command.internal || !topic.internal);
        let topics = metadata.topics.iter().filter(|(_, topic)| shown(topic));
        let topics: LiteMap<Arc<str>, Topic> = topics.map(|(name, topic)| (Arc::clone(name), topic.clone())).collect();
        let metadata = ClusterMetadata { topics, ..(*metadata).clone() };
        let answers = ask(&client, &metadata).await;
        Ok((metadata, unknown, answers))
    })?;
    let mut failures: Vec<String> = unknown.iter().map(ToString::to_string).collect();
    failures.extend(unanswered(&answers));
    say_what_is_missing(&answers);
    let documents = documents(&metadata, &answers);
    if command.json {
        output.json(&documents)?;
    } else if !documents.is_empty() {
        output.table(&partitions_table(&documents, output.is_terminal()))?;
        if documents.iter().any(|topic| topic.settings.as_ref().is_some_and(|settings| !settings.is_empty())) {
            output.text("\n")?;
            output.table(&settings_table(&documents))?;
        }
    } else if names.is_empty() {
        remark("there are no topics, or none that this user may see");
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::Failed(failures.join("; "))) }
}

async fn ask(client: &Client, metadata: &ClusterMetadata) -> Answers {
    let mut led: Vec<TopicPartition> = Vec::new();
    let mut by_leader: LiteMap<i32, Vec<TopicPartition>> = LiteMap::new();
    for (name, topic) in &metadata.topics {
        for (number, partition) in &topic.partitions {
            let key = TopicPartition { topic: Arc::clone(name), partition: *number };
            if let Some(leader) = partition.leader {
                by_leader.entry(leader).or_default().push(key.clone());
                led.push(key);
            }
        }
    }
    let names: Vec<Arc<str>> = metadata.topics.keys().cloned().collect();
    let offsets = |spec| led.iter().map(|key| (key.clone(), spec)).collect::<Vec<_>>();
    let (earliest, latest) = (offsets(OffsetSpec::Earliest), offsets(OffsetSpec::Latest));
    let replicas = by_leader.into_iter().map(|(leader, led)| (leader, ReplicasWanted::These(led))).collect();
    let (earliest, latest, settings, log_dirs) = tokio::join!(
        client.list_offsets(&earliest),
        client.list_offsets(&latest),
        client.topic_settings(&names),
        client.log_dirs(replicas),
    );
    Answers { earliest, latest, settings, log_dirs }
}

/// Offsets are what one asks for: without them the command has failed. One line for each broker and reason.
fn unanswered(answers: &Answers) -> SortedSet<String> {
    let results = answers.earliest.values().chain(answers.latest.values());
    results.filter_map(|result| result.as_ref().err()).map(|error| explain(error, "DESCRIBE on the topic")).collect()
}

/// Settings and sizes are extras that not every broker has and not every user may see.
fn say_what_is_missing(answers: &Answers) {
    let settings = answers.settings.values().filter_map(|result| result.as_ref().err());
    let settings: SortedSet<String> =
        settings.map(|error| format!("no settings: {}", explain(error, "DESCRIBE_CONFIGS on the topic"))).collect();
    let sizes = answers.log_dirs.values().filter_map(|result| result.as_ref().err());
    let sizes: SortedSet<String> =
        sizes.map(|error| format!("no sizes: {}", explain(error, "DESCRIBE on the cluster"))).collect();
    for missing in settings.iter().chain(&sizes) {
        remark(&crate::logic::printable::printable(missing));
    }
}

fn documents(metadata: &ClusterMetadata, answers: &Answers) -> Vec<TopicDocument> {
    let sizes = sizes(&answers.log_dirs);
    let document = |(name, topic): (&Arc<str>, &Topic)| {
        let settings = answers.settings.get(name).and_then(|settings| settings.as_deref().ok());
        let min_isr = settings.and_then(min_insync_replicas);
        let partitions = topic.partitions.iter().map(|(number, partition)| {
            let key = TopicPartition { topic: Arc::clone(name), partition: *number };
            partition_document(&key, partition, min_isr, answers, &sizes)
        });
        TopicDocument {
            topic: name.to_string(),
            id: topic_id(topic.id),
            internal: topic.internal,
            replication_factor: replication_factor(topic),
            settings: settings.map(not_default),
            partitions: partitions.collect(),
        }
    };
    metadata.topics.iter().map(document).collect()
}

fn partition_document(
    key: &TopicPartition,
    partition: &Partition,
    min_isr: Option<usize>,
    answers: &Answers,
    sizes: &LiteMap<(i32, &TopicPartition), i64>,
) -> PartitionDocument {
    let offset = |listed: Option<&Result<ListedOffset, Error>>| listed?.as_ref().ok()?.offset;
    let failed = |listed: &ListedOffsets| listed.get(key)?.as_ref().err().map(ToString::to_string);
    let refused = partition.error.map(|error| error.to_string());
    PartitionDocument {
        partition: key.partition,
        leader: partition.leader,
        replicas: partition.replicas.clone(),
        isr: partition.isr.clone(),
        offline: partition.offline.clone(),
        state: PartitionState::of(partition, min_isr),
        earliest: offset(answers.earliest.get(key)),
        latest: offset(answers.latest.get(key)),
        size: partition.leader.and_then(|leader| sizes.get(&(leader, key)).copied()),
        error: refused.or_else(|| failed(&answers.earliest)).or_else(|| failed(&answers.latest)),
    }
}

/// A partition that is being moved between directories has two copies for a while: the one in use counts.
fn sizes(log_dirs: &PerBroker<Vec<LogDir>>) -> LiteMap<(i32, &TopicPartition), i64> {
    let mut sizes = Vec::new();
    for (broker, dirs) in log_dirs {
        for replica in dirs.iter().flatten().flat_map(|dir| &dir.replicas).filter(|replica| !replica.future) {
            sizes.push(((*broker, &replica.partition), replica.size));
        }
    }
    sizes.into_iter().collect()
}

fn min_insync_replicas(settings: &[Setting]) -> Option<usize> {
    settings.iter().find(|setting| setting.name == "min.insync.replicas")?.value.as_deref()?.parse().ok()
}

fn not_default(settings: &[Setting]) -> Vec<SettingDocument> {
    let document = |setting: &Setting| {
        let source = match setting.source {
            SettingSource::Topic => "topic",
            SettingSource::Broker => "broker",
            SettingSource::Default => return None,
        };
        Some(SettingDocument { name: setting.name.clone(), value: setting.value.clone(), source })
    };
    settings.iter().filter_map(document).collect()
}

fn partitions_table(topics: &[TopicDocument], terminal: bool) -> Table {
    let mut table = Table::new(&[
        Column::Left("TOPIC"),
        Column::Right("PARTITION"),
        Column::Right("LEADER"),
        Column::Left("REPLICAS"),
        Column::Left("ISR"),
        Column::Right("EARLIEST"),
        Column::Right("LATEST"),
        Column::Right("SIZE"),
        Column::Left("STATE"),
    ]);
    for topic in topics {
        for it in &topic.partitions {
            table.row([
                topic.topic.clone(),
                it.partition.to_string(),
                number(it.leader),
                ids(&it.replicas),
                ids(&it.isr),
                number(it.earliest),
                number(it.latest),
                size(it.size, terminal),
                it.state.name().to_owned(),
            ]);
        }
    }
    table
}

fn ids(brokers: &[i32]) -> String {
    match brokers {
        [] => "-".to_owned(),
        brokers => brokers.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    }
}

fn settings_table(topics: &[TopicDocument]) -> Table {
    let mut table =
        Table::new(&[Column::Left("TOPIC"), Column::Left("SETTING"), Column::Left("VALUE"), Column::Left("SET-FOR")]);
    for topic in topics {
        for setting in topic.settings.iter().flatten() {
            let value = setting.value.clone().unwrap_or_else(|| "-".to_owned());
            table.row([topic.topic.clone(), setting.name.clone(), value, setting.source.to_owned()]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(leader: Option<i32>, isr: &[i32]) -> Partition {
        Partition { leader, leader_epoch: 0, replicas: vec![1, 2, 3], isr: isr.to_vec(), offline: vec![], error: None }
    }

    #[test]
    fn the_worst_that_is_true_of_a_partition() {
        for (rule, leader, isr, min_isr, expected) in [
            ("all in sync", Some(1), &[1, 2, 3][..], Some(2), PartitionState::Ok),
            ("one behind", Some(1), &[1, 2], Some(2), PartitionState::UnderReplicated),
            ("fewer than a producer needs", Some(1), &[1], Some(2), PartitionState::UnderMinIsr),
            ("what it needs is not known", Some(1), &[1], None, PartitionState::UnderReplicated),
            ("nobody leads", None, &[1, 2, 3], None, PartitionState::WithoutLeader),
        ] {
            assert_eq!(PartitionState::of(&partition(leader, isr), min_isr), expected, "{rule}");
        }
    }

    #[test]
    fn settings_that_nobody_set_are_left_out() {
        let setting = |name: &str, source| Setting { name: name.to_owned(), value: Some("2".to_owned()), source };
        let settings = [
            setting("min.insync.replicas", SettingSource::Broker),
            setting("retention.ms", SettingSource::Topic),
            setting("segment.ms", SettingSource::Default),
        ];
        assert_eq!(min_insync_replicas(&settings), Some(2));
        let shown: Vec<_> = not_default(&settings).into_iter().map(|it| (it.name, it.source)).collect();
        assert_eq!(shown, [("min.insync.replicas".to_owned(), "broker"), ("retention.ms".to_owned(), "topic")]);
    }
}

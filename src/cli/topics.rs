//! `barnabas topics`: list, create, delete; `describe` has a file of its own.

mod describe;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::json;

use super::cluster::{self, explain};
use super::definitions::{Topics, TopicsCommand, TopicsCreate, TopicsDelete, TopicsList};
use super::failure::Failure;
use super::output::{Output, confirm, remark};
use super::runtime;
use super::table::{Column, Table};
use crate::kafka::admin::create_topics::{CreateMode, NewTopic};
use crate::kafka::metadata::{ClusterMetadata, Partition, Topic, TopicsWanted};
use crate::kafka::wire::{Client, Error, KafkaError};
use crate::logic::sorted_set::SortedSet;

pub(super) fn topics(command: Topics, output: &mut Output<'_>) -> Result<(), Failure> {
    match command.command {
        TopicsCommand::List(list) => list_topics(&list, output),
        TopicsCommand::Describe(describe) => describe::describe(&describe, output),
        TopicsCommand::Create(create) => create_topic(&create, output),
        TopicsCommand::Delete(delete) => delete_topics(&delete),
    }
}

/// A topic in the document of `list`.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct ListedTopic<'a> {
    topic: &'a str,
    internal: bool,
    partition_count: usize,
    replication_factor: usize,
    under_replicated: usize,
    without_leader: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

fn list_topics(command: &TopicsList, output: &mut Output<'_>) -> Result<(), Failure> {
    let client = command.cluster().client()?;
    let metadata = runtime::block_on(async { client.metadata(TopicsWanted::All).await.map_err(Failure::failed) })?;
    let topics = listed(&metadata, command.internal);
    if command.json {
        return output.json(&topics);
    }
    if topics.is_empty() {
        remark("there are no topics, or none that this user may see");
    }
    let mut table = Table::new(&[
        Column::Left("TOPIC"),
        Column::Right("PARTITIONS"),
        Column::Right("REPLICAS"),
        Column::Right("UNDER-REPLICATED"),
        Column::Right("WITHOUT-LEADER"),
    ]);
    for topic in topics {
        table.row([
            topic.topic.to_owned(),
            topic.partition_count.to_string(),
            topic.replication_factor.to_string(),
            topic.under_replicated.to_string(),
            topic.without_leader.to_string(),
        ]);
    }
    output.table(&table)
}

fn listed(metadata: &ClusterMetadata, internal: bool) -> Vec<ListedTopic<'_>> {
    let count = |topic: &Topic, what: fn(&Partition) -> bool| topic.partitions.values().filter(|it| what(it)).count();
    let topics = metadata.topics.iter().filter(|(_, topic)| internal || !topic.internal);
    topics
        .map(|(name, topic)| ListedTopic {
            topic: name,
            internal: topic.internal,
            partition_count: topic.partitions.len(),
            replication_factor: replication_factor(topic),
            under_replicated: count(topic, |it| it.isr.len() < it.replicas.len()),
            without_leader: count(topic, |it| it.leader.is_none()),
            error: topic.error.map(|error| error.to_string()),
        })
        .collect()
}

/// That of its first partition; during a reassignment others may differ.
fn replication_factor(topic: &Topic) -> usize {
    topic.partitions.values().next().map_or(0, |partition| partition.replicas.len())
}

/// As Kafka's tools write it.
fn topic_id(id: Option<[u8; 16]>) -> Option<String> {
    id.map(|id| URL_SAFE_NO_PAD.encode(id))
}

fn create_topic(command: &TopicsCreate, output: &mut Output<'_>) -> Result<(), Failure> {
    let topic = new_topic(command)?;
    let mode = if command.dry_run { CreateMode::ValidateOnly } else { CreateMode::Create };
    let client = command.cluster().client()?;
    let created = runtime::block_on(async {
        client.create_topic(&topic, mode).await.map_err(|error| not_created(&client, &topic.name, &error))
    })?;
    let partitions = created.partitions.or(topic.partitions);
    let replication_factor = created.replication_factor.or(topic.replication_factor);
    if command.json {
        return output.json(&json!({
            "topic": topic.name,
            "id": topic_id(created.id),
            "partition_count": partitions,
            "replication_factor": replication_factor,
            "dry_run": command.dry_run,
        }));
    }
    let verb = if command.dry_run { "would create" } else { "created" };
    let mut text = format!("{verb} topic {}", topic.name);
    if let (Some(partitions), Some(replicas)) = (partitions, replication_factor) {
        let plural = if partitions == 1 { "" } else { "s" };
        text.push_str(&format!(" with {partitions} partition{plural}, replication factor {replicas}"));
    }
    remark(&crate::logic::printable::printable(&text));
    Ok(())
}

/// Refuses what no cluster could accept before anything is asked.
fn new_topic(command: &TopicsCreate) -> Result<NewTopic, Failure> {
    let positive = |option: &str, number: Option<i64>| match number {
        Some(number) if number < 1 => Err(Failure::Usage(format!("{option} must be at least 1"))),
        _ => Ok(()),
    };
    positive("--partitions", command.partitions.map(i64::from))?;
    positive("--replication-factor", command.replication_factor.map(i64::from))?;
    let mut settings: Vec<(String, String)> = Vec::with_capacity(command.setting.len());
    for setting in &command.setting {
        match setting.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                if settings.iter().any(|(given, _)| given == name) {
                    return Err(Failure::Usage(format!("--setting {name} is given twice")));
                }
                settings.push((name.to_owned(), value.to_owned()));
            }
            _ => return Err(Failure::Usage(format!("--setting takes KEY=VALUE, not {setting:?}"))),
        }
    }
    Ok(NewTopic {
        name: command.topic.clone(),
        partitions: command.partitions,
        replication_factor: command.replication_factor,
        settings,
    })
}

fn not_created(client: &Client, name: &str, error: &Error) -> Failure {
    match error.kafka() {
        Some(KafkaError::TOPIC_ALREADY_EXISTS) => Failure::Failed(format!(
            "topic {name:?} exists already at {}; nothing was changed",
            cluster::servers(client)
        )),
        Some(KafkaError::REQUEST_TIMED_OUT) => Failure::Failed(format!(
            "{error}: topic {name:?} may come into being a little later; see `barnabas topics describe`"
        )),
        _ => Failure::Failed(explain(error, "CREATE on the topic or the cluster")),
    }
}

fn delete_topics(command: &TopicsDelete) -> Result<(), Failure> {
    let names: SortedSet<&str> = command.topics.iter().map(String::as_str).collect();
    if names.is_empty() {
        return Err(Failure::Usage("which topics? `barnabas topics delete TOPIC…`".to_owned()));
    }
    let client = command.cluster().client()?;
    let what = runtime::block_on(doomed(&client, &names))?;
    confirm(&format!("delete {what} at {}, with all records", cluster::servers(&client)), command.yes)?;
    // The connections ended with the first runtime.
    let client = command.cluster().client()?;
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let deleted = runtime::block_on(async {
        client.delete_topics(&names).await.map_err(|error| Failure::Failed(explain(&error, "DELETE on the topics")))
    })?;
    let mut failures = Vec::new();
    for (name, result) in deleted {
        match result {
            Ok(()) => remark(&crate::logic::printable::printable(&format!("deleted topic {name}"))),
            Err(error) => failures.push(format!("topic {name}: {}", explain(&error, "DELETE on the topic"))),
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::Failed(failures.join("; "))) }
}

/// The topics as the question names them. One that is not there, or that is Kafka's own, keeps all from being deleted.
async fn doomed(client: &Client, names: &SortedSet<&str>) -> Result<String, Failure> {
    let wanted: Vec<Arc<str>> = names.iter().map(|name| Arc::from(*name)).collect();
    let metadata = client.metadata(TopicsWanted::Named(wanted)).await.map_err(Failure::failed)?;
    let mut described = Vec::with_capacity(names.len());
    for name in names {
        let topic = cluster::found(client, &metadata, name, "DELETE").await?;
        if topic.internal {
            return Err(Failure::failed(format!("topic {name} is Kafka's own: barnabas does not delete it")));
        }
        let count = topic.partitions.len();
        described.push(format!("topic {name} ({count} partition{})", if count == 1 { "" } else { "s" }));
    }
    Ok(described.join(", "))
}

#[cfg(test)]
mod tests;

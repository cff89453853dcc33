//! `barnabas groups describe`: one JSON document of what brokers say, and tables of that document.
//!
//! Committed offsets are read before the ends of the logs, or a group that reads fast would seem to be ahead of them.

use std::collections::HashMap;

use litemap::LiteMap;
use serde_json::{Value, json};

use super::{no_such_group, type_name};
use crate::cli::ask;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::table::{Column, Table, member};
use crate::clock;
use crate::kafka::admin::describe_groups::{GroupDescription, GroupMember};
use crate::kafka::admin::group_offsets::GroupOffsets;
use crate::kafka::list_offsets::{ListedOffsets, OffsetSpec};
use crate::kafka::wire::Client;
use crate::logic::lag::{lag, next_to_read};
use crate::logic::moment::Timestamp;
use crate::logic::printable::printable;
use crate::logic::record::TopicPartition;
use crate::logic::sorted_set::SortedSet;

pub(super) async fn describe(
    client: &Client,
    names: &[String],
    json: bool,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let (described, mut committed) = tokio::join!(client.describe_groups(names), client.group_offsets(names));
    let mut groups = Vec::new();
    let mut failures = Vec::new();
    for (name, description) in described {
        let offsets = committed.get_mut(&name).map(|offsets| std::mem::replace(offsets, Ok(LiteMap::new())));
        let offsets = offsets.unwrap_or_else(|| Ok(LiteMap::new()));
        match (description, offsets) {
            (Ok(description), Ok(offsets)) if description.is_dead() && offsets.is_empty() => {
                failures.push(no_such_group(client, &name).await.to_string());
            }
            (Ok(description), Ok(offsets)) => groups.push(Found { name, description, offsets }),
            (Err(error), _) | (_, Err(error)) => failures.push(format!("group {name}: {error}")),
        }
    }
    let ends = Ends::of(client, &groups).await;
    let documents: Vec<Value> = groups.iter().map(|group| group.document(&ends)).collect();
    if json {
        output.json(&documents)?;
    } else {
        for (index, document) in documents.iter().enumerate() {
            if index > 0 {
                output.text("\n")?;
            }
            show(document, output)?;
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::Failed(failures.join("; "))) }
}

/// A group as it was found.
struct Found {
    name: String,
    description: GroupDescription,
    offsets: GroupOffsets,
}

impl Found {
    /// Partitions with a committed offset, and those that members read without one.
    fn partitions(&self) -> SortedSet<&TopicPartition> {
        let assigned = self.description.members.iter().flat_map(|member| member.assignment.iter().flatten());
        self.offsets.keys().chain(assigned).collect()
    }

    /// The offset that was committed for a partition, or why it is not known.
    fn committed(&self, partition: &TopicPartition) -> Result<Option<i64>, String> {
        match self.offsets.get(partition) {
            None => Ok(None),
            Some(Ok(committed)) => Ok(Some(committed.offset).filter(|offset| *offset >= 0)),
            Some(Err(error)) => Err(error.to_string()),
        }
    }

    fn document(&self, ends: &Ends) -> Value {
        let Self { name, description, .. } = self;
        let owners: LiteMap<&TopicPartition, &GroupMember> = description
            .members
            .iter()
            .flat_map(|member| member.assignment.iter().flatten().map(move |partition| (partition, member)))
            .collect();
        let partitions: Vec<Value> =
            self.partitions().into_iter().map(|it| self.partition(it, owners.get(it).copied(), ends)).collect();
        let lags = partitions.iter().filter_map(|it| it.get("lag").and_then(Value::as_i64));
        let worst = partitions.iter().filter_map(|it| it.get("lag_seconds").and_then(Value::as_f64));
        let members: Vec<Value> = description.members.iter().map(member_document).collect();
        json!({
            "group": name,
            "state": description.state,
            "type": type_name(description),
            "protocol_type": description.protocol_type,
            "assignor": Some(&description.assignor).filter(|assignor| !assignor.is_empty()),
            "coordinator": description.coordinator,
            "lag": lags.reduce(i64::saturating_add),
            "lag_seconds": worst.reduce(f64::max),
            "members": members,
            "partitions": partitions,
        })
    }

    fn partition(&self, partition: &TopicPartition, owner: Option<&GroupMember>, ends: &Ends) -> Value {
        let committed = self.committed(partition);
        let (earliest, latest) = (ends.earliest(partition), ends.latest(partition));
        let error = [committed.as_ref().err(), earliest.as_ref().err(), latest.as_ref().err()];
        let error = error.into_iter().flatten().next().cloned();
        let committed = committed.unwrap_or(None);
        let lag = match (&earliest, &latest) {
            (Ok(earliest), Ok(latest)) => lag(committed, *earliest, *latest),
            _ => None,
        };
        let lag_seconds = match lag {
            Some(0) => Some(0.0),
            Some(_) => ends.age(partition, next_to_read(committed, earliest.clone().unwrap_or(0))),
            None => None,
        };
        json!({
            "topic": partition.topic.as_ref(),
            "partition": partition.partition,
            "committed": committed,
            "earliest": earliest.ok(),
            "latest": latest.ok(),
            "lag": lag,
            "lag_seconds": lag_seconds,
            "member": owner.map(|owner| &owner.member_id),
            "client_id": owner.map(|owner| &owner.client_id),
            "error": error,
        })
    }
}

fn member_document(member: &GroupMember) -> Value {
    let assignment = member.assignment.as_ref().map(|partitions| {
        partitions
            .iter()
            .map(|it| json!({"topic": it.topic.as_ref(), "partition": it.partition}))
            .collect::<Vec<Value>>()
    });
    json!({
        "member": member.member_id,
        "instance_id": member.instance_id,
        "client_id": member.client_id,
        "host": member.host.trim_start_matches('/'),
        "partitions": assignment,
    })
}

/// Where the logs begin and end, and how old the oldest records are that were not read.
struct Ends {
    earliest: ListedOffsets,
    latest: ListedOffsets,
    /// By where a group would go on.
    oldest: HashMap<(TopicPartition, i64), Timestamp>,
    now: Timestamp,
}

impl Ends {
    async fn of(client: &Client, groups: &[Found]) -> Self {
        let partitions: SortedSet<&TopicPartition> = groups.iter().flat_map(Found::partitions).collect();
        let wanted = |spec| partitions.iter().map(|it| ((*it).clone(), spec)).collect::<Vec<_>>();
        // One after the other: the first learns who leads what.
        let earliest = client.list_offsets(&wanted(OffsetSpec::Earliest)).await;
        let latest = client.list_offsets(&wanted(OffsetSpec::Latest)).await;
        let mut ends = Self { earliest, latest, oldest: HashMap::new(), now: clock::wall_clock() };
        for group in groups {
            let unread: Vec<(TopicPartition, i64)> = ends.unread(group);
            let found = client.first_timestamps(&unread).await;
            let found = unread.into_iter().filter_map(|it| Some((it.clone(), *found.get(&it.0)?)));
            ends.oldest.extend(found);
        }
        ends.now = clock::wall_clock();
        ends
    }

    /// Where the group would go on, in partitions that it has not read to the end.
    fn unread(&self, group: &Found) -> Vec<(TopicPartition, i64)> {
        let next = |partition: &TopicPartition| {
            let (earliest, latest) = (self.earliest(partition).ok()?, self.latest(partition).ok()?);
            let next = next_to_read(group.committed(partition).ok()?, earliest)?;
            (next < latest).then(|| (partition.clone(), next))
        };
        let known = |it: &(TopicPartition, i64)| self.oldest.contains_key(it);
        group.partitions().into_iter().filter_map(next).filter(|it| !known(it)).collect()
    }

    fn earliest(&self, partition: &TopicPartition) -> Result<i64, String> {
        offset(&self.earliest, partition)
    }

    fn latest(&self, partition: &TopicPartition) -> Result<i64, String> {
        offset(&self.latest, partition)
    }

    /// In seconds.
    fn age(&self, partition: &TopicPartition, next: Option<i64>) -> Option<f64> {
        let written = self.oldest.get(&(partition.clone(), next?))?;
        let millis = self.now.0.saturating_sub(written.0).max(0);
        // Milliseconds of any sane age are exact in an f64.
        #[allow(clippy::cast_precision_loss, reason = "an age, to the millisecond")]
        Some(millis as f64 / 1000.0)
    }
}

fn offset(listed: &ListedOffsets, partition: &TopicPartition) -> Result<i64, String> {
    match listed.get(partition) {
        Some(Ok(listed)) => listed.offset.ok_or_else(|| "the leader names no offset".to_owned()),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("nobody was asked".to_owned()),
    }
}

fn show(document: &Value, output: &mut Output<'_>) -> Result<(), Failure> {
    let text = |name| printable(&member(document, name)).into_owned();
    let rows = |name| document.get(name).map(ask::rows).unwrap_or_default();
    output.text(&format!(
        "{}: {}, type {}, coordinator {}, assignor {}, lag {}\n\n",
        text("group"),
        text("state"),
        text("type"),
        text("coordinator"),
        text("assignor"),
        text("lag"),
    ))?;
    output.table(&Table::of_objects(
        &[
            Column::Left("TOPIC"),
            Column::Right("PARTITION"),
            Column::Right("COMMITTED"),
            Column::Right("LATEST"),
            Column::Right("LAG"),
            Column::Right("LAG-SECONDS"),
            Column::Left("CLIENT-ID"),
        ],
        rows("partitions"),
    ))?;
    for partition in rows("partitions").iter().filter(|it| it.get("error").is_some_and(|error| !error.is_null())) {
        let part = |name| printable(&member(partition, name)).into_owned();
        output.text(&format!("! {}/{}: {}\n", part("topic"), part("partition"), part("error")))?;
    }
    let members = rows("members");
    if members.is_empty() {
        return output.text("\nno members\n");
    }
    output.text("\n")?;
    output.table(&Table::of_objects(
        &[Column::Left("CLIENT-ID"), Column::Left("HOST"), Column::Right("PARTITIONS"), Column::Left("MEMBER")],
        members,
    ))
}

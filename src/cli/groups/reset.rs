//! `barnabas groups reset`: commits other offsets for a group that nobody is in. What would be committed is shown first.

use serde_json::{Value, json};

use super::{is_of_another_type, refuse_live_members};
use crate::cli::ask;
use crate::cli::cluster;
use crate::cli::definitions::GroupsReset;
use crate::cli::failure::Failure;
use crate::cli::offsets::topic_and_partition;
use crate::cli::output::{Output, confirm, remark};
use crate::cli::table::{Column, Table};
use crate::kafka::positions;
use crate::kafka::wire::Client;
use crate::logic::position::RequestedPosition;
use crate::logic::record::TopicPartition;

/// What the arguments ask for.
pub(super) struct Wanted {
    topic: String,
    partition: Option<i32>,
    position: RequestedPosition,
}

impl Wanted {
    pub(super) fn parse(command: &GroupsReset) -> Result<Self, Failure> {
        let position = command.position.parse().map_err(|error| Failure::Usage(format!("{error}")))?;
        let (topic, partition) = topic_and_partition(&command.topic)?;
        Ok(Self { topic, partition, position })
    }
}

/// A partition, the offset that is committed for it, and the one that shall be.
struct Move {
    partition: TopicPartition,
    from: Option<i64>,
    to: i64,
    error: Option<String>,
}

pub(super) async fn reset(
    client: &Client,
    wanted: Wanted,
    command: &GroupsReset,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    refuse_members(client, &command.group).await?;
    let mut moves = plan(client, &wanted, &command.group).await?;
    if command.dry_run || !command.json {
        show(&moves, command, output)?;
        output.flush()?;
    }
    if command.dry_run {
        return Ok(());
    }
    let what = format!("make group {} go on at {} of {}", command.group, wanted.position, command.topic);
    confirm(&what, command.yes)?;
    let commits: Vec<_> = moves.iter().map(|it| (it.partition.clone(), it.to, None)).collect();
    let mut results = client.commit_offsets(&command.group, &commits).await.map_err(Failure::failed)?;
    for it in &mut moves {
        it.error = match results.remove(&it.partition) {
            Some(Ok(())) => None,
            Some(Err(error)) => Some(error.to_string()),
            None => Some("nobody answered for it".to_owned()),
        };
    }
    if command.json {
        show(&moves, command, output)?;
    }
    let failed: Vec<String> =
        moves.iter().filter_map(|it| Some(format!("{}: {}", it.partition, it.error.as_ref()?))).collect();
    if failed.is_empty() {
        remark(&match moves.len() {
            1 => "one offset is committed".to_owned(),
            count => format!("{count} offsets are committed"),
        });
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "{} of {} offsets are not committed: {}",
        failed.len(),
        moves.len(),
        failed.join("; ")
    )))
}

async fn refuse_members(client: &Client, group: &str) -> Result<(), Failure> {
    match client.describe_group(group).await {
        Ok(description) => {
            if description.is_dead() {
                remark(&format!("there is no group {group:?} yet: it begins with these offsets"));
            }
            refuse_live_members(group, &description)
        }
        Err(error) if is_of_another_type(&error) => {
            Err(Failure::failed(format!("group {group} is not one of consumers that commit offsets: {error}")))
        }
        Err(error) => Err(Failure::failed(format!("group {group}: {error}"))),
    }
}

async fn plan(client: &Client, wanted: &Wanted, group: &str) -> Result<Vec<Move>, Failure> {
    let topic = cluster::topic(client, &wanted.topic, "READ").await?;
    let numbers: Vec<i32> = match wanted.partition {
        None => topic.partitions.keys().copied().collect(),
        Some(partition) if topic.partitions.contains_key(&partition) => vec![partition],
        Some(partition) => {
            return Err(Failure::failed(format!("topic {} has no partition {partition}", wanted.topic)));
        }
    };
    let names: Vec<TopicPartition> =
        numbers.into_iter().map(|partition| TopicPartition::new(wanted.topic.as_str(), partition)).collect();
    let mut committed = client.committed_offsets(group, &names).await.map_err(Failure::failed)?;
    let positions = positions::resolve(client, &names, wanted.position).await.map_err(Failure::failed)?;
    let mut moves = Vec::new();
    for (partition, position) in positions {
        let from = committed.remove(&partition).transpose().map_err(Failure::failed)?.flatten();
        moves.push(Move { partition, from, to: position.0, error: None });
    }
    Ok(moves)
}

fn show(moves: &[Move], command: &GroupsReset, output: &mut Output<'_>) -> Result<(), Failure> {
    let rows = moves.iter().map(|it| {
        json!({
            "group": command.group,
            "topic": it.partition.topic.as_ref(),
            "partition": it.partition.partition,
            "from": it.from,
            "to": it.to,
            "error": it.error,
        })
    });
    let rows = Value::Array(rows.collect());
    if command.json {
        return output.json(&rows);
    }
    let columns = [Column::Left("TOPIC"), Column::Right("PARTITION"), Column::Right("FROM"), Column::Right("TO")];
    output.table(&Table::of_objects(&columns, ask::rows(&rows)))
}

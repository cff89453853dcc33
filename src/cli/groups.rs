//! `barnabas groups`: list and delete, and what the subcommands share. `describe` and `reset` have files of their own.

mod describe;
mod reset;

use serde_json::{Value, json};

use super::ask;
use super::cluster;
use super::definitions::{Groups, GroupsCommand, GroupsDelete, GroupsList};
use super::failure::Failure;
use super::output::{Output, confirm, remark};
use super::runtime;
use super::table::{Column, Table};
use crate::config::closest;
use crate::kafka::admin::describe_groups::{GroupDescription, GroupMember, GroupType};
use crate::kafka::wire::{Client, Error, KafkaError};
use crate::logic::printable::printable;
use crate::logic::sorted_set::SortedSet;

pub(super) fn groups(command: Groups, output: &mut Output<'_>) -> Result<(), Failure> {
    match command.command {
        GroupsCommand::List(list) => {
            let client = list.cluster().client()?;
            runtime::block_on(list_groups(&client, &list, output))
        }
        GroupsCommand::Describe(describe) => {
            let names = at_least_one(&describe.groups)?;
            let client = describe.cluster().client()?;
            runtime::block_on(describe::describe(&client, &names, describe.json, output))
        }
        GroupsCommand::Reset(reset) => {
            let wanted = reset::Wanted::parse(&reset)?;
            let client = reset.cluster().client()?;
            runtime::block_on(reset::reset(&client, wanted, &reset, output))
        }
        GroupsCommand::Delete(delete) => {
            let names = at_least_one(&delete.groups)?;
            let client = delete.cluster().client()?;
            runtime::block_on(delete_groups(&client, &names, &delete, output))
        }
    }
}

/// Each name once, in order.
fn at_least_one(names: &[String]) -> Result<Vec<String>, Failure> {
    let names: SortedSet<String> = names.iter().cloned().collect();
    if names.is_empty() {
        return Err(Failure::Usage("which group? `barnabas groups list` names them".to_owned()));
    }
    Ok(names.into_iter().collect())
}

async fn list_groups(client: &Client, command: &GroupsList, output: &mut Output<'_>) -> Result<(), Failure> {
    let listing = client.list_groups().await.map_err(Failure::failed)?;
    // Brokers before 2.6 list no states, but describe them.
    let stateless: Vec<String> =
        listing.groups.iter().filter(|(_, group)| group.state.is_none()).map(|(name, _)| name.clone()).collect();
    let described = client.describe_groups(&stateless).await;
    let state = |name: &String| described.get(name)?.as_ref().ok().map(|group| group.state.clone());
    let rows: Vec<Value> = listing
        .groups
        .iter()
        .map(|(name, group)| {
            json!({
                "group": name,
                "type": group.group_type.as_deref().unwrap_or("classic"),
                "state": group.state.clone().or_else(|| state(name)),
                "protocol_type": group.protocol_type,
                "coordinator": group.coordinator,
            })
        })
        .collect();
    if command.json {
        output.json(&rows)?;
    } else {
        output.table(&Table::of_objects(
            &[
                Column::Left("GROUP"),
                Column::Left("TYPE"),
                Column::Left("STATE"),
                Column::Left("PROTOCOL-TYPE"),
                Column::Right("COORDINATOR"),
            ],
            ask::rows(&Value::Array(rows)),
        ))?;
    }
    match listing.missing.first() {
        None => Ok(()),
        Some(error) => Err(Failure::failed(format!(
            "the list is not complete, {} brokers did not answer: {error}",
            listing.missing.len()
        ))),
    }
}

async fn delete_groups(
    client: &Client,
    names: &[String],
    command: &GroupsDelete,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let described = client.describe_groups(names).await;
    for (name, group) in &described {
        match group {
            Ok(group) if group.is_dead() => return Err(no_such_group(client, name).await),
            Ok(group) => refuse_live_members(name, group)?,
            Err(error) if is_of_another_type(error) => {}
            Err(error) => return Err(Failure::failed(format!("group {name}: {error}"))),
        }
    }
    confirm(&format!("delete {} with all committed offsets", names.join(", ")), command.yes)?;
    let deleted = client.delete_groups(names).await;
    let rows: Vec<Value> = deleted
        .iter()
        .map(|(name, result)| json!({"group": name, "error": result.as_ref().err().map(ToString::to_string)}))
        .collect();
    if command.json {
        output.json(&rows)?;
    }
    let mut failed = Vec::new();
    for (name, result) in &deleted {
        match result {
            Ok(()) => remark(&format!("group {} is deleted", printable(name))),
            Err(error) => failed.push(format!("group {name} is not deleted: {error}")),
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(Failure::Failed(failed.join("; "))) }
}

/// The coordinator knows the group, but not how to describe it: a share group, say.
fn is_of_another_type(error: &Error) -> bool {
    error.kafka() == Some(KafkaError::GROUP_ID_NOT_FOUND)
}

/// Fails where the group has live members, and says who they are.
fn refuse_live_members(name: &str, group: &GroupDescription) -> Result<(), Failure> {
    const NAMED: usize = 5;
    if group.members.is_empty() {
        return Ok(());
    }
    let mut members: Vec<String> = group.members.iter().take(NAMED).map(who).collect();
    if let Some(more) = group.members.len().checked_sub(NAMED).filter(|more| *more > 0) {
        members.push(format!("{more} more"));
    }
    Err(Failure::failed(format!("group {name} has live members, stop them first: {}", members.join(", "))))
}

fn who(member: &GroupMember) -> String {
    let name = member.instance_id.as_ref().unwrap_or(&member.client_id);
    // Kafka puts a slash before addresses.
    format!("{name} on {}", member.host.trim_start_matches('/'))
}

async fn no_such_group(client: &Client, name: &str) -> Failure {
    let listing = client.list_groups().await.ok();
    let names = listing.iter().flat_map(|listing| listing.groups.keys()).map(String::as_str);
    let hint = closest(name, names).map(|close| format!("; did you mean {close:?}?")).unwrap_or_default();
    Failure::failed(format!(
        "there is no group {name:?} at {}, or this user may not see it{hint}",
        cluster::servers(client)
    ))
}

fn type_name(group: &GroupDescription) -> &'static str {
    match group.group_type {
        GroupType::Classic => "classic",
        GroupType::Consumer => "consumer",
    }
}

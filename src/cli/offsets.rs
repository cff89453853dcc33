//! `barnabas offsets`: show, set, rename, export, import.

use std::io::Read;

use super::ask::{self, Source};
use super::configuration;
use super::definitions::{Offsets, OffsetsCommand, OffsetsImport, OffsetsSet};
use super::failure::Failure;
use super::output::{Output, confirm};
use super::table::{Column, Table};
use crate::control::ControlRequest;
use crate::control::protocol::MAX_IMPORT;
use crate::logic::position::RequestedPosition;

pub(super) fn offsets(command: Offsets, output: &mut Output<'_>) -> Result<(), Failure> {
    match command.command {
        OffsetsCommand::Show(show) => {
            let config = configuration::settings(show.config.as_deref())?;
            let document = ask::document(&config, &ControlRequest::OffsetsShow, Source::DaemonOrState)?;
            if show.json {
                return output.json(&document);
            }
            output.table(&Table::of_objects(
                &[
                    Column::Left("FORWARD"),
                    Column::Left("TOPIC"),
                    Column::Right("PARTITION"),
                    Column::Right("STORED"),
                    Column::Right("FETCHED"),
                    Column::Right("UNSETTLED"),
                ],
                ask::rows(&document),
            ))
        }
        OffsetsCommand::Set(set) => set_offsets(set),
        OffsetsCommand::Rename(rename) => {
            let config = configuration::settings(rename.config.as_deref())?;
            let request = ControlRequest::OffsetsRename { old: rename.old, new: rename.new };
            ask::done(&config, &request, Source::DaemonOrState)
        }
        OffsetsCommand::Export(export) => {
            let config = configuration::settings(export.config.as_deref())?;
            output.json(&ask::document(&config, &ControlRequest::OffsetsExport, Source::DaemonOrState)?)
        }
        OffsetsCommand::Import(import) => import_offsets(import),
    }
}

fn set_offsets(set: OffsetsSet) -> Result<(), Failure> {
    let position: RequestedPosition = set.position.parse().map_err(|error| Failure::Usage(format!("{error}")))?;
    let (topic, partition) = topic_and_partition(&set.topic)?;
    let config = configuration::settings(set.config.as_deref())?;
    configuration::forward(&config, Some(&set.forward))?;
    confirm(&format!("make forward {} go on at {position} of {}", set.forward, set.topic), set.yes)?;
    let request = ControlRequest::OffsetsSet { forward: set.forward, topic, partition, position: position.to_string() };
    ask::done(&config, &request, Source::DaemonOrState)
}

fn import_offsets(import: OffsetsImport) -> Result<(), Failure> {
    let config = configuration::settings(import.config.as_deref())?;
    let limit = u64::try_from(MAX_IMPORT).unwrap_or(u64::MAX);
    let mut text = Vec::new();
    std::io::stdin().lock().take(limit).read_to_end(&mut text).map_err(Failure::failed)?;
    let document = serde_json::from_slice(&text)
        .map_err(|error| Failure::failed(format!("standard input holds no document of offsets: {error}")))?;
    confirm(&format!("replace the offsets stored in {}", config.state.dir.display()), import.yes)?;
    ask::done(&config, &ControlRequest::OffsetsImport { document }, Source::DaemonOrState)
}

/// TOPIC or TOPIC:PARTITION. A topic's name holds no colon.
pub(super) fn topic_and_partition(text: &str) -> Result<(String, Option<i32>), Failure> {
    match text.split_once(':') {
        None if !text.is_empty() => Ok((text.to_owned(), None)),
        Some((topic, partition)) if !topic.is_empty() && partition.bytes().all(|byte| byte.is_ascii_digit()) => {
            let partition = partition.parse();
            partition.map(|partition| (topic.to_owned(), Some(partition))).map_err(|_| not_a_topic(text))
        }
        _ => Err(not_a_topic(text)),
    }
}

fn not_a_topic(text: &str) -> Failure {
    Failure::Usage(format!("{text:?} is neither TOPIC nor TOPIC:PARTITION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_with_and_without_a_partition() {
        for (text, expected) in [
            ("event", Some(("event", None))),
            ("event:0", Some(("event", Some(0)))),
            ("a.b_c-d:2147483647", Some(("a.b_c-d", Some(i32::MAX)))),
            ("event:2147483648", None),
            ("event:", None),
            ("event:-1", None),
            ("event:+1", None),
            (":1", None),
            ("", None),
        ] {
            let parsed = topic_and_partition(text).ok();
            assert_eq!(parsed, expected.map(|(topic, partition)| (topic.to_owned(), partition)), "{text:?}");
        }
    }
}

//! `barnabas dead-letters`: list, show, replay, purge, export.

use serde_json::Value;

use super::ask::{self, Source};
use super::configuration;
use super::definitions::{DeadLetters, DeadLettersCommand, DeadLettersList, DeadLettersPurge};
use super::failure::Failure;
use super::output::{Output, confirm};
use super::table::{Column, Table, member};
use crate::config::parse_duration;
use crate::control::{ControlRequest, DeadLetterFilter, DeadLetterSelection};
use crate::logic::printable::printable;

pub(super) fn dead_letters(command: DeadLetters, output: &mut Output<'_>) -> Result<(), Failure> {
    match command.command {
        DeadLettersCommand::List(list) => list_letters(list, output),
        DeadLettersCommand::Show(show) => {
            let config = configuration::settings(show.config.as_deref())?;
            let request = ControlRequest::DeadLetterShow { id: show.id };
            let letter = ask::document(&config, &request, Source::DaemonOrState)?;
            if show.json { output.json(&letter) } else { output.text(&shown(&letter)) }
        }
        DeadLettersCommand::Replay(replay) => {
            let selection = selection(replay.ids, replay.all, None)?;
            let config = configuration::settings(replay.config.as_deref())?;
            ask::done(&config, &ControlRequest::DeadLettersReplay { selection }, Source::Daemon)
        }
        DeadLettersCommand::Purge(purge) => purge_letters(purge),
        DeadLettersCommand::Export(export) => {
            let config = configuration::settings(export.config.as_deref())?;
            let letters = ask::document(&config, &ControlRequest::DeadLettersExport, Source::DaemonOrState)?;
            ask::lines(ask::rows(&letters), output)
        }
    }
}

fn list_letters(list: DeadLettersList, output: &mut Output<'_>) -> Result<(), Failure> {
    let config = configuration::settings(list.config.as_deref())?;
    let filter = DeadLetterFilter { forward: list.forward, limit: list.limit };
    let letters = ask::document(&config, &ControlRequest::DeadLettersList { filter }, Source::DaemonOrState)?;
    if list.json {
        return output.json(&letters);
    }
    output.table(&Table::of_objects(
        &[
            Column::Right("ID"),
            Column::Left("FORWARD"),
            Column::Left("TOPIC"),
            Column::Right("PARTITION"),
            Column::Right("OFFSET"),
            Column::Left("KEY"),
            Column::Right("STATUS"),
            Column::Right("ATTEMPTS"),
            Column::Left("FIRST-FAILED-AT"),
            Column::Left("REASON"),
        ],
        ask::rows(&letters),
    ))
}

fn purge_letters(purge: DeadLettersPurge) -> Result<(), Failure> {
    let older_than = purge.older_than.as_deref().map(parse_duration).transpose();
    let older_than = older_than.map_err(|error| Failure::Usage(format!("--older-than: {error}")))?;
    let what = match (&purge.older_than, purge.all) {
        (Some(age), _) => format!("delete the dead letters older than {age}"),
        (None, true) => "delete all dead letters".to_owned(),
        (None, false) => format!("delete {} dead letters", purge.ids.len()),
    };
    let selection = selection(purge.ids, purge.all, older_than.map(|age| age.as_secs()))?;
    let config = configuration::settings(purge.config.as_deref())?;
    confirm(&what, purge.yes)?;
    ask::done(&config, &ControlRequest::DeadLettersPurge { selection }, Source::DaemonOrState)
}

/// Exactly one way to say which; none is not "all".
fn selection(ids: Vec<u64>, all: bool, older_than_seconds: Option<u64>) -> Result<DeadLetterSelection, Failure> {
    match (ids.is_empty(), all, older_than_seconds) {
        (false, false, None) => Ok(DeadLetterSelection::Ids(ids)),
        (true, true, None) => Ok(DeadLetterSelection::All),
        (true, false, Some(seconds)) => Ok(DeadLetterSelection::OlderThanSeconds(seconds)),
        (true, false, None) => Err(Failure::Usage("which ones? Name ids or say --all".to_owned())),
        _ => Err(Failure::Usage("which ones? Ids, --all and --older-than exclude each other".to_owned())),
    }
}

/// A member a line, then the headers and the value.
fn shown(letter: &Value) -> String {
    let mut text = String::new();
    for name in [
        "id",
        "forward",
        "topic",
        "partition",
        "offset",
        "timestamp",
        "key",
        "reason",
        "attempts",
        "status",
        "response",
        "first_failed_at",
        "buried_at",
        "idempotency_key",
        "event_id",
        "truncated_from",
    ] {
        text.push_str(&format!("{name:<16} {}\n", printable(&member(letter, name))));
    }
    let headers = letter.get("headers").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for header in headers {
        let (key, value) = (member(header, "key"), member(header, "value"));
        text.push_str(&format!("{:<16} {}: {}\n", "header", printable(&key), printable(&value)));
    }
    text.push_str(&format!("\n{}\n", printable(&member(letter, "value"))));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn which_ones_is_said_in_one_way() {
        let ways = |ids: &[u64], all, age| selection(ids.to_vec(), all, age).map_err(|failure| failure.exit_status());
        assert_eq!(ways(&[1, 2], false, None), Ok(DeadLetterSelection::Ids(vec![1, 2])));
        assert_eq!(ways(&[], true, None), Ok(DeadLetterSelection::All));
        assert_eq!(ways(&[], false, Some(60)), Ok(DeadLetterSelection::OlderThanSeconds(60)));
        assert_eq!(ways(&[], false, None), Err(2), "nothing is not all");
        assert_eq!(ways(&[1], true, None), Err(2));
        assert_eq!(ways(&[1], false, Some(60)), Err(2));
        assert_eq!(ways(&[], true, Some(60)), Err(2));
    }

    #[test]
    fn a_letter_is_shown_with_all_it_has_and_drives_no_terminal() {
        let text = shown(
            &json!({"id": 7, "key_base64": "/w==", "headers": [{"key": "a", "value": "b\u{1b}"}], "value": "{\"x\":1}\n"}),
        );
        assert!(text.starts_with("id               7\n"), "{text}");
        assert!(text.contains("key              base64:/w==\n"), "{text}");
        assert!(text.contains("header           a: b\\x1b\n"), "{text}");
        assert!(text.ends_with("\n{\"x\":1}\\n\n"), "{text}");
    }
}

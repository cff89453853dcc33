//! `barnabas status`: what the running daemon says about itself, once or again and again.

mod screen;
mod terminal;
mod watch;

use std::time::Duration;

use super::ask::{self, Source};
use super::configuration;
use super::definitions::Status as Arguments;
use super::failure::Failure;
use super::output::Output;
use super::table::{Column, Table};
use crate::config::schema::Config;
use crate::control::ControlRequest;
use crate::logic::printable::printable;
use crate::status::{ForwardStatus, Status};

/// How often `--watch` asks.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

pub(super) fn status(command: Arguments, output: &mut Output<'_>) -> Result<(), Failure> {
    let config = configuration::load(command.config.as_deref())?.config;
    if command.watch && !command.json && output.is_terminal() {
        return watch::watch(config, output);
    }
    loop {
        let document = ask::document(&config, &ControlRequest::Status, Source::Daemon)?;
        match (command.json, command.watch) {
            (true, true) => ask::lines(&[document], output)?,
            (true, false) => output.json(&document)?,
            (false, _) => {
                let status: Status = serde_json::from_value(document).map_err(other_version)?;
                show(&status, output)?;
            }
        }
        output.flush()?;
        if !command.watch {
            return Ok(());
        }
        std::thread::sleep(WATCH_INTERVAL);
    }
}

/// The status for commands that need a part of it.
pub(super) fn fetch(config: &Config) -> Result<Status, Failure> {
    let document = ask::document(config, &ControlRequest::Status, Source::Daemon)?;
    serde_json::from_value(document).map_err(other_version)
}

fn other_version(error: serde_json::Error) -> Failure {
    Failure::failed(format!("the daemon is of another version, its status cannot be read: {error}"))
}

fn show(status: &Status, output: &mut Output<'_>) -> Result<(), Failure> {
    let ready = if status.ready { "ready" } else { "not ready" };
    output.text(&format!(
        "barnabas {} {ready}, up since {}\n\n",
        printable(&status.version),
        printable(&status.started_at)
    ))?;
    output.table(&forwards(&status.forwards))?;
    if !status.reasons.is_empty() {
        output.text("\n")?;
        for reason in &status.reasons {
            output.text(&format!("! {}\n", printable(reason)))?;
        }
    }
    Ok(())
}

/// A row a forward.
pub(super) fn forwards(forwards: &[ForwardStatus]) -> Table {
    let mut table = Table::new(&[
        Column::Left("FORWARD"),
        Column::Left("STATE"),
        Column::Right("LAG"),
        Column::Right("PENDING"),
        Column::Right("IN-FLIGHT"),
        Column::Right("OLDEST"),
        Column::Right("DELIVERED"),
        Column::Right("FILTERED"),
        Column::Right("SKIPPED"),
        Column::Right("DROPPED"),
        Column::Right("DEAD-LETTERED"),
        Column::Right("RETRIES"),
    ]);
    for forward in forwards {
        let oldest = forward.oldest_pending_seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1}s"));
        table.row([
            forward.name.clone(),
            forward.state.name().to_owned(),
            forward.lag.map_or_else(|| "-".to_owned(), |lag| lag.to_string()),
            forward.pending.to_string(),
            forward.in_flight.to_string(),
            oldest,
            forward.delivered.to_string(),
            forward.filtered.to_string(),
            forward.skipped.to_string(),
            forward.dropped.to_string(),
            forward.dead_lettered.to_string(),
            forward.retries.to_string(),
        ]);
    }
    table
}

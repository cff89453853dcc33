//! `barnabas status`: what the running daemon says about itself, once or again and again.

mod monitor;
mod screen;
mod terminal;
mod watch;

use std::time::Duration;

use serde_json::Value;

use super::ask::{self, Source};
use super::configuration;
use super::definitions::Status as Arguments;
use super::failure::Failure;
use super::output::Output;
use super::table::{Column, Table};
use crate::clock;
use crate::config::schema::Config;
use crate::control::ControlRequest;
use crate::logic::from_json::FromJson;
use crate::logic::printable::printable;
use crate::status::{ForwardStatus, Status};

pub(super) use monitor::age_of;

/// Rows of a listing on a terminal; elsewhere all there are.
const ROWS: usize = 20;
/// How often `--watch` asks.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

pub(super) fn status(command: Arguments, output: &mut Output<'_>) -> Result<(), Failure> {
    let config = configuration::settings(command.config.as_deref())?;
    if command.watch && !command.json && output.is_terminal() {
        return watch::watch(config, output);
    }
    loop {
        let document = ask::document(&config, &ControlRequest::Status, Source::Daemon)?;
        match (command.json, command.watch) {
            (true, true) => ask::lines(&[document], output)?,
            (true, false) => output.json(&document)?,
            (false, _) => show(&read(&document)?, output)?,
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
    read(&ask::document(config, &ControlRequest::Status, Source::Daemon)?)
}

fn read(document: &Value) -> Result<Status, Failure> {
    Status::from_json(document).map_err(|error| {
        Failure::failed(format!("the daemon is of another version, its status cannot be read: {error}"))
    })
}

/// What is wrong first, then everything by its kind.
fn show(status: &Status, output: &mut Output<'_>) -> Result<(), Failure> {
    let now = clock::wall_clock();
    let ready = if status.ready { "ready" } else { "not ready" };
    output.text(&format!(
        "barnabas {} {ready}, up since {}\n\n",
        printable(&status.version),
        printable(&status.started_at)
    ))?;
    let mut wrong: Vec<String> = status.reasons.iter().map(|reason| format!("! {}", printable(reason))).collect();
    wrong.extend(monitor::alerts(status, now));
    wrong.extend(monitor::quiet_alerts(status));
    lines(&wrong, output)?;
    let clusters = &status.monitor.clusters;
    if !status.forwards.is_empty() || clusters.is_empty() {
        output.table(&forwards(&status.forwards))?;
    }
    if !clusters.is_empty() {
        if !status.forwards.is_empty() {
            output.text("\n")?;
        }
        lines(&monitor::clusters(clusters, now), output)?;
        listing(monitor::groups(clusters), output)?;
        output.text("\n")?;
        listing(monitor::brokers(clusters), output)?;
    }
    Ok(())
}

/// Lines, and a blank one where there are any.
fn lines(lines: &[String], output: &mut Output<'_>) -> Result<(), Failure> {
    for line in lines {
        output.text(&format!("{line}\n"))?;
    }
    if lines.is_empty() { Ok(()) } else { output.text("\n") }
}

fn listing(listing: monitor::Listing, output: &mut Output<'_>) -> Result<(), Failure> {
    let mut table = Table::new(listing.columns);
    let shown = if output.is_terminal() { ROWS } else { usize::MAX };
    let more = listing.rows.len().saturating_sub(shown);
    listing.rows.into_iter().take(shown).for_each(|row| table.row(row));
    output.table(&table)?;
    if more > 0 { output.text(&format!("and {more} more: see `barnabas status --json`\n")) } else { Ok(()) }
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

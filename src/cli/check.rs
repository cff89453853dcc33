//! `barnabas check`: what is wrong with a configuration, and what it says where nothing is. With --connect, `connect` tries
//! what it names.

mod connect;
mod kafka;
mod local;
mod monitor;
mod watching;

use super::configuration;
use super::definitions::Check;
use super::failure::Failure;
use super::output::{Output, remark};
use crate::config::schema::Config;
use crate::logic::printable::printable;
use crate::programs;

pub(super) fn check(command: Check, output: &mut Output<'_>) -> Result<(), Failure> {
    let loaded = configuration::load(command.config.as_deref())?;
    let config = &loaded.config;
    for warning in &config.warnings {
        remark(&format!("warning: {warning}"));
    }
    programs::compile_all(&loaded)?;
    output.text(&summary(config))?;
    if command.connect { connect::connect(config, output) } else { Ok(()) }
}

/// One line for the file and one for each forward, alert and channel, so that a person sees whether it says what they meant.
fn summary(config: &Config) -> String {
    let mut lines = format!("{}: ok\n", config.path.display());
    for forward in &config.forwards {
        let group = forward.group.as_ref().map(|group| format!(" (group {group})")).unwrap_or_default();
        lines.push_str(&format!(
            "forward {}: {} on {}{group} -> {} {}\n",
            forward.name,
            forward.topics.join(", "),
            forward.cluster,
            forward.webhook.method,
            forward.webhook.display_url,
        ));
    }
    lines.push_str(&monitor::summary(config));
    printable_lines(&lines)
}

/// A command's arguments and a group's pattern may hold anything.
fn printable_lines(lines: &str) -> String {
    lines.lines().map(|line| format!("{}\n", printable(line))).collect()
}

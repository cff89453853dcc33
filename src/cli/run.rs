//! `barnabas run`: the configuration, the log, a runtime, and the daemon in it.

use std::path::PathBuf;

use super::configuration;
use super::definitions::Run;
use super::failure::Failure;
use super::runtime;
use crate::config::schema::Config;
use crate::daemon;
use crate::logging::Log;
use crate::programs;

pub(super) fn run(command: Run) -> Result<(), Failure> {
    let given = command.config;
    let config = load(given.as_ref())?;
    let log = Log::start(&config.log);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    // One thread for sockets and loops; what computes or blocks has threads of its own.
    let runtime = runtime::start()?;
    let reload = move || load(given.as_ref()).map_err(|failure| failure.to_string());
    runtime::wait(&runtime, async { daemon::run(config, Box::new(reload), log).await.map_err(Failure::failed) })
}

/// The configuration, with everything checked that can be without a network.
fn load(given: Option<&PathBuf>) -> Result<Config, Failure> {
    let loaded = configuration::load(given.map(PathBuf::as_path))?;
    programs::compile_all(&loaded)?;
    Ok(loaded.config)
}

//! `barnabas run`: the configuration, the log, a runtime, and the daemon in it.

use super::configuration;
use super::definitions::Run;
use super::failure::Failure;
use crate::config::schema::Config;
use crate::logging::Log;

pub(super) fn run(command: Run) -> Result<(), Failure> {
    let loaded = configuration::load(command.config.as_deref())?;
    let log = Log::start(&loaded.config.log);
    for warning in &loaded.config.warnings {
        tracing::warn!("{warning}");
    }
    // One thread for sockets and loops; what computes or blocks has threads of its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the runtime cannot be started: {error}")))?;
    runtime.block_on(daemon(loaded.config, log))
}

/// Runs until it is told to stop.
async fn daemon(_config: Config, _log: Log) -> Result<(), Failure> {
    Err(Failure::failed("the daemon is not part of this build"))
}

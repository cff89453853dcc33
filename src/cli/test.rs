//! `barnabas test`: a forward's steps on events from standard input, offline. Request bodies are the data; what becomes
//! of the other events is told beside them.

use super::configuration;
use super::definitions::Test;
use super::failure::Failure;
use super::output::Output;

pub(super) fn test(command: Test, _output: &mut Output<'_>) -> Result<(), Failure> {
    let loaded = configuration::load(command.config.as_deref())?;
    let forward = configuration::forward(&loaded.config, command.forward.as_deref())?;
    Err(Failure::failed(format!("the steps of {} are not part of this build", forward.name)))
}

//! `barnabas forwards`: list, pause, resume.

use super::ask::{self, Source};
use super::configuration;
use super::definitions::{Forwards, ForwardsCommand};
use super::failure::Failure;
use super::output::Output;
use super::status;
use crate::control::ControlRequest;

pub(super) fn forwards(command: Forwards, output: &mut Output<'_>) -> Result<(), Failure> {
    match command.command {
        ForwardsCommand::List(list) => {
            let config = configuration::settings(list.config.as_deref())?;
            let status = status::fetch(&config)?;
            if list.json { output.json(&status.forwards) } else { output.table(&status::forwards(&status.forwards)) }
        }
        ForwardsCommand::Pause(pause) => {
            let config = configuration::settings(pause.config.as_deref())?;
            configuration::forward(&config, Some(&pause.name))?;
            ask::done(&config, &ControlRequest::PauseForward { name: pause.name }, Source::DaemonOrState)
        }
        ForwardsCommand::Resume(resume) => {
            let config = configuration::settings(resume.config.as_deref())?;
            configuration::forward(&config, Some(&resume.name))?;
            ask::done(&config, &ControlRequest::ResumeForward { name: resume.name }, Source::DaemonOrState)
        }
    }
}

//! How a command fails: what the person reads, and the exit status that a script gets.

use std::fmt;
use std::io;

use crate::config::ConfigError;
use crate::control::AskError;
use crate::logic::printable::printable;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(super) enum Failure {
    /// The arguments make no sense (exit status 2).
    Usage(String),
    /// The configuration file is refused (exit status 2). Several lines, shown as they are.
    Configuration(String),
    /// It was tried, and failed (exit status 1): what, on which broker or file, and what to do about it.
    Failed(String),
    /// Standard output cannot be written (exit status 1, but a closed pipe is no failure).
    Output(io::Error),
}

impl Failure {
    pub(super) fn failed(message: impl fmt::Display) -> Self {
        Self::Failed(message.to_string())
    }

    pub(super) fn exit_status(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Configuration(_) => 2,
            Self::Failed(_) | Self::Output(_) => 1,
        }
    }

    pub(super) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Failed(message) => f.write_str(&printable(message)),
            Self::Configuration(message) => f.write_str(message),
            Self::Output(error) => write!(f, "standard output cannot be written: {error}"),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Configuration(error.to_string())
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        Self::failed(error)
    }
}

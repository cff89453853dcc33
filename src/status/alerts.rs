//! The alerts' part of the status document: what is wrong by the configured rules, what is silenced, and whether the
//! channels take what they are told. Plain data; knows nothing of how a rule is evaluated.

use serde::Serialize;

use crate::logic::from_json::from_json;

pub use crate::logic::alert::status::{AlertState, AlertView as AlertStatus, SilenceView as SilenceStatus};

/// All about alerts, as their task publishes it. The default is that of a configuration without rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertsPublication {
    /// Every alert that is pending or fires.
    pub alerts: Vec<AlertStatus>,
    /// Every silence that is not over.
    pub silences: Vec<SilenceStatus>,
    /// Every channel, in the order of the configuration.
    pub channels: Vec<ChannelStatus>,
}

/// A channel that alerts are told over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChannelStatus {
    /// Its name in the configuration.
    pub name: String,
    /// It does not take what it is told.
    pub failing: bool,
    /// What it answered last, where it is failing.
    pub error: Option<String>,
    /// Notices that it has not taken yet.
    pub waiting: u64,
    /// When it took one last: RFC 3339; none: never.
    pub last_taken_at: Option<String>,
}

from_json!(ChannelStatus { name, failing; error, waiting, last_taken_at });

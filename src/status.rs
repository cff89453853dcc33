//! What the daemon says about itself: the document of `status --json` and /api/status, and the board that it is put
//! together from. Each forward, each watched cluster and the alerts publish their own part; nobody waits for anybody, and a
//! reader gets the latest of each. Knows nothing of how they work, nor of who reads it.

mod alerts;
mod forward;
#[cfg(test)]
pub(crate) mod made_up;
mod monitor;

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::watch;

use crate::logic::from_json::from_json;
use crate::logic::moment::Timestamp;
use crate::logic::rfc3339;

pub use alerts::{AlertState, AlertStatus, AlertsPublication, ChannelStatus, SilenceStatus};
pub use forward::{ForwardState, ForwardStatus, PartitionStatus};
pub use monitor::{
    BrokerStatus, ClusterPublication, ClusterStatus, DiskStatus, GroupStatus, GroupTopicStatus, MonitorStatus,
    RackStatus, RestartStatus, TopicStatus, groups_worst_first, topics_worst_first,
};

/// The whole document.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Status {
    /// Of the running binary.
    pub version: String,
    /// RFC 3339, in UTC.
    pub started_at: String,
    /// Whether all that was asked for is being done: every forward runs (or was paused by a person), every watched
    /// cluster can be reached, every channel takes what it is told. Alerts as such do not count against it.
    pub ready: bool,
    /// Why it is not ready, a sentence each; empty when it is.
    pub reasons: Vec<String>,
    /// In the order of the configuration.
    pub forwards: Vec<ForwardStatus>,
    /// The watched clusters.
    pub monitor: MonitorStatus,
    /// Pending and firing alerts, those that a person must look at first.
    pub alerts: Vec<AlertStatus>,
    /// Alerts beyond the limit.
    pub alerts_left_out: usize,
    /// Silences that are not over.
    pub silences: Vec<SilenceStatus>,
    /// The channels that alerts are told over.
    pub channels: Vec<ChannelStatus>,
}

from_json!(Status { version, started_at, ready, reasons, forwards; monitor, alerts, alerts_left_out, silences, channels });

/// Alerts that the document lists at most; the rest is counted.
const MAX_ALERTS: usize = 1000;

/// What the daemon as a whole knows: its forwards, and reasons that belong to none of them.
#[derive(Debug, Default)]
struct Posted {
    forwards: Vec<watch::Receiver<ForwardStatus>>,
    clusters: Vec<watch::Receiver<ClusterPublication>>,
    alerts: Option<watch::Receiver<Arc<AlertsPublication>>>,
    max_series: Option<usize>,
    reasons: Vec<String>,
}

/// The daemon's end of the board.
#[derive(Debug)]
pub struct StatusPublisher {
    posted: watch::Sender<Posted>,
}

impl StatusPublisher {
    /// These are the forwards from now on, in this order (at the start, and after each reload). One whose sender is
    /// gone keeps its last word until it is replaced.
    pub fn set_forwards(&self, forwards: Vec<watch::Receiver<ForwardStatus>>) {
        self.posted.send_modify(|posted| posted.forwards = forwards);
    }

    /// These are the watched clusters from now on, in this order.
    pub fn set_clusters(&self, clusters: Vec<watch::Receiver<ClusterPublication>>) {
        self.posted.send_modify(|posted| posted.clusters = clusters);
    }

    /// This is where alerts are published from now on; none: there are none.
    pub fn set_alerts(&self, alerts: Option<watch::Receiver<Arc<AlertsPublication>>>) {
        self.posted.send_modify(|posted| posted.alerts = alerts);
    }

    /// /metrics shows at most so many series of a metric from now on (`monitor.max_series`).
    pub fn set_max_series(&self, max_series: usize) {
        self.posted.send_modify(|posted| posted.max_series = Some(max_series));
    }

    /// Why the daemon is not ready, apart from what its parts say: starting, stopping, the state cannot be written.
    pub fn set_reasons(&self, reasons: Vec<String>) {
        self.posted.send_modify(|posted| posted.reasons = reasons);
    }
}

/// The readers' end of the board; clones show the same.
#[derive(Clone, Debug)]
pub struct StatusBoard {
    started_at: Timestamp,
    posted: watch::Receiver<Posted>,
}

/// A board for a daemon that started at `started_at`; without forwards it is ready.
pub fn board(started_at: Timestamp) -> (StatusPublisher, StatusBoard) {
    let (sender, receiver) = watch::channel(Posted::default());
    (StatusPublisher { posted: sender }, StatusBoard { started_at, posted: receiver })
}

impl StatusBoard {
    /// The latest that everybody published.
    pub fn status(&self) -> Status {
        let mut status = self.status_without_monitor();
        status.monitor.clusters = self.clusters().iter().map(ClusterStatus::of).collect();
        status
    }

    /// The same without the figures of the clusters, which are many: for who asks `clusters` for those he needs.
    pub fn status_without_monitor(&self) -> Status {
        let alerts = self.alerts();
        let posted = self.posted.borrow();
        let forwards: Vec<ForwardStatus> = posted.forwards.iter().map(|forward| forward.borrow().clone()).collect();
        let mut reasons = posted.reasons.clone();
        reasons.extend(forwards.iter().filter_map(reason));
        reasons.extend(posted.clusters.iter().filter_map(|cluster| cluster.borrow().reason()));
        reasons.extend(alerts.channels.iter().filter_map(channel_reason));
        let mut listed = alerts.alerts.clone();
        listed.sort_by(AlertStatus::worst_first);
        let alerts_left_out = listed.len().saturating_sub(MAX_ALERTS);
        listed.truncate(MAX_ALERTS);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: rfc3339::format(self.started_at),
            ready: reasons.is_empty(),
            reasons,
            forwards,
            monitor: MonitorStatus::default(),
            alerts: listed,
            alerts_left_out,
            silences: alerts.silences.clone(),
            channels: alerts.channels.clone(),
        }
    }

    /// The watched clusters with all their figures.
    pub fn clusters(&self) -> Vec<ClusterPublication> {
        self.posted.borrow().clusters.iter().map(|cluster| cluster.borrow().clone()).collect()
    }

    /// Alerts, silences and channels.
    pub fn alerts(&self) -> Arc<AlertsPublication> {
        let posted = self.posted.borrow();
        posted.alerts.as_ref().map(|alerts| Arc::clone(&alerts.borrow())).unwrap_or_default()
    }

    /// How many series of a metric /metrics shows at most; none: there is no limit, because nothing is watched.
    pub fn max_series(&self) -> Option<usize> {
        self.posted.borrow().max_series
    }
}

/// Why this forward keeps the daemon from being ready.
fn reason(forward: &ForwardStatus) -> Option<String> {
    if forward.state.is_as_wanted() {
        return None;
    }
    let state = format!("forward {} is {}", forward.name, forward.state.name());
    Some(if forward.reasons.is_empty() { state } else { format!("{state}: {}", forward.reasons.join("; ")) })
}

/// Why this channel keeps the daemon from being ready.
fn channel_reason(channel: &ChannelStatus) -> Option<String> {
    let error = channel.error.as_deref().unwrap_or("its last notice was not taken");
    channel.failing.then(|| format!("channel {} is failing: {error}", channel.name))
}

#[cfg(test)]
mod tests;

//! What `check --connect` tries for watching: one poll of each watched cluster, and every channel up to the point where
//! a notice would be sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::connect::Finding;
use crate::config::schema::{ClusterSettings, MonitorSettings, NotifySettings};
use crate::kafka::wire::Client;
use crate::logic::watch::Snapshot;
use crate::monitor::poll::Poller;
use crate::notify::Channel;

/// One poll of `cluster`, and one look at what is looked at rarely.
pub(super) async fn poll(cluster: Arc<ClusterSettings>, monitor: MonitorSettings) -> Finding {
    let subject = format!("watching {}", cluster.name);
    let poller = Client::new(cluster)
        .map_err(|error| error.to_string())
        .and_then(|client| Poller::new(client, &monitor.topics, &monitor.groups));
    let mut poller = match poller {
        Ok(poller) => poller,
        Err(error) => return Finding::new(subject, Err::<String, _>(error)),
    };
    let snapshot = poller.poll(&[], BTreeMap::new()).await;
    if snapshot.brokers.is_none() {
        return Finding::new(subject, Err::<String, _>(snapshot.missing.join("; ")));
    }
    let slow = poller.poll_slow().await;
    let missing: Vec<&str> = snapshot.missing.iter().chain(&slow.missing).map(String::as_str).collect();
    Finding::new(subject, Ok::<_, String>(seen(&snapshot, &missing)))
}

/// What one may not see, or a broker is too old to tell, keeps nobody from watching the rest.
fn seen(snapshot: &Snapshot, missing: &[&str]) -> String {
    let brokers = snapshot.brokers.as_ref().map_or(0, |brokers| brokers.len());
    let mut text = format!("{brokers} brokers, {} topics, {} groups", snapshot.topics.len(), snapshot.groups.len());
    if !missing.is_empty() {
        text.push_str(&format!("; not seen: {}", missing.join("; ")));
    }
    text
}

/// Logs in at the mail server, connects to the webhook's host, looks for the program; tells nobody anything.
pub(super) async fn channel(settings: NotifySettings) -> Finding {
    let subject = format!("channel {}", settings.channel.name);
    match Channel::new(&settings) {
        Ok(channel) => Finding::new(subject, channel.check().await),
        Err(error) => Finding::new(subject, Err::<String, _>(error)),
    }
}

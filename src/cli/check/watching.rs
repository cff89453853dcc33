//! What `check --connect` tries for watching: one poll of each watched cluster, one reading of each broker's load, and every channel up to the point where
//! a notice would be sent.

use std::sync::Arc;

use litemap::LiteMap;
use tokio::task::JoinHandle;

use super::connect::Finding;
use crate::config::schema::{ClusterSettings, JmxSettings, MonitorSettings, NotifySettings};
use crate::jmx::{JmxError, Source};
use crate::kafka::wire::Client;
use crate::logic::broker_load::BrokerFigures;
use crate::logic::watch::Snapshot;
use crate::logic::watch::snapshot::BrokerSeen;
use crate::monitor::load::host_of;
use crate::monitor::poll::Poller;
use crate::notify::Channel;

/// One poll of `cluster`, one look at what is looked at rarely, and one reading of each broker that has a source of load.
pub(super) async fn poll(cluster: Arc<ClusterSettings>, monitor: MonitorSettings) -> Vec<Finding> {
    let subject = format!("watching {}", cluster.name);
    let poller = Client::new(Arc::clone(&cluster))
        .map_err(|error| error.to_string())
        .and_then(|client| Poller::new(client, &monitor.topics, &monitor.groups));
    let mut poller = match poller {
        Ok(poller) => poller,
        Err(error) => return vec![Finding::new(subject, Err::<String, _>(error))],
    };
    let snapshot = poller.poll(&[], LiteMap::new()).await;
    let Some(brokers) = &snapshot.brokers else {
        return vec![Finding::new(subject, Err::<String, _>(snapshot.missing.join("; ")))];
    };
    let loads = loads(&cluster, &monitor, brokers);
    let slow = poller.poll_slow().await;
    let missing: Vec<&str> = snapshot.missing.iter().chain(&slow.missing).map(String::as_str).collect();
    let mut findings = vec![Finding::new(subject, Ok::<_, String>(seen(&snapshot, &missing)))];
    for (broker, load) in loads {
        let subject = format!("load of broker {broker} of {}", cluster.name);
        findings.push(match load {
            // It keeps its limit by itself.
            Some(load) => {
                let load = load.await.unwrap_or_else(|error| Err(error.to_string()));
                Finding::new(subject, load)
            }
            None => Finding::new(subject, Ok::<_, String>("none: no entry of `jmx` is about it".to_owned())),
        });
    }
    findings
}

/// A reading that was begun; none: the broker has no source.
type Load = Option<JoinHandle<Result<String, String>>>;

/// Begins to read every broker that has a source; empty where none has.
fn loads(cluster: &ClusterSettings, monitor: &MonitorSettings, brokers: &LiteMap<i32, BrokerSeen>) -> Vec<(i32, Load)> {
    let Some(sources) = monitor.jmx.get(&cluster.name) else { return Vec::new() };
    let load = |(id, broker): (&i32, &BrokerSeen)| {
        let source = JmxSettings::of_broker(sources, *id).cloned();
        let host = host_of(broker, &cluster.addresses);
        (
            *id,
            source.map(|source| {
                tokio::spawn(async move { load(&source, &host).await.map_err(|error| error.to_string()) })
            }),
        )
    };
    brokers.iter().map(load).collect()
}

/// Reads a broker's own figures once.
async fn load(settings: &JmxSettings, host: &str) -> Result<String, JmxError> {
    let mut source = Source::new(settings, host)?;
    let sample = source.read().await;
    let (target, kind) = (source.target(), source.kind());
    source.close().await;
    let figures = BrokerFigures::from_samples(None, &sample?);
    let load = match (figures.load_percent, figures.load_note) {
        (Some(percent), Some(note)) => format!("{percent:.0} % busy ({note})"),
        (Some(percent), None) => format!("{percent:.0} % busy"),
        (None, note) => note.unwrap_or("no figure").to_owned(),
    };
    Ok(format!("{load}; by {kind} from {target}"))
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

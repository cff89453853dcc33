//! The cluster that a command is about: from its arguments to settings and a client. Also what
//! every command says about a topic that is not there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::configuration;
use super::failure::Failure;
use crate::config::schema::{ClusterSettings, HostPort};
use crate::config::{closest, parse_host_port};
use crate::kafka::metadata::{ClusterMetadata, Topic, TopicsWanted};
use crate::kafka::wire::{Client, Error, KafkaError};

/// For a cluster that no configuration describes: the limit on a connect and on every request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The arguments that name a cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClusterArguments<'a> {
    pub(super) bootstrap_server: Option<&'a str>,
    pub(super) config: Option<&'a Path>,
    pub(super) cluster: Option<&'a str>,
}

/// Gives definitions of commands that have the three arguments a way to them.
macro_rules! cluster_arguments {
    ($($command:ty),*) => {$(
        impl $command {
            /// Which cluster it is about.
            pub(in crate::cli) fn cluster(&self) -> crate::cli::cluster::ClusterArguments<'_> {
                crate::cli::cluster::ClusterArguments {
                    bootstrap_server: self.bootstrap_server.as_deref(),
                    config: self.config.as_deref(),
                    cluster: self.cluster.as_deref(),
                }
            }
        }
    )*};
}
pub(super) use cluster_arguments;

impl ClusterArguments<'_> {
    /// Brokers by address, a configuration's cluster, or the broker on this machine.
    pub(super) fn settings(self) -> Result<ClusterSettings, Failure> {
        if let Some(servers) = self.bootstrap_server {
            if self.config.is_some() || self.cluster.is_some() {
                return Err(Failure::Usage("--bootstrap-server and --config exclude each other".to_owned()));
            }
            return plain_cluster(servers);
        }
        if self.config.is_none() && self.cluster.is_none() && !configuration::path(None).exists() {
            return plain_cluster("localhost:9092");
        }
        let mut config = configuration::settings(self.config)?;
        let name = self.cluster.unwrap_or("default");
        let names: Vec<String> = config.clusters.keys().cloned().collect();
        config.clusters.remove(name).ok_or_else(|| {
            Failure::Usage(format!("the configuration has no cluster {name:?}; it has {}", names.join(", ")))
        })
    }

    /// A client of that cluster, not connected yet.
    pub(super) fn client(self) -> Result<Client, Failure> {
        Client::new(Arc::new(self.settings()?)).map_err(Failure::failed)
    }
}

fn plain_cluster(servers: &str) -> Result<ClusterSettings, Failure> {
    let servers: Result<Vec<HostPort>, String> =
        servers.split(',').map(|server| parse_host_port(server.trim())).collect();
    Ok(ClusterSettings {
        name: "default".to_owned(),
        bootstrap_servers: servers.map_err(|error| Failure::Usage(format!("--bootstrap-server: {error}")))?,
        client_id: "barnabas".to_owned(),
        request_timeout: REQUEST_TIMEOUT,
        addresses: Default::default(),
        tls: None,
        sasl: None,
    })
}

/// The topic, which must be there: none is ever created. `rights` is what the command needs, such as "READ and DESCRIBE".
pub(super) async fn topic(client: &Client, name: &str, rights: &str) -> Result<Topic, Failure> {
    let wanted = TopicsWanted::Named(vec![Arc::from(name)]);
    let metadata = client.metadata(wanted).await.map_err(Failure::failed)?;
    found(client, &metadata, name, rights).await
}

/// The topic in `metadata` that was asked about it by name, or why it is not there.
pub(super) async fn found(
    client: &Client,
    metadata: &ClusterMetadata,
    name: &str,
    rights: &str,
) -> Result<Topic, Failure> {
    match metadata.topics.get(name).map(|found| (found.error, found)) {
        Some((_, found)) if !found.partitions.is_empty() => Ok(found.clone()),
        None | Some((None | Some(KafkaError::UNKNOWN_TOPIC_OR_PARTITION), _)) => Err(no_such_topic(client, name).await),
        Some((Some(KafkaError::TOPIC_AUTHORIZATION_FAILED), _)) => {
            Err(Failure::failed(format!("topic {name}: not authorised: give this user {rights} on the topic")))
        }
        Some((Some(error), _)) => Err(Failure::failed(format!("topic {name}: {error}"))),
    }
}

/// Says that `topic` is not there, and which one may have been meant.
async fn no_such_topic(client: &Client, topic: &str) -> Failure {
    // The names are for the hint alone.
    let all = client.metadata(TopicsWanted::All).await.unwrap_or_default();
    let names = all.topics.iter().filter(|(_, found)| !found.internal).map(|(name, _)| &**name);
    let hint = closest(topic, names).map(|close| format!("; did you mean {close:?}?")).unwrap_or_default();
    Failure::failed(format!("there is no topic {topic:?} at {}, or this user may not see it{hint}", servers(client)))
}

/// Where the cluster was looked for, for error texts.
pub(super) fn servers(client: &Client) -> String {
    let servers: Vec<String> = client.settings().bootstrap_servers.iter().map(ToString::to_string).collect();
    servers.join(", ")
}

/// What went wrong; where the user may not do it, with the `rights` that it takes, such as "CREATE on the topic".
pub(super) fn explain(error: &Error, rights: &str) -> String {
    match error.kafka() {
        Some(
            refused @ (KafkaError::TOPIC_AUTHORIZATION_FAILED
            | KafkaError::GROUP_AUTHORIZATION_FAILED
            | KafkaError::CLUSTER_AUTHORIZATION_FAILED),
        ) => format!("{}: {}: {}: give this user {rights}", error.broker, error.request, refused.name()),
        _ => error.to_string(),
    }
}

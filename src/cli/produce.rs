//! `barnabas produce`: lines of standard input become records. Here: what the arguments and a line mean, and whether the
//! topic is there. `lines` reads, `batches` places, `writer` writes, `send` goes round.

mod batches;
mod lines;
mod report;
mod send;
mod writer;

use std::sync::Arc;

use super::configuration;
use super::definitions::{Produce, ProduceCompression};
use super::failure::Failure;
use super::output::Output;
use crate::config::schema::{ClusterSettings, HostPort};
use crate::config::{closest, parse_host_port};
use crate::kafka::metadata::TopicsWanted;
use crate::kafka::producer::{Compression, Producer};
use crate::kafka::wire::{Client, KafkaError};
use crate::tls;
pub(super) use lines::{Line, next_line};
use report::Reports;
use writer::TopicWriter;

/// For a cluster that no configuration describes: the limit on a connect and on every request.
const REQUEST_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// A line as a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LineRecord {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Vec<u8>,
}

impl LineRecord {
    /// What comes before the first `separator` is the key; without a separator, or a line without one, there is none.
    pub(super) fn parse(line: &[u8], separator: Option<char>) -> Self {
        let mut encoded = [0; 4];
        let separator = separator.map(|separator| separator.encode_utf8(&mut encoded).as_bytes());
        let found = separator.and_then(|separator| {
            let start = line.windows(separator.len()).position(|window| window == separator)?;
            Some((line.get(..start)?, line.get(start + separator.len()..)?))
        });
        match found {
            Some((key, value)) => Self { key: Some(key.to_vec()), value: value.to_vec() },
            None => Self { key: None, value: line.to_vec() },
        }
    }
}

pub(super) fn produce(command: Produce, output: &mut Output<'_>) -> Result<(), Failure> {
    let cluster = cluster(&command)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    let ended = runtime.block_on(run(&cluster, &command, output));
    // A name that is still being looked up must not hold us up.
    runtime.shutdown_background();
    ended
}

/// The cluster that the arguments mean: brokers by address, a configuration's cluster, or the broker on this machine.
fn cluster(command: &Produce) -> Result<ClusterSettings, Failure> {
    if let Some(servers) = &command.bootstrap_server {
        if command.config.is_some() || command.cluster.is_some() {
            return Err(Failure::Usage("--bootstrap-server and --config exclude each other".to_owned()));
        }
        return plain_cluster(servers);
    }
    if command.config.is_none() && command.cluster.is_none() && !configuration::path(None).exists() {
        return plain_cluster("localhost:9092");
    }
    let mut config = configuration::load(command.config.as_deref())?.config;
    let name = command.cluster.as_deref().unwrap_or("default");
    let names: Vec<String> = config.clusters.keys().cloned().collect();
    config.clusters.remove(name).ok_or_else(|| {
        Failure::Usage(format!("the configuration has no cluster {name:?}; it has {}", names.join(", ")))
    })
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

async fn run(cluster: &ClusterSettings, command: &Produce, output: &mut Output<'_>) -> Result<(), Failure> {
    // Our own client sees whether the topic is there: rskafka would create one that is not, and try a wrong password
    // again and again.
    let client = Client::new(Arc::new(cluster.clone())).map_err(Failure::failed)?;
    let partitions = partitions_of(&client, &command.topic).await?;
    let tls = cluster.tls.as_ref().map(tls::client_config).transpose().map_err(Failure::failed)?;
    let producer = Producer::connect(cluster, tls).await.map_err(Failure::failed)?;
    let compression = match command.compression {
        ProduceCompression::None => Compression::None,
        ProduceCompression::Gzip => Compression::Gzip,
        ProduceCompression::Snappy => Compression::Snappy,
    };
    let writer = TopicWriter::new(producer, &command.topic, partitions, compression);
    let reports = Reports::new(&command.topic, command.json, output);
    send::send_lines(&client, writer, command.key_separator, reports).await
}

/// How many partitions the topic has.
async fn partitions_of(client: &Client, topic: &str) -> Result<i32, Failure> {
    let name: Arc<str> = Arc::from(topic);
    let metadata = client.metadata(TopicsWanted::Named(vec![Arc::clone(&name)])).await.map_err(Failure::failed)?;
    let (error, partitions) = match metadata.topics.get(&name) {
        Some(found) => (found.error, found.partitions.len()),
        None => (None, 0),
    };
    match error {
        _ if partitions > 0 => Ok(i32::try_from(partitions).unwrap_or(i32::MAX)),
        None | Some(KafkaError::UNKNOWN_TOPIC_OR_PARTITION) => Err(no_such_topic(client, topic).await),
        Some(KafkaError::TOPIC_AUTHORIZATION_FAILED) => Err(Failure::failed(format!(
            "topic {topic}: not authorised: give this user WRITE and DESCRIBE on the topic"
        ))),
        Some(error) => Err(Failure::failed(format!("topic {topic}: {error}"))),
    }
}

async fn no_such_topic(client: &Client, topic: &str) -> Failure {
    let servers: Vec<String> = client.settings().bootstrap_servers.iter().map(ToString::to_string).collect();
    let servers = servers.join(", ");
    // The names are for the hint alone.
    let all = client.metadata(TopicsWanted::All).await.unwrap_or_default();
    let names = all.topics.iter().filter(|(_, found)| !found.internal).map(|(name, _)| &**name);
    let hint = closest(topic, names).map(|close| format!("; did you mean {close:?}?")).unwrap_or_default();
    Failure::failed(format!(
        "there is no topic {topic:?} at {servers}, or this user may not see it, and produce creates none{hint}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: &str, line: &str, separator: Option<char>, key: Option<&str>, value: &str) {
        let expected = LineRecord { key: key.map(|key| key.as_bytes().to_vec()), value: value.as_bytes().to_vec() };
        assert_eq!(LineRecord::parse(line.as_bytes(), separator), expected, "{rule}");
    }

    #[test]
    fn keys() {
        check("without a separator there is no key", "a:b", None, None, "a:b");
        check("the first one separates", "a:b:c", Some(':'), Some("a"), "b:c");
        check("a line without one", "abc", Some(':'), None, "abc");
        check("an empty key is a key", ":b", Some(':'), Some(""), "b");
        check("an empty value is a value", "a:", Some(':'), Some("a"), "");
        check("beyond ASCII", "a→b", Some('→'), Some("a"), "b");
        check("nothing", "", Some(':'), None, "");
    }
}

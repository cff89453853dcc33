//! `barnabas produce`: lines of standard input become records. Here: what the arguments and a line mean, and whether the
//! topic is there. `lines` reads, `batches` places, `writer` writes, `send` goes round.

mod batches;
mod lines;
mod report;
mod send;
mod writer;

use std::sync::Arc;

use super::cluster;
use super::definitions::{Produce, ProduceCompression};
use super::failure::Failure;
use super::output::Output;
use super::runtime;
use crate::config::schema::ClusterSettings;
use crate::kafka::producer::{Compression, Producer};
use crate::kafka::wire::Client;
use crate::tls;
pub(super) use lines::{Line, next_line};
use report::Reports;
use writer::TopicWriter;

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
    let settings = command.cluster().settings()?;
    runtime::block_on(run(&settings, &command, output))
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
    let found = cluster::topic(client, topic, "WRITE and DESCRIBE").await?;
    Ok(i32::try_from(found.partitions.len()).unwrap_or(i32::MAX))
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

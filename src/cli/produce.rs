//! `barnabas produce`: lines of standard input become records. What a line means is decided here; sending is the
//! producer's.

use std::io::{self, BufRead};

use super::configuration;
use super::definitions::Produce;
use super::failure::Failure;
use super::output::Output;
use crate::config::parse_host_port;
use crate::config::schema::{ClusterSettings, HostPort};

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

/// The next line without its end; none at the end. The last line needs no end.
pub(super) fn next_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if input.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(Some(line))
}

pub(super) fn produce(command: Produce, output: &mut Output<'_>) -> Result<(), Failure> {
    let cluster = cluster(&command)?;
    send(&cluster, &command, output)
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

/// Sends each line and reports what became of it; one that fails does not fail the others.
fn send(_cluster: &ClusterSettings, _command: &Produce, _output: &mut Output<'_>) -> Result<(), Failure> {
    Err(Failure::failed("produce is not part of this build"))
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

    #[test]
    fn lines() {
        let mut input = &b"one\n\ntwo\r\nlast"[..];
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut input).expect("a line") {
            lines.push(String::from_utf8(line).expect("text"));
        }
        assert_eq!(lines, ["one", "", "two\r", "last"]);
    }
}

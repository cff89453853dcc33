//! A real Kafka for tests, started by scripts/kafka.sh: one broker that all tests share, or a cluster of a test's own.
//! It ends with the test process, however that ends. What rskafka cannot write (transactions, null headers, all codecs)
//! is written by KafkaHelper.java on Kafka's own client.

use std::collections::HashMap;
use std::future::Future;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rskafka::BackoffConfig;
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::Record;

use super::wait::{self, wait_until};

/// Kafka, and on a machine that never saw it a download before.
const START_LIMIT: Duration = Duration::from_secs(900);
const COMMAND_LIMIT: Duration = Duration::from_secs(120);

/// How a cluster is to be.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) version: String,
    /// 1 or 3.
    pub(crate) brokers: u32,
    pub(crate) tls: bool,
    pub(crate) sasl: bool,
    /// Broker settings, `key=value`.
    pub(crate) properties: Vec<String>,
    /// Further arguments of `kafka.sh start`.
    pub(crate) arguments: Vec<String>,
}

impl Default for Options {
    /// One broker of the version under test, plain text.
    fn default() -> Self {
        let version = std::env::var("BARNABAS_TEST_KAFKA").unwrap_or_else(|_| "4.3.1".to_owned());
        Self { version, brokers: 1, tls: false, sasl: false, properties: Vec::new(), arguments: Vec::new() }
    }
}

/// A running cluster; dropping it stops it and deletes its data.
#[derive(Debug)]
pub(crate) struct Kafka {
    env: HashMap<String, String>,
}

impl Kafka {
    /// The broker that tests share. Its topics are told apart by `topic_name`.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&Options::default()))
    }

    /// A cluster of the test's own, for tests that hurt it.
    pub(crate) fn start(options: &Options) -> Self {
        let mut command = script("start");
        command.args(["--version", &options.version, "--brokers", &options.brokers.to_string()]);
        // Statics are never dropped: the script watches for our end.
        command.args(["--parent", &std::process::id().to_string()]);
        command.args(options.tls.then_some("--tls"));
        command.args(options.sasl.then_some("--sasl"));
        for property in &options.properties {
            command.args(["--property", property]);
        }
        command.args(&options.arguments);
        let printed = wait::run(&mut command, "", START_LIMIT).success();
        let env = printed.lines().filter_map(|line| line.split_once('='));
        Self { env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
    }

    /// The value that kafka.sh printed under `name`, such as CA_FILE or SASL_SSL.
    #[track_caller]
    pub(crate) fn env(&self, name: &str) -> &str {
        self.env.get(name).map_or_else(|| panic!("this cluster has no {name}"), String::as_str)
    }

    /// `host:port` of every broker, comma-separated.
    pub(crate) fn bootstrap(&self) -> &str {
        self.env("BOOTSTRAP")
    }

    /// The same as a TOML array, for `bootstrap_servers`.
    pub(crate) fn bootstrap_toml(&self) -> String {
        format!("{:?}", self.bootstrap().split(',').collect::<Vec<_>>())
    }

    /// `host:port` of broker `n` (1…).
    pub(crate) fn broker(&self, n: u32) -> &str {
        self.env(&format!("BROKER_{n}"))
    }

    pub(crate) fn dir(&self) -> &Path {
        Path::new(self.env("DIR"))
    }

    // --- brokers ---

    /// SIGKILL to broker `n`.
    pub(crate) fn kill(&self, n: u32) {
        self.run("kill", &[&n.to_string()], "");
    }

    /// SIGSTOP to broker `n`: its kernel still accepts connections, and nothing answers.
    pub(crate) fn freeze(&self, n: u32) {
        self.run("freeze", &[&n.to_string()], "");
    }

    /// SIGCONT to broker `n`.
    pub(crate) fn thaw(&self, n: u32) {
        self.run("thaw", &[&n.to_string()], "");
    }

    /// Ends broker `n` cleanly, and waits for its end.
    pub(crate) fn terminate(&self, n: u32) {
        self.run("terminate", &[&n.to_string()], "");
    }

    /// Starts broker `n` on the same ports, after a clean end if it runs, and waits until it answers.
    pub(crate) fn restart(&self, n: u32) {
        self.run("restart", &[&n.to_string()], "");
    }

    // --- topics ---

    /// Creates a topic with `settings` (`key=value`); replicated to all brokers.
    pub(crate) fn create_topic(&self, name: &str, partitions: u32, settings: &[&str]) {
        let (partitions, replication) = (partitions.to_string(), self.env("BROKERS"));
        let arguments = [&["create-topic", name, &partitions, replication], settings].concat();
        self.helper(&arguments, "");
        // Every broker has to have heard of it before one can rely on it.
        wait_until(COMMAND_LIMIT, "the new topic has leaders", || {
            block_on(async { client(self.bootstrap()).await.list_topics().await })
                .is_ok_and(|topics| topics.iter().any(|topic| topic.name == name))
        });
    }

    /// Creates a topic of a name of its own that begins with `prefix`.
    pub(crate) fn new_topic(&self, prefix: &str, partitions: u32, settings: &[&str]) -> String {
        let name = topic_name(prefix);
        self.create_topic(&name, partitions, settings);
        name
    }

    pub(crate) fn delete_topic(&self, name: &str) {
        self.helper(&["delete-topic", name], "");
    }

    /// Deletes the records below `offset`.
    pub(crate) fn delete_records(&self, topic: &str, partition: i32, offset: i64) {
        block_on(async {
            let client = partition_client(self.bootstrap(), topic, partition).await;
            client.delete_records(offset, 10_000).await.expect("delete records");
        });
    }

    // --- records ---

    /// Writes records of (key, value) to one partition; gives their offsets.
    pub(crate) fn produce<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        topic: &str,
        partition: i32,
        records: impl IntoIterator<Item = (Option<K>, V)>,
    ) -> Vec<i64> {
        let records: Vec<Record> = records
            .into_iter()
            .map(|(key, value)| Record {
                key: key.map(|key| key.as_ref().to_vec()),
                value: Some(value.as_ref().to_vec()),
                headers: Default::default(),
                timestamp: now(),
            })
            .collect();
        block_on(async {
            let client = partition_client(self.bootstrap(), topic, partition).await;
            let mut offsets = Vec::with_capacity(records.len());
            for batch in batches(records) {
                offsets.extend(client.produce(batch, Compression::NoCompression).await.expect("produce"));
            }
            offsets
        })
    }

    /// Runs a script of KafkaHelper's `produce` (see there for its lines); gives (partition, offset) of every `send`.
    pub(crate) fn produce_script(&self, topic: &str, codec: &str, script: &str) -> Vec<(i32, i64)> {
        let printed = self.helper(&["produce", topic, codec], script);
        printed
            .lines()
            .map(|line| {
                let (partition, offset) = line.split_once('\t').expect("partition and offset");
                (partition.parse().expect("a partition"), offset.parse().expect("an offset"))
            })
            .collect()
    }

    // --- groups ---

    /// Commits `offset` for `group`, which must have no members.
    pub(crate) fn commit_offset(&self, group: &str, topic: &str, partition: i32, offset: i64) {
        self.helper(&["commit-offsets", group, &format!("{topic}:{partition}={offset}")], "");
    }

    /// The offset that `group` committed.
    pub(crate) fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        let printed = self.helper(&["committed", group, &format!("{topic}:{partition}")], "");
        match printed.trim() {
            "none" => None,
            offset => Some(offset.parse().expect("an offset")),
        }
    }

    /// A consumer that joined `group` and stays until it is dropped.
    pub(crate) fn join_group(&self, group: &str, topic: &str) -> GroupMember {
        self.join_group_by(group, topic, "classic")
    }

    /// As `join_group`, in a group of the protocol "classic" or "consumer" (KIP-848, Kafka 4.0 and later).
    pub(crate) fn join_group_by(&self, group: &str, topic: &str, protocol: &str) -> GroupMember {
        let mut command = script("helper");
        command.arg("--dir").arg(self.dir()).args(["join-group", group, topic, protocol]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start a group member");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("read from the member");
        assert_eq!(line.trim(), "joined");
        GroupMember(child)
    }

    /// Begins a transaction with one record, which stays undecided until this is dropped. Wait for the record.
    pub(crate) fn open_transaction(&self, topic: &str, partition: i32, value: &str) -> OpenTransaction {
        let mut command = script("helper");
        command.arg("--dir").arg(self.dir()).args(["produce", topic]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("start a producer");
        let script = child.stdin.as_mut().expect("piped");
        write!(script, "begin\topen\nsend\topen\t{partition}\t\\N\t\\N\t{value}\nflush\n").expect("write");
        OpenTransaction(GroupMember(child))
    }

    fn helper(&self, arguments: &[&str], input: &str) -> String {
        self.run("helper", arguments, input)
    }

    /// A command of kafka.sh on this cluster; gives what it printed.
    #[track_caller]
    pub(crate) fn run(&self, name: &str, arguments: &[&str], input: &str) -> String {
        let mut command = script(name);
        command.arg("--dir").arg(self.dir()).args(arguments);
        wait::run(&mut command, input, COMMAND_LIMIT).success()
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // No assertion: during a panic it would abort, and the script's watcher comes after us.
        let _ = script("stop").arg("--dir").arg(self.dir()).stdin(Stdio::null()).status();
    }
}

/// Leaves its group when dropped.
#[derive(Debug)]
pub(crate) struct GroupMember(Child);

impl Drop for GroupMember {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        if wait::exit_within(&mut self.0, Duration::from_secs(20)).is_none() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// Is left undecided until it is dropped; then its producer ends, and it is aborted.
#[derive(Debug)]
pub(crate) struct OpenTransaction(#[allow(dead_code, reason = "its drop ends the process")] GroupMember);

/// A name that no other test of this run uses.
pub(crate) fn topic_name(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Runs one asynchronous piece of a test.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(future)
}

/// An rskafka client that gives up after some seconds.
pub(crate) async fn client(bootstrap: &str) -> Client {
    let backoff = BackoffConfig { deadline: Some(Duration::from_secs(10)), ..BackoffConfig::default() };
    let brokers = bootstrap.split(',').map(str::to_owned).collect();
    ClientBuilder::new(brokers).backoff_config(backoff).build().await.expect("connect to Kafka")
}

/// rskafka's view of a partition that exists.
pub(crate) async fn partition_client(bootstrap: &str, topic: &str, partition: i32) -> PartitionClient {
    let client = client(bootstrap).await;
    client
        .partition_client(topic, partition, UnknownTopicHandling::Retry)
        .await
        .unwrap_or_else(|error| panic!("{topic}/{partition}: {error}"))
}

/// Below the megabyte that a broker takes at once.
fn batches(records: Vec<Record>) -> Vec<Vec<Record>> {
    const BYTES: usize = 512 * 1024;
    let mut batches: Vec<Vec<Record>> = Vec::new();
    let mut size = usize::MAX;
    for record in records {
        let bytes = record.approximate_size() + 32;
        if size.saturating_add(bytes) > BYTES {
            batches.push(Vec::new());
            size = 0;
        }
        size += bytes;
        batches.last_mut().expect("one was pushed").push(record);
    }
    batches
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(now_ms()).expect("a time")
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let barnabas::logic::moment::Timestamp(ms) = barnabas::clock::wall_clock();
    ms
}

fn script(command: &str) -> Command {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "scripts", "kafka.sh"].iter().collect();
    let mut script = Command::new(path);
    script.arg(command);
    script
}

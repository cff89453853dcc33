//! `barnabas brokers`: who they are, which one controls the cluster, what each leads and holds, and whether it can be
//! stopped; on request the versions that they speak and their disks.

use std::sync::Arc;

use litemap::LiteMap;
use serde::Serialize;
use tokio::task::JoinSet;

use super::cluster::explain;
use super::definitions::Brokers;
use super::failure::Failure;
use super::output::{Output, remark};
use super::runtime;
use super::table::{Column, Table, number, size};
use crate::kafka::admin::log_dirs::{LogDir, PerBroker, ReplicasWanted};
use crate::kafka::metadata::{ClusterMetadata, Partition, TopicsWanted};
use crate::kafka::survey::MinInsync;
use crate::kafka::wire::{BrokerVersions, Client, Error, KafkaError};
use crate::logic::sorted_set::SortedSet;
use crate::logic::watch::distribution;
use crate::logic::watch::snapshot::{PartitionSeen, TopicSeen};
use crate::logic::watch::view::{BrokerView, Restart};
use crate::status::RestartStatus;

/// A broker in the document.
#[derive(Debug, Serialize)]
struct BrokerDocument {
    broker: i32,
    host: Option<String>,
    port: Option<u16>,
    rack: Option<String>,
    /// None where it could not be found out.
    controller: Option<bool>,
    leaders: usize,
    replicas: usize,
    out_of_sync: usize,
    /// Distance of `leaders` from the mean over the live brokers, in percent of it; none: it is not live.
    leader_skew_percent: Option<f64>,
    /// The same of `replicas`.
    replica_skew_percent: Option<f64>,
    /// Whether it can be stopped now: safe, hurts or unknown.
    restart: RestartStatus,
    /// How many partitions would suffer.
    restart_hurts_partitions: Option<u32>,
    /// One of them.
    restart_hurts_example: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_versions: Option<Vec<ApiDocument>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_dirs: Option<Vec<LogDirDocument>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct ApiDocument {
    key: i16,
    name: Option<String>,
    min: i16,
    max: i16,
    used: Option<i16>,
}

#[derive(Debug, Serialize)]
struct LogDirDocument {
    path: String,
    size: i64,
    total: Option<i64>,
    usable: Option<i64>,
    partitions: Vec<LogReplicaDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct LogReplicaDocument {
    topic: String,
    partition: i32,
    size: i64,
    offset_lag: i64,
    future: bool,
}

/// What the brokers answered.
struct Answers {
    min_insync: MinInsync,
    controller: Result<Option<i32>, Error>,
    versions: Option<PerBroker<BrokerVersions>>,
    log_dirs: Option<PerBroker<Vec<LogDir>>>,
}

pub(super) fn brokers(command: Brokers, output: &mut Output<'_>) -> Result<(), Failure> {
    let client = command.cluster().client()?;
    let (metadata, answers) = runtime::block_on(async {
        let metadata = client.metadata(TopicsWanted::All).await.map_err(Failure::failed)?;
        let versions = if command.api_versions { Some(versions(&client, &metadata).await) } else { None };
        let log_dirs = if command.disks { Some(log_dirs(&client, &metadata).await) } else { None };
        let topics: Vec<Arc<str>> = metadata.topics.keys().cloned().collect();
        let min_insync = client.survey_min_insync(&topics).await;
        // Last, and alone: a controller that hangs would hold up what waits behind it on the same connection.
        let controller = client.controller(&metadata).await;
        Ok((metadata, Answers { min_insync, controller, versions, log_dirs }))
    })?;
    match &answers.controller {
        Ok(Some(id)) if !metadata.brokers.contains_key(id) => {
            remark(&format!("the controller is node {id}, which is no broker"));
        }
        Ok(_) => {}
        Err(error) => {
            remark(&format!("the controller is unknown: {}", explain(error, "DESCRIBE on the cluster")));
        }
    }
    for (topic, error) in &answers.min_insync.errors {
        let error = explain(error, "DESCRIBE_CONFIGS on the topic");
        remark(&format!("min.insync.replicas of topics such as {topic} is unknown: {error}"));
    }
    let mut failures = Vec::new();
    let documents = documents(&metadata, answers, &mut failures);
    if command.json {
        output.json(&documents)?;
    } else {
        if command.api_versions {
            output.table(&api_versions_table(&documents))?;
        }
        if command.disks {
            if command.api_versions {
                output.text("\n")?;
            }
            output.table(&disks_table(&documents, output.is_terminal()))?;
        }
        if !command.api_versions && !command.disks {
            output.table(&brokers_table(&documents))?;
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::Failed(failures.join("; "))) }
}

async fn versions(client: &Client, metadata: &ClusterMetadata) -> PerBroker<BrokerVersions> {
    let mut tasks = JoinSet::new();
    for broker in metadata.brokers.keys().copied() {
        let client = client.clone();
        tasks.spawn(async move { (broker, client.api_versions(broker).await) });
    }
    let mut found = LiteMap::new();
    while let Some(answer) = tasks.join_next().await {
        found.extend(answer.ok());
    }
    found
}

async fn log_dirs(client: &Client, metadata: &ClusterMetadata) -> PerBroker<Vec<LogDir>> {
    client.log_dirs(metadata.brokers.keys().map(|broker| (*broker, ReplicasWanted::All)).collect()).await
}

/// The live brokers, and those that partitions name as replicas and that are not there.
fn documents(metadata: &ClusterMetadata, mut answers: Answers, failures: &mut Vec<String>) -> Vec<BrokerDocument> {
    let loads = loads(metadata);
    let mut shares = shares(metadata, &answers.min_insync);
    let ids: SortedSet<i32> = metadata.brokers.keys().chain(loads.keys()).copied().collect();
    let mut documents = Vec::with_capacity(ids.len());
    for id in ids {
        let live = metadata.brokers.get(&id);
        let load = loads.get(&id).copied().unwrap_or_default();
        let share = shares.remove(&id).unwrap_or_default();
        // One that is not live cannot be stopped.
        let restart = if live.is_some() { share.restart } else { Restart::Unknown };
        let (restart, hurt) = RestartStatus::of(&restart);
        let mut errors = Vec::new();
        if live.is_none() {
            errors.push("not among the live brokers".to_owned());
        }
        let mut failed = |error: &Error| {
            let error = explain(error, "DESCRIBE on the cluster");
            errors.push(error.clone());
            failures.push(error);
        };
        let versions = answers.versions.as_mut().and_then(|versions| versions.remove(&id));
        let versions = versions.and_then(|versions| versions.inspect_err(&mut failed).ok());
        let log_dirs = answers.log_dirs.as_mut().and_then(|log_dirs| log_dirs.remove(&id));
        let log_dirs = log_dirs.and_then(|log_dirs| log_dirs.inspect_err(&mut failed).ok());
        documents.push(BrokerDocument {
            broker: id,
            host: live.map(|broker| broker.host.clone()),
            port: live.map(|broker| broker.port),
            rack: live.and_then(|broker| broker.rack.clone()),
            controller: answers.controller.as_ref().ok().map(|controller| *controller == Some(id)),
            leaders: load.leaders,
            replicas: load.replicas,
            out_of_sync: load.out_of_sync,
            leader_skew_percent: share.leader_skew_percent,
            replica_skew_percent: share.replica_skew_percent,
            restart,
            restart_hurts_partitions: hurt.as_ref().map(|(partitions, _)| *partitions),
            restart_hurts_example: hurt.map(|(_, example)| example),
            api_versions: versions.map(|versions| api_documents(&versions)),
            log_dirs: log_dirs.map(|dirs| dirs.into_iter().map(log_dir_document).collect()),
            error: (!errors.is_empty()).then(|| errors.join("; ")),
        });
    }
    documents
}

/// What a broker has of the partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Load {
    leaders: usize,
    replicas: usize,
    out_of_sync: usize,
}

fn loads(metadata: &ClusterMetadata) -> LiteMap<i32, Load> {
    let mut loads: LiteMap<i32, Load> = LiteMap::new();
    for partition in metadata.topics.values().flat_map(|topic| topic.partitions.values()) {
        if let Some(leader) = partition.leader {
            loads.entry(leader).or_default().leaders += 1;
        }
        for replica in &partition.replicas {
            let load = loads.entry(*replica).or_default();
            load.replicas += 1;
            load.out_of_sync += usize::from(!partition.isr.contains(replica));
        }
    }
    loads
}

/// By the arithmetic of the monitor.
fn shares(metadata: &ClusterMetadata, min_insync: &MinInsync) -> LiteMap<i32, BrokerView> {
    let partition = |(number, partition): (&i32, &Partition)| PartitionSeen {
        number: *number,
        leader: partition.leader,
        replicas: partition.replicas.as_slice().into(),
        isr: partition.isr.as_slice().into(),
        ..PartitionSeen::default()
    };
    let mut topics: LiteMap<Arc<str>, TopicSeen> = LiteMap::new();
    let mut untold = Vec::new();
    for (name, topic) in &metadata.topics {
        match topic.error {
            // It is being deleted, or was.
            Some(KafkaError::UNKNOWN_TOPIC_OR_PARTITION) => {}
            Some(_) if topic.partitions.is_empty() => untold.push(Arc::clone(name)),
            _ => {
                let partitions = topic.partitions.iter().map(partition).collect();
                topics.insert(Arc::clone(name), TopicSeen { id: topic.id, internal: topic.internal, partitions });
            }
        }
    }
    distribution::shares(metadata.brokers.keys().copied(), &topics, &untold, &min_insync.of)
}

fn api_documents(versions: &BrokerVersions) -> Vec<ApiDocument> {
    let document = |(key, (min, max)): (&i16, &(i16, i16))| ApiDocument {
        key: *key,
        name: BrokerVersions::name(*key),
        min: *min,
        max: *max,
        used: versions.used(*key),
    };
    versions.0.iter().map(document).collect()
}

fn log_dir_document(dir: LogDir) -> LogDirDocument {
    let partitions = dir.replicas.iter().map(|replica| LogReplicaDocument {
        topic: replica.partition.topic.to_string(),
        partition: replica.partition.partition,
        size: replica.size,
        offset_lag: replica.offset_lag,
        future: replica.future,
    });
    LogDirDocument {
        size: dir.replicas.iter().fold(0, |sum: i64, replica| sum.saturating_add(replica.size)),
        total: dir.total,
        usable: dir.usable,
        partitions: partitions.collect(),
        error: dir.error.map(|error| error.to_string()),
        path: dir.path,
    }
}

fn brokers_table(brokers: &[BrokerDocument]) -> Table {
    let mut table = Table::new(&[
        Column::Right("BROKER"),
        Column::Left("HOST"),
        Column::Right("PORT"),
        Column::Left("RACK"),
        Column::Left("CONTROLLER"),
        Column::Right("LEADERS"),
        Column::Right("REPLICAS"),
        Column::Right("OUT-OF-SYNC"),
        Column::Right("LEADER-SKEW"),
        Column::Left("CAN-RESTART"),
        Column::Left("ERROR"),
    ]);
    for it in brokers {
        let controller = match it.controller {
            Some(true) => "yes",
            Some(false) => "no",
            None => "-",
        };
        table.row([
            it.broker.to_string(),
            it.host.clone().unwrap_or_else(|| "-".to_owned()),
            number(it.port),
            it.rack.clone().unwrap_or_else(|| "-".to_owned()),
            controller.to_owned(),
            it.leaders.to_string(),
            it.replicas.to_string(),
            it.out_of_sync.to_string(),
            it.leader_skew_percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent:+.0}%")),
            can_restart(it),
            it.error.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table
}

fn can_restart(broker: &BrokerDocument) -> String {
    match (broker.restart, broker.restart_hurts_partitions, &broker.restart_hurts_example) {
        (RestartStatus::Safe, _, _) => "yes".to_owned(),
        (_, Some(1), Some(example)) => format!("no: {example}"),
        (_, Some(count), Some(example)) => format!("no: {count} partitions such as {example}"),
        _ => "unknown".to_owned(),
    }
}

/// A line for each request and range; brokers that agree share it, so that a half upgraded cluster catches the eye.
fn api_versions_table(brokers: &[BrokerDocument]) -> Table {
    let mut table = Table::new(&[
        Column::Right("KEY"),
        Column::Left("REQUEST"),
        Column::Right("MIN"),
        Column::Right("MAX"),
        Column::Right("USED"),
        Column::Left("BROKERS"),
    ]);
    let mut same: LiteMap<&ApiDocument, Vec<String>> = LiteMap::new();
    for broker in brokers {
        for api in broker.api_versions.iter().flatten() {
            same.entry(api).or_default().push(broker.broker.to_string());
        }
    }
    for (api, brokers) in same {
        table.row([
            api.key.to_string(),
            api.name.clone().unwrap_or_else(|| "-".to_owned()),
            api.min.to_string(),
            api.max.to_string(),
            number(api.used),
            brokers.join(","),
        ]);
    }
    table
}

fn disks_table(brokers: &[BrokerDocument], terminal: bool) -> Table {
    let mut table = Table::new(&[
        Column::Right("BROKER"),
        Column::Left("LOG-DIR"),
        Column::Right("PARTITIONS"),
        Column::Right("SIZE"),
        Column::Right("VOLUME"),
        Column::Right("USABLE"),
        Column::Left("ERROR"),
    ]);
    for broker in brokers {
        for dir in broker.log_dirs.iter().flatten() {
            table.row([
                broker.broker.to_string(),
                dir.path.clone(),
                dir.partitions.len().to_string(),
                size(Some(dir.size), terminal),
                size(dir.total, terminal),
                size(dir.usable, terminal),
                dir.error.clone().unwrap_or_else(|| "-".to_owned()),
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::metadata::{Broker, Partition, Topic};

    fn metadata() -> ClusterMetadata {
        let broker = |id| Broker { id, host: format!("kafka-{id}"), port: 9092, rack: None };
        let partition = |leader, isr: &[i32]| Partition {
            leader,
            leader_epoch: 0,
            replicas: vec![1, 2, 3],
            isr: isr.to_vec(),
            offline: vec![3],
            error: None,
        };
        let partitions = LiteMap::from_iter([(0, partition(Some(1), &[1, 2])), (1, partition(None, &[2]))]);
        let topic = Topic { id: None, internal: false, error: None, partitions };
        ClusterMetadata {
            cluster_id: None,
            controller: Some(2),
            brokers: LiteMap::from_iter([(1, broker(1)), (2, broker(2))]),
            topics: LiteMap::from_iter([("event".into(), topic)]),
        }
    }

    fn min_insync(replicas: u32) -> MinInsync {
        MinInsync { of: LiteMap::from_iter([("event".into(), replicas)]), errors: Vec::new() }
    }

    #[test]
    fn whether_a_broker_can_be_stopped() {
        let restart = |min_insync: MinInsync| {
            let answers = Answers { min_insync, controller: Ok(None), versions: None, log_dirs: None };
            let documents = documents(&metadata(), answers, &mut Vec::new());
            documents.iter().map(can_restart).collect::<Vec<_>>()
        };
        assert_eq!(restart(min_insync(1)), ["yes", "no: event/1", "unknown"], "2 alone has partition 1 in sync");
        assert_eq!(restart(MinInsync::default()), ["unknown", "no: event/1", "unknown"], "it could not be read");
    }

    #[test]
    fn a_broker_that_is_down_is_listed_with_what_it_holds() {
        let answers = Answers { min_insync: min_insync(2), controller: Ok(Some(2)), versions: None, log_dirs: None };
        let mut failures = Vec::new();
        let documents = documents(&metadata(), answers, &mut failures);
        let lines = brokers_table(&documents).separated();
        let lines: Vec<&str> = lines.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "1\tkafka-1\t9092\t-\tno\t1\t2\t1\t+100%\tno: event/0\t-",
                "2\tkafka-2\t9092\t-\tyes\t0\t2\t0\t-100%\tno: 2 partitions such as event/0\t-",
                "3\t-\t-\t-\tno\t0\t2\t2\t-\tunknown\tnot among the live brokers",
            ]
        );
        assert!(failures.is_empty(), "that a broker is down is an answer, not a failure: {failures:?}");
    }

    #[test]
    fn brokers_that_speak_the_same_versions_share_a_line() {
        let versions = |last| Ok(BrokerVersions(LiteMap::from_iter([(1, (4, last)), (3, (0, 12))])));
        let versions = Some(LiteMap::from_iter([(1, versions(17)), (2, versions(18))]));
        let answers = Answers { min_insync: min_insync(1), controller: Ok(None), versions, log_dirs: None };
        let table = api_versions_table(&documents(&metadata(), answers, &mut Vec::new())).separated();
        let lines: Vec<&str> = table.lines().skip(1).collect();
        assert_eq!(
            lines,
            ["1\tFetch\t4\t17\t17\t1", "1\tFetch\t4\t18\t17\t2", "3\tMetadata\t0\t12\t12\t1,2"],
            "key, name, first, last, what we use, brokers"
        );
    }
}

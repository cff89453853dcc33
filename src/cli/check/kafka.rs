//! What `check --connect` tries of Kafka: logins and brokers, topics and the permission to read them, the start, the group.
//! Only asks; joins nothing and commits nothing.

use std::sync::Arc;
use std::time::Duration;

use litemap::LiteMap;
use tokio::task::JoinSet;

use super::connect::Finding;
use crate::config::schema::{ClusterSettings, ForwardSettings, OffsetsMode};
use crate::kafka::fetch::{FetchPartition, FetchRequest};
use crate::kafka::list_offsets::OffsetSpec;
use crate::kafka::metadata::{ClusterMetadata, Topic, TopicsWanted};
use crate::kafka::wire::{Client, Error, KafkaError};
use crate::logic::record::TopicPartition;
use crate::logic::start_position::Start;
use crate::logic::topic_pattern::TopicPattern;

/// What came of a cluster, and a client of it where it answers.
#[derive(Debug, Default)]
pub(super) struct ClusterCheck {
    pub(super) findings: Vec<Finding>,
    pub(super) client: Option<Client>,
}

/// Every bootstrap server by itself, since one that answers hides the others' faults; then every broker.
pub(super) async fn cluster(settings: Arc<ClusterSettings>) -> ClusterCheck {
    let mut tasks = JoinSet::new();
    for (index, server) in settings.bootstrap_servers.iter().enumerate() {
        let alone = ClusterSettings { bootstrap_servers: vec![server.clone()], ..(*settings).clone() };
        tasks.spawn(async move { (index, bootstrap(alone).await) });
    }
    let mut answers: LiteMap<usize, _> = tasks.join_all().await.into_iter().collect();
    let mut check = ClusterCheck::default();
    let mut answered = None;
    for (index, server) in settings.bootstrap_servers.iter().enumerate() {
        match answers.remove(&index) {
            Some(Ok(found)) => {
                answered.get_or_insert(found);
            }
            Some(Err(error)) => {
                let subject = format!("cluster {}, bootstrap server {server}", settings.name);
                check.findings.push(Finding::new(subject, Err(error.kind)));
            }
            None => {}
        }
    }
    if let Some((client, metadata)) = answered {
        let id = metadata.cluster_id.as_deref().unwrap_or("unknown");
        let text = format!("{} brokers, cluster id {id}", metadata.brokers.len());
        check.findings.push(Finding::new(format!("cluster {}", settings.name), Ok::<_, Error>(text)));
        check.findings.extend(brokers(&settings.name, &client, &metadata).await);
        check.client = Some(client);
    }
    check
}

async fn bootstrap(settings: ClusterSettings) -> Result<(Client, Arc<ClusterMetadata>), Error> {
    let client = Client::new(Arc::new(settings))?;
    let metadata = client.metadata(TopicsWanted::NoTopics).await?;
    Ok((client, metadata))
}

async fn brokers(cluster: &str, client: &Client, metadata: &ClusterMetadata) -> Vec<Finding> {
    let mut tasks = JoinSet::new();
    for &id in metadata.brokers.keys() {
        let client = client.clone();
        tasks.spawn(async move { (id, client.api_versions(id).await) });
    }
    let answers: LiteMap<i32, _> = tasks.join_all().await.into_iter().collect();
    let finding = |(id, answer): (i32, Result<_, Error>)| {
        let address = metadata.brokers.get(&id).map(|broker| format!("{}:{}", broker.host, broker.port));
        let subject = format!("cluster {cluster}, broker {id} at {}", address.unwrap_or_default());
        Finding::new(subject, answer.map(|_| "answers".to_owned()).map_err(|error| error.kind))
    };
    answers.into_iter().map(finding).collect()
}

/// A forward's topics, start and group.
pub(super) async fn forward(settings: ForwardSettings, client: Option<Client>) -> Vec<Finding> {
    let subject = format!("forward {}", settings.name);
    let Some(client) = client else {
        let text = format!("topics were not looked at: cluster {} does not answer", settings.cluster);
        return vec![Finding::new(subject, Err::<String, _>(text))];
    };
    let patterns: Vec<TopicPattern> =
        settings.topics.iter().filter_map(|topic| TopicPattern::parse(topic).ok()).collect();
    let names: Option<Vec<_>> = patterns.iter().map(|pattern| pattern.name().map(Arc::from)).collect();
    let metadata = match client.metadata(names.map_or(TopicsWanted::All, TopicsWanted::Named)).await {
        Ok(metadata) => metadata,
        Err(error) => return vec![Finding::new(format!("{subject}, topics"), Err::<String, _>(error))],
    };
    let mut findings: Vec<Finding> = patterns
        .iter()
        .zip(&settings.topics)
        .map(|(pattern, written)| Finding::new(format!("{subject}, topic {written}"), topics_of(pattern, &metadata)))
        .collect();
    let partitions: Vec<(TopicPartition, &Topic)> = metadata
        .topics
        .iter()
        .filter(|(name, _)| patterns.iter().any(|pattern| pattern.matches(name)))
        .flat_map(|(name, topic)| topic.partitions.keys().map(move |number| (partition(name, *number), topic)))
        .collect();
    let names: Vec<TopicPartition> = partitions.iter().map(|(name, _)| name.clone()).collect();
    if !names.is_empty() {
        findings.push(Finding::new(format!("{subject}, reading"), read(&client, &metadata, &partitions).await));
        findings.push(Finding::new(format!("{subject}, start"), start(&client, &settings, &names).await));
    }
    if let Some(group) = &settings.group {
        findings.push(Finding::new(format!("{subject}, group {group}"), members(&client, group, &settings).await));
    }
    findings
}

fn partition(topic: &Arc<str>, partition: i32) -> TopicPartition {
    TopicPartition { topic: Arc::clone(topic), partition }
}

/// How many partitions the pattern means. A name must exist; what else matches may come later.
fn topics_of(pattern: &TopicPattern, metadata: &ClusterMetadata) -> Result<String, String> {
    let matching: Vec<(&Arc<str>, &Topic)> = metadata.topics.iter().filter(|(name, _)| pattern.matches(name)).collect();
    for (name, topic) in &matching {
        if let Some(error) = topic.error {
            return Err(format!("{name}: {error}"));
        }
        let leaderless: Vec<String> = topic
            .partitions
            .iter()
            .filter(|(_, it)| it.leader.is_none())
            .map(|(number, _)| number.to_string())
            .collect();
        if !leaderless.is_empty() {
            return Err(format!("{name}: no leader for partition {}", leaderless.join(", ")));
        }
    }
    let partitions: usize = matching.iter().map(|(_, topic)| topic.partitions.len()).sum();
    match (pattern.name(), matching.len()) {
        (Some(_), 0) => Err(KafkaError::UNKNOWN_TOPIC_OR_PARTITION.to_string()),
        (Some(_), _) => Ok(format!("{partitions} partitions")),
        (None, 0) => Ok("no topic matches yet".to_owned()),
        (None, topics) => Ok(format!("{topics} topics with {partitions} partitions")),
    }
}

/// Whether records may be read: a fetch of one partition of each topic, since metadata tells of DESCRIBE alone.
async fn read(
    client: &Client,
    metadata: &ClusterMetadata,
    partitions: &[(TopicPartition, &Topic)],
) -> Result<String, String> {
    let mut seen: Vec<&Arc<str>> = Vec::new();
    let mut refused = Vec::new();
    for (name, topic) in partitions {
        let Some(leader) = topic.partitions.get(&name.partition).and_then(|partition| partition.leader) else {
            continue;
        };
        if seen.contains(&&name.topic) || !metadata.brokers.contains_key(&leader) {
            continue;
        }
        seen.push(&name.topic);
        let wanted = FetchPartition {
            topic_partition: name.clone(),
            topic_id: topic.id,
            // Out of range or not, what matters is whether it is allowed.
            position: 0,
            leader_epoch: None,
            max_bytes: 1,
        };
        let request = FetchRequest { partitions: vec![wanted], max_bytes: 1, max_wait: Duration::ZERO, min_bytes: 0 };
        let answer = client.fetch(leader, request).await.map_err(|error| error.to_string())?;
        let errors = answer.partitions.iter().filter_map(|partition| partition.error);
        refused.extend(errors.filter(|error| error.is_refusal()).map(|error| format!("{}: {error}", name.topic)));
    }
    if refused.is_empty() { Ok(format!("allowed ({} topics tried)", seen.len())) } else { Err(refused.join(", ")) }
}

/// Whether the brokers can say where the forward begins; whether it has begun already, only its state knows.
async fn start(client: &Client, settings: &ForwardSettings, names: &[TopicPartition]) -> Result<String, String> {
    let spec = match settings.start {
        Start::None => return Ok("none: only where offsets are stored".to_owned()),
        Start::Group => return committed(client, settings.group.as_deref().unwrap_or_default(), names).await,
        Start::Earliest => OffsetSpec::Earliest,
        Start::Latest => OffsetSpec::Latest,
        Start::Time(time) => OffsetSpec::Time(time),
    };
    let wanted: Vec<_> = names.iter().map(|name| (name.clone(), spec)).collect();
    let mut none = 0;
    for (name, listed) in client.list_offsets(&wanted).await {
        let listed = listed.map_err(|error| format!("{name}: {error}"))?;
        none += usize::from(listed.offset.is_none());
    }
    let after_the_end = if none > 0 { format!("; {none} of them have no record so late") } else { String::new() };
    Ok(format!("known for {} partitions{after_the_end}", names.len()))
}

async fn committed(client: &Client, group: &str, names: &[TopicPartition]) -> Result<String, String> {
    let committed = client.committed_offsets(group, names).await.map_err(|error| error.to_string())?;
    let mut with = 0;
    for (name, offset) in &committed {
        let offset = offset.as_ref().map_err(|error| format!("{name}: {error}"))?;
        with += usize::from(offset.is_some());
    }
    let without = names.len().saturating_sub(with);
    let rest =
        if without > 0 { format!("; {without} without one begin at the earliest record") } else { String::new() };
    Ok(format!("group {group} has offsets of {with} of {} partitions{rest}", names.len()))
}

/// Live members keep a forward from taking the group's offsets over, and from mirroring its own into it.
async fn members(client: &Client, group: &str, settings: &ForwardSettings) -> Result<String, String> {
    let state = client.describe_group(group).await.map_err(|error| error.to_string())?;
    if state.members.is_empty() {
        // Dead is Kafka's word for a group that nobody made yet.
        let note = if state.state == "Dead" { "; it does not exist yet" } else { "" };
        return Ok(format!("no live members{note}"));
    }
    let some: Vec<String> =
        state.members.iter().take(5).map(|member| format!("{} at {}", member.client_id, member.host)).collect();
    let said = format!("{} live members ({})", state.members.len(), some.join(", "));
    if settings.start == Start::Group || settings.offsets == OffsetsMode::Mirrored {
        return Err(format!("{said}: stop them, or use another group"));
    }
    Ok(said)
}

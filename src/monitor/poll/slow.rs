//! What is asked every few minutes: disks, min.insync.replicas, and who controls a cluster that has no ZooKeeper.

use std::sync::Arc;

use litemap::LiteMap;
use tokio::task::JoinSet;

use super::ends::led_by;
use super::missing::Missing;
use crate::kafka::survey::{ClusterSeen, LedBytes};
use crate::kafka::wire::{Client, Error, ErrorKind};
use crate::logic::moment::Moment;
use crate::logic::sorted_set::SortedSet;
use crate::logic::watch::snapshot::{Controller, DirSeen, SlowSnapshot};

/// Sizes and settings of what `cluster` has; `brokers` answer.
pub(super) async fn ask(
    client: &Client,
    cluster: &ClusterSeen,
    brokers: &SortedSet<i32>,
    taken_at: Moment,
    missing: &mut Missing,
) -> SlowSnapshot {
    let mut slow = SlowSnapshot {
        taken_at,
        dirs: LiteMap::new(),
        topic_bytes: LiteMap::new(),
        min_insync: LiteMap::new(),
        controller: Controller::Unknown,
        missing: Vec::new(),
    };
    let settings = {
        // Whether a broker can be stopped depends on topics that nobody watches, too. Sorted.
        let topics: SortedSet<Arc<str>> = cluster.topics.keys().chain(cluster.others.keys()).cloned().collect();
        let (client, topics) = (client.clone(), topics.into_iter().collect::<Vec<_>>());
        tokio::spawn(async move { client.survey_min_insync(&topics).await })
    };
    disks(client, cluster, brokers, &mut slow, missing).await;
    // A task of ours neither panics nor is cancelled while this one lives.
    if let Ok(settings) = settings.await {
        slow.min_insync = settings.of;
        for (topic, error) in settings.errors {
            missing.say(format!("min.insync.replicas of topics such as {topic}: {error}"));
        }
    }
    slow
}

async fn disks(
    client: &Client,
    cluster: &ClusterSeen,
    brokers: &SortedSet<i32>,
    slow: &mut SlowSnapshot,
    missing: &mut Missing,
) {
    slow.dirs = cluster.brokers.keys().map(|broker| (*broker, None::<Vec<DirSeen>>)).collect();
    let led = led_by(&cluster.topics, brokers);
    let mut tasks = JoinSet::new();
    for broker in brokers.iter().copied() {
        let (client, leads) = (client.clone(), led.get(&broker).cloned().unwrap_or_default());
        tasks.spawn(async move { (broker, client.survey_log_dirs(broker, &leads).await) });
    }
    // In the order of the topics.
    let mut bytes = vec![LedBytes::default(); cluster.topics.len()];
    while let Some(answer) = tasks.join_next().await {
        let Ok((broker, answer)) = answer else { continue };
        match answer {
            Ok(found) => {
                for (topic, led) in found.led {
                    let place = cluster.topics.find_index(&topic).ok();
                    let Some(sum) = place.and_then(|place| bytes.get_mut(place)) else { continue };
                    sum.partitions = sum.partitions.saturating_add(led.partitions);
                    sum.bytes = sum.bytes.saturating_add(led.bytes);
                }
                slow.dirs.insert(broker, Some(found.dirs));
            }
            Err(error) => missing.of_broker(broker, "log directories", &error),
        }
    }
    // Where a leader could not tell, the sum would be too small.
    let whole = cluster
        .topics
        .iter()
        .zip(bytes)
        .filter(|((_, topic), led)| led.partitions > 0 && led.partitions == topic.partitions.len());
    slow.topic_bytes = whole.map(|((name, _), led)| (Arc::clone(name), led.bytes)).collect();
}

/// Asks the quorum, where there is one. It passes through a broker to the controller, and a controller that hangs holds
/// up that broker's connection: so it is asked when nothing else is.
pub(super) async fn controller(client: &Client, brokers: &SortedSet<i32>, missing: &mut Missing) -> Controller {
    let Some(broker) = brokers.first() else { return Controller::Unknown };
    match client.quorum_leader(*broker).await {
        Ok(leader) => Controller::OfQuorum(leader),
        Err(Error { kind: ErrorKind::Unsupported(_), .. }) => Controller::InMetadata,
        Err(error) => {
            missing.say(format!("the controller: {error}"));
            Controller::OfQuorum(None)
        }
    }
}

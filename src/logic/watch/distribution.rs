//! Who leads and holds what, who is missing, and who can be stopped: brokers, racks, and partitions that are not well.
//!
//! Topics that are not watched, and Kafka's internal ones, count for brokers and racks like any other. A broker that is not listed any more is shown as down for a while:
//! it did not leave, it is missing.

use std::sync::Arc;
use std::time::Duration;

use litemap::LiteMap;

use super::snapshot::{BrokerSeen, PartitionSeen, Snapshot, TopicSeen};
use super::view::{BrokerView, ClusterView, RackView, Restart, TopicView};
use crate::logic::moment::Moment;
use crate::logic::sorted_set::SortedSet;

/// How long a broker that is not listed any more and holds no replica is shown as down.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);

/// The brokers that were listed a short while ago.
#[derive(Debug, Default)]
pub(super) struct KnownBrokers {
    by_id: LiteMap<i32, KnownBroker>,
}

#[derive(Debug)]
struct KnownBroker {
    address: String,
    rack: Option<String>,
    last_listed: Moment,
}

impl KnownBrokers {
    /// Every broker that is listed, holds a replica, or was listed a short while ago; without its share of anything.
    pub(super) fn observe(&mut self, seen: &Snapshot) -> LiteMap<i32, BrokerView> {
        let Some(listed) = &seen.brokers else {
            return self.by_id.iter().map(|(id, known)| (*id, known.view(None, None))).collect();
        };
        let partitions = || seen.all_topics().flat_map(|(_, topic)| &topic.partitions);
        let mut views: LiteMap<i32, BrokerView> = LiteMap::new();
        for id in partitions().flat_map(|partition| partition.replicas.iter()) {
            if !views.contains_key(id) {
                views.insert(*id, down(None));
            }
        }
        for (id, broker) in listed {
            let known = KnownBroker { address: address(broker), rack: broker.rack.clone(), last_listed: seen.taken_at };
            views.insert(*id, listed_view(&known, broker));
            self.by_id.insert(*id, known);
        }
        self.by_id
            .retain(|id, known| views.contains_key(id) || seen.taken_at.since(known.last_listed) < FORGOTTEN_AFTER);
        for (id, known) in self.by_id.iter().filter(|(id, _)| !listed.contains_key(id)) {
            views.insert(*id, down(Some(known)));
        }
        views
    }
}

fn down(known: Option<&KnownBroker>) -> BrokerView {
    let error = Some("the cluster does not list it".to_owned());
    match known {
        Some(known) => known.view(Some(false), error),
        None => BrokerView { up: Some(false), error, ..BrokerView::default() },
    }
}

fn address(broker: &BrokerSeen) -> String {
    match broker.host.contains(':') {
        true => format!("[{}]:{}", broker.host, broker.port),
        false => format!("{}:{}", broker.host, broker.port),
    }
}

fn listed_view(known: &KnownBroker, broker: &BrokerSeen) -> BrokerView {
    match &broker.answer {
        Ok(latency) => BrokerView { latency_seconds: Some(latency.as_secs_f64()), ..known.view(Some(true), None) },
        Err(error) => known.view(Some(false), Some(error.clone())),
    }
}

impl KnownBroker {
    fn view(&self, up: Option<bool>, error: Option<String>) -> BrokerView {
        let (address, rack) = (Some(self.address.clone()), self.rack.clone());
        BrokerView { up, address, rack, error, ..BrokerView::default() }
    }
}

/// Fills in what each topic, broker and rack holds. The brokers and topics of the view must be there, and empty.
pub(super) fn fill(view: &mut ClusterView) {
    let seen = Arc::clone(&view.seen);
    for (name, topic) in &seen.topics {
        let Some(topic_view) = view.topics.get_mut(name) else { continue };
        topic.partitions.iter().for_each(|partition| count_in_topic(topic_view, partition));
    }
    count(&mut view.brokers, seen.all_topics());
    view.racks = racks(&view.brokers);
}

/// Fills in what depends on min.insync.replicas.
pub(super) fn fill_min_insync(view: &mut ClusterView) {
    let (seen, slow) = (Arc::clone(&view.seen), view.slow.clone());
    let min_insync = slow.as_deref().map(|slow| &slow.min_insync);
    for (name, topic) in &mut view.topics {
        let partitions = seen.topics.get(name).map(|topic| topic.partitions.as_slice()).unwrap_or_default();
        let under = |min: usize| partitions.iter().filter(|partition| partition.isr.len() < min).count();
        topic.under_min_isr = min_insync_of(min_insync, name).map(|min| u32::try_from(under(min)).unwrap_or(u32::MAX));
    }
    if seen.brokers.is_some() {
        fill_restart(&mut view.brokers, seen.all_topics(), &seen.untold, min_insync);
    }
}

/// min.insync.replicas by topic.
pub type MinInsync = LiteMap<Arc<str>, u32>;

/// What each broker holds and leads, and whether it can be stopped: for who looks once, as a person does. `live` ones
/// and those that hold replicas are there; of `untold` topics nothing is known but that they exist.
pub fn shares(
    live: impl Iterator<Item = i32>,
    topics: &LiteMap<Arc<str>, TopicSeen>,
    untold: &[Arc<str>],
    min_insync: &MinInsync,
) -> LiteMap<i32, BrokerView> {
    let holders = topics.values().flat_map(|topic| &topic.partitions).flat_map(|partition| partition.replicas.iter());
    let mut brokers: LiteMap<i32, BrokerView> = holders.map(|holder| (*holder, down(None))).collect();
    brokers.extend(live.map(|broker| (broker, BrokerView { up: Some(true), ..BrokerView::default() })));
    count(&mut brokers, topics.iter());
    fill_restart(&mut brokers, topics.iter(), untold, Some(min_insync));
    brokers
}

/// Leaders, replicas and skews. The brokers must be there, and empty.
fn count<'a>(brokers: &mut LiteMap<i32, BrokerView>, topics: impl Iterator<Item = (&'a Arc<str>, &'a TopicSeen)>) {
    topics.flat_map(|(_, topic)| &topic.partitions).for_each(|partition| count_in_brokers(brokers, partition));
    fill_skew(brokers);
}

/// `min.insync.replicas` of a topic; none: not known.
pub(super) fn min_insync_of(min_insync: Option<&MinInsync>, topic: &Arc<str>) -> Option<usize> {
    min_insync?.get(topic).map(|replicas| usize::try_from(*replicas).unwrap_or(usize::MAX))
}

fn count_in_topic(topic: &mut TopicView, partition: &PartitionSeen) {
    topic.offline += u32::from(partition.leader.is_none());
    topic.under_replicated += u32::from(partition.isr.len() < partition.replicas.len());
    topic.not_preferred += u32::from(partition.leader != partition.replicas.first().copied());
}

fn count_in_brokers(brokers: &mut LiteMap<i32, BrokerView>, partition: &PartitionSeen) {
    for replica in &partition.replicas {
        if let Some(broker) = brokers.get_mut(replica) {
            broker.replicas += 1;
        }
    }
    let Some(leader) = partition.leader else { return };
    if let Some(broker) = brokers.get_mut(&leader) {
        broker.leaders += 1;
    }
    let preferred = partition.replicas.first().filter(|preferred| **preferred != leader);
    if let Some(broker) = preferred.and_then(|preferred| brokers.get_mut(preferred)) {
        broker.preferred_not_leading += 1;
    }
}

fn fill_skew(brokers: &mut LiteMap<i32, BrokerView>) {
    let live = || brokers.values().filter(|broker| broker.up == Some(true));
    let count = live().count() as f64;
    let leaders = live().map(|broker| f64::from(broker.leaders)).sum::<f64>() / count;
    let replicas = live().map(|broker| f64::from(broker.replicas)).sum::<f64>() / count;
    let skew = |figure: u32, mean: f64| (mean > 0.0).then(|| 100.0 * (f64::from(figure) - mean) / mean);
    for (_, broker) in brokers.iter_mut().filter(|(_, broker)| broker.up == Some(true)) {
        broker.leader_skew_percent = skew(broker.leaders, leaders);
        broker.replica_skew_percent = skew(broker.replicas, replicas);
    }
}

/// A broker hurts a partition when it is one of its in-sync replicas, and too few would be left; one that is left
/// must be there in any case, to lead.
fn fill_restart<'a>(
    brokers: &mut LiteMap<i32, BrokerView>,
    topics: impl Iterator<Item = (&'a Arc<str>, &'a TopicSeen)>,
    untold: &[Arc<str>],
    min_insync: Option<&MinInsync>,
) {
    let mut hurt: LiteMap<i32, (u32, String)> = LiteMap::new();
    let mut unknown: SortedSet<i32> = SortedSet::new();
    for (name, topic) in topics {
        let min_insync = min_insync_of(min_insync, name);
        for partition in &topic.partitions {
            let left = partition.isr.len().saturating_sub(1);
            if left < min_insync.unwrap_or(1).max(1) {
                for broker in &partition.isr {
                    hurt.entry(*broker).or_insert_with(|| (0, format!("{name}/{}", partition.number))).0 += 1;
                }
            }
            if min_insync.is_none() {
                unknown.extend(partition.isr.iter().copied());
            }
        }
    }
    for (id, broker) in brokers {
        broker.restart = match hurt.remove(id) {
            Some((partitions, example)) => Restart::Hurts { partitions, example },
            // A topic of which nothing is known may have its replicas anywhere.
            None if unknown.contains(id) || !untold.is_empty() => Restart::Unknown,
            None => Restart::Safe,
        };
    }
}

fn racks(brokers: &LiteMap<i32, BrokerView>) -> LiteMap<String, RackView> {
    let mut racks: LiteMap<String, RackView> = LiteMap::new();
    for broker in brokers.values() {
        let Some(rack) = &broker.rack else { continue };
        let rack = racks.entry(rack.clone()).or_default();
        rack.brokers += u32::from(broker.up == Some(true));
        rack.leaders += broker.leaders;
        rack.replicas += broker.replicas;
    }
    racks
}

#[cfg(test)]
#[path = "distribution_tests.rs"]
mod tests;

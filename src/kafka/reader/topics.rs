//! Which partitions the patterns mean, and who leads them, as the last answers to Metadata had it.
//!
//! Pure. One answer is not believed in everything: a broker that has just started may not know all topics yet, and
//! one that is behind names an earlier leader.

use std::sync::Arc;

use litemap::LiteMap;

use crate::kafka::metadata::{ClusterMetadata, Partition, Topic, TopicsWanted};
use crate::kafka::wire::KafkaError;
use crate::logic::record::TopicPartition;
use crate::logic::sorted_set::SortedSet;
use crate::logic::topic_pattern::TopicPattern;

/// A partition is gone when this many answers in a row do not have it.
const ANSWERS_UNTIL_GONE: u32 = 3;
/// A partition without a leader in so many answers in a row is said to be so; they take some 3 s.
const ANSWERS_UNTIL_LEADERLESS: u32 = 5;

/// All that the patterns mean at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicsFound {
    /// Kafka's id of the cluster.
    pub cluster_id: Option<String>,
    /// The partitions, in order.
    pub partitions: Vec<FoundPartition>,
    /// Topics named literally that do not exist, or that we may not read, or that the broker cannot describe.
    pub missing: Vec<(Arc<str>, KafkaError)>,
}

/// A partition that the patterns mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPartition {
    /// Which.
    pub topic_partition: TopicPartition,
    /// The topic's id, where the cluster has such (2.8): another one means that the topic was deleted and made again.
    pub topic_id: Option<[u8; 16]>,
    /// Counts the changes of leadership; −1 from brokers before 2.1.
    pub leader_epoch: i32,
}

/// What the reader knows of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) topic_id: Option<[u8; 16]>,
    pub(super) leader: Option<i32>,
    pub(super) leader_epoch: i32,
    /// Answers in a row that did not have it.
    unseen: u32,
    /// Answers in a row that had no leader for it.
    leaderless: u32,
}

/// The partitions that the patterns mean.
#[derive(Debug)]
pub(super) struct Topics {
    patterns: Vec<TopicPattern>,
    cluster_id: Option<String>,
    places: LiteMap<TopicPartition, Place>,
    /// Brokers that lead something of it.
    leaders: SortedSet<i32>,
    missing: Vec<(Arc<str>, KafkaError)>,
    answered: bool,
}

impl Topics {
    pub(super) fn new(patterns: Vec<TopicPattern>) -> Self {
        Self {
            patterns,
            cluster_id: None,
            places: LiteMap::new(),
            leaders: SortedSet::new(),
            missing: Vec::new(),
            answered: false,
        }
    }

    /// What has to be asked: everything, unless all patterns are names.
    pub(super) fn wanted(&self) -> TopicsWanted {
        let names: Option<Vec<_>> = self.patterns.iter().map(|pattern| pattern.name().map(Arc::from)).collect();
        names.map_or(TopicsWanted::All, TopicsWanted::Named)
    }

    /// Takes an answer; true: something is different now.
    pub(super) fn learn(&mut self, metadata: &ClusterMetadata) -> bool {
        let mut places = LiteMap::new_vec();
        for (name, topic) in &metadata.topics {
            if !self.patterns.iter().any(|pattern| pattern.matches(name)) {
                continue;
            }
            for (&number, partition) in &topic.partitions {
                let key = TopicPartition { topic: Arc::clone(name), partition: number };
                let place = self.place(self.places.get(&key), topic, partition);
                places.insert(key, place);
            }
        }
        let left_out = self
            .places
            .iter()
            .filter(|(key, place)| place.unseen + 1 < ANSWERS_UNTIL_GONE && !places.contains_key(*key));
        let left_out = left_out.map(|(key, place)| (key.clone(), Place { unseen: place.unseen + 1, ..place.clone() }));
        let left_out: Vec<_> = left_out.collect();
        places.extend(left_out);
        let missing = self.missing_from(metadata, &places);
        let changed = !self.answered
            || self.missing != missing
            || self.cluster_id != metadata.cluster_id
            || !self.places.iter().map(visible).eq(places.iter().map(visible));
        self.answered = true;
        self.leaders = places.values().filter_map(|place| place.leader).collect();
        self.places = places;
        self.missing = missing;
        self.cluster_id.clone_from(&metadata.cluster_id);
        changed
    }

    /// What is believed of a partition. Leadership of the same topic never goes back to an earlier epoch.
    fn place(&self, known: Option<&Place>, topic: &Topic, partition: &Partition) -> Place {
        let leaderless = match partition.leader {
            Some(_) => 0,
            None => known.map_or(0, |known| known.leaderless).saturating_add(1),
        };
        let Partition { leader, leader_epoch, .. } = *partition;
        let new = Place { topic_id: topic.id, leader, leader_epoch, unseen: 0, leaderless };
        match known {
            Some(known)
                if topic.id.is_some() && known.topic_id == topic.id && known.leader_epoch > new.leader_epoch =>
            {
                Place { unseen: 0, ..known.clone() }
            }
            _ => new,
        }
    }

    fn missing_from(
        &self,
        metadata: &ClusterMetadata,
        places: &LiteMap<TopicPartition, Place>,
    ) -> Vec<(Arc<str>, KafkaError)> {
        let mut missing: LiteMap<Arc<str>, KafkaError> = LiteMap::new();
        for name in self.patterns.iter().filter_map(TopicPattern::name) {
            let known = places.keys().any(|partition| partition.topic.as_ref() == name);
            let error = match metadata.topics.get(name) {
                Some(topic) => topic.error,
                None => Some(KafkaError::UNKNOWN_TOPIC_OR_PARTITION),
            };
            if let (false, Some(error)) = (known, error) {
                missing.insert(Arc::from(name), error);
            }
        }
        missing.into_iter().collect()
    }

    pub(super) fn found(&self) -> TopicsFound {
        let partitions = self.places.iter().map(|(topic_partition, place)| FoundPartition {
            topic_partition: topic_partition.clone(),
            topic_id: place.topic_id,
            leader_epoch: place.leader_epoch,
        });
        TopicsFound {
            cluster_id: self.cluster_id.clone(),
            partitions: partitions.collect(),
            missing: self.missing.clone(),
        }
    }

    pub(super) fn place_of(&self, partition: &TopicPartition) -> Option<&Place> {
        self.places.get(partition)
    }

    /// The brokers that lead some of these partitions.
    pub(super) fn leaders(&self) -> &SortedSet<i32> {
        &self.leaders
    }

    /// The partitions that had no leader for so many answers in a row that it is no mere move.
    pub(super) fn leaderless(&self) -> Vec<TopicPartition> {
        let places = self.places.iter().filter(|(_, place)| place.leaderless >= ANSWERS_UNTIL_LEADERLESS);
        places.map(|(partition, _)| partition.clone()).collect()
    }

    /// An answer lacked something that cannot do without: somebody should ask again soon.
    pub(super) fn is_incomplete(&self) -> bool {
        self.places.values().any(|place| place.leader.is_none() || place.unseen > 0)
    }
}

/// What of a partition is worth telling when it changes.
fn visible<'a>(
    (partition, place): (&'a TopicPartition, &'a Place),
) -> (&'a TopicPartition, Option<[u8; 16]>, Option<i32>, i32) {
    (partition, place.topic_id, place.leader, place.leader_epoch)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const UNKNOWN: KafkaError = KafkaError::UNKNOWN_TOPIC_OR_PARTITION;

    pub(in super::super) fn patterns(texts: &[&str]) -> Vec<TopicPattern> {
        texts.iter().map(|text| TopicPattern::parse(text).unwrap()).collect()
    }

    fn partition(leader: i32, leader_epoch: i32) -> Partition {
        let leader = (leader >= 0).then_some(leader);
        Partition { leader, leader_epoch, replicas: vec![], isr: vec![], offline: vec![], error: None }
    }

    pub(in super::super) fn topic(id: u8, error: Option<KafkaError>, leaders: &[(i32, i32)]) -> Topic {
        let partitions = (0..).zip(leaders.iter().map(|&(leader, epoch)| partition(leader, epoch))).collect();
        Topic { id: (id > 0).then_some([id; 16]), internal: false, error, partitions }
    }

    pub(in super::super) fn answer(topics: &[(&str, Topic)]) -> ClusterMetadata {
        let topics = topics.iter().map(|(name, topic)| (Arc::from(*name), topic.clone())).collect();
        ClusterMetadata { topics, ..ClusterMetadata::default() }
    }

    fn names(topics: &Topics) -> Vec<String> {
        topics.found().partitions.iter().map(|partition| partition.topic_partition.to_string()).collect()
    }

    #[test]
    fn patterns_find_their_partitions_and_names_say_what_is_missing() {
        let mut topics = Topics::new(patterns(&["event", "log-*", "absent", "secret"]));
        let secret = topic(0, Some(KafkaError::TOPIC_AUTHORIZATION_FAILED), &[]);
        let changed = topics.learn(&answer(&[
            ("event", topic(1, None, &[(1, 0), (2, 0)])),
            ("log-a", topic(2, None, &[(1, 0)])),
            ("other", topic(3, None, &[(1, 0)])),
            ("secret", secret),
        ]));
        assert!(changed);
        assert_eq!(names(&topics), ["event/0", "event/1", "log-a/0"]);
        let missing = [("absent".into(), UNKNOWN), ("secret".into(), KafkaError::TOPIC_AUTHORIZATION_FAILED)];
        assert_eq!(topics.found().missing, missing);
        assert_eq!(topics.leaders(), &[1, 2].into_iter().collect());
    }

    #[test]
    fn everything_is_asked_for_only_where_a_pattern_may_mean_any_topic() {
        assert_eq!(Topics::new(patterns(&["a", "b"])).wanted(), TopicsWanted::Named(vec!["a".into(), "b".into()]));
        assert_eq!(Topics::new(patterns(&["a", "b*"])).wanted(), TopicsWanted::All);
    }

    #[test]
    fn only_changes_are_told() {
        let mut topics = Topics::new(patterns(&["event"]));
        let first = answer(&[("event", topic(1, None, &[(1, 0)]))]);
        assert!(Topics::new(patterns(&["none*"])).learn(&answer(&[])), "the first answer, even an empty one");
        assert!(topics.learn(&first));
        assert!(!topics.learn(&first), "the same again");
        assert!(topics.learn(&answer(&[("event", topic(1, None, &[(2, 1)]))])), "another leader");
        assert!(topics.learn(&answer(&[("event", topic(1, None, &[(2, 1), (1, 0)]))])), "one more partition");
        assert!(topics.learn(&answer(&[("event", topic(9, None, &[(2, 0)]))])), "made again: another id");
        assert_eq!(topics.found().partitions[0].topic_id, Some([9; 16]));
    }

    #[test]
    fn a_partition_is_gone_only_when_three_answers_lack_it() {
        let mut topics = Topics::new(patterns(&["event"]));
        let whole = answer(&[("event", topic(1, None, &[(1, 0)]))]);
        let unknown = answer(&[("event", topic(0, Some(UNKNOWN), &[]))]);
        topics.learn(&whole);
        assert!(!topics.learn(&unknown) && !topics.learn(&answer(&[])), "a broker that has just started");
        assert!(topics.is_incomplete(), "so that it is asked again soon");
        assert_eq!((names(&topics).len(), topics.found().missing.len()), (1, 0));
        assert!(!topics.learn(&whole) && !topics.is_incomplete());
        assert!(!topics.learn(&unknown) && !topics.learn(&unknown) && topics.learn(&unknown), "it was deleted");
        assert_eq!((names(&topics).len(), topics.found().missing), (0, vec![("event".into(), UNKNOWN)]));
    }

    #[test]
    fn a_partition_without_a_leader_is_told_when_that_lasts() {
        let mut topics = Topics::new(patterns(&["event"]));
        let told = |topics: &Topics| topics.leaderless().iter().map(ToString::to_string).collect::<Vec<_>>();
        for _ in 0..ANSWERS_UNTIL_LEADERLESS {
            assert!(told(&topics).is_empty(), "an election takes a while");
            topics.learn(&answer(&[("event", topic(1, None, &[(1, 1), (-1, 1)]))]));
        }
        assert_eq!(told(&topics), ["event/1"]);
        topics.learn(&answer(&[("event", topic(1, None, &[(1, 1), (2, 2)]))]));
        assert!(told(&topics).is_empty(), "it is over");
    }

    #[test]
    fn leadership_does_not_go_back() {
        let mut topics = Topics::new(patterns(&["event", "old"]));
        topics.learn(&answer(&[("event", topic(1, None, &[(2, 5)])), ("old", topic(0, None, &[(2, 5)]))]));
        topics.learn(&answer(&[("event", topic(1, None, &[(1, 4)])), ("old", topic(0, None, &[(1, 0)]))]));
        let leader = |name: &str| topics.place_of(&TopicPartition::new(name, 0)).and_then(|place| place.leader);
        assert_eq!(leader("event"), Some(2), "a broker that is behind");
        assert_eq!(leader("old"), Some(1), "without ids nobody can tell that from a topic made again");
    }
}

//! Brings partitions into the route: resumes those whose offsets are stored, and asks brokers where to begin with the
//! others. The rules are in `logic::start_position`; here is what they are applied to, and the questions.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use litemap::LiteMap;

use crate::kafka::list_offsets::OffsetSpec;
use crate::kafka::reader::{FoundPartition, TopicsFound};
use crate::kafka::wire::{Client, KafkaError};
use crate::logic::moment::Moment;
use crate::logic::offset_tracker::{Position, Snapshot};
use crate::logic::record::TopicPartition;
use crate::logic::route::{Identity, Route, StoreOffsets};
use crate::logic::sorted_set::SortedSet;
use crate::logic::start_position::{Begin, Start, begin, history};
use crate::logic::topic_pattern::TopicPattern;

/// A question that no broker could answer, and a group that has live members, are asked about again after this long.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// What a forward knows of the partitions it does not read yet.
#[derive(Debug)]
pub(super) struct Beginnings {
    start: Start,
    patterns: Vec<TopicPattern>,
    /// What the state holds.
    remembered: HashMap<TopicPartition, (Identity, Snapshot)>,
    /// The patterns of the run before.
    asked_before: SortedSet<String>,
    /// The topics that were there at the first look; none: not looked yet.
    at_start: Option<SortedSet<Arc<str>>>,
    /// What was found at the last look.
    found: Option<TopicsFound>,
    /// Topics that a question is out about.
    asking: HashSet<Arc<str>>,
    /// Why a topic is not read, for people.
    refused: LiteMap<Arc<str>, String>,
    ask_again: Option<Moment>,
    /// The patterns of this run are stored, so that the next one knows what was asked for.
    patterns_stored: bool,
}

/// Where do these partitions of one topic begin? All of them or none: one that begins later than the others would
/// be taken for one that was added.
#[derive(Clone, Debug)]
pub(super) struct Question {
    topic: Arc<str>,
    partitions: Vec<(TopicPartition, Identity)>,
    start: Start,
}

/// The answer to a question: a position for each partition, or why there is none.
pub(super) type Answered = (Question, Result<LiteMap<TopicPartition, Position>, String>);

impl Beginnings {
    pub(super) fn new(
        start: Start,
        patterns: Vec<TopicPattern>,
        remembered: HashMap<TopicPartition, (Identity, Snapshot)>,
        asked_before: SortedSet<String>,
    ) -> Self {
        let patterns_stored = patterns.iter().all(|pattern| asked_before.contains(pattern.as_str()));
        Self {
            start,
            patterns,
            remembered,
            asked_before,
            at_start: None,
            found: None,
            asking: HashSet::new(),
            refused: LiteMap::new(),
            ask_again: None,
            patterns_stored,
        }
    }

    /// What the brokers have of what the patterns match.
    pub(super) fn found(&mut self, found: TopicsFound, route: &mut Route, now: Moment) -> Vec<Question> {
        let topics = topics_of(&found.partitions);
        self.at_start.get_or_insert_with(|| there(&found));
        let refused_to_show: SortedSet<&Arc<str>> =
            found.missing.iter().filter(|(_, error)| error.is_refusal()).map(|(topic, _)| topic).collect();
        for name in route.assigned() {
            let still_there = found.partitions.iter().any(|found| found.topic_partition == name);
            if !still_there && !refused_to_show.contains(&name.topic) {
                tracing::warn!(partition = %name, "the partition is gone: what was pending of it is forgotten");
                route.unassign(&name);
            }
        }
        self.refused.retain(|topic, _| topics.contains(topic));
        for (topic, error) in &found.missing {
            self.refused.insert(topic.clone(), format!("topic {topic}: {error}"));
        }
        self.found = Some(found);
        self.look(route, now)
    }

    /// Asks again what could not be answered, if it is time.
    pub(super) fn due(&mut self, route: &mut Route, now: Moment) -> Vec<Question> {
        if self.ask_again.is_none_or(|moment| moment > now) {
            return Vec::new();
        }
        self.ask_again = None;
        self.look(route, now)
    }

    /// When [`due`](Self::due) has something to ask.
    pub(super) fn wakes_at(&self) -> Option<Moment> {
        self.ask_again
    }

    /// Why topics are not read, for people.
    pub(super) fn reasons(&self) -> impl Iterator<Item = &String> {
        self.refused.values()
    }

    /// Whether the brokers were asked and everything that was found is being read.
    pub(super) fn is_done(&self) -> bool {
        self.found.is_some() && self.asking.is_empty() && self.refused.is_empty()
    }

    /// Everything that exists is being read. A topic that is missing may appear while nobody looks, and is then one
    /// that appeared later.
    fn has_begun_what_is_there(&self) -> bool {
        let Some(found) = &self.found else { return false };
        let there = there(found);
        self.asking.is_empty() && !self.refused.keys().any(|topic| there.contains(topic))
    }

    /// What is durable now.
    pub(super) fn stored(&mut self, offsets: &StoreOffsets) {
        for stored in &offsets.partitions {
            let known = (stored.identity.clone(), stored.snapshot.clone());
            self.remembered.insert(stored.topic_partition.clone(), known);
        }
    }

    /// The patterns to store for the next run: once, when everything that was there at the start has begun. Earlier,
    /// a crash would make the next run take a topic for one that appeared later.
    pub(super) fn patterns_to_store(&mut self) -> Option<Vec<String>> {
        if self.patterns_stored || !self.has_begun_what_is_there() {
            return None;
        }
        self.patterns_stored = true;
        Some(self.patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect())
    }

    /// A write that may have held the patterns failed: they go with the next one.
    pub(super) fn patterns_not_stored(&mut self, they_were_in_it: bool) {
        if they_were_in_it {
            self.patterns_stored = false;
        }
    }

    fn look(&mut self, route: &mut Route, now: Moment) -> Vec<Question> {
        let Some(found) = self.found.clone() else { return Vec::new() };
        let mut questions: Vec<Question> = Vec::new();
        for partition in &found.partitions {
            let name = &partition.topic_partition;
            if self.asking.contains(&name.topic) {
                continue;
            }
            let Some((identity, start)) = self.consider(partition, found.cluster_id.as_ref(), route, now) else {
                continue;
            };
            match questions.iter_mut().find(|question| question.topic == name.topic && question.start == start) {
                Some(question) => question.partitions.push((name.clone(), identity)),
                None => questions.push(Question {
                    topic: name.topic.clone(),
                    partitions: vec![(name.clone(), identity)],
                    start,
                }),
            }
        }
        self.asking.extend(questions.iter().map(|question| question.topic.clone()));
        questions
    }

    /// Resumes the partition, or refuses it, or tells what to ask.
    fn consider(
        &mut self,
        partition: &FoundPartition,
        cluster_id: Option<&String>,
        route: &mut Route,
        now: Moment,
    ) -> Option<(Identity, Start)> {
        let name = &partition.topic_partition;
        let found = Identity {
            cluster_id: cluster_id.cloned(),
            topic_id: partition.topic_id,
            leader_epoch: partition.leader_epoch,
            recreated: 0,
        };
        if let Some(reading) = route.identity(name) {
            if reading.topic_id.is_none() || found.topic_id.is_none() || reading.topic_id == found.topic_id {
                return None;
            }
            self.remembered.insert(name.clone(), (reading.clone(), Snapshot::starting_at(Position(0))));
            route.unassign(name);
        }
        let stored = self.remembered.get(name);
        let read_before = self.remembered.keys().any(|known| known.topic == name.topic);
        let at_start = self.at_start.as_ref().is_some_and(|topics| topics.contains(&name.topic));
        let matching: Vec<&str> =
            self.patterns.iter().filter(|pattern| pattern.matches(&name.topic)).map(TopicPattern::as_str).collect();
        let history = history(read_before, at_start, &matching, &self.asked_before);
        let recreated = stored.map_or(0, |(identity, _)| identity.recreated);
        let stored = stored.map(|(identity, snapshot)| (identity, snapshot));
        match begin(&name.topic, stored, &found, history, self.start) {
            Begin::Resume(snapshot) => {
                let unchanged = stored.is_some_and(|(identity, _)| identity.topic_id == found.topic_id);
                route.assign(name.clone(), Identity { recreated, ..found }, snapshot, unchanged, now);
                None
            }
            Begin::Recreated => {
                tracing::warn!(partition = %name, "the topic was deleted and created again: it is read from its beginning");
                Some((Identity { recreated: recreated.saturating_add(1), ..found }, Start::Earliest))
            }
            Begin::Ask(start) => Some((Identity { recreated, ..found }, start)),
            Begin::Refuse(reason) => {
                self.refuse(&name.topic, reason);
                None
            }
        }
    }

    fn refuse(&mut self, topic: &Arc<str>, reason: String) {
        if self.refused.get(topic) != Some(&reason) {
            tracing::error!(topic = %topic, reason, "not read");
        }
        self.refused.insert(topic.clone(), reason);
    }

    /// A question was answered: all its partitions begin, or it is asked again.
    pub(super) fn answered(&mut self, (question, answer): Answered, route: &mut Route, now: Moment) {
        self.asking.remove(&question.topic);
        match answer {
            Ok(positions) => {
                self.refused.remove(&question.topic);
                for (name, identity) in question.partitions {
                    let Some(position) = positions.get(&name) else { continue };
                    tracing::info!(partition = %name, offset = position.0, "begins");
                    route.assign(name, identity, Snapshot::starting_at(*position), false, now);
                }
            }
            Err(reason) => {
                self.refuse(&question.topic, reason);
                self.ask_again = Some(now + ASK_AGAIN);
            }
        }
    }
}

/// The topics that exist. One that we may not read, or that has no leader yet, did not appear when that changes: its
/// beginning is what `start` says, not its earliest record.
fn there(found: &TopicsFound) -> SortedSet<Arc<str>> {
    let hidden = found.missing.iter().filter(|(_, error)| *error != KafkaError::UNKNOWN_TOPIC_OR_PARTITION);
    hidden.map(|(topic, _)| topic.clone()).chain(topics_of(&found.partitions)).collect()
}

fn topics_of(partitions: &[FoundPartition]) -> SortedSet<Arc<str>> {
    partitions.iter().map(|found| found.topic_partition.topic.clone()).collect()
}

/// Asks the brokers. Answers for all partitions of the question or for none.
pub(super) async fn ask(client: Client, group: Option<String>, question: Question) -> Answered {
    let names: Vec<TopicPartition> = question.partitions.iter().map(|(name, _)| name.clone()).collect();
    let answer = match question.start {
        Start::Earliest => list(&client, &names, OffsetSpec::Earliest).await,
        Start::Latest => list(&client, &names, OffsetSpec::Latest).await,
        Start::Time(time) => list(&client, &names, OffsetSpec::Time(time)).await,
        Start::Group => take_over(&client, group.as_deref().unwrap_or_default(), &names).await,
        Start::None => Err("start = \"none\"".to_owned()),
    };
    (question, answer)
}

async fn list(
    client: &Client,
    names: &[TopicPartition],
    spec: OffsetSpec,
) -> Result<LiteMap<TopicPartition, Position>, String> {
    let wanted: Vec<_> = names.iter().map(|name| (name.clone(), spec)).collect();
    let answers = client.list_offsets(&wanted).await;
    let mut positions = Vec::new();
    let mut after_the_end = Vec::new();
    for name in names {
        match answers.get(name) {
            Some(Ok(listed)) => match listed.offset {
                Some(offset) => positions.push((name.clone(), Position(offset))),
                // No record is as young as that: begin after the last one.
                None => after_the_end.push((name.clone(), OffsetSpec::Latest)),
            },
            Some(Err(error)) => return Err(format!("cannot ask where {name} begins: {error}")),
            None => return Err(format!("cannot ask where {name} begins: no broker answered for it")),
        }
    }
    for (name, answer) in client.list_offsets(&after_the_end).await {
        let listed = answer.map_err(|error| format!("cannot ask where {name} ends: {error}"))?;
        positions.push((name, Position(listed.offset.unwrap_or_default())));
    }
    Ok(positions.into_iter().collect())
}

/// The committed offsets of a group without live members; a partition without one begins at its earliest record.
async fn take_over(
    client: &Client,
    group: &str,
    names: &[TopicPartition],
) -> Result<LiteMap<TopicPartition, Position>, String> {
    refuse_live_members(client, group).await?;
    let committed = client
        .committed_offsets(group, names)
        .await
        .map_err(|error| format!("cannot read the offsets of group {group}: {error}"))?;
    let mut positions = Vec::new();
    let mut without = Vec::new();
    for name in names {
        match committed.get(name) {
            Some(Ok(Some(offset))) => positions.push((name.clone(), Position(*offset))),
            Some(Ok(None)) | None => without.push(name.clone()),
            Some(Err(error)) => return Err(format!("cannot read the offset of group {group} in {name}: {error}")),
        }
    }
    positions.extend(list(client, &without, OffsetSpec::Earliest).await?);
    Ok(positions.into_iter().collect())
}

/// An error that names the members of `group`, where it has any: two readers of one group would both deliver.
pub(super) async fn refuse_live_members(client: &Client, group: &str) -> Result<(), String> {
    let state = client
        .describe_group(group)
        .await
        .map_err(|error| format!("cannot see whether group {group} has members: {error}"))?;
    if state.members.is_empty() {
        return Ok(());
    }
    let members: Vec<String> =
        state.members.iter().take(5).map(|member| format!("{} at {}", member.client_id, member.host)).collect();
    Err(format!(
        "group {group} has {} live members ({}): stop them first, or use offsets = \"local\" with another start",
        state.members.len(),
        members.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::counters::Counters;
    use crate::logic::retry::RetrySettings;
    use crate::logic::route::{Invalid, RouteSettings};

    fn route() -> Route {
        let second = Duration::from_secs(1);
        let settings = RouteSettings {
            forward: "a".to_owned(),
            max_in_flight: 1,
            buffer_size: 1024,
            retry: RetrySettings { initial: second, max: second, give_up_after: None, poison_after: None },
            invalid: Invalid::Skip,
            commit_interval: second,
        };
        Route::new(settings, Counters::default(), false, 1)
    }

    fn with_partition(topic: &str) -> TopicsFound {
        let found =
            FoundPartition { topic_partition: TopicPartition::new(topic, 0), topic_id: Some([1; 16]), leader_epoch: 0 };
        TopicsFound { partitions: vec![found], ..TopicsFound::default() }
    }

    /// Where `event` begins that the first look did not show, for this reason, and the second did.
    fn begins_after(reason: KafkaError) -> Start {
        let patterns = vec![TopicPattern::parse("event").expect("a name")];
        let mut beginnings = Beginnings::new(Start::Latest, patterns, HashMap::new(), SortedSet::new());
        let mut route = route();
        let missing = vec![(Arc::from("event"), reason)];
        let first = TopicsFound { missing, ..TopicsFound::default() };
        assert!(beginnings.found(first, &mut route, Moment::default()).is_empty());
        assert!(!beginnings.is_done());
        let questions = beginnings.found(with_partition("event"), &mut route, Moment::default());
        questions.first().expect("a question").start
    }

    #[test]
    fn a_topic_that_was_only_hidden_begins_where_start_says() {
        assert_eq!(begins_after(KafkaError::UNKNOWN_TOPIC_OR_PARTITION), Start::Earliest, "it appeared");
        assert_eq!(begins_after(KafkaError::TOPIC_AUTHORIZATION_FAILED), Start::Latest, "now we may read it");
        assert_eq!(begins_after(KafkaError::LEADER_NOT_AVAILABLE), Start::Latest, "now it has a leader");
    }
}

//! Where partitions begin and end, and where the records of an age begin: one request for each broker and kind.

use std::sync::Arc;
use std::time::Duration;

use litemap::{Entry, LiteMap};
use tokio::task::JoinSet;

use super::missing::Missing;
use crate::kafka::list_offsets::OffsetSpec;
use crate::kafka::survey::{ListedTopic, OffsetsWanted};
use crate::kafka::wire::{Client, Error, KafkaError};
use crate::logic::moment::Timestamp;
use crate::logic::sorted_set::SortedSet;
use crate::logic::watch::snapshot::{GroupSeen, OffsetsAt, PartitionSeen, TopicSeen};

pub(super) type Topics = LiteMap<Arc<str>, TopicSeen>;

/// For each leader what it is asked about.
type ByLeader = LiteMap<i32, Arc<OffsetsWanted>>;

/// A broker's answer to one question.
struct Answer {
    broker: i32,
    /// The place of the question in the list.
    question: usize,
    listed: Result<Vec<ListedTopic>, Error>,
}

/// The partitions that a broker answered with an error for.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// Those whose leader moved, or that are gone: our picture is out of date.
    partitions: Vec<(Arc<str>, i32)>,
    /// For each broker and error those that have it.
    examples: LiteMap<(i32, KafkaError), Example>,
}

/// Partitions with the same error.
#[derive(Debug)]
struct Example {
    /// The first by its name and number, so that it is the same one as long as nothing changes.
    first: (Arc<str>, i32),
    others: bool,
}

impl Refused {
    fn note(&mut self, broker: i32, error: KafkaError, partition: (Arc<str>, i32)) {
        if error.needs_metadata() {
            self.partitions.push(partition.clone());
        }
        match self.examples.entry((broker, error)) {
            Entry::Vacant(entry) => {
                entry.insert(Example { first: partition, others: false });
            }
            // The same one again: its end and its beginning.
            Entry::Occupied(entry) if entry.get().first == partition => {}
            Entry::Occupied(mut entry) => {
                let example = entry.get_mut();
                example.others = true;
                if partition < example.first {
                    example.first = partition;
                }
            }
        }
    }

    pub(super) fn leaders_moved(&self) -> bool {
        !self.partitions.is_empty()
    }

    /// What came of those whose leaders moved, when they were asked about again.
    pub(super) fn replace_moved(&mut self, again: Self) {
        self.examples.retain(|(_, error), _| !error.needs_metadata());
        self.examples.extend(again.examples);
    }

    pub(super) fn say(self, missing: &mut Missing) {
        for ((broker, error), Example { first: (topic, partition), others }) in self.examples {
            let others = if others { " and others" } else { "" };
            missing.say(format!("offsets of {topic}/{partition}{others} from broker {broker}: {error}"));
        }
    }
}

/// Reads the ends and the beginnings of the partitions that one of `brokers` leads; of all, or only of those in `only`.
/// Gives those that were not told; a broker that fails altogether is taken out of `brokers`.
pub(super) async fn read_ends(
    client: &Client,
    brokers: &mut SortedSet<i32>,
    topics: &mut Topics,
    only: Option<&Refused>,
    missing: &mut Missing,
) -> Refused {
    let only: Option<SortedSet<&(Arc<str>, i32)>> = only.map(|only| only.partitions.iter().collect());
    let wanted = by_leader(topics, brokers, |topic, partition| {
        only.as_ref().is_none_or(|only| only.contains(&&(Arc::clone(topic), partition.number)))
    });
    let mut refused = Refused::default();
    let mut answers = ask(client, &wanted, &[OffsetSpec::Latest, OffsetSpec::Earliest]);
    while let Some(answer) = answers.join_next().await {
        // A task of ours neither panics nor is cancelled while this one lives.
        let Ok(Answer { broker, question, listed }) = answer else { continue };
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => {
                brokers.remove(&broker);
                missing.of_broker(broker, "offsets of the partitions", &error);
                continue;
            }
        };
        for ListedTopic { topic, partitions } in listed {
            let Some(seen) = topics.get_mut(&topic) else { continue };
            for (number, offset) in partitions {
                match offset {
                    Ok(offset) => {
                        if let Some(partition) = partition(&mut seen.partitions, number) {
                            let place = if question == 0 { &mut partition.latest } else { &mut partition.earliest };
                            *place = offset;
                        }
                    }
                    Err(error) => refused.note(broker, error, (Arc::clone(&topic), number)),
                }
            }
        }
    }
    refused
}

/// For each of `ages`: where the records begin that are not older, in the partitions in which a group lags.
pub(super) async fn read_ages(
    client: &Client,
    brokers: &SortedSet<i32>,
    topics: &Topics,
    groups: &LiteMap<Arc<str>, GroupSeen>,
    (ages, now): (&[Duration], Timestamp),
    missing: &mut Missing,
) -> Vec<OffsetsAt> {
    let specs = match times_of(ages, now) {
        Ok(specs) if specs.is_empty() => return Vec::new(),
        Ok(specs) => specs,
        Err(sentence) => {
            missing.say(sentence);
            return Vec::new();
        }
    };
    let lagging = lagging(topics, groups);
    let wanted = by_leader(topics, brokers, |topic, partition| {
        let place = topics.find_index(topic).ok();
        place.and_then(|place| lagging.get(place)).is_some_and(|partitions| partitions.contains(&partition.number))
    });
    let mut at = vec![Vec::new(); ages.len()];
    let mut answers = ask(client, &wanted, &specs);
    while let Some(answer) = answers.join_next().await {
        let Ok(Answer { broker, question, listed }) = answer else { continue };
        let Some(at) = at.get_mut(question) else { continue };
        match listed {
            Ok(listed) => {
                for ListedTopic { topic, partitions } in listed {
                    // An error here is one of a moment: the ends of the same partition were there just now.
                    let known = partitions.into_iter().filter_map(|(number, offset)| Some((number, offset.ok()?)));
                    at.extend(known.map(|(number, offset)| ((Arc::clone(&topic), number), offset)));
                }
            }
            Err(error) => missing.of_broker(broker, "offsets by time", &error),
        }
    }
    let offsets_at =
        |(age, offsets): (&Duration, Vec<_>)| OffsetsAt { age: *age, offsets: offsets.into_iter().collect() };
    ages.iter().zip(at).map(offsets_at).collect()
}

/// When records of these `ages` were written. By a clock that stands at 1970 every record would be younger than any age.
///
/// # Errors
/// The clock was not set: a sentence.
fn times_of(ages: &[Duration], now: Timestamp) -> Result<Vec<OffsetSpec>, String> {
    if !ages.is_empty() && !now.is_plausible() {
        return Err("exact ages of unread records: the clock of this machine is not set".to_owned());
    }
    let then = |age: &Duration| {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        OffsetSpec::Time(Timestamp(now.0.saturating_sub(age)))
    };
    Ok(ages.iter().map(then).collect())
}

/// What each broker of `brokers` leads, by topic and partition.
pub(super) fn led_by(topics: &Topics, brokers: &SortedSet<i32>) -> LiteMap<i32, Arc<OffsetsWanted>> {
    by_leader(topics, brokers, |_, _| true)
}

fn by_leader(
    topics: &Topics,
    brokers: &SortedSet<i32>,
    wanted: impl Fn(&Arc<str>, &PartitionSeen) -> bool,
) -> ByLeader {
    let mut by_leader: LiteMap<i32, OffsetsWanted> = LiteMap::new();
    for (name, topic) in topics {
        for partition in &topic.partitions {
            let Some(leader) = partition.leader.filter(|leader| brokers.contains(leader)) else { continue };
            if !wanted(name, partition) {
                continue;
            }
            let of_leader = by_leader.entry(leader).or_default();
            match of_leader.last_mut() {
                Some((last, partitions)) if Arc::ptr_eq(last, name) => partitions.push(partition.number),
                _ => of_leader.push((Arc::clone(name), vec![partition.number])),
            }
        }
    }
    by_leader.into_iter().map(|(leader, wanted)| (leader, Arc::new(wanted))).collect()
}

fn ask(client: &Client, wanted: &ByLeader, specs: &[OffsetSpec]) -> JoinSet<Answer> {
    let mut answers = JoinSet::new();
    for (question, spec) in specs.iter().copied().enumerate() {
        for (broker, wanted) in wanted {
            let (client, broker, wanted) = (client.clone(), *broker, Arc::clone(wanted));
            answers.spawn(async move {
                Answer { broker, question, listed: client.survey_offsets(broker, spec, &wanted).await }
            });
        }
    }
    answers
}

/// The partitions in which a group has something to read, for each topic in the order of `topics`.
fn lagging(topics: &Topics, groups: &LiteMap<Arc<str>, GroupSeen>) -> Vec<SortedSet<i32>> {
    let mut lagging = vec![SortedSet::new(); topics.len()];
    for group in groups.values() {
        let mut last: Option<(usize, (&Arc<str>, &TopicSeen))> = None;
        for committed in group.committed.iter().flatten() {
            // They are sorted, so the topic is mostly that of the one before.
            if last.is_none_or(|(_, (name, _))| *name != committed.topic) {
                let place = topics.find_index(&committed.topic).ok();
                last = place.and_then(|place| Some((place, topics.get_indexed(place)?)));
            }
            let Some((of_topic, (_, topic))) = last else { continue };
            let end = place(&topic.partitions, committed.partition)
                .and_then(|place| topic.partitions.get(place))
                .and_then(|partition| partition.latest);
            if end.is_some_and(|end| committed.offset < end)
                && let Some(partitions) = lagging.get_mut(of_topic)
            {
                partitions.insert(committed.partition);
            }
        }
    }
    lagging
}

fn partition(partitions: &mut [PartitionSeen], number: i32) -> Option<&mut PartitionSeen> {
    let place = place(partitions, number)?;
    partitions.get_mut(place)
}

/// Partitions are numbered from 0 without gaps, as good as always.
fn place(partitions: &[PartitionSeen], number: i32) -> Option<usize> {
    let guess = usize::try_from(number).ok()?;
    match partitions.get(guess) {
        Some(partition) if partition.number == number => Some(guess),
        _ => partitions.binary_search_by_key(&number, |partition| partition.number).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);
    /// 2026-11-21T07:00:00Z.
    const NOW: Timestamp = Timestamp(1_795_244_400_000);

    #[track_caller]
    fn check(rule: &str, ages: &[Duration], now: Timestamp, expected: Option<&[i64]>) {
        let expected = expected.map(|times| times.iter().map(|time| OffsetSpec::Time(Timestamp(*time))).collect());
        assert_eq!(times_of(ages, now).ok(), expected, "{rule}");
    }

    #[test]
    fn partitions_with_the_same_error_make_one_sentence_that_stays_the_same() {
        let said = |numbers: &[i32]| {
            let (mut refused, mut missing) = (Refused::default(), Missing::default());
            for number in numbers {
                refused.note(1, KafkaError(6), ("event".into(), *number));
            }
            refused.say(&mut missing);
            missing.sentences()
        };
        assert_eq!(said(&[3, 3]).len(), 1);
        assert!(said(&[3, 3])[0].starts_with("offsets of event/3 from broker 1: NOT_LEADER"), "{:?}", said(&[3]));
        let several = said(&[3, 4]);
        assert!(several[0].starts_with("offsets of event/3 and others from broker 1: "), "{several:?}");
        assert_eq!(said(&[5, 4, 3, 4, 3]), several, "in any order, and however many there are");
    }

    #[test]
    fn ages_are_asked_about_by_a_clock_that_was_set() {
        check("a minute ago", &[MINUTE], NOW, Some(&[NOW.0 - 60_000]));
        check("the clock stands at 1970", &[MINUTE], Timestamp(5_000), None);
        check("somebody set it to 2019", &[MINUTE], Timestamp(1_577_836_799_999), None);
        check("the first moment that is believed", &[MINUTE], Timestamp(1_577_836_800_000), Some(&[1_577_836_740_000]));
        check("nobody asks, so that nothing is missing", &[], Timestamp(0), Some(&[]));
    }
}

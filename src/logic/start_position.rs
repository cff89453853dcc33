//! Where reading a partition begins: what is stored decides; where nothing is, the configuration, but only for topics
//! that were there before the forward. What appears later is read from its beginning, or its first records would be
//! skipped.
//!
//! Pure: the answers of brokers and of the state come in as arguments.

use super::moment::Timestamp;
use super::offset_tracker::{Position, Snapshot};
use super::route::Identity;
use crate::logic::sorted_set::SortedSet;

/// Where a forward begins that never stored an offset for a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first record the log still has.
    Earliest,
    /// After the last record.
    Latest,
    /// Refuse to start.
    None,
    /// Take over the committed offsets of the forward's group.
    Group,
    /// At the first record with this timestamp or a later one.
    Time(Timestamp),
}

/// What to do when the stored offset no longer exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOutOfRange {
    /// Go on at the first record the log still has.
    Earliest,
    /// Go on after the last record.
    Latest,
    /// Stop the forward and say so.
    Stop,
}

/// What is known of a topic before one of its partitions is read for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicHistory {
    /// The forward has an offset for some partition of it: this partition was added.
    Read,
    /// The forward ran before and asked for it, and it was not there: it appeared since.
    Appeared,
    /// The forward never asked for it.
    New,
}

/// Where a partition begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Where the last run ended.
    Resume(Snapshot),
    /// At the beginning: the topic is another one than the one whose offsets are stored.
    Recreated,
    /// Where the broker says that this is.
    Ask(Start),
    /// Not at all; why, for people.
    Refuse(String),
}

/// Where to begin with a partition of `topic`, for which `stored` is what the state holds and `found` what the broker
/// says now.
pub fn begin(
    topic: &str,
    stored: Option<(&Identity, &Snapshot)>,
    found: &Identity,
    history: TopicHistory,
    start: Start,
) -> Begin {
    if let Some((identity, snapshot)) = stored {
        return match (&identity.cluster_id, &found.cluster_id, identity.topic_id, found.topic_id) {
            (Some(stored), Some(found), ..) if stored != found => Begin::Refuse(format!(
                "the stored offsets of topic {topic} are from the cluster with the id {stored}, and this is {found}: \
                 correct bootstrap_servers, or give the forward another name"
            )),
            (.., Some(stored), Some(found)) if stored != found => Begin::Recreated,
            _ => Begin::Resume(snapshot.clone()),
        };
    }
    match (history, start) {
        (TopicHistory::Read | TopicHistory::Appeared, _) => Begin::Ask(Start::Earliest),
        (TopicHistory::New, Start::None) => Begin::Refuse(format!(
            "no offset is stored for topic {topic} and start = \"none\": set one with `barnabas offsets set`, or choose another start"
        )),
        (TopicHistory::New, start) => Begin::Ask(start),
    }
}

/// What is known of `topic`. `at_start`: it was there when this run first looked. `matching`: the configured patterns
/// that match it; `asked_before`: the patterns of the run before, none if there was no run.
pub fn history(read_before: bool, at_start: bool, matching: &[&str], asked_before: &SortedSet<String>) -> TopicHistory {
    if read_before {
        TopicHistory::Read
    } else if !at_start || matching.iter().any(|pattern| asked_before.contains(*pattern)) {
        TopicHistory::Appeared
    } else {
        TopicHistory::New
    }
}

/// Where reading goes on when the offset wanted is not in the log any more, which now reaches from `log_start` to
/// `log_end`; none: not at all.
pub fn after_out_of_range(rule: OnOutOfRange, log_start: i64, log_end: i64) -> Option<Position> {
    match rule {
        OnOutOfRange::Earliest => Some(Position(log_start)),
        OnOutOfRange::Latest => Some(Position(log_end)),
        OnOutOfRange::Stop => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(cluster: Option<&str>, topic: Option<u8>) -> Identity {
        Identity { cluster_id: cluster.map(str::to_owned), topic_id: topic.map(|id| [id; 16]), ..Identity::default() }
    }

    #[track_caller]
    fn check_stored(rule: &str, stored: &Identity, found: &Identity, matches: fn(&Begin) -> bool) {
        let snapshot = Snapshot::starting_at(Position(7));
        let begin = begin("event", Some((stored, &snapshot)), found, TopicHistory::Read, Start::Latest);
        assert!(matches(&begin), "{rule}: {begin:?}");
    }

    #[test]
    fn with_a_stored_offset() {
        let resumes: fn(&Begin) -> bool = |begin| *begin == Begin::Resume(Snapshot::starting_at(Position(7)));
        check_stored("the same topic", &identity(Some("c"), Some(1)), &identity(Some("c"), Some(1)), resumes);
        check_stored("an old broker tells no ids", &identity(None, None), &identity(None, None), resumes);
        check_stored("upgraded since: ids are new", &identity(Some("c"), None), &identity(Some("c"), Some(1)), resumes);
        check_stored(
            "another topic of the same name",
            &identity(Some("c"), Some(1)),
            &identity(Some("c"), Some(2)),
            |begin| *begin == Begin::Recreated,
        );
        check_stored("another cluster", &identity(Some("c"), Some(1)), &identity(Some("d"), Some(2)), |begin| {
            matches!(begin, Begin::Refuse(_))
        });
    }

    #[track_caller]
    fn check_new(rule: &str, history: TopicHistory, start: Start, expected: Option<Start>) {
        let begin = begin("event", None, &identity(None, None), history, start);
        match expected {
            Some(expected) => assert_eq!(begin, Begin::Ask(expected), "{rule}"),
            None => assert!(matches!(begin, Begin::Refuse(_)), "{rule}: {begin:?}"),
        }
    }

    #[test]
    fn without_a_stored_offset() {
        use TopicHistory::{Appeared, New, Read};
        check_new("a new forward begins as configured", New, Start::Latest, Some(Start::Latest));
        check_new("or refuses", New, Start::None, None);
        check_new("a partition that was added is read whole", Read, Start::Latest, Some(Start::Earliest));
        check_new("also where a new topic would be refused", Read, Start::None, Some(Start::Earliest));
        check_new("a topic that appeared is read whole", Appeared, Start::Group, Some(Start::Earliest));
    }

    #[track_caller]
    fn check_history(rule: &str, read: bool, at_start: bool, asked_before: &[&str], expected: TopicHistory) {
        let asked_before = asked_before.iter().map(|pattern| (*pattern).to_owned()).collect();
        assert_eq!(history(read, at_start, &["event*"], &asked_before), expected, "{rule}");
    }

    #[test]
    fn histories() {
        check_history("the first start", false, true, &[], TopicHistory::New);
        check_history("created while we run", false, false, &[], TopicHistory::Appeared);
        check_history("created while we were down", false, true, &["event*"], TopicHistory::Appeared);
        check_history("added to the configuration", false, true, &["other"], TopicHistory::New);
        check_history("read before", true, true, &["other"], TopicHistory::Read);
    }
}

//! What hinders reading, said once when it begins, once when it changes, and once when it is over. Pure.

use std::fmt;
use std::mem::discriminant;

use litemap::LiteMap;

use crate::kafka::records::RecordsError;
use crate::kafka::wire::{Error, KafkaError};
use crate::logic::record::TopicPartition;

/// Something hinders reading. The reader goes on trying; this is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderTrouble {
    /// What cannot be read.
    pub place: TroublePlace,
    /// Why.
    pub reason: TroubleReason,
}

/// What cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TroublePlace {
    /// The cluster's metadata: new topics and leaders are not seen.
    Metadata,
    /// All partitions that this broker leads.
    Broker(i32),
    /// This partition alone.
    Partition(TopicPartition),
}

/// Why something cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TroubleReason {
    /// A request failed as a whole.
    Request(Error),
    /// The broker refuses this partition, or has had no leader to offer for seconds.
    Kafka(KafkaError),
    /// A batch is damaged, or of a kind that we do not know. Reading goes on when it reads well, or somebody moves the
    /// offset past it.
    Records(RecordsError),
    /// The broker sends only the beginning of a batch of so many bytes.
    CutBatch(usize),
}

impl ReaderTrouble {
    /// Only a person can help; it is tried again every 30 s.
    pub fn is_permanent(&self) -> bool {
        match &self.reason {
            TroubleReason::Request(error) => error.is_permanent(),
            TroubleReason::Kafka(error) => error.is_refusal(),
            TroubleReason::Records(_) | TroubleReason::CutBatch(_) => true,
        }
    }
}

impl TroubleReason {
    /// The same trouble still, though a text in it may differ.
    fn is_still(&self, earlier: &Self) -> bool {
        match (self, earlier) {
            (Self::Request(now), Self::Request(then)) => {
                discriminant(&now.kind) == discriminant(&then.kind) && now.kafka() == then.kafka()
            }
            _ => self == earlier,
        }
    }
}

impl fmt::Display for ReaderTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            TroublePlace::Metadata => f.write_str("topics and leaders cannot be looked up: ")?,
            TroublePlace::Broker(id) => write!(f, "the partitions of broker {id} cannot be read: ")?,
            TroublePlace::Partition(partition) => write!(f, "{partition} cannot be read: ")?,
        }
        match &self.reason {
            TroubleReason::Request(error) => write!(f, "{error}"),
            TroubleReason::Kafka(error) => write!(f, "{error}"),
            TroubleReason::Records(error) => {
                write!(f, "{error}; `barnabas offsets set` can move the forward past it, which loses it")
            }
            TroubleReason::CutBatch(size) => write!(
                f,
                "the broker sends only the beginning of a batch of {size} bytes; \
                 `barnabas offsets set` can move the forward past it, which loses it"
            ),
        }
    }
}

/// What was said and is not over yet.
#[derive(Debug, Default)]
pub(super) struct Troubles(LiteMap<TroublePlace, TroubleReason>);

impl Troubles {
    /// What is to be said about this.
    pub(super) fn begin(&mut self, place: TroublePlace, reason: TroubleReason) -> Option<ReaderTrouble> {
        if self.0.get(&place).is_some_and(|earlier| reason.is_still(earlier)) {
            return None;
        }
        self.0.insert(place.clone(), reason.clone());
        Some(ReaderTrouble { place, reason })
    }

    /// True: it was said, so its end has to be said as well.
    pub(super) fn end(&mut self, place: &TroublePlace) -> bool {
        self.0.remove(place).is_some()
    }

    /// Ends all that is about something that is not there any more.
    pub(super) fn end_where(&mut self, gone: impl Fn(&TroublePlace) -> bool) -> Vec<TroublePlace> {
        let mut ended = Vec::new();
        self.0.retain(|place, _| {
            let gone = gone(place);
            ended.extend(gone.then(|| place.clone()));
            !gone
        });
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::wire::ErrorKind;

    fn request(kind: ErrorKind) -> TroubleReason {
        TroubleReason::Request(Error { broker: "kafka-1:9092".to_owned(), request: "Fetch", kind })
    }

    #[test]
    fn a_trouble_is_said_when_it_begins_changes_and_ends() {
        let mut troubles = Troubles::default();
        let refused = || request(ErrorKind::Connect("connection refused".to_owned()));
        let place = TroublePlace::Broker(1);
        assert!(troubles.begin(place.clone(), refused()).is_some(), "it begins");
        let other_text = request(ErrorKind::Connect("no route to host".to_owned()));
        assert_eq!(troubles.begin(place.clone(), other_text), None, "the same in other words");
        assert!(troubles.begin(place.clone(), request(ErrorKind::Closed(String::new()))).is_some(), "another one");
        assert!(troubles.begin(TroublePlace::Broker(2), refused()).is_some(), "another broker");
        assert!(troubles.end(&place), "it ends");
        assert!(!troubles.end(&place), "once");
        let gone = troubles.end_where(|place| *place == TroublePlace::Broker(2));
        assert_eq!(gone, [TroublePlace::Broker(2)], "what left the cluster is no trouble");
    }

    #[test]
    fn a_trouble_says_what_cannot_be_read_and_why() {
        let place = TroublePlace::Partition(TopicPartition::new("event", 3));
        let trouble = ReaderTrouble { place, reason: TroubleReason::Kafka(KafkaError::TOPIC_AUTHORIZATION_FAILED) };
        assert!(trouble.is_permanent());
        assert_eq!(
            trouble.to_string(),
            "event/3 cannot be read: TOPIC_AUTHORIZATION_FAILED (error 29); give this user READ and DESCRIBE on the topic"
        );
    }
}

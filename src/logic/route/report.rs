//! What a route wants people to be told. The forward loop turns it into log lines.

use std::time::Duration;

use super::event::EventName;
use crate::logic::outcome::Answer;
use crate::logic::record::TopicPartition;

/// Something that people may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The endpoint took an event.
    Delivered {
        /// Which.
        name: EventName,
        /// How many attempts it took.
        attempts: u32,
        /// What the endpoint said.
        answer: Answer,
    },
    /// The endpoint did not take it for now.
    Refused {
        /// Which.
        name: EventName,
        /// How many attempts so far.
        attempts: u32,
        /// How long it waits.
        wait: Duration,
        /// What the endpoint said.
        answer: Answer,
    },
    /// The event goes to the dead letters.
    Rejected {
        /// Which.
        name: EventName,
        /// Why.
        reason: String,
        /// What the endpoint said.
        answer: Answer,
    },
    /// The answer means that the event is not wanted.
    Dropped {
        /// Which.
        name: EventName,
        /// What the endpoint said.
        answer: Answer,
    },
    /// The steps cannot make a request of the event: it goes to the dead letters.
    Invalid {
        /// Which.
        name: EventName,
        /// Why.
        reason: String,
    },
    /// The event is invalid and is skipped.
    Skipped {
        /// Which.
        name: EventName,
        /// Why.
        reason: String,
    },
    /// The endpoint refused many events in a row: from now on one at a time.
    EndpointDown {
        /// What it said last.
        answer: Answer,
    },
    /// The endpoint refuses everything: from now on a probe now and then.
    Suspended {
        /// What it said.
        answer: Answer,
    },
    /// The endpoint works again.
    EndpointBack,
    /// Nothing is sent until the state can be written again.
    Stalled {
        /// What is wrong with it.
        reason: String,
    },
    /// The state can be written again.
    StoresAgain,
    /// Nothing goes on until a restart.
    Stopped {
        /// Why.
        reason: String,
    },
    /// The log no longer held the offset that came next.
    OffsetOutOfRange {
        /// Where.
        topic_partition: TopicPartition,
        /// The offset that came next.
        wanted: i64,
        /// Where reading goes on.
        position: i64,
    },
}

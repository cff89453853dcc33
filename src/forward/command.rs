//! What a person asks of a running forward.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::logic::position::RequestedPosition;

/// Where the answer goes: a sentence that says what was done, or why not.
pub type Answer = oneshot::Sender<Result<String, String>>;

/// What a person asks of a running forward.
#[derive(Debug)]
pub enum Command {
    /// Send nothing until `Resume`, also after a restart.
    Pause(Answer),
    /// Send again; and if the endpoint is being backed off from, try it at once.
    Resume(Answer),
    /// Read on elsewhere; what is pending is forgotten.
    SetPosition {
        /// The topic.
        topic: Arc<str>,
        /// The partition; none: all that are read.
        partition: Option<i32>,
        /// Where to read on.
        position: RequestedPosition,
        /// Where the answer goes.
        answer: Answer,
    },
    /// Deliver these dead letters after all.
    Replay {
        /// Their numbers.
        ids: Vec<u64>,
        /// Where the answer goes.
        answer: Answer,
    },
    /// Finish what is in flight, store, and end.
    Drain,
}

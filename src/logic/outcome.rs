//! What an endpoint's answer means for the event that was sent.

use std::time::Duration;

/// What becomes of an event after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint took it.
    Delivered,
    /// Try again later.
    Retry,
    /// The endpoint will never take it: keep it aside.
    DeadLetter,
    /// Not wanted there, and not to be kept: counted and logged.
    Drop,
    /// The endpoint refuses everything: send nothing more but a probe from time to time.
    Suspend,
}

/// The level at which an outcome is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// An error.
    Error,
    /// A warning.
    Warn,
    /// Information.
    Info,
    /// For finding out.
    Debug,
}

/// A rule of the configuration; the first whose `when` gives true decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeRule {
    /// jq over {status, headers, body, text}.
    pub when: String,
    /// The outcome, where `when` is true.
    pub then: Outcome,
    /// The level it is logged at, where it is not the default.
    pub log: Option<LogLevel>,
}

/// The verdict on one attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What becomes of the event.
    pub outcome: Outcome,
    /// The HTTP status; none where there was no answer.
    pub status: Option<u16>,
    /// One short line for people: the beginning of the response body, or what went wrong with the connection.
    pub detail: String,
    /// How long the endpoint asked to be left alone (Retry-After, RFC 9110 section 10.2.3).
    pub retry_after: Option<Duration>,
    /// The level that the rule wants it logged at.
    pub log: Option<LogLevel>,
}

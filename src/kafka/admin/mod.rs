//! What an operator asks of a cluster and has it do: one file a request, on the connections of `wire`.
//!
//! Asks broker by broker or coordinator by coordinator, all at once; what one does not answer leaves the others' answers
//! standing. Nothing here prints or decides.

pub mod controller;
pub mod create_topics;
pub mod delete_groups;
pub mod delete_topics;
pub mod describe_groups;
pub mod group_offsets;
pub mod list_groups;
pub mod log_dirs;
pub mod topic_settings;

pub(in crate::kafka) mod assignment;
mod coordinators;

use std::time::Duration;

pub use coordinators::PerGroup;

/// A time limit as requests carry it.
fn milliseconds(limit: Duration) -> i32 {
    i32::try_from(limit.as_millis()).unwrap_or(i32::MAX)
}

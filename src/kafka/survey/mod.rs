//! Questions about a whole cluster, for whoever watches it: a request each, to a broker that the caller chooses, read
//! straight into the compact types of `logic/watch`.
//!
//! `admin` beside it answers a person's commands, with an error for each partition; here an answer holds as little as
//! the figures need. Nothing is tried again, and nobody else is asked: that is the caller's.

mod cluster;
mod committed;
mod groups;
mod log_dirs;
mod members;
mod min_insync;
mod offsets;

use std::collections::HashSet;
use std::sync::Arc;

use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;

pub use cluster::ClusterSeen;
pub use committed::PerGroup;
pub use groups::{GroupsListed, ListedGroup};
pub use log_dirs::{BrokerDirs, LedBytes};
pub use members::{GroupKind, GroupMembers};
pub use min_insync::MinInsync;
pub use offsets::{ListedTopic, OffsetsWanted};

/// The names of the topics that are watched. What is read uses these, so that a name is in memory once.
pub type TopicNames = HashSet<Arc<str>>;

fn topic_name(name: &Arc<str>) -> TopicName {
    TopicName(StrBytes::from_string(name.as_ref().to_owned()))
}

fn group_id(name: &Arc<str>) -> kafka_protocol::messages::GroupId {
    kafka_protocol::messages::GroupId(StrBytes::from_string(name.as_ref().to_owned()))
}

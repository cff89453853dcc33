//! What a poll of a cluster means: lag, group status, distribution, disks, rates. Pure: what was seen comes in as a
//! [`Snapshot`], figures leave as a [`ClusterView`], and time is in the snapshot.
//!
//! Knows no Kafka client, no rule and no page. What was not seen is unknown, never zero.

pub mod snapshot;
pub mod view;

pub use snapshot::Snapshot;
pub use view::ClusterView;

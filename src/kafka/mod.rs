//! Everything that speaks to Kafka. `wire` has the connections; the files beside it have one request each.

pub mod fetch;
pub mod groups;
pub mod list_offsets;
pub mod metadata;
pub mod wire;

mod sasl;

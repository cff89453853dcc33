//! Everything that speaks to Kafka. `wire` has the connections, the files beside it have one request each, `records`
//! reads what a fetch brings. Decides nothing that a forward could decide.

pub mod fetch;
pub mod groups;
pub mod list_offsets;
pub mod metadata;
pub mod reader;
pub mod records;
pub mod wire;

mod sasl;
//! Speaks to Kafka.

pub mod producer;

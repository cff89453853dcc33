//! Everything that speaks to Kafka. `wire` has the connections, the files beside it and in `admin` have one request
//! each, `survey` asks about many things at once, `records` reads what a fetch brings, `reader` follows topics.
//! `at_once` waits for several brokers together, `producer` is rskafka's. Decides nothing that a forward could decide.

pub mod admin;
pub mod fetch;
pub mod groups;
pub mod list_offsets;
pub mod metadata;
pub mod oldest;
pub mod positions;
pub mod producer;
pub mod reader;
pub mod records;
pub mod survey;
pub mod wire;

mod at_once;
mod sasl;

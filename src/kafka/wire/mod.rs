//! Kafka's protocol over our own connections, on kafka-protocol's messages.
//!
//! From the bottom: `shape` and `shapes` check answers before they are decoded, `question` turns requests into bytes and
//! back, `frame` reads and writes, `connection` runs one socket, `connect` opens it, `client` keeps one for each broker.
//! What the requests mean is not known here.

mod api;
mod client;
#[cfg(test)]
mod client_tests;
mod connect;
mod connection;
mod error;
#[cfg(test)]
pub(crate) mod fake_peer;
mod frame;
mod link;
mod question;
mod shape;
#[cfg(test)]
mod shape_tests;
mod shapes;
mod versions;

pub use client::Client;
pub use error::{Error, ErrorKind, KafkaError};
pub use versions::BrokerVersions;

pub(in crate::kafka) use connection::Connection;
pub(in crate::kafka) use error::printable;

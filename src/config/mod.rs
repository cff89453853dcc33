//! The configuration file: what it may say (schema) and how it is read (the rest).
//!
//! `load` turns a file into checked, plain data or into errors that name file, line and column. Nothing in here opens
//! a connection, and nothing outside of here knows TOML.

mod address;
mod alert;
mod cluster;
mod duration;
mod error;
mod forward;
mod interpolate;
mod jmx;
pub mod jmx_address;
mod load;
mod locations;
mod mailbox;
mod monitor;
mod notify;
mod reader;
pub mod schema;
mod size;
mod source;
mod suggestion;
mod webhook;

#[cfg(test)]
mod example_tests;
#[cfg(test)]
mod tests;

pub use address::parse_host_port;
pub use duration::{display_duration, parse_duration};
pub use error::{ConfigError, Problem};
pub use interpolate::Environment;
pub use load::{Loaded, load};
pub use locations::Locations;
pub use mailbox::{Mailbox, parse_mailbox};
pub use size::{display_size, parse_size};
pub use suggestion::closest;

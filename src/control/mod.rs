//! The control socket: how a command on the same machine changes what the daemon does. A Unix socket that only its
//! owner may use; one JSON document a line each way. It carries requests and answers; what they do is the daemon's.

pub mod client;
pub mod protocol;
pub mod server;

pub use client::{AskError, ask};
pub use protocol::{ControlRequest, ControlResponse, DeadLetterFilter, DeadLetterSelection};
pub use server::{BindError, Command, ControlServer};

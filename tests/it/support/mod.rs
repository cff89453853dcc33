//! What integration tests stand on: a Kafka, the binary, a webhook receiver, and waiting for conditions with a limit.
//! Holds no expectation about the product but `conservation`, which is the promise itself.

#![allow(dead_code, reason = "each test uses its part of it")]

pub(crate) mod barnabas;
pub(crate) mod config;
pub(crate) mod conservation;
pub(crate) mod kafka;
pub(crate) mod sink;
pub(crate) mod smtp;
pub(crate) mod wait;

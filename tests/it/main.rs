//! Integration tests: the real binary, a real Kafka that scripts/kafka.sh starts, and a scripted webhook receiver. One
//! crate, so that they are linked once. `scripts/test.sh` runs them; by hand:
//!
//!     cargo build --example webhook-receiver && cargo test --test it
//!
//! BARNABAS_TEST_KAFKA=0.11.0.3 runs them on that version of Kafka.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics"
)]

mod alerts;
mod broker_load;
mod brokers;
mod commands;
mod consume;
mod crash;
mod disk;
mod endpoint;
mod groups;
mod guance;
mod jmx;
mod jmx_faults;
mod jmx_versions;
mod log_contents;
mod mail;
mod memory;
mod monitor_figures;
mod order;
mod reload;
mod rskafka_limits;
mod secured;
mod smoke;
mod smoke_0_11;
mod start;
mod support;
mod topics;

//! barnabas forwards Kafka topics to webhooks. ARCHITECTURE.md has the picture; this is the module map.

pub mod cli;
pub mod clock;
pub mod config;
pub mod kafka;
pub mod forward;
pub mod http_client;
pub mod logic;
pub mod tls;
pub mod state;
pub mod control;
pub mod http;
pub mod logging;
pub mod logic;
pub mod service;
pub mod status;

//! barnabas forwards Kafka topics to webhooks. ARCHITECTURE.md has the picture; this is the module map.

pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
pub mod forward;
pub mod http;
pub mod http_client;
pub mod jmx;
pub mod kafka;
pub mod logging;
pub mod logic;
pub mod monitor;
pub mod notify;
pub mod programs;
pub mod service;
pub mod state;
pub mod state_documents;
pub mod status;
pub mod tcp;
pub mod tls;

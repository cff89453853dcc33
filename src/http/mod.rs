//! The read-only pages: pages for people, /metrics, /api/status, /healthz and /readyz. Nothing can be changed
//! here. Knows the status board and nothing of what is behind it.

mod answers;
mod io;
mod kept;
pub mod metrics;
mod pages;
mod server;

pub use server::HttpServer;

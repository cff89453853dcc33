//! The read-only pages: a status page for people, /metrics, /api/status, /healthz and /readyz. Nothing can be changed
//! here. Knows the status board and nothing of what is behind it.

mod answers;
mod io;
pub mod metrics;
mod page;
mod server;

pub use server::HttpServer;

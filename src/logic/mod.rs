//! Decisions, and nothing else: no sockets, no files, no clock, no tokio. Time comes in as an argument, effects leave
//! as values. What is in here can be tested by tables and simulated with invented time.

pub mod alert;
pub mod broker_load;
pub mod counters;
pub mod from_json;
pub mod glob;
pub mod indented_json;
pub mod java_serial;
pub mod jq;
pub mod json_map;
pub mod lag;
pub mod moment;
pub mod offset_tracker;
pub mod outcome;
pub mod partitioner;
pub mod position;
pub mod prepare;
pub mod printable;
pub mod record;
pub mod record_json;
pub mod retry;
pub mod rfc3339;
pub mod route;
pub mod sorted_set;
pub mod start_position;
pub mod topic_pattern;
pub mod watch;

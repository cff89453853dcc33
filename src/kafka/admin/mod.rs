//! What an operator asks of a cluster and has it do: one file a request, on the connections of `wire`.
//!
//! Asks broker by broker or coordinator by coordinator, all at once; what one does not answer leaves the others' answers
//! standing. Nothing here prints or decides.

pub mod delete_groups;
pub mod describe_groups;
pub mod group_offsets;
pub mod list_groups;

mod assignment;
mod coordinators;

pub use coordinators::PerGroup;

//! `barnabas groups` as argh reads it.

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

use crate::cli::cluster::cluster_arguments;

/// List, describe, reset and delete consumer groups.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "groups", help_triggers("--help"))]
#[argh(example = "{command_name} list\n{command_name} describe omp")]
pub(in crate::cli) struct Groups {
    #[argh(subcommand)]
    pub(in crate::cli) command: GroupsCommand,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
pub(in crate::cli) enum GroupsCommand {
    List(GroupsList),
    Describe(GroupsDescribe),
    Reset(GroupsReset),
    Delete(GroupsDelete),
}

cluster_arguments!(GroupsList, GroupsDescribe, GroupsReset, GroupsDelete);

/// List the groups that this user may see.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "list", help_triggers("--help"))]
#[argh(example = "{command_name} --bootstrap-server localhost:9092\n{command_name} --json | jq -r '.[].group'")]
pub(in crate::cli) struct GroupsList {
    /// brokers to ask first, HOST:PORT with commas between, instead of a configuration
    #[argh(option, arg_name = "host:port")]
    pub(in crate::cli) bootstrap_server: Option<String>,
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// the cluster of the configuration (default: "default")
    #[argh(option, arg_name = "name")]
    pub(in crate::cli) cluster: Option<String>,
    /// one JSON document
    #[argh(switch)]
    pub(in crate::cli) json: bool,
}

/// Show a group's state, its members, and how far it is behind in each partition, in records and in seconds.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "describe", help_triggers("--help"))]
#[argh(example = "{command_name} omp\n{command_name} omp billing --json | jq '.[] | {{group, lag}}'")]
#[argh(
    note = "LAG-SECONDS is the age of the oldest record that was not read; - where that is not known.\nA partition without a committed offset has no lag: what would be read is up to the consumer."
)]
pub(in crate::cli) struct GroupsDescribe {
    /// the groups
    #[argh(positional, arg_name = "group")]
    pub(in crate::cli) groups: Vec<String>,
    /// brokers to ask first, HOST:PORT with commas between, instead of a configuration
    #[argh(option, arg_name = "host:port")]
    pub(in crate::cli) bootstrap_server: Option<String>,
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// the cluster of the configuration (default: "default")
    #[argh(option, arg_name = "name")]
    pub(in crate::cli) cluster: Option<String>,
    /// one JSON document
    #[argh(switch)]
    pub(in crate::cli) json: bool,
}

/// Commit other offsets for a group: its consumers skip or repeat what lies between. It must have no members.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "reset", help_triggers("--help"))]
#[argh(example = "{command_name} omp event end-1000 --dry-run\n{command_name} omp event:3 2026-11-21T07:00:00Z --yes")]
#[argh(note = "POSITION: earliest, latest, an offset, end-N, or an RFC 3339 time.")]
pub(in crate::cli) struct GroupsReset {
    /// the group
    #[argh(positional)]
    pub(in crate::cli) group: String,
    /// the topic, or TOPIC:PARTITION
    #[argh(positional, arg_name = "topic[:partition]")]
    pub(in crate::cli) topic: String,
    /// where to go on
    #[argh(positional)]
    pub(in crate::cli) position: String,
    /// brokers to ask first, HOST:PORT with commas between, instead of a configuration
    #[argh(option, arg_name = "host:port")]
    pub(in crate::cli) bootstrap_server: Option<String>,
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// the cluster of the configuration (default: "default")
    #[argh(option, arg_name = "name")]
    pub(in crate::cli) cluster: Option<String>,
    /// show what would be committed, and commit nothing
    #[argh(switch)]
    pub(in crate::cli) dry_run: bool,
    /// do not ask
    #[argh(switch)]
    pub(in crate::cli) yes: bool,
    /// one JSON document
    #[argh(switch)]
    pub(in crate::cli) json: bool,
}

/// Delete groups with all their committed offsets. They must have no members.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "delete", help_triggers("--help"))]
#[argh(example = "{command_name} omp-test\n{command_name} omp-test billing-test --yes")]
pub(in crate::cli) struct GroupsDelete {
    /// the groups
    #[argh(positional, arg_name = "group")]
    pub(in crate::cli) groups: Vec<String>,
    /// brokers to ask first, HOST:PORT with commas between, instead of a configuration
    #[argh(option, arg_name = "host:port")]
    pub(in crate::cli) bootstrap_server: Option<String>,
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// the cluster of the configuration (default: "default")
    #[argh(option, arg_name = "name")]
    pub(in crate::cli) cluster: Option<String>,
    /// do not ask
    #[argh(switch)]
    pub(in crate::cli) yes: bool,
    /// one JSON document
    #[argh(switch)]
    pub(in crate::cli) json: bool,
}

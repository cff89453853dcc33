//! What may be typed after `barnabas topics`. The doc comments are what `--help` says.

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

use crate::cli::cluster::cluster_arguments;

/// List, describe, create and delete topics.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "topics", help_triggers("--help"))]
#[argh(
    example = "{command_name} list --bootstrap-server localhost:9092\n{command_name} create event --partitions 6 --replication-factor 3"
)]
pub(in crate::cli) struct Topics {
    #[argh(subcommand)]
    pub(in crate::cli) command: TopicsCommand,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
pub(in crate::cli) enum TopicsCommand {
    List(TopicsList),
    Describe(TopicsDescribe),
    Create(TopicsCreate),
    Delete(TopicsDelete),
}

cluster_arguments!(TopicsList, TopicsDescribe, TopicsCreate, TopicsDelete);

/// List the topics that this user may see, and how they are replicated.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "list", help_triggers("--help"))]
#[argh(
    example = "{command_name} --bootstrap-server localhost:9092\n{command_name} --json | jq -r '.[] | select(.under_replicated > 0) | .topic'"
)]
pub(in crate::cli) struct TopicsList {
    /// brokers to ask first, HOST:PORT with commas between, instead of a configuration
    #[argh(option, arg_name = "host:port")]
    pub(in crate::cli) bootstrap_server: Option<String>,
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// the cluster of the configuration (default: "default")
    #[argh(option, arg_name = "name")]
    pub(in crate::cli) cluster: Option<String>,
    /// also Kafka's own topics
    #[argh(switch)]
    pub(in crate::cli) internal: bool,
    /// one JSON document
    #[argh(switch)]
    pub(in crate::cli) json: bool,
}

/// Show partitions: leader, replicas, first and last offset, size; and the settings that differ from Kafka's defaults.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "describe", help_triggers("--help"))]
#[argh(
    example = "{command_name} event\n{command_name} event --json | jq '.[].partitions[] | {{partition, earliest, latest}}'"
)]
#[argh(note = "LATEST is the offset that the next record gets. SIZE is what the leader's segments take.")]
pub(in crate::cli) struct TopicsDescribe {
    /// the topics (default: all but Kafka's own)
    #[argh(positional, arg_name = "topic")]
    pub(in crate::cli) topics: Vec<String>,
    /// brokers to ask first, HOST:PORT with commas between, instead of a configuration
    #[argh(option, arg_name = "host:port")]
    pub(in crate::cli) bootstrap_server: Option<String>,
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// the cluster of the configuration (default: "default")
    #[argh(option, arg_name = "name")]
    pub(in crate::cli) cluster: Option<String>,
    /// also Kafka's own topics
    #[argh(switch)]
    pub(in crate::cli) internal: bool,
    /// one JSON document
    #[argh(switch)]
    pub(in crate::cli) json: bool,
}

/// Create a topic.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "create", help_triggers("--help"))]
#[argh(
    example = "{command_name} event --partitions 6 --replication-factor 3\n{command_name} event --partitions 6 --replication-factor 3 --setting retention.ms=86400000 --setting cleanup.policy=delete --dry-run"
)]
pub(in crate::cli) struct TopicsCreate {
    /// its name
    #[argh(positional)]
    pub(in crate::cli) topic: String,
    /// brokers to ask first, HOST:PORT with commas between, instead of a configuration
    #[argh(option, arg_name = "host:port")]
    pub(in crate::cli) bootstrap_server: Option<String>,
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// the cluster of the configuration (default: "default")
    #[argh(option, arg_name = "name")]
    pub(in crate::cli) cluster: Option<String>,
    /// how many partitions (default, with Kafka 2.4 and later: the cluster's)
    #[argh(option, arg_name = "n")]
    pub(in crate::cli) partitions: Option<i32>,
    /// how many replicas each partition has (default, with Kafka 2.4 and later: the cluster's)
    #[argh(option, arg_name = "n")]
    pub(in crate::cli) replication_factor: Option<i16>,
    /// a setting of the topic, such as retention.ms=86400000; may be repeated
    #[argh(option, arg_name = "key=value")]
    pub(in crate::cli) setting: Vec<String>,
    /// have the cluster check it, and create nothing
    #[argh(switch)]
    pub(in crate::cli) dry_run: bool,
    /// one JSON document
    #[argh(switch)]
    pub(in crate::cli) json: bool,
}

/// Delete topics with all their records.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "delete", help_triggers("--help"))]
#[argh(example = "{command_name} event\n{command_name} event event.dead --yes")]
pub(in crate::cli) struct TopicsDelete {
    /// the topics
    #[argh(positional, arg_name = "topic")]
    pub(in crate::cli) topics: Vec<String>,
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
}

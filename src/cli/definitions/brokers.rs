//! What may be typed after `barnabas brokers`. The doc comments are what `--help` says.

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

use crate::cli::cluster::cluster_arguments;

cluster_arguments!(Brokers);

/// List the brokers: which is the controller, and how many partitions each leads and holds.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "brokers", help_triggers("--help"))]
#[argh(
    example = "{command_name} --bootstrap-server localhost:9092\n{command_name} --disks --json | jq '.[] | {{broker, log_dirs}}'"
)]
#[argh(note = "OUT-OF-SYNC counts the broker's replicas that are not in sync with their leader.")]
pub(in crate::cli) struct Brokers {
    /// brokers to ask first, HOST:PORT with commas between, instead of a configuration
    #[argh(option, arg_name = "host:port")]
    pub(in crate::cli) bootstrap_server: Option<String>,
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// the cluster of the configuration (default: "default")
    #[argh(option, arg_name = "name")]
    pub(in crate::cli) cluster: Option<String>,
    /// the versions of each request that the brokers speak, and the one that barnabas uses
    #[argh(switch)]
    pub(in crate::cli) api_versions: bool,
    /// the log directories: what Kafka has in them, and how large their volumes are
    #[argh(switch)]
    pub(in crate::cli) disks: bool,
    /// one JSON document
    #[argh(switch)]
    pub(in crate::cli) json: bool,
}

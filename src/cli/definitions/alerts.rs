//! `barnabas alerts` as argh reads it.

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

/// List alerts, silence them, and try the channels that tell of them.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "alerts", help_triggers("--help"))]
#[argh(example = "{command_name} list\n{command_name} silence topic-backlog --for 2h")]
pub(in crate::cli) struct Alerts {
    #[argh(subcommand)]
    pub(in crate::cli) command: AlertsCommand,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
pub(in crate::cli) enum AlertsCommand {
    List(AlertsList),
    Test(AlertsTest),
    Silence(AlertsSilence),
    Unsilence(AlertsUnsilence),
}

/// List what is pending and what fires, the worst first.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "list", help_triggers("--help"))]
#[argh(example = "{command_name}\n{command_name} --json | jq '.[] | select(.state == \"firing\") | .summary'")]
#[argh(note = "Silences and failing channels are remarks on standard error; `barnabas status --json` has them, too.")]
pub(in crate::cli) struct AlertsList {
    /// the configuration file, which names the control socket
    #[argh(option, arg_name = "file")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// one JSON document
    #[argh(switch)]
    pub(in crate::cli) json: bool,
}

/// Send a notice over a channel (or over each) that says that it is a test.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "test", help_triggers("--help"))]
#[argh(example = "{command_name}\n{command_name} ops --config barnabas.toml")]
pub(in crate::cli) struct AlertsTest {
    /// the channel (default: all)
    #[argh(positional)]
    pub(in crate::cli) channel: Option<String>,
    /// the configuration file, which names the control socket
    #[argh(option, arg_name = "file")]
    pub(in crate::cli) config: Option<PathBuf>,
}

/// Tell nobody of a rule's alerts for a while, also after a restart. They stay on the page and in `alerts list`.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "silence", help_triggers("--help"))]
#[argh(example = "{command_name} topic-backlog --for 2h\n{command_name} broker-load --for 30m --config barnabas.toml")]
pub(in crate::cli) struct AlertsSilence {
    /// the rule
    #[argh(positional)]
    pub(in crate::cli) name: String,
    /// for how long: 30m, 2h, 7d
    #[argh(option, arg_name = "duration", long = "for")]
    pub(in crate::cli) duration: Option<String>,
    /// the configuration file, which names the control socket
    #[argh(option, arg_name = "file")]
    pub(in crate::cli) config: Option<PathBuf>,
}

/// Tell of a rule's alerts again.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "unsilence", help_triggers("--help"))]
#[argh(example = "{command_name} topic-backlog\n{command_name} topic-backlog --config barnabas.toml")]
pub(in crate::cli) struct AlertsUnsilence {
    /// the rule
    #[argh(positional)]
    pub(in crate::cli) name: String,
    /// the configuration file, which names the control socket
    #[argh(option, arg_name = "file")]
    pub(in crate::cli) config: Option<PathBuf>,
}

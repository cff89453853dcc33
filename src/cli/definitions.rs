//! What may be typed, as argh reads it. The doc comments are what `--help` says; the examples are meant to be copied.

mod alerts;
mod brokers;
mod groups;
mod topics;

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

use super::cluster::cluster_arguments;

pub(super) use alerts::{Alerts, AlertsCommand, AlertsSilence};
pub(super) use brokers::Brokers;
pub(super) use groups::{Groups, GroupsCommand, GroupsDelete, GroupsList, GroupsReset};
pub(super) use topics::{Topics, TopicsCommand, TopicsCreate, TopicsDelete, TopicsDescribe, TopicsList};

/// Forwards Kafka topics to webhooks: nothing lost, nothing skipped.
///
/// Commands find the configuration by --config, else in $BARNABAS_CONFIG, else in
/// /etc/barnabas/barnabas.toml.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(help_triggers("--help"))]
#[argh(example = "{command_name} check --config barnabas.toml\n{command_name} run --config barnabas.toml")]
#[argh(error_code(1, "It failed; one line on standard error says what."))]
#[argh(error_code(2, "Bad usage or a bad configuration."))]
pub(super) struct Barnabas {
    /// print the version
    #[argh(switch)]
    pub(super) version: bool,
    #[argh(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
pub(super) enum Command {
    Run(Run),
    Check(Check),
    Test(Test),
    Status(Status),
    Forwards(Forwards),
    Offsets(Offsets),
    DeadLetters(DeadLetters),
    Alerts(Alerts),
    Topics(Topics),
    Brokers(Brokers),
    Groups(Groups),
    Consume(Consume),
    Produce(Produce),
    Completions(Completions),
}

/// Run the daemon: read, forward, serve the pages, until SIGTERM or SIGINT. SIGHUP reads the configuration again.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "run", help_triggers("--help"))]
#[argh(example = "{command_name} --config barnabas.toml\nBARNABAS_CONFIG=/srv/omp.toml {command_name}")]
pub(super) struct Run {
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(super) config: Option<PathBuf>,
}

/// Read the configuration and say what is wrong with it. Nothing is sent anywhere.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "check", help_triggers("--help"))]
#[argh(example = "{command_name} --config barnabas.toml\n{command_name} --config barnabas.toml --connect")]
pub(super) struct Check {
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(super) config: Option<PathBuf>,
    /// also try brokers, logins, topics and permissions, and that the webhook's host answers (it never posts)
    #[argh(switch)]
    pub(super) connect: bool,
}

/// Run a forward's steps on events from standard input (one a line) and print each request body. Connects to nothing.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "test", help_triggers("--help"))]
#[argh(
    example = "{command_name} --config barnabas.toml < events.jsonl\n{command_name} --forward guance-to-omp --response answer.json < events.jsonl"
)]
#[argh(
    note = "The response is a JSON document such as {{\"status\": 200, \"headers\": {{}}, \"body\": {{\"code\": 0}}}}."
)]
pub(super) struct Test {
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(super) config: Option<PathBuf>,
    /// the forward, where the configuration has more than one
    #[argh(option, arg_name = "name")]
    pub(super) forward: Option<String>,
    /// a response of the webhook: say what it would mean for the event
    #[argh(option, arg_name = "file")]
    pub(super) response: Option<PathBuf>,
}

/// Say what the running daemon is doing.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "status", help_triggers("--help"))]
#[argh(example = "{command_name} --watch\n{command_name} --json | jq '.forwards[] | {{name, state, lag}}'")]
pub(super) struct Status {
    /// the configuration file, which names the control socket
    #[argh(option, arg_name = "file")]
    pub(super) config: Option<PathBuf>,
    /// one JSON document (with --watch: one a line)
    #[argh(switch)]
    pub(super) json: bool,
    /// again every two seconds, until q or Ctrl-C
    #[argh(switch)]
    pub(super) watch: bool,
}

/// List, pause and resume forwards.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "forwards", help_triggers("--help"))]
#[argh(example = "{command_name} list\n{command_name} pause guance-to-omp")]
pub(super) struct Forwards {
    #[argh(subcommand)]
    pub(super) command: ForwardsCommand,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
pub(super) enum ForwardsCommand {
    List(ForwardsList),
    Pause(ForwardsPause),
    Resume(ForwardsResume),
}

/// List the forwards of the running daemon.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "list", help_triggers("--help"))]
#[argh(example = "{command_name}\n{command_name} --json")]
pub(super) struct ForwardsList {
    /// the configuration file, which names the control socket
    #[argh(option, arg_name = "file")]
    pub(super) config: Option<PathBuf>,
    /// one JSON document
    #[argh(switch)]
    pub(super) json: bool,
}

/// Send nothing more for a forward, also after a restart, until it is resumed.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "pause", help_triggers("--help"))]
#[argh(example = "{command_name} guance-to-omp\n{command_name} guance-to-omp --config barnabas.toml")]
pub(super) struct ForwardsPause {
    /// the forward
    #[argh(positional)]
    pub(super) name: String,
    /// the configuration file, which names the control socket
    #[argh(option, arg_name = "file")]
    pub(super) config: Option<PathBuf>,
}

/// Go on with a forward that was paused.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "resume", help_triggers("--help"))]
#[argh(example = "{command_name} guance-to-omp\n{command_name} guance-to-omp --config barnabas.toml")]
pub(super) struct ForwardsResume {
    /// the forward
    #[argh(positional)]
    pub(super) name: String,
    /// the configuration file, which names the control socket
    #[argh(option, arg_name = "file")]
    pub(super) config: Option<PathBuf>,
}

/// Show and change how far forwards have come.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "offsets", help_triggers("--help"))]
#[argh(example = "{command_name} show\n{command_name} set guance-to-omp event:0 end-1000")]
pub(super) struct Offsets {
    #[argh(subcommand)]
    pub(super) command: OffsetsCommand,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
pub(super) enum OffsetsCommand {
    Show(OffsetsShow),
    Set(OffsetsSet),
    Rename(OffsetsRename),
    Export(OffsetsExport),
    Import(OffsetsImport),
}

/// Show the stored offsets.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "show", help_triggers("--help"))]
#[argh(example = "{command_name}\n{command_name} --json")]
pub(super) struct OffsetsShow {
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(super) config: Option<PathBuf>,
    /// one JSON document
    #[argh(switch)]
    pub(super) json: bool,
}

/// Go on reading a topic somewhere else: events between are skipped or delivered again.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "set", help_triggers("--help"))]
#[argh(
    example = "{command_name} guance-to-omp event earliest\n{command_name} guance-to-omp event:3 2026-11-21T07:00:00Z --yes"
)]
#[argh(note = "POSITION: earliest, latest, an offset, end-N, or an RFC 3339 time.")]
pub(super) struct OffsetsSet {
    /// the forward
    #[argh(positional)]
    pub(super) forward: String,
    /// the topic, or TOPIC:PARTITION
    #[argh(positional, arg_name = "topic[:partition]")]
    pub(super) topic: String,
    /// where to go on
    #[argh(positional)]
    pub(super) position: String,
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(super) config: Option<PathBuf>,
    /// do not ask
    #[argh(switch)]
    pub(super) yes: bool,
}

/// Give the offsets of a forward that was renamed in the configuration to its new name.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "rename", help_triggers("--help"))]
#[argh(example = "{command_name} guance omp\n{command_name} guance omp --config barnabas.toml")]
pub(super) struct OffsetsRename {
    /// the name in the state
    #[argh(positional)]
    pub(super) old: String,
    /// the name in the configuration
    #[argh(positional)]
    pub(super) new: String,
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(super) config: Option<PathBuf>,
}

/// Write all stored offsets as a JSON document to standard output.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "export", help_triggers("--help"))]
#[argh(
    example = "{command_name} > offsets.json\n{command_name} --config old.toml | barnabas offsets import --config new.toml --yes"
)]
pub(super) struct OffsetsExport {
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(super) config: Option<PathBuf>,
}

/// Replace the stored offsets by those of a document from standard input (an export, or offsets.json of the state).
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "import", help_triggers("--help"))]
#[argh(
    example = "{command_name} --yes < offsets.json\n{command_name} --config barnabas.toml --yes < /var/lib/barnabas/offsets.json"
)]
pub(super) struct OffsetsImport {
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(super) config: Option<PathBuf>,
    /// do not ask
    #[argh(switch)]
    pub(super) yes: bool,
}

/// List, show, replay and delete events that could not be delivered.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "dead-letters", help_triggers("--help"))]
#[argh(example = "{command_name} list\n{command_name} replay --all")]
pub(super) struct DeadLetters {
    #[argh(subcommand)]
    pub(super) command: DeadLettersCommand,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
pub(super) enum DeadLettersCommand {
    List(DeadLettersList),
    Show(DeadLettersShow),
    Replay(DeadLettersReplay),
    Purge(DeadLettersPurge),
    Export(DeadLettersExport),
}

/// List the dead letters that wait.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "list", help_triggers("--help"))]
#[argh(example = "{command_name}\n{command_name} --forward guance-to-omp --json")]
pub(super) struct DeadLettersList {
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(super) config: Option<PathBuf>,
    /// those of this forward alone
    #[argh(option, arg_name = "name")]
    pub(super) forward: Option<String>,
    /// at most so many
    #[argh(option, arg_name = "n")]
    pub(super) limit: Option<usize>,
    /// one JSON document
    #[argh(switch)]
    pub(super) json: bool,
}

/// Show one dead letter with its value and headers.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "show", help_triggers("--help"))]
#[argh(example = "{command_name} 17\n{command_name} 17 --json | jq -r .value")]
pub(super) struct DeadLettersShow {
    /// its id, as the list gives it
    #[argh(positional)]
    pub(super) id: u64,
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(super) config: Option<PathBuf>,
    /// one JSON document
    #[argh(switch)]
    pub(super) json: bool,
}

/// Deliver dead letters again, through the steps as they are configured now; what is accepted is deleted.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "replay", help_triggers("--help"))]
#[argh(example = "{command_name} 17 18\n{command_name} --all")]
pub(super) struct DeadLettersReplay {
    /// their ids
    #[argh(positional, arg_name = "id")]
    pub(super) ids: Vec<u64>,
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(super) config: Option<PathBuf>,
    /// every one
    #[argh(switch)]
    pub(super) all: bool,
}

/// Delete dead letters: these events will never be delivered.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "purge", help_triggers("--help"))]
#[argh(example = "{command_name} 17 18\n{command_name} --older-than 30d --yes")]
pub(super) struct DeadLettersPurge {
    /// their ids
    #[argh(positional, arg_name = "id")]
    pub(super) ids: Vec<u64>,
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(super) config: Option<PathBuf>,
    /// those kept aside longer ago than this, such as 36h or 30d
    #[argh(option, arg_name = "duration")]
    pub(super) older_than: Option<String>,
    /// every one
    #[argh(switch)]
    pub(super) all: bool,
    /// do not ask
    #[argh(switch)]
    pub(super) yes: bool,
}

/// Write all dead letters, with value and headers, to standard output: JSON, one a line.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "export", help_triggers("--help"))]
#[argh(example = "{command_name} > dead-letters.jsonl\n{command_name} | jq -r .value | barnabas produce event")]
pub(super) struct DeadLettersExport {
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(super) config: Option<PathBuf>,
}

cluster_arguments!(Consume, Produce);

/// Show the records of a topic, up to its end as it is now. Joins no group and commits nothing.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "consume", help_triggers("--help"))]
#[argh(
    example = "{command_name} event --from end-10 --json\n{command_name} event --follow --jq 'select(.key == \"db-1\") | .value | fromjson'"
)]
#[argh(
    note = "POSITION: earliest (the default), latest, an offset, end-N, or an RFC 3339 time.\nRecords of several partitions are shown as they come. A record without a value is null.\nThe jq filter gets {{topic, partition, offset, timestamp, key, value, headers}}; value is a string."
)]
pub(super) struct Consume {
    /// the topic
    #[argh(positional)]
    pub(super) topic: String,
    /// brokers to ask first, HOST:PORT with commas between, instead of a configuration
    #[argh(option, arg_name = "host:port")]
    pub(super) bootstrap_server: Option<String>,
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(super) config: Option<PathBuf>,
    /// the cluster of the configuration (default: "default")
    #[argh(option, arg_name = "name")]
    pub(super) cluster: Option<String>,
    /// this partition alone
    #[argh(option, arg_name = "n")]
    pub(super) partition: Option<i32>,
    /// where to begin
    #[argh(option, arg_name = "position")]
    pub(super) from: Option<String>,
    /// show so many records (with --jq: those that the filter gives something for) and end
    #[argh(option, arg_name = "n")]
    pub(super) count: Option<u64>,
    /// go on with what comes, until Ctrl-C
    #[argh(switch)]
    pub(super) follow: bool,
    /// value (the default) or json: JSON lines; with --jq, value shows strings without quotes
    #[argh(option, arg_name = "format")]
    pub(super) format: Option<ConsumeFormat>,
    /// show what this jq filter gives for each record, a line each
    #[argh(option, arg_name = "filter")]
    pub(super) jq: Option<String>,
    /// the same as --format json
    #[argh(switch)]
    pub(super) json: bool,
}

/// What a line of `consume` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, argh::FromArgValue)]
pub(super) enum ConsumeFormat {
    Value,
    Json,
}

/// Send the lines of standard input to a topic, a record each, acknowledged by all in-sync replicas. The topic must exist.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "produce", help_triggers("--help"))]
#[argh(
    example = "{command_name} event --bootstrap-server localhost:9092 < events.jsonl\n{command_name} event --config barnabas.toml --key-separator : --compression gzip < lines"
)]
pub(super) struct Produce {
    /// the topic
    #[argh(positional)]
    pub(super) topic: String,
    /// brokers to ask first, HOST:PORT with commas between, instead of a configuration
    #[argh(option, arg_name = "host:port")]
    pub(super) bootstrap_server: Option<String>,
    /// the configuration file
    #[argh(option, arg_name = "file")]
    pub(super) config: Option<PathBuf>,
    /// the cluster of the configuration (default: "default")
    #[argh(option, arg_name = "name")]
    pub(super) cluster: Option<String>,
    /// what comes before the first of these characters is the key; a line without one has no key
    #[argh(option, arg_name = "c")]
    pub(super) key_separator: Option<char>,
    /// none, gzip or snappy (default: none)
    #[argh(option, arg_name = "codec", default = "ProduceCompression::None")]
    pub(super) compression: ProduceCompression,
    /// the delivery reports as JSON lines
    #[argh(switch)]
    pub(super) json: bool,
}

/// What the producer can compress with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, argh::FromArgValue)]
pub(super) enum ProduceCompression {
    None,
    Gzip,
    Snappy,
}

/// Write the completion script of a shell, or the manual page, to standard output.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "completions", help_triggers("--help"))]
#[argh(example = "source <({command_name} bash)\n{command_name} man > /usr/local/share/man/man1/barnabas.1")]
pub(super) struct Completions {
    /// bash, zsh, fish or man
    #[argh(positional, arg_name = "shell")]
    pub(super) target: CompletionTarget,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, argh::FromArgValue)]
pub(super) enum CompletionTarget {
    Bash,
    Zsh,
    Fish,
    Man,
}

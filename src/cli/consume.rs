//! `barnabas consume`: records of a topic on standard output. Here: what the arguments mean, and where reading begins and
//! ends. `read` reads, `lines` makes lines of records. Joins no group, commits nothing, creates nothing.

mod lines;
mod read;

use super::cluster;
use super::definitions::{Consume, ConsumeFormat};
use super::failure::Failure;
use super::output::Output;
use super::runtime;
use crate::kafka::list_offsets::OffsetSpec;
use crate::kafka::metadata::Topic;
use crate::kafka::positions;
use crate::kafka::wire::Client;
use crate::logic::jq::Program;
use crate::logic::offset_tracker::Position;
use crate::logic::position::RequestedPosition;
use crate::logic::record::TopicPartition;
use lines::{Lines, Shape};
use litemap::LiteMap;
use read::{Ends, Reading};

pub(super) fn consume(command: Consume, output: &mut Output<'_>) -> Result<(), Failure> {
    let position: RequestedPosition = match &command.from {
        Some(text) => text.parse().map_err(|error| Failure::Usage(format!("--from: {error}")))?,
        None => RequestedPosition::Earliest,
    };
    let lines = Lines::new(shape(&command)?, output.is_terminal(), command.count);
    let client = command.cluster().client()?;
    runtime::block_on(async {
        let reading = begin(client, &command, position).await?;
        reading.run(lines, output).await
    })
}

fn shape(command: &Consume) -> Result<Shape, Failure> {
    let format = match (command.json, command.format) {
        (true, Some(ConsumeFormat::Value)) => {
            return Err(Failure::Usage("--json and --format value exclude each other".to_owned()));
        }
        (true, _) => Some(ConsumeFormat::Json),
        (false, format) => format,
    };
    match (&command.jq, format) {
        (Some(source), format) => {
            let program = Program::compile(source, None).map_err(|error| Failure::Usage(format!("--jq: {error}")))?;
            Ok(Shape::Jq { program, bare_strings: format == Some(ConsumeFormat::Value) })
        }
        (None, Some(ConsumeFormat::Json)) => Ok(Shape::Json),
        (None, Some(ConsumeFormat::Value) | None) => Ok(Shape::Value),
    }
}

/// Looks up the partitions, and where each of them begins and ends.
async fn begin(client: Client, command: &Consume, position: RequestedPosition) -> Result<Reading, Failure> {
    let topic = cluster::topic(&client, &command.topic, "READ and DESCRIBE").await?;
    let names = partitions(command, &topic)?;
    let (begins, ends) =
        tokio::join!(positions::resolve(&client, &names, position), ends(&client, &names, command.follow));
    let begins: LiteMap<TopicPartition, Position> = begins.map_err(Failure::failed)?;
    Reading::new(client, &command.topic, command.partition, begins, ends?)
}

fn partitions(command: &Consume, topic: &Topic) -> Result<Vec<TopicPartition>, Failure> {
    let name = |partition: &i32| TopicPartition::new(command.topic.as_str(), *partition);
    match &command.partition {
        None => Ok(topic.partitions.keys().map(name).collect()),
        Some(partition) if topic.partitions.contains_key(partition) => Ok(vec![name(partition)]),
        Some(partition) => {
            let last = topic.partitions.last().map_or(0, |(number, _)| *number);
            Err(Failure::failed(format!(
                "topic {} has no partition {partition}: its last one is {last}",
                command.topic
            )))
        }
    }
}

/// The last stable offsets: what is decided now. What follows belongs to open transactions, or comes later.
async fn ends(client: &Client, names: &[TopicPartition], follow: bool) -> Result<Ends, Failure> {
    if follow {
        return Ok(Ends::Never);
    }
    let ends = positions::list(client, names, OffsetSpec::LastStable).await.map_err(Failure::failed)?;
    Ok(Ends::At(ends.into_iter().filter_map(|(name, end)| Some((name, end?))).collect()))
}

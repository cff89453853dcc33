//! What a person asks of a running forward, and the questions to brokers that this takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::kafka::list_offsets::OffsetSpec;
use crate::kafka::wire::Client;
use crate::logic::offset_tracker::Position;
use crate::logic::position::RequestedPosition;
use crate::logic::record::TopicPartition;

/// Where the answer goes: a sentence that says what was done, or why not.
pub type Answer = oneshot::Sender<Result<String, String>>;

/// What a person asks of a running forward.
#[derive(Debug)]
pub enum Command {
    /// Send nothing until `Resume`, also after a restart.
    Pause(Answer),
    /// Send again; and if the endpoint is being backed off from, try it at once.
    Resume(Answer),
    /// Read on elsewhere; what is pending is forgotten.
    SetPosition {
        /// The topic.
        topic: Arc<str>,
        /// The partition; none: all that are read.
        partition: Option<i32>,
        /// Where to read on.
        position: RequestedPosition,
        /// Where the answer goes.
        answer: Answer,
    },
    /// Deliver these dead letters after all.
    Replay {
        /// Their numbers.
        ids: Vec<u64>,
        /// Where the answer goes.
        answer: Answer,
    },
    /// Finish what is in flight, store, and end.
    Drain,
}

/// The offsets that `position` means for `names`: for all of them, or an error for people.
pub(super) async fn resolve(
    client: &Client,
    names: Vec<TopicPartition>,
    position: RequestedPosition,
) -> Result<BTreeMap<TopicPartition, Position>, String> {
    let earliest = list(client, &names, OffsetSpec::Earliest).await?;
    let latest = list(client, &names, OffsetSpec::Latest).await?;
    let at_time = match position {
        RequestedPosition::Time(time) => list(client, &names, OffsetSpec::Time(time)).await?,
        _ => BTreeMap::new(),
    };
    let mut positions = BTreeMap::new();
    for name in names {
        let (Some(Some(earliest)), Some(Some(latest))) = (earliest.get(&name), latest.get(&name)) else {
            return Err(format!("no broker tells where the log of {name} begins and ends"));
        };
        let offset = match position {
            RequestedPosition::Earliest => *earliest,
            RequestedPosition::Latest => *latest,
            RequestedPosition::BeforeEnd(count) => latest.saturating_sub(count).max(*earliest),
            RequestedPosition::Time(_) => at_time.get(&name).copied().flatten().unwrap_or(*latest),
            RequestedPosition::Offset(offset) if (*earliest..=*latest).contains(&offset) => offset,
            RequestedPosition::Offset(offset) => {
                return Err(format!("offset {offset} is not in the log of {name}, which has {earliest} to {latest}"));
            }
        };
        positions.insert(name, Position(offset));
    }
    Ok(positions)
}

async fn list(
    client: &Client,
    names: &[TopicPartition],
    spec: OffsetSpec,
) -> Result<BTreeMap<TopicPartition, Option<i64>>, String> {
    let wanted: Vec<_> = names.iter().map(|name| (name.clone(), spec)).collect();
    let answers = client.list_offsets(&wanted).await;
    answers
        .into_iter()
        .map(|(name, answer)| match answer {
            Ok(listed) => Ok((name, listed.offset)),
            Err(error) => Err(format!("cannot ask for the offsets of {name}: {error}")),
        })
        .collect()
}

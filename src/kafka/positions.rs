//! From a position that a person asked for to the offset that it means in each partition. Asks brokers where logs begin
//! and end; decides nothing about what is done with the offsets.

use litemap::LiteMap;

use super::list_offsets::OffsetSpec;
use super::wire::Client;
use crate::logic::offset_tracker::Position;
use crate::logic::position::RequestedPosition;
use crate::logic::record::TopicPartition;

/// The offsets that `position` means for `names`: for all of them, or an error for people.
///
/// # Errors
/// A broker does not answer for a partition, or an offset that was given is not in its log.
pub async fn resolve(
    client: &Client,
    names: &[TopicPartition],
    position: RequestedPosition,
) -> Result<LiteMap<TopicPartition, Position>, String> {
    let at_time = async {
        match position {
            RequestedPosition::Time(time) => list(client, names, OffsetSpec::Time(time)).await,
            _ => Ok(LiteMap::new()),
        }
    };
    let (earliest, latest, at_time) =
        tokio::join!(list(client, names, OffsetSpec::Earliest), list(client, names, OffsetSpec::Latest), at_time);
    let (earliest, latest, at_time) = (earliest?, latest?, at_time?);
    let mut positions = Vec::new();
    for name in names {
        let (Some(Some(earliest)), Some(Some(latest))) = (earliest.get(name), latest.get(name)) else {
            return Err(format!("no broker tells where the log of {name} begins and ends"));
        };
        let offset = match position {
            RequestedPosition::Earliest => *earliest,
            RequestedPosition::Latest => *latest,
            RequestedPosition::BeforeEnd(count) => latest.saturating_sub(count).max(*earliest),
            RequestedPosition::Time(_) => at_time.get(name).copied().flatten().unwrap_or(*latest),
            RequestedPosition::Offset(offset) if (*earliest..=*latest).contains(&offset) => offset,
            RequestedPosition::Offset(offset) => {
                return Err(format!("offset {offset} is not in the log of {name}, which has {earliest} to {latest}"));
            }
        };
        positions.push((name.clone(), Position(offset)));
    }
    Ok(positions.into_iter().collect())
}

/// One offset for each of `names`; none: no record is as late as the time asked for.
///
/// # Errors
/// The first partition that no broker answered for, in words for people.
pub async fn list(
    client: &Client,
    names: &[TopicPartition],
    spec: OffsetSpec,
) -> Result<LiteMap<TopicPartition, Option<i64>>, String> {
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

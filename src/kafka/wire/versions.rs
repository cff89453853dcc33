//! Which version of a request to send to a broker: the highest that it, kafka-protocol and we have in common.
//!
//! Knows what a broker announced; asking it is the connection's part.

use kafka_protocol::messages::ApiKey;
use litemap::LiteMap;

use super::api::{Api, RequestKind, spoken};
use super::error::ErrorKind;

/// What a broker announced in its answer to ApiVersions: first and last version of each request, by API key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerVersions(pub LiteMap<i16, (i16, i16)>);

impl BrokerVersions {
    /// The version of `R` to use, at most `limit`.
    pub(crate) fn best<R: Api>(&self, limit: i16) -> Result<i16, ErrorKind> {
        self.best_of(R::KIND, limit)
    }

    /// The version of a request of this kind to use, at most `limit`.
    pub(super) fn best_of(&self, kind: &RequestKind, limit: i16) -> Result<i16, ErrorKind> {
        let needs = || format!("this needs Kafka {} or later: ", since(kind.key));
        let Some(&(first, last)) = self.0.get(&kind.key) else {
            return Err(ErrorKind::Unsupported(format!("{}the broker does not know {} requests", needs(), kind.name)));
        };
        let (ours_first, ours_last) = kind.versions;
        match common((first, last), (ours_first, ours_last.min(limit))) {
            Some(best) => Ok(best),
            None => Err(ErrorKind::Unsupported(format!(
                "{}the broker speaks {} versions {first} to {last}, barnabas {ours_first} to {ours_last}",
                needs(),
                kind.name
            ))),
        }
    }

    /// The version of the request with this key that is used with this broker; none where it is never sent.
    pub fn used(&self, key: i16) -> Option<i16> {
        common(*self.0.get(&key)?, spoken(key)?)
    }

    /// Kafka's name of the request with this key; none where it is newer than barnabas.
    pub fn name(key: i16) -> Option<String> {
        // Requests between brokers, and of newer clients, that kafka-protocol has no name for.
        let name = match key {
            4 => "LeaderAndIsr",
            5 => "StopReplica",
            6 => "UpdateMetadata",
            7 => "ControlledShutdown",
            56 => "AlterPartition",
            58 => "Envelope",
            67 => "AllocateProducerIds",
            88 => "StreamsGroupHeartbeat",
            89 => "StreamsGroupDescribe",
            _ => return ApiKey::try_from(key).ok().map(|key| format!("{key:?}")),
        };
        Some(name.to_owned())
    }
}

fn common(theirs: (i16, i16), ours: (i16, i16)) -> Option<i16> {
    let best = theirs.1.min(ours.1);
    (best >= theirs.0.max(ours.0)).then_some(best)
}

/// The release of Kafka that brought what we need of a request, where it is later than the first that we support; for
/// any other request that is the first.
fn since(key: i16) -> &'static str {
    match key {
        32 | 42 => "1.1", // DescribeConfigs with sources, DeleteGroups
        35 => "2.0",      // DescribeLogDirs
        55 => "3.3",      // DescribeQuorum
        69 => "3.7",      // ConsumerGroupDescribe
        77 | 90 => "4.1", // share groups
        _ => "0.11",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages::{ConsumerGroupDescribeRequest, FetchRequest, MetadataRequest};

    #[test]
    fn the_highest_common_version_is_used() {
        let broker = BrokerVersions(LiteMap::from_iter([(1, (4, 18)), (3, (0, 3))]));
        assert_eq!(broker.best::<FetchRequest>(i16::MAX), Ok(17), "ours is the lower end");
        assert_eq!(broker.best::<FetchRequest>(12), Ok(12), "topic ids may be unknown");
        let old = BrokerVersions(LiteMap::from_iter([(1, (0, 5))]));
        assert_eq!(old.best::<FetchRequest>(i16::MAX), Ok(5), "the broker's is the lower end");
    }

    #[test]
    fn a_request_without_a_common_version_is_not_sent() {
        let broker = BrokerVersions(LiteMap::from_iter([(1, (4, 18)), (3, (0, 3))]));
        let too_old = broker.best::<MetadataRequest>(i16::MAX).expect_err("Metadata 3 would create topics");
        assert!(too_old.to_string().contains("0 to 3"), "{too_old}");
        let unknown = broker.best::<ConsumerGroupDescribeRequest>(i16::MAX).expect_err("not announced");
        assert!(unknown.is_permanent());
        assert!(unknown.to_string().starts_with("this needs Kafka 3.7 or later"), "{unknown}");
    }

    #[test]
    fn what_is_used_is_known_by_key() {
        let broker = BrokerVersions(LiteMap::from_iter([(0, (0, 13)), (1, (4, 18)), (3, (0, 3))]));
        assert_eq!(broker.used(1), Some(17));
        assert_eq!(broker.used(3), None, "Metadata 3 would create topics");
        assert_eq!(broker.used(0), None, "Produce is not sent here");
        assert_eq!(BrokerVersions::name(1).as_deref(), Some("Fetch"));
        assert_eq!(BrokerVersions::name(6).as_deref(), Some("UpdateMetadata"), "from brokers before 4.0");
        assert_eq!(BrokerVersions::name(9999), None);
    }
}

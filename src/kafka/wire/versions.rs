//! Which version of a request to send to a broker: the highest that it, kafka-protocol and we have in common.
//!
//! Knows what a broker announced; asking it is the connection's part.

use std::collections::BTreeMap;

use kafka_protocol::protocol::Message;

use super::api::Api;
use super::error::ErrorKind;

/// What a broker announced in its answer to ApiVersions: first and last version of each request, by API key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerVersions(pub BTreeMap<i16, (i16, i16)>);

impl BrokerVersions {
    /// The version of `R` to use, at most `limit`.
    pub(crate) fn best<R: Api>(&self, limit: i16) -> Result<i16, ErrorKind> {
        let Some(&(first, last)) = self.0.get(&R::KEY) else {
            return Err(ErrorKind::Unsupported(format!("the broker does not know {} requests", R::NAME)));
        };
        // kafka-protocol announces ranges for requests as a whole that some of its messages do not decode.
        let (request, answer) = (<R as Message>::VERSIONS, <R::Answer as Message>::VERSIONS);
        let ours_first = R::SPOKEN.0.max(request.min).max(answer.min);
        let ours_last = R::SPOKEN.1.min(request.max).min(answer.max).min(limit);
        let best = last.min(ours_last);
        if best >= first.max(ours_first) {
            return Ok(best);
        }
        Err(ErrorKind::Unsupported(format!(
            "the broker speaks {} versions {first} to {last}, barnabas {ours_first} to {ours_last}; brokers from 0.11 \
             on are supported",
            R::NAME
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages::{ConsumerGroupDescribeRequest, FetchRequest, MetadataRequest};

    #[test]
    fn the_highest_common_version_is_used() {
        let broker = BrokerVersions(BTreeMap::from([(1, (4, 18)), (3, (0, 3))]));
        assert_eq!(broker.best::<FetchRequest>(i16::MAX), Ok(17), "ours is the lower end");
        assert_eq!(broker.best::<FetchRequest>(12), Ok(12), "topic ids may be unknown");
        let old = BrokerVersions(BTreeMap::from([(1, (0, 5))]));
        assert_eq!(old.best::<FetchRequest>(i16::MAX), Ok(5), "the broker's is the lower end");
    }

    #[test]
    fn a_request_without_a_common_version_is_not_sent() {
        let broker = BrokerVersions(BTreeMap::from([(1, (4, 18)), (3, (0, 3))]));
        let too_old = broker.best::<MetadataRequest>(i16::MAX).expect_err("Metadata 3 would create topics");
        assert!(too_old.to_string().contains("0 to 3"), "{too_old}");
        let unknown = broker.best::<ConsumerGroupDescribeRequest>(i16::MAX).expect_err("not announced");
        assert!(unknown.is_permanent());
    }
}

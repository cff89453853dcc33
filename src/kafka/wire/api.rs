//! The requests that we send: their names, the versions of them that we speak, and the check and the size that their
//! answers have to pass.
//!
//! What is the same for all of them is in `RequestKind`, so that what carries them to a broker is not made anew for each.
//! A request that is not listed here cannot be sent, so no answer is decoded without a check.

use kafka_protocol::messages as m;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, VersionRange};

use super::shape::MessageShape;
use super::shapes;

/// A request and its answer.
pub(crate) trait Api: Encodable + Send {
    /// What a broker answers with.
    type Answer: Decodable + Default + Send;
    /// All else that there is to know about it.
    const KIND: &'static RequestKind;
}

/// What there is to know about a request, apart from its fields.
pub(crate) struct RequestKind {
    /// Kafka's name for it, for error texts.
    pub(super) name: &'static str,
    /// The protocol's number for it.
    pub(super) key: i16,
    /// The versions that we and kafka-protocol both speak, first and last.
    pub(super) versions: (i16, i16),
    /// The structure of the answer.
    pub(super) shape: &'static MessageShape,
    /// The largest answer in bytes that is taken in.
    pub(super) max_answer: usize,
    /// The version of the request's header in a version of the request.
    pub(super) request_header: fn(i16) -> i16,
    /// The version of the answer's header in a version of the request.
    pub(super) answer_header: fn(i16) -> i16,
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Before a broker has proved to be one, it gets little room.
const BEFORE_LOGIN: usize = 256 * KIB;
/// Metadata of some 300,000 partitions; every other answer is smaller.
const ORDINARY: usize = 32 * MIB;
/// A broker sends a first batch whole, however large it is, and `message.max.bytes` can be raised that far.
const RECORDS: usize = 128 * MIB;

macro_rules! apis {
    ($($request:ident -> $answer:ident, $key:literal, $name:literal, $versions:expr, $shape:ident, $max:expr;)*) => {
        $(impl Api for m::$request {
            type Answer = m::$answer;
            const KIND: &'static RequestKind = &RequestKind {
                name: $name,
                key: $key,
                versions: common($versions, <m::$request as Message>::VERSIONS, <m::$answer as Message>::VERSIONS),
                shape: &shapes::$shape,
                max_answer: $max,
                request_header: <m::$request as HeaderVersion>::header_version,
                answer_header: <m::$answer as HeaderVersion>::header_version,
            };
        })*

        /// Every request that we send.
        const KINDS: &[&RequestKind] = &[$(<m::$request as Api>::KIND),*];
    };
}

/// The versions of the request with this key that we and kafka-protocol both speak; none where we never send it.
pub(super) fn spoken(key: i16) -> Option<(i16, i16)> {
    KINDS.iter().find(|kind| kind.key == key).map(|kind| kind.versions)
}

/// Whether a broker that gets this request twice does no more than once. What makes or deletes something would be told
/// the second time that it is there already, or gone.
pub(super) const fn may_be_sent_twice(key: i16) -> bool {
    const CREATE_TOPICS: i16 = 19;
    const DELETE_TOPICS: i16 = 20;
    const DELETE_GROUPS: i16 = 42;
    !matches!(key, CREATE_TOPICS | DELETE_TOPICS | DELETE_GROUPS)
}

/// The versions that `ours` (first and last), the request's and the answer's ranges have in common: kafka-protocol
/// announces ranges for requests as a whole that some of its messages do not decode.
const fn common(ours: (i16, i16), request: VersionRange, answer: VersionRange) -> (i16, i16) {
    const fn larger(one: i16, other: i16) -> i16 {
        if one > other { one } else { other }
    }
    const fn smaller(one: i16, other: i16) -> i16 {
        if one < other { one } else { other }
    }
    (larger(ours.0, larger(request.min, answer.min)), smaller(ours.1, smaller(request.max, answer.max)))
}

// Metadata from 4 on: before that, asking for a topic created it. SaslHandshake 1: version 0 is followed by bare tokens
// without a frame header. FindCoordinator from 1 on: version 0 has no key type.
apis! {
    ApiVersionsRequest -> ApiVersionsResponse, 18, "ApiVersions", (0, 3), API_VERSIONS, BEFORE_LOGIN;
    SaslHandshakeRequest -> SaslHandshakeResponse, 17, "SaslHandshake", (1, 1), SASL_HANDSHAKE, BEFORE_LOGIN;
    SaslAuthenticateRequest -> SaslAuthenticateResponse, 36, "SaslAuthenticate", (0, 2), SASL_AUTHENTICATE, BEFORE_LOGIN;
    MetadataRequest -> MetadataResponse, 3, "Metadata", (4, 13), METADATA, ORDINARY;
    ListOffsetsRequest -> ListOffsetsResponse, 2, "ListOffsets", (1, 10), LIST_OFFSETS, ORDINARY;
    FetchRequest -> FetchResponse, 1, "Fetch", (4, 17), FETCH, RECORDS;
    FindCoordinatorRequest -> FindCoordinatorResponse, 10, "FindCoordinator", (1, 6), FIND_COORDINATOR, ORDINARY;
    DescribeGroupsRequest -> DescribeGroupsResponse, 15, "DescribeGroups", (0, 6), DESCRIBE_GROUPS, ORDINARY;
    ConsumerGroupDescribeRequest -> ConsumerGroupDescribeResponse, 69, "ConsumerGroupDescribe", (0, 1), CONSUMER_GROUP_DESCRIBE, ORDINARY;
    ListGroupsRequest -> ListGroupsResponse, 16, "ListGroups", (0, 5), LIST_GROUPS, ORDINARY;
    DeleteGroupsRequest -> DeleteGroupsResponse, 42, "DeleteGroups", (0, 2), DELETE_GROUPS, ORDINARY;
    OffsetFetchRequest -> OffsetFetchResponse, 9, "OffsetFetch", (1, 9), OFFSET_FETCH, ORDINARY;
    OffsetCommitRequest -> OffsetCommitResponse, 8, "OffsetCommit", (2, 9), OFFSET_COMMIT, ORDINARY;
    CreateTopicsRequest -> CreateTopicsResponse, 19, "CreateTopics", (2, 7), CREATE_TOPICS, ORDINARY;
    DeleteTopicsRequest -> DeleteTopicsResponse, 20, "DeleteTopics", (1, 6), DELETE_TOPICS, ORDINARY;
    DescribeConfigsRequest -> DescribeConfigsResponse, 32, "DescribeConfigs", (1, 4), DESCRIBE_CONFIGS, ORDINARY;
    DescribeLogDirsRequest -> DescribeLogDirsResponse, 35, "DescribeLogDirs", (1, 4), DESCRIBE_LOG_DIRS, ORDINARY;
    DescribeQuorumRequest -> DescribeQuorumResponse, 55, "DescribeQuorum", (0, 2), DESCRIBE_QUORUM, ORDINARY;
    ShareGroupDescribeRequest -> ShareGroupDescribeResponse, 77, "ShareGroupDescribe", (1, 1), SHARE_GROUP_DESCRIBE, ORDINARY;
    DescribeShareGroupOffsetsRequest -> DescribeShareGroupOffsetsResponse, 90, "DescribeShareGroupOffsets", (0, 0), DESCRIBE_SHARE_GROUP_OFFSETS, ORDINARY;
}

//! The tables of `shapes` against kafka-protocol: what it encodes must pass, in every version, and nothing that passes
//! may bring it down.

use std::fmt::Debug;

use bytes::Bytes;
use kafka_protocol::messages as m;
use kafka_protocol::protocol::{Encodable, StrBytes};
use proptest::prelude::*;

use super::api::Api;
use super::error::ErrorKind;
use super::fake_peer::encoded;
use super::question::decode;

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

/// Calls `$check::<Request>(sample)` for every request that we send; a sample is a function of the version.
macro_rules! for_each_api {
    ($check:ident $(, $argument:expr)*) => {
        $check::<m::ApiVersionsRequest>(&api_versions $(, $argument)*);
        $check::<m::SaslHandshakeRequest>(&|_| sasl_handshake() $(, $argument)*);
        $check::<m::SaslAuthenticateRequest>(&sasl_authenticate $(, $argument)*);
        $check::<m::MetadataRequest>(&metadata $(, $argument)*);
        $check::<m::ListOffsetsRequest>(&list_offsets $(, $argument)*);
        $check::<m::FetchRequest>(&fetch $(, $argument)*);
        $check::<m::FindCoordinatorRequest>(&find_coordinator $(, $argument)*);
        $check::<m::DescribeGroupsRequest>(&describe_groups $(, $argument)*);
        $check::<m::ConsumerGroupDescribeRequest>(&consumer_group_describe $(, $argument)*);
        $check::<m::ListGroupsRequest>(&list_groups $(, $argument)*);
        $check::<m::DeleteGroupsRequest>(&|_| delete_groups() $(, $argument)*);
        $check::<m::OffsetFetchRequest>(&offset_fetch $(, $argument)*);
        $check::<m::OffsetCommitRequest>(&|_| offset_commit() $(, $argument)*);
        $check::<m::CreateTopicsRequest>(&create_topics $(, $argument)*);
        $check::<m::DeleteTopicsRequest>(&delete_topics $(, $argument)*);
        $check::<m::DescribeConfigsRequest>(&describe_configs $(, $argument)*);
        $check::<m::DescribeLogDirsRequest>(&describe_log_dirs $(, $argument)*);
        $check::<m::DescribeQuorumRequest>(&describe_quorum $(, $argument)*);
        $check::<m::ShareGroupDescribeRequest>(&|_| share_group_describe() $(, $argument)*);
        $check::<m::DescribeShareGroupOffsetsRequest>(&|_| describe_share_group_offsets() $(, $argument)*);
    };
}

fn versions<R: Api>() -> std::ops::RangeInclusive<i16> {
    R::KIND.versions.0..=R::KIND.versions.1
}

fn passes_in_every_version<R: Api>(sample: &dyn Fn(i16) -> R::Answer)
where
    R::Answer: Encodable + PartialEq + Debug,
{
    for version in versions::<R>() {
        let bytes = encoded(&sample(version), version);
        assert_eq!(R::KIND.shape.check(&bytes, version), Ok(()), "{} version {version}", R::KIND.name);
        assert_eq!(decode::<R>(bytes.into(), version), Ok(sample(version)), "{} version {version}", R::KIND.name);
    }
}

#[test]
fn every_version_of_every_answer_passes_and_is_decoded() {
    for_each_api!(passes_in_every_version);
}

fn refuses_every_cut_and_addition<R: Api>(sample: &dyn Fn(i16) -> R::Answer)
where
    R::Answer: Encodable,
{
    for version in versions::<R>() {
        let bytes = encoded(&sample(version), version);
        for length in 0..bytes.len() {
            assert!(
                R::KIND.shape.check(&bytes[..length], version).is_err(),
                "{} {version} cut to {length}",
                R::KIND.name
            );
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(R::KIND.shape.check(&longer, version).is_err(), "{} {version} with a byte more", R::KIND.name);
    }
}

#[test]
fn an_answer_that_ends_early_or_late_is_refused() {
    for_each_api!(refuses_every_cut_and_addition);
}

/// Damages the sample and decodes what still passes: anything may come out but a panic or an abort.
fn survives<R: Api>(sample: &dyn Fn(i16) -> R::Answer, damage: &[(usize, u8)], noise: &[u8])
where
    R::Answer: Encodable,
{
    for version in versions::<R>() {
        let mut bytes = encoded(&sample(version), version);
        for (place, mask) in damage {
            let place = place % bytes.len();
            bytes[place] ^= mask;
        }
        let _any = decode::<R>(Bytes::from(bytes), version);
        let _any = decode::<R>(Bytes::copy_from_slice(noise), version);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_bytes_bring_the_decoder_down(
        damage in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6),
        noise in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        for_each_api!(survives, &damage, &noise);
    }
}

#[test]
fn four_bytes_that_ask_for_gigabytes_are_refused() {
    // MetadataResponse 4: throttle time, then the number of brokers.
    let bomb = [&[0, 0, 0, 0][..], &i32::MAX.to_be_bytes()].concat();
    let refused = decode::<m::MetadataRequest>(bomb.into(), 4);
    assert!(matches!(refused, Err(ErrorKind::Protocol(_))), "{refused:?}");
    // ApiVersionsResponse 3: no keys, and a tagged field whose array claims 4,294,967,294 features.
    let bomb = [0, 0, 1, 0, 0, 0, 0, 1, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x0f];
    let refused = decode::<m::ApiVersionsRequest>(bomb.to_vec().into(), 3);
    assert!(matches!(refused, Err(ErrorKind::Protocol(_))), "{refused:?}");
    // As many structures as there are bytes, each of which would take a hundred.
    let bomb = [&[0, 0, 0, 0][..], &[0, 0, 0x40, 0], &[0; 0x4000]].concat();
    assert!(decode::<m::MetadataRequest>(bomb.into(), 4).is_err());
}

#[test]
fn tagged_fields_that_nobody_knows_are_stepped_over() {
    let mut answer = api_versions(3);
    answer.unknown_tagged_fields.insert(77, Bytes::from_static(b"from the future"));
    assert_eq!(decode::<m::ApiVersionsRequest>(encoded(&answer, 3).into(), 3), Ok(answer));
}

fn api_versions(version: i16) -> m::ApiVersionsResponse {
    use m::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
    let keys = vec![ApiVersion::default().with_api_key(1).with_max_version(17), ApiVersion::default()];
    let answer = m::ApiVersionsResponse::default().with_api_keys(keys);
    if version < 3 {
        return answer;
    }
    answer
        .with_supported_features(vec![SupportedFeatureKey::default().with_name(text("group.version"))])
        .with_finalized_features(vec![FinalizedFeatureKey::default().with_name(text("group.version"))])
        .with_finalized_features_epoch(7)
        .with_zk_migration_ready(true)
}

fn sasl_handshake() -> m::SaslHandshakeResponse {
    m::SaslHandshakeResponse::default().with_mechanisms(vec![text("PLAIN"), text("SCRAM-SHA-256")])
}

fn sasl_authenticate(version: i16) -> m::SaslAuthenticateResponse {
    let answer = m::SaslAuthenticateResponse::default().with_auth_bytes(Bytes::from_static(b"v=abc"));
    if version >= 1 { answer.with_session_lifetime_ms(1000) } else { answer }
}

fn metadata(version: i16) -> m::MetadataResponse {
    use m::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
    let broker = MetadataResponseBroker::default().with_host(text("kafka-1")).with_rack(Some(text("a")));
    let ids = || vec![m::BrokerId(1), m::BrokerId(2)];
    let mut partition = MetadataResponsePartition::default().with_replica_nodes(ids()).with_isr_nodes(ids());
    if version >= 5 {
        partition = partition.with_offline_replicas(ids());
    }
    let topic = MetadataResponseTopic::default()
        .with_name(Some(m::TopicName(text("event"))))
        .with_partitions(vec![partition.clone(), partition]);
    m::MetadataResponse::default()
        .with_brokers(vec![broker, MetadataResponseBroker::default()])
        .with_cluster_id(Some(text("abc")))
        .with_topics(vec![topic])
}

fn list_offsets(version: i16) -> m::ListOffsetsResponse {
    use m::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
    let mut partition = ListOffsetsPartitionResponse::default().with_offset(5);
    if version >= 4 {
        partition = partition.with_leader_epoch(3);
    }
    let topic = ListOffsetsTopicResponse::default()
        .with_name(m::TopicName(text("event")))
        .with_partitions(vec![partition.clone(), partition]);
    m::ListOffsetsResponse::default().with_topics(vec![topic])
}

fn fetch(version: i16) -> m::FetchResponse {
    use m::fetch_response::{
        AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
    };
    let mut partition = PartitionData::default()
        .with_aborted_transactions(Some(vec![AbortedTransaction::default().with_first_offset(4)]))
        .with_records(Some(Bytes::from_static(b"batch")));
    if version >= 12 {
        partition = partition
            .with_current_leader(LeaderIdAndEpoch::default().with_leader_epoch(9))
            .with_diverging_epoch(EpochEndOffset::default().with_epoch(4));
    }
    let empty = PartitionData::default().with_aborted_transactions(None).with_records(None);
    let mut topic = FetchableTopicResponse::default().with_partitions(vec![partition, empty]);
    if version <= 12 {
        topic = topic.with_topic(m::TopicName(text("event")));
    }
    let answer = m::FetchResponse::default().with_responses(vec![topic]);
    if version >= 16 {
        answer.with_node_endpoints(vec![NodeEndpoint::default().with_host(text("kafka-2"))])
    } else {
        answer
    }
}

fn find_coordinator(version: i16) -> m::FindCoordinatorResponse {
    use m::find_coordinator_response::Coordinator;
    let answer = m::FindCoordinatorResponse::default();
    if version >= 4 {
        answer.with_coordinators(vec![Coordinator::default().with_key(text("omp")).with_host(text("kafka-1"))])
    } else {
        answer.with_host(text("kafka-1")).with_error_message(None)
    }
}

fn describe_groups(version: i16) -> m::DescribeGroupsResponse {
    use m::describe_groups_response::{DescribedGroup, DescribedGroupMember};
    let mut member = DescribedGroupMember::default()
        .with_member_id(text("m"))
        .with_client_id(text("c"))
        .with_member_assignment(Bytes::from_static(b"assignment"));
    if version >= 4 {
        member = member.with_group_instance_id(Some(text("i")));
    }
    let group = DescribedGroup::default().with_group_state(text("Stable")).with_members(vec![member.clone(), member]);
    m::DescribeGroupsResponse::default().with_groups(vec![group])
}

fn consumer_group_describe(_version: i16) -> m::ConsumerGroupDescribeResponse {
    use m::consumer_group_describe_response::{Assignment, DescribedGroup, Member, TopicPartitions};
    let partitions = TopicPartitions::default().with_partitions(vec![1, 2, 3]);
    let assignment = Assignment::default().with_topic_partitions(vec![partitions.clone(), partitions]);
    let member = Member::default()
        .with_member_id(text("m"))
        .with_subscribed_topic_names(vec![m::TopicName(text("event"))])
        .with_assignment(assignment);
    m::ConsumerGroupDescribeResponse::default().with_groups(vec![DescribedGroup::default().with_members(vec![member])])
}

fn list_groups(version: i16) -> m::ListGroupsResponse {
    use m::list_groups_response::ListedGroup;
    let mut group = ListedGroup::default().with_protocol_type(text("consumer"));
    if version >= 4 {
        group = group.with_group_state(text("Stable"));
    }
    if version >= 5 {
        group = group.with_group_type(text("classic"));
    }
    m::ListGroupsResponse::default().with_groups(vec![group.clone(), group])
}

fn delete_groups() -> m::DeleteGroupsResponse {
    use m::delete_groups_response::DeletableGroupResult;
    let result = DeletableGroupResult::default().with_group_id(m::GroupId(text("omp"))).with_error_code(68);
    m::DeleteGroupsResponse::default().with_results(vec![result.clone(), result])
}

fn offset_fetch(version: i16) -> m::OffsetFetchResponse {
    use m::offset_fetch_response as o;
    if version >= 8 {
        let partition = o::OffsetFetchResponsePartitions::default().with_committed_offset(5);
        let topic = o::OffsetFetchResponseTopics::default()
            .with_name(m::TopicName(text("event")))
            .with_partitions(vec![partition.clone(), partition]);
        let group = o::OffsetFetchResponseGroup::default().with_topics(vec![topic]);
        return m::OffsetFetchResponse::default().with_groups(vec![group]);
    }
    let partition = o::OffsetFetchResponsePartition::default().with_committed_offset(5);
    let topic = o::OffsetFetchResponseTopic::default()
        .with_name(m::TopicName(text("event")))
        .with_partitions(vec![partition.clone(), partition]);
    m::OffsetFetchResponse::default().with_topics(vec![topic])
}

fn offset_commit() -> m::OffsetCommitResponse {
    use m::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
    let partition = OffsetCommitResponsePartition::default().with_error_code(25);
    let topic = OffsetCommitResponseTopic::default()
        .with_name(m::TopicName(text("event")))
        .with_partitions(vec![partition.clone(), partition]);
    m::OffsetCommitResponse::default().with_topics(vec![topic])
}

fn create_topics(version: i16) -> m::CreateTopicsResponse {
    use m::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
    let mut topic = CreatableTopicResult::default()
        .with_name(m::TopicName(text("event")))
        .with_error_code(36)
        .with_error_message(Some(text("Topic 'event' already exists.")));
    if version >= 5 {
        let config = CreatableTopicConfigs::default().with_name(text("retention.ms")).with_value(Some(text("1")));
        topic = topic.with_configs(Some(vec![config.clone(), config])).with_topic_config_error_code(29);
    }
    m::CreateTopicsResponse::default().with_topics(vec![topic.clone(), topic])
}

fn delete_topics(version: i16) -> m::DeleteTopicsResponse {
    use m::delete_topics_response::DeletableTopicResult;
    let mut topic = DeletableTopicResult::default().with_name(Some(m::TopicName(text("event")))).with_error_code(29);
    if version >= 5 {
        topic = topic.with_error_message(Some(text("no")));
    }
    m::DeleteTopicsResponse::default().with_responses(vec![topic.clone(), topic])
}

fn describe_configs(version: i16) -> m::DescribeConfigsResponse {
    use m::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym};
    let synonym = DescribeConfigsSynonym::default().with_name(text("log.retention.ms"));
    let mut config = DescribeConfigsResourceResult::default()
        .with_name(text("retention.ms"))
        .with_value(Some(text("1")))
        .with_synonyms(vec![synonym.clone(), synonym]);
    if version >= 3 {
        config = config.with_config_type(5).with_documentation(Some(text("how long")));
    }
    let result = DescribeConfigsResult::default()
        .with_resource_type(2)
        .with_resource_name(text("event"))
        .with_configs(vec![config.clone(), config]);
    m::DescribeConfigsResponse::default().with_results(vec![result])
}

fn describe_log_dirs(version: i16) -> m::DescribeLogDirsResponse {
    use m::describe_log_dirs_response::{DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic};
    let partition = DescribeLogDirsPartition::default().with_partition_size(7).with_offset_lag(1);
    let topic = DescribeLogDirsTopic::default()
        .with_name(m::TopicName(text("event")))
        .with_partitions(vec![partition.clone(), partition]);
    let mut dir = DescribeLogDirsResult::default().with_log_dir(text("/data")).with_topics(vec![topic]);
    if version >= 4 {
        dir = dir.with_total_bytes(100).with_usable_bytes(50);
    }
    m::DescribeLogDirsResponse::default().with_results(vec![dir])
}

fn describe_quorum(version: i16) -> m::DescribeQuorumResponse {
    use m::describe_quorum_response::{Listener, Node, PartitionData, ReplicaState, TopicData};
    let mut member = ReplicaState::default().with_log_end_offset(9);
    if version >= 1 {
        member = member.with_last_fetch_timestamp(3).with_last_caught_up_timestamp(2);
    }
    let partition =
        PartitionData::default().with_current_voters(vec![member.clone(), member.clone()]).with_observers(vec![member]);
    let topic = TopicData::default().with_topic_name(m::TopicName(text("__cluster_metadata")));
    let mut answer = m::DescribeQuorumResponse::default()
        .with_topics(vec![topic.with_partitions(vec![partition.clone(), partition])]);
    if version >= 2 {
        let listener = Listener::default().with_name(text("CONTROLLER")).with_host(text("kafka-1")).with_port(9093);
        answer = answer.with_nodes(vec![Node::default().with_listeners(vec![listener.clone(), listener])]);
    }
    answer
}

fn share_group_describe() -> m::ShareGroupDescribeResponse {
    use m::share_group_describe_response::{Assignment, DescribedGroup, Member, TopicPartitions};
    let topic = TopicPartitions::default().with_topic_name(m::TopicName(text("event"))).with_partitions(vec![0, 1]);
    let member = Member::default()
        .with_rack_id(Some(text("rack-1")))
        .with_subscribed_topic_names(vec![m::TopicName(text("event")), m::TopicName(text("audit"))])
        .with_assignment(Assignment::default().with_topic_partitions(vec![topic.clone(), topic]));
    let group =
        DescribedGroup::default().with_error_message(Some(text("no"))).with_members(vec![member.clone(), member]);
    m::ShareGroupDescribeResponse::default().with_groups(vec![group])
}

fn describe_share_group_offsets() -> m::DescribeShareGroupOffsetsResponse {
    use m::describe_share_group_offsets_response as d;
    let partition = d::DescribeShareGroupOffsetsResponsePartition::default().with_start_offset(5);
    let topic = d::DescribeShareGroupOffsetsResponseTopic::default()
        .with_topic_name(m::TopicName(text("event")))
        .with_partitions(vec![partition.clone(), partition]);
    let group = d::DescribeShareGroupOffsetsResponseGroup::default()
        .with_topics(vec![topic.clone(), topic])
        .with_error_message(Some(text("no")));
    m::DescribeShareGroupOffsetsResponse::default().with_groups(vec![group.clone(), group])
}

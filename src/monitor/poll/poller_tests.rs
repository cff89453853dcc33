//! The poller against peers that say what a real cluster says for a moment only: a leader that moved, a coordinator that
//! is loading, a broker that freezes between two requests.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use kafka_protocol::messages as m;
use kafka_protocol::protocol::StrBytes;
use litemap::LiteMap;

use super::Poller;
use crate::clock;
use crate::config::schema::{HostPort, Selection};
use crate::kafka::wire::Client;
use crate::kafka::wire::fake_peer::{Asked, Deed, api_versions, cluster, encoded, peer};
use crate::logic::watch::Snapshot;

const LIMIT: Duration = Duration::from_millis(400);
const LIST_OFFSETS: i16 = 2;
const METADATA: i16 = 3;
const OFFSET_FETCH: i16 = 9;
const DESCRIBE_GROUPS: i16 = 15;
const LIST_GROUPS: i16 = 16;
const API_VERSIONS: i16 = 18;
/// Nothing flexible, so that answers have the short header.
const SPOKEN: [(i16, i16, i16); 6] = [
    (LIST_OFFSETS, 1, 2),
    (METADATA, 4, 4),
    (OFFSET_FETCH, 1, 3),
    (DESCRIBE_GROUPS, 0, 1),
    (LIST_GROUPS, 0, 1),
    (API_VERSIONS, 0, 3),
];

const UNKNOWN_TOPIC: i16 = 3;
const LEADER_NOT_AVAILABLE: i16 = 5;
const NOT_LEADER: i16 = 6;
const LOADING: i16 = 14;

/// Two brokers, 1 and 2; a topic `event` with a partition at each, and the groups `omp` at broker 1 and `audit` at broker
/// 2, which committed 3 of 10 in the partition at the same broker.
#[derive(Default)]
struct Pretence {
    addresses: OnceLock<[HostPort; 2]>,
    /// Broker 2 is not in the metadata.
    second_left: AtomicBool,
    /// The metadata has `__consumer_offsets`.
    shows_coordinators: AtomicBool,
    /// The leader of partition 0 that metadata names; it is 2 as soon as somebody was told that 1 is not.
    leader: AtomicUsize,
    list_groups: Mutex<(i16, bool)>,
    offset_fetch: Mutex<i16>,
    /// The error of broker 1 for a second partition of its group's.
    second_place: Mutex<Option<i16>>,
    /// The error that the metadata has for the topic.
    topic_error: Mutex<i16>,
    /// Broker 2 does not answer this request.
    frozen_at: Mutex<Option<i16>>,
}

impl Pretence {
    fn answer(&self, broker: i32, asked: &Asked) -> Deed {
        if broker == 2 && *self.frozen_at.lock().unwrap() == Some(asked.key) {
            return Deed::Silence;
        }
        let version = asked.version;
        Deed::Answer(match asked.key {
            API_VERSIONS => return api_versions(asked, &SPOKEN),
            METADATA => encoded(&self.metadata(), version),
            LIST_GROUPS => encoded(&self.groups(broker), version),
            DESCRIBE_GROUPS => {
                use m::describe_groups_response::DescribedGroup;
                let group = DescribedGroup::default()
                    .with_group_id(m::GroupId(text(group_at(broker))))
                    .with_group_state(text("Empty"));
                encoded(&m::DescribeGroupsResponse::default().with_groups(vec![group]), version)
            }
            OFFSET_FETCH => {
                use m::offset_fetch_response::{OffsetFetchResponsePartition, OffsetFetchResponseTopic};
                let code = if broker == 1 { *self.offset_fetch.lock().unwrap() } else { 0 };
                let partition =
                    OffsetFetchResponsePartition::default().with_partition_index(broker - 1).with_committed_offset(3);
                let second = self.second_place.lock().unwrap().filter(|_| broker == 1).map(|code| {
                    let unknown = OffsetFetchResponsePartition::default().with_committed_offset(-1);
                    unknown.with_partition_index(1).with_error_code(code)
                });
                let topic = OffsetFetchResponseTopic::default()
                    .with_name(m::TopicName(text("event")))
                    .with_partitions([partition].into_iter().chain(second).collect());
                let topics = if code == 0 { vec![topic] } else { Vec::new() };
                encoded(&m::OffsetFetchResponse::default().with_topics(topics).with_error_code(code), version)
            }
            LIST_OFFSETS => {
                use m::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
                let moved = broker == 1 && self.leader.load(Ordering::Relaxed) != 0;
                if moved {
                    self.leader.store(2, Ordering::Relaxed);
                }
                let partition = |number| {
                    ListOffsetsPartitionResponse::default()
                        .with_partition_index(number)
                        .with_error_code(if moved { NOT_LEADER } else { 0 })
                        .with_offset(10)
                };
                let own = partition(broker - 1);
                let taken_over = (broker == 2 && self.leader.load(Ordering::Relaxed) == 2).then(|| partition(0));
                let topic = ListOffsetsTopicResponse::default()
                    .with_name(m::TopicName(text("event")))
                    .with_partitions([own].into_iter().chain(taken_over).collect());
                encoded(&m::ListOffsetsResponse::default().with_topics(vec![topic]), version)
            }
            other => panic!("nobody asks for {other}"),
        })
    }

    fn metadata(&self) -> m::MetadataResponse {
        use m::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
        let brokers = self.addresses.get().unwrap().iter().zip([1, 2]).map(|(address, id)| {
            MetadataResponseBroker::default()
                .with_node_id(m::BrokerId(id))
                .with_host(StrBytes::from_string(address.host.clone()))
                .with_port(address.port.into())
        });
        let left = self.second_left.load(Ordering::Relaxed);
        let topic = |name, leaders: &[i32]| {
            let partition = |(number, leader): (i32, &i32)| {
                MetadataResponsePartition::default()
                    .with_partition_index(number)
                    .with_leader_id(m::BrokerId(if left && *leader == 2 { -1 } else { *leader }))
            };
            MetadataResponseTopic::default()
                .with_name(Some(m::TopicName(text(name))))
                .with_partitions((0..).zip(leaders).map(partition).collect())
        };
        let leader = if self.leader.load(Ordering::Relaxed) == 2 { 2 } else { 1 };
        let mut topics = vec![match *self.topic_error.lock().unwrap() {
            0 => topic("event", &[leader, 2]),
            code => topic("event", &[]).with_error_code(code),
        }];
        if self.shows_coordinators.load(Ordering::Relaxed) {
            topics.push(topic("__consumer_offsets", &[1, if left { 1 } else { 2 }]));
        }
        let brokers = brokers.take(if left { 1 } else { 2 });
        m::MetadataResponse::default().with_brokers(brokers.collect()).with_topics(topics)
    }

    fn groups(&self, broker: i32) -> m::ListGroupsResponse {
        use m::list_groups_response::ListedGroup;
        let (code, listed) = *self.list_groups.lock().unwrap();
        let group = ListedGroup::default()
            .with_group_id(m::GroupId(text(group_at(broker))))
            .with_protocol_type(text("consumer"));
        let groups = if broker == 2 || listed { vec![group] } else { Vec::new() };
        m::ListGroupsResponse::default().with_groups(groups).with_error_code(if broker == 1 { code } else { 0 })
    }
}

/// The group that a broker coordinates.
fn group_at(broker: i32) -> &'static str {
    if broker == 1 { "omp" } else { "audit" }
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

async fn pretend() -> (Arc<Pretence>, Poller) {
    pretend_watching("*").await
}

async fn pretend_watching(topics: &str) -> (Arc<Pretence>, Poller) {
    let pretence = Arc::new(Pretence { list_groups: Mutex::new((0, true)), ..Pretence::default() });
    let broker = |id: i32| {
        let pretence = Arc::clone(&pretence);
        peer(move |asked| pretence.answer(id, &asked))
    };
    let addresses = [broker(1).await, broker(2).await];
    let settings = cluster(&[&addresses[0]], LIMIT);
    pretence.addresses.set(addresses).unwrap();
    let select = |name: &str| Selection { include: vec![name.to_owned()], exclude: Vec::new() };
    let poller = Poller::new(Client::new(Arc::new(settings)).unwrap(), &select(topics), &select("*")).unwrap();
    (pretence, poller)
}

async fn poll(poller: &mut Poller) -> Snapshot {
    poller.poll(&[], LiteMap::new()).await
}

fn committed(snapshot: &Snapshot) -> Option<Vec<i64>> {
    committed_by(snapshot, "omp")
}

fn committed_by(snapshot: &Snapshot, group: &str) -> Option<Vec<i64>> {
    let group = snapshot.groups.get(group).expect("the group");
    group.committed.as_ref().map(|offsets| offsets.iter().map(|committed| committed.offset).collect())
}

#[tokio::test]
async fn a_leader_that_moved_is_looked_for_once_and_its_successor_is_asked() {
    let (pretence, mut poller) = pretend().await;
    pretence.leader.store(1, Ordering::Relaxed);
    let snapshot = poll(&mut poller).await;
    let partition = &snapshot.topics.get("event").unwrap().partitions[0];
    assert_eq!((partition.leader, partition.latest, partition.earliest), (Some(2), Some(10), Some(10)));
    assert_eq!(snapshot.missing, Vec::<String>::new());
    assert_eq!(committed(&snapshot), Some(vec![3]));
}

#[tokio::test]
async fn a_coordinator_that_loads_has_groups_of_which_nothing_is_known() {
    let (pretence, mut poller) = pretend().await;
    assert_eq!(committed(&poll(&mut poller).await), Some(vec![3]));

    *pretence.offset_fetch.lock().unwrap() = LOADING;
    let loading = poll(&mut poller).await;
    assert_eq!(committed(&loading), None, "it may have committed anything");
    assert!(loading.missing[0].contains("COORDINATOR_LOAD_IN_PROGRESS"), "{:?}", loading.missing);

    *pretence.list_groups.lock().unwrap() = (LOADING, false);
    let unlisted = poll(&mut poller).await;
    assert!(!unlisted.groups_complete);
    assert_eq!((committed(&unlisted), &unlisted.groups.get("omp").unwrap().state), (None, &None), "it is not deleted");

    *pretence.list_groups.lock().unwrap() = (0, false);
    let deleted = poll(&mut poller).await;
    assert!(deleted.groups_complete && !deleted.groups.contains_key("omp"), "now it is");
}

#[tokio::test]
async fn of_a_group_with_an_error_for_one_partition_nothing_is_known() {
    let (pretence, mut poller) = pretend().await;
    *pretence.second_place.lock().unwrap() = Some(0);
    assert_eq!(committed(&poll(&mut poller).await), Some(vec![3]), "it never committed in the second");
    *pretence.second_place.lock().unwrap() = Some(LOADING);
    let snapshot = poll(&mut poller).await;
    assert_eq!(committed(&snapshot), None, "its lag would be too small");
    assert!(snapshot.missing[0].contains("COORDINATOR_LOAD_IN_PROGRESS"), "{:?}", snapshot.missing);
    assert!(snapshot.groups_complete, "it is there");
}

#[tokio::test]
async fn a_topic_with_an_error_is_said_and_what_was_committed_for_it_is_kept() {
    let (pretence, mut poller) = pretend().await;
    poll(&mut poller).await;
    *pretence.topic_error.lock().unwrap() = LEADER_NOT_AVAILABLE;
    let snapshot = poll(&mut poller).await;
    assert_eq!((snapshot.untold.as_slice(), snapshot.topics.len()), (&["event".into()][..], 0));
    assert_eq!(committed(&snapshot), Some(vec![3]));
    assert!(snapshot.missing[0].contains("topic event: LEADER_NOT_AVAILABLE"), "{:?}", snapshot.missing);
    *pretence.topic_error.lock().unwrap() = UNKNOWN_TOPIC;
    let deleted = poll(&mut poller).await;
    assert!(deleted.untold.is_empty() && deleted.topics.is_empty() && deleted.missing.is_empty(), "{deleted:?}");
}

#[tokio::test]
async fn a_topic_that_is_not_watched_is_counted_and_asked_about_no_further() {
    let (_, mut poller) = pretend().await;
    let whole = poll(&mut poller).await;
    let asked_of_all = poller.requests();
    assert!(whole.others.is_empty());
    let (pretence, mut poller) = pretend_watching("payments").await;
    let snapshot = poll(&mut poller).await;
    assert!(snapshot.topics.is_empty(), "{:?}", snapshot.topics);
    let other = &snapshot.others.get("event").unwrap().partitions;
    assert_eq!(other.iter().map(|it| (it.leader, it.latest)).collect::<Vec<_>>(), [(Some(1), None), (Some(2), None)]);
    assert_eq!(committed(&snapshot), Some(Vec::new()));
    assert_eq!(asked_of_all - poller.requests(), 4, "the ends and the beginnings, of two brokers");
    drop(pretence);
}

#[tokio::test]
async fn a_group_whose_coordinator_left_is_gone_as_soon_as_the_others_have_told_all() {
    for (rule, shows_coordinators, gone) in [
        ("others coordinate in its place, and do not list it", true, true),
        ("who coordinates may not be seen: perhaps nobody does as yet", false, false),
    ] {
        let (pretence, mut poller) = pretend().await;
        pretence.shows_coordinators.store(shows_coordinators, Ordering::Relaxed);
        assert_eq!(committed_by(&poll(&mut poller).await, "audit"), Some(vec![3]), "{rule}");
        pretence.second_left.store(true, Ordering::Relaxed);
        let leaving = poll(&mut poller).await;
        assert_eq!(committed_by(&leaving, "audit"), None, "{rule}: it may be on its way to another");
        assert!(!leaving.groups_complete, "{rule}");
        let left = poll(&mut poller).await;
        assert!(left.groups_complete, "{rule}: {:?}", left.missing);
        assert_eq!(!left.groups.contains_key("audit"), gone, "{rule}");
        assert_eq!(committed(&left), Some(vec![3]), "{rule}");
    }
}

#[tokio::test]
async fn a_broker_that_freezes_at_any_request_costs_a_few_time_limits_and_its_own_figures() {
    // What is known of broker 2 itself: the end of its partition, and its group; none: either, by who is asked first.
    for (rule, request, own) in [
        ("it does not answer at all", API_VERSIONS, Some((false, false))),
        ("whoever answers first is asked for the metadata", METADATA, None),
        ("it is not waited for again once it was lost", LIST_GROUPS, Some((false, false))),
        ("nor for what its groups committed", DESCRIBE_GROUPS, Some((false, false))),
        ("its groups are listed only", OFFSET_FETCH, Some((false, false))),
        ("what it told before counts", LIST_OFFSETS, Some((false, true))),
    ] {
        let (pretence, mut poller) = pretend().await;
        poll(&mut poller).await;
        *pretence.frozen_at.lock().unwrap() = Some(request);
        let began = clock::now();
        let snapshot = poll(&mut poller).await;
        let took = clock::now().since(began);
        assert!(took < LIMIT * 4, "{rule}: {took:?}");
        let ends: Vec<_> =
            snapshot.topics.get("event").unwrap().partitions.iter().map(|it| it.latest.is_some()).collect();
        assert_eq!((ends[0], committed(&snapshot)), (true, Some(vec![3])), "{rule}: {:?}", snapshot.missing);
        if let Some((end_known, group_known)) = own {
            assert_eq!(ends[1], end_known, "{rule}");
            assert_eq!(committed_by(&snapshot, "audit"), group_known.then(|| vec![3]), "{rule}");
            assert!(snapshot.missing.iter().all(|sentence| sentence.contains("broker 2")), "{:?}", snapshot.missing);
            assert!(!snapshot.missing.is_empty(), "{rule}");
        }
    }
}

#[tokio::test]
async fn nobody_answers() {
    let silent = peer(|_| Deed::Close).await;
    let all = Selection { include: vec!["*".to_owned()], exclude: Vec::new() };
    let client = Client::new(Arc::new(cluster(&[&silent], LIMIT))).unwrap();
    let mut poller = Poller::new(client, &all, &all).unwrap();
    let snapshot = poll(&mut poller).await;
    assert_eq!((snapshot.brokers, snapshot.missing.len(), snapshot.groups_complete), (None, 1, false));
    let slow = poller.poll_slow().await;
    assert!(slow.dirs.is_empty() && slow.missing.len() == 1, "{:?}", slow.missing);
}

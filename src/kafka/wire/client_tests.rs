//! The client against peers that misbehave, over real sockets. The limit of a request is short, so that a test that
//! waits for it is not; everything else is waited for, not slept for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kafka_protocol::messages::metadata_response::MetadataResponseBroker;
use kafka_protocol::messages::{BrokerId, CreateTopicsRequest, MetadataResponse};
use kafka_protocol::protocol::StrBytes;

use super::fake_peer::{Asked, Deed, api_versions, cluster, encoded, framed, peer};
use super::{Client, ErrorKind};
use crate::clock;
use crate::config::schema::{ClusterSettings, HostPort, SaslMechanism, SaslSettings, Secret};
use crate::kafka::metadata::TopicsWanted;

const LIMIT: Duration = Duration::from_millis(300);
const API_VERSIONS: i16 = 18;
const SPOKEN: [(i16, i16, i16); 4] = [(3, 4, 8), (17, 0, 1), (18, 0, 3), (36, 0, 1)];

fn client(servers: &[&HostPort]) -> Client {
    client_of(cluster(servers, LIMIT))
}

fn client_of(settings: ClusterSettings) -> Client {
    Client::new(Arc::new(settings)).expect("settings without files")
}

/// Metadata of a cluster of one broker: `address`.
fn metadata(version: i16, address: Option<&HostPort>) -> Vec<u8> {
    let brokers = address.iter().map(|address| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(1))
            .with_host(StrBytes::from_string(address.host.clone()))
            .with_port(address.port.into())
    });
    encoded(&MetadataResponse::default().with_brokers(brokers.collect()), version)
}

/// What comes of a Metadata request to a peer that answers ApiVersions properly, and that with `deed`.
async fn after_api_versions(deed: impl Fn(Asked) -> Deed + Clone + Send + Sync + 'static) -> Result<(), ErrorKind> {
    let peer = peer(move |asked| if asked.key == API_VERSIONS { api_versions(&asked, &SPOKEN) } else { deed(asked) });
    outcome(&client(&[&peer.await])).await
}

async fn outcome(client: &Client) -> Result<(), ErrorKind> {
    let answer = tokio::time::timeout(Duration::from_secs(20), client.metadata(TopicsWanted::NoTopics)).await;
    answer.expect("an answer or an error within the limits").map(|_| ()).map_err(|error| error.kind)
}

#[track_caller]
fn assert_says(result: Result<(), ErrorKind>, expected: &str, why: &str) {
    let text = result.expect_err(why).to_string();
    assert!(text.contains(expected), "{why}: {text}");
}

#[tokio::test]
async fn a_proper_answer_is_understood() {
    assert_eq!(after_api_versions(|asked| Deed::Answer(metadata(asked.version, None))).await, Ok(()));
}

#[tokio::test]
async fn what_a_hostile_or_broken_peer_sends_is_an_error() {
    let garbage = after_api_versions(|asked| Deed::Answer(vec![0xff; 64 + usize::from(asked.version == 0)])).await;
    assert_says(garbage, "makes no sense", "garbage in a proper frame");
    let huge = after_api_versions(|_| Deed::Raw(i32::MAX.to_be_bytes().to_vec())).await;
    assert_says(huge, "2147483647 bytes", "a frame of 2 GB");
    let negative = after_api_versions(|_| Deed::Raw((-5_i32).to_be_bytes().to_vec())).await;
    assert_says(negative, "-5 bytes", "a negative length");
    let http = after_api_versions(|_| Deed::Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())).await;
    assert_says(http, "HTTP", "a web server");
    let alert = after_api_versions(|_| Deed::Raw(vec![0x15, 3, 3, 0, 2, 2, 40])).await;
    assert_says(alert, "speaks TLS", "a TLS port");
    let cut = after_api_versions(|asked| {
        let whole = metadata(asked.version, None);
        Deed::Answer(whole[..whole.len() - 1].to_vec())
    });
    assert_says(cut.await, "middle of a value", "an answer cut short in a frame of its length");
    let long = after_api_versions(|asked| Deed::Answer([metadata(asked.version, None), vec![0]].concat()));
    assert_says(long.await, "1 bytes follow", "an answer with something left over");
    let wrong_id = after_api_versions(|asked| Deed::Raw(framed(asked.correlation_id + 1, &[], &[0; 30])));
    assert_says(wrong_id.await, "it answered request", "an answer to another request");
    let closes = after_api_versions(|_| Deed::Close).await;
    assert_says(closes, "set `sasl`", "hanging up on the first request");
}

#[tokio::test]
async fn a_peer_that_never_answers_costs_the_limit_and_no_more() {
    let began = clock::now();
    let silent = after_api_versions(|_| Deed::Silence).await;
    assert_eq!(silent, Err(ErrorKind::Timeout(LIMIT)));
    let announced = after_api_versions(|_| Deed::Raw(10_000_000_i32.to_be_bytes().to_vec())).await;
    assert_eq!(announced, Err(ErrorKind::Timeout(LIMIT)), "10 MB announced and nothing sent");
    let drip = after_api_versions(|asked| {
        Deed::Drip(framed(asked.correlation_id, &[], &metadata(asked.version, None)), 1, Duration::from_millis(100))
    });
    assert_eq!(drip.await, Err(ErrorKind::Timeout(LIMIT)), "ten bytes a second");
    let mute = client(&[&peer(|_| Deed::Silence).await]);
    assert_eq!(outcome(&mute).await, Err(ErrorKind::Timeout(LIMIT)), "not even ApiVersions");
    assert!(clock::now().since(began) < LIMIT * 16, "four limits, and room for a slow machine");
}

#[tokio::test]
async fn a_large_answer_over_a_slow_line_gets_the_time_that_it_needs() {
    let began = clock::now();
    let slow = after_api_versions(|asked| {
        let brokers = (0..6_000).map(|id| {
            MetadataResponseBroker::default().with_node_id(BrokerId(id)).with_host(StrBytes::from_static_str("kafka"))
        });
        let answer = MetadataResponse::default().with_brokers(brokers.collect());
        let frame = framed(asked.correlation_id, &[], &encoded(&answer, asked.version));
        Deed::Drip(frame, 20_000, LIMIT / 4)
    });
    assert_eq!(slow.await, Ok(()));
    assert!(clock::now().since(began) > LIMIT, "longer than a small answer may take");
}

#[tokio::test]
async fn one_timeout_ends_the_connection_for_all_that_wait() {
    let peer = peer(|asked| if asked.key == API_VERSIONS { api_versions(&asked, &SPOKEN) } else { Deed::Silence });
    let client = client(&[&peer.await]);
    let began = clock::now();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let client = client.clone();
        waiting.spawn(async move { outcome(&client).await });
    }
    while let Some(result) = waiting.join_next().await {
        assert_eq!(result.expect("no panic"), Err(ErrorKind::Timeout(LIMIT)));
    }
    assert!(clock::now().since(began) < LIMIT * 8, "not one after the other");
}

#[tokio::test]
async fn a_connection_that_the_broker_closed_while_idle_is_opened_anew_without_an_error() {
    let connections = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&connections);
    let answered = Arc::new(AtomicUsize::new(0));
    let peer = peer(move |asked| {
        seen.store(asked.connection, Ordering::SeqCst);
        match asked.key {
            API_VERSIONS => api_versions(&asked, &SPOKEN),
            // The second request on the first connection meets a closed door.
            _ if answered.fetch_add(1, Ordering::SeqCst) == 1 => Deed::Close,
            _ => Deed::Answer(metadata(asked.version, None)),
        }
    });
    let client = client(&[&peer.await]);
    assert_eq!(outcome(&client).await, Ok(()));
    assert_eq!(outcome(&client).await, Ok(()), "tried again on a new connection");
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_makes_or_deletes_something_is_sent_once_and_its_outcome_said_to_be_unknown() {
    const CREATE_TOPICS: i16 = 19;
    let spoken = [&SPOKEN[..], &[(CREATE_TOPICS, 2, 5)]].concat();
    let created = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&created);
    let peer = peer(move |asked| match asked.key {
        API_VERSIONS => api_versions(&asked, &spoken),
        CREATE_TOPICS => {
            seen.fetch_add(1, Ordering::SeqCst);
            Deed::Close
        }
        _ => Deed::Answer(metadata(asked.version, None)),
    });
    let client = client(&[&peer.await]);
    assert_eq!(outcome(&client).await, Ok(()), "a connection that was used before");
    let answer = client.ask_any(&|_| CreateTopicsRequest::default()).await;
    assert_says(answer.map(|_| ()).map_err(|error| error.kind), "whether it was done is not known", "no answer");
    assert_eq!(created.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_broker_that_failed_is_left_alone_and_says_why_meanwhile() {
    let asked_for = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&asked_for);
    let mut settings = cluster(&[], LIMIT);
    let refusing = peer(move |asked| {
        if asked.key == API_VERSIONS {
            return api_versions(&asked, &SPOKEN);
        }
        seen.fetch_add(1, Ordering::SeqCst);
        // SaslHandshake: unsupported mechanism; only SCRAM is enabled.
        Deed::Answer([&33_i16.to_be_bytes()[..], &1_i32.to_be_bytes(), &5_i16.to_be_bytes(), b"SCRAM"].concat())
    });
    settings.bootstrap_servers.push(refusing.await);
    settings.sasl = Some(SaslSettings {
        mechanism: SaslMechanism::Plain,
        username: "bob".to_owned(),
        password: Secret::new("hush-hush"),
    });
    let client = client_of(settings);
    for _ in 0..5 {
        let refused = outcome(&client).await.expect_err("the login is refused");
        assert!(matches!(refused, ErrorKind::Authentication(_)), "{refused}");
        assert!(refused.to_string().contains("can be: SCRAM"), "{refused}");
        assert!(!format!("{refused:?}").contains("hush"), "no error shows the password");
    }
    assert_eq!(asked_for.load(Ordering::SeqCst), 1, "asked once, then left alone");
}

#[tokio::test]
async fn the_next_server_is_asked_where_one_does_not_answer_and_all_reasons_are_told() {
    let broken = peer(|_| Deed::Raw(b"HTTP/1.1 400\r\n".to_vec())).await;
    let mute = peer(|_| Deed::Silence).await;
    let good = peer(|asked| match asked.key {
        API_VERSIONS => api_versions(&asked, &SPOKEN),
        _ => Deed::Answer(metadata(asked.version, None)),
    });
    let good = good.await;
    assert_eq!(outcome(&client(&[&broken, &mute, &good])).await, Ok(()));
    let error = client(&[&broken, &mute]).metadata(TopicsWanted::NoTopics).await.expect_err("nobody answers");
    let text = error.to_string();
    assert!(text.contains("HTTP") && text.contains("no answer within"), "{text}");
    assert!(text.contains(&broken.to_string()) && text.contains(&mute.to_string()), "{text}");
}

#[tokio::test]
async fn an_old_broker_is_asked_again_in_a_version_that_it_knows() {
    let old = peer(|asked| match (asked.key, asked.version) {
        // Error 35 in the format of version 0, whatever was asked: ApiVersions 0 to 1.
        (API_VERSIONS, 3) => Deed::Answer([&[0, 35, 0, 0, 0, 1][..], &[0, 18, 0, 0, 0, 1]].concat()),
        (API_VERSIONS, 1) => api_versions(&asked, &[(3, 0, 5)]),
        (3, 5) => Deed::Answer(metadata(5, None)),
        _ => Deed::Close,
    });
    assert_eq!(outcome(&client(&[&old.await])).await, Ok(()));
}

#[tokio::test]
async fn a_broker_that_only_knows_how_to_create_topics_is_not_asked() {
    let ancient = peer(|asked| match asked.key {
        API_VERSIONS => api_versions(&asked, &[(3, 0, 3)]),
        _ => panic!("Metadata 3 was sent"),
    });
    assert_says(outcome(&client(&[&ancient.await])).await, "0.11", "Metadata before version 4");
}

#[tokio::test]
async fn brokers_are_reached_where_the_configuration_says() {
    let broker = peer(|asked| match asked.key {
        API_VERSIONS => api_versions(&asked, &SPOKEN),
        _ => {
            let advertised = HostPort { host: "kafka-1.internal".to_owned(), port: 9092 };
            Deed::Answer(metadata(asked.version, Some(&advertised)))
        }
    });
    let reachable = broker.await;
    let advertised = HostPort { host: "kafka-1.internal".to_owned(), port: 9092 };
    let mut settings = cluster(&[&reachable], LIMIT);
    settings.addresses.insert(advertised, reachable);
    let client = client_of(settings);
    assert_eq!(outcome(&client).await, Ok(()));
    assert!(client.api_versions(1).await.is_ok(), "the advertised name is not looked up");
}

#[tokio::test]
async fn tagged_fields_of_the_header_are_stepped_over() {
    let broker = peer(|asked| match asked.key {
        API_VERSIONS => api_versions(&asked, &[(3, 4, 12)]),
        _ => Deed::FlexibleAnswer(metadata(asked.version, None)),
    });
    assert_eq!(outcome(&client(&[&broker.await])).await, Ok(()));
}

#[tokio::test]
async fn metadata_never_asks_for_a_topic_to_be_created() {
    let broker = peer(|asked| match asked.key {
        API_VERSIONS => api_versions(&asked, &SPOKEN),
        _ => {
            // Version 8 ends in three booleans, of which the first allows it.
            let allowed = asked.body[asked.body.len() - 3];
            if allowed == 0 { Deed::Answer(metadata(asked.version, None)) } else { Deed::Close }
        }
    });
    let client = client(&[&broker.await]);
    let named = TopicsWanted::Named(vec!["event".into()]);
    assert!(client.metadata(named).await.is_ok());
}

#[tokio::test]
async fn a_closed_client_asks_nobody() {
    let client = client(&[&peer(|_| panic!("asked")).await]);
    client.close();
    assert_eq!(outcome(&client).await, Err(ErrorKind::Stopped));
}

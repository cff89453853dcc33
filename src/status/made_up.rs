//! A cluster and alerts as tests of the pages, /metrics and `status` need them: three brokers of which one is down, a few
//! topics in every state, groups in every status. Not consistent in every figure; nothing here is computed.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    reason = "made-up figures"
)]

use std::sync::Arc;
use std::time::Duration;

use litemap::LiteMap;

use super::{AlertState, AlertStatus, AlertsPublication, ChannelStatus, ClusterPublication, SilenceStatus};
use crate::logic::alert::Severity;
use crate::logic::broker_load::{BrokerFigures, RequestTime};
use crate::logic::moment::{Moment, Timestamp};
use crate::logic::watch::snapshot::{BrokerSeen, Committed, GroupSeen, PartitionSeen, Snapshot, TopicSeen};
use crate::logic::watch::view::{
    BrokerView, ClusterView, Comparison, DirView, GroupPartitionView, GroupStatus, GroupTopicView, GroupView, LoadView,
    RackView, Restart, Seconds, TopicView,
};

/// 2026-11-21T07:00:00Z.
const NOW: i64 = 1_795_244_400_000;
const POINTS: usize = 60;

/// A cluster that was just polled.
pub(crate) fn publication(name: &str) -> ClusterPublication {
    ClusterPublication {
        name: name.into(),
        view: Some(Arc::new(view())),
        polled_at: Some(Timestamp(NOW)),
        error: None,
        poll_seconds: Some(0.0234),
        requests: Some(16),
    }
}

/// An alert that fires.
pub(crate) fn alert(name: &str) -> AlertStatus {
    let labels = [("cluster", "default"), ("group", "billing"), ("topic", "orders")];
    AlertStatus {
        name: name.into(),
        metric: "group_lag".into(),
        labels: labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into_iter().collect(),
        state: AlertState::Firing,
        severity: Severity::Warning,
        since: "2026-11-21T06:41:12.000Z".into(),
        value: Some(12_480.0),
        value_text: "12,480".into(),
        summary: "Group billing is 12,480 messages behind in orders, above 1,000".into(),
        told: vec!["ops".into()],
        ..AlertStatus::default()
    }
}

/// One critical alert, two warnings of which one is silenced and one explained, a channel that fails.
pub(crate) fn alerts() -> AlertsPublication {
    let down = AlertStatus {
        name: "broker-down".into(),
        metric: "broker_up".into(),
        labels: LiteMap::from_iter([("broker".into(), "3".into())]),
        severity: Severity::Critical,
        since: "2026-11-21T06:55:02.000Z".into(),
        value: Some(0.0),
        value_text: "no".into(),
        summary: "Broker 3 does not answer".into(),
        ..alert("")
    };
    let offline = AlertStatus {
        name: "partitions-offline".into(),
        labels: LiteMap::from_iter([("topic".into(), "payments".into())]),
        summary: "1 partition of payments has no leader".into(),
        value_text: "1".into(),
        explained_by: Some("broker-down".into()),
        ..down.clone()
    };
    let silenced = AlertStatus {
        silenced_until: Some("2026-11-21T09:00:00.000Z".into()),
        summary: "Broker 1 leads 40 % more than the mean".into(),
        ..alert("leader-skew")
    };
    let pending = AlertStatus { state: AlertState::Pending, ..alert("slow-group") };
    AlertsPublication {
        alerts: vec![pending, silenced, offline, alert("topic-backlog"), down],
        silences: vec![SilenceStatus { name: "leader-skew".into(), until: "2026-11-21T09:00:00.000Z".into() }],
        channels: vec![
            ChannelStatus {
                name: "ops".into(),
                last_taken_at: Some("2026-11-21T06:56:00.000Z".into()),
                ..ChannelStatus::default()
            },
            ChannelStatus {
                name: "hook".into(),
                failing: true,
                error: Some("503 from hook.example.com".into()),
                waiting: 2,
                last_taken_at: None,
            },
        ],
    }
}

/// The view of a cluster with trouble.
pub(crate) fn view() -> ClusterView {
    let broker = |number: i32, answer| BrokerSeen {
        host: format!("kafka-{number}.example.com"),
        port: 9092,
        rack: Some(format!("r{number}")),
        answer,
    };
    let seen = Snapshot {
        cluster: "default".into(),
        cluster_id: Some("MkU3OEVBNTcwNTJENDM2Qg".into()),
        taken_at: Moment::default(),
        wall_clock: Timestamp(NOW),
        brokers: Some(LiteMap::from_iter([
            (1, broker(1, Ok(Duration::from_micros(1_200)))),
            (2, broker(2, Ok(Duration::from_micros(900)))),
            (3, broker(3, Err("connection refused".into()))),
        ])),
        controller: Some(2),
        topics: LiteMap::new(),
        others: LiteMap::new(),
        untold: Vec::new(),
        groups: LiteMap::new(),
        offsets_at: vec![],
        groups_complete: true,
        missing: vec![],
    };
    let mut view = ClusterView {
        controller: Some(2),
        seen: Arc::new(seen),
        slow: None,
        brokers: LiteMap::from_iter([
            (1, broker_view(1, Some(true), Restart::Hurts { partitions: 7, example: "orders/3".into() })),
            (2, broker_view(2, Some(true), Restart::Safe)),
            (3, broker_view(3, Some(false), Restart::Unknown)),
        ]),
        racks: (1..=3).map(|rack| (format!("r{rack}"), RackView { brokers: 1, leaders: 20, replicas: 40 })).collect(),
        topics: LiteMap::new(),
        groups: LiteMap::new(),
        dirs: (1..=3).map(dir).collect(),
        missing: vec!["broker 3: log directories: connection refused".into()],
        chart_times: (0..POINTS as i64).map(|point| Timestamp(NOW - (POINTS as i64 - 1 - point) * 30_000)).collect(),
    };
    for (name, partitions) in
        [("orders", 12), ("payments", 6), ("event", 3), ("audit.log", 48), ("__consumer_offsets", 50)]
    {
        add_topic(&mut view, name, partitions);
    }
    add_group(&mut view, "billing", "orders", 12_480);
    add_group(&mut view, "fraud", "payments", 310);
    add_group(&mut view, "search", "orders", 0);
    add_group(&mut view, "omp", "event", 4);
    for (group, status) in [("billing", GroupStatus::Stall), ("fraud", GroupStatus::Warning)] {
        let group = view.groups.get_mut(group).expect("it was added");
        group.status = status;
        group.topics.iter_mut().for_each(|(_, topic)| topic.status = status);
    }
    view
}

fn broker_view(number: i32, up: Option<bool>, restart: Restart) -> BrokerView {
    BrokerView {
        up,
        address: Some(format!("kafka-{number}.example.com:9092")),
        rack: Some(format!("r{number}")),
        error: (up == Some(false)).then(|| "connection refused".into()),
        latency_seconds: (up == Some(true)).then_some(0.0012),
        leaders: if up == Some(true) { 58 + number.unsigned_abs() } else { 0 },
        replicas: 79,
        preferred_not_leading: if number == 3 { 39 } else { 0 },
        leader_skew_percent: Some(if number == 1 { 12.5 } else { -12.5 }),
        replica_skew_percent: Some(0.4),
        traffic_share_percent: (up == Some(true)).then_some(50.0),
        messages_in_per_second: (up == Some(true)).then_some(1234.5),
        bytes_in_per_second: (up == Some(true)).then_some(1_536_000.0),
        load: (number == 2).then(load),
        restart,
    }
}

/// Broker 2's own account: the other two have no source.
fn load() -> LoadView {
    let time = RequestTime { p50_ms: Some(1.5), p99_ms: Some(42.0), local_p99_ms: Some(12.0) };
    let figures = BrokerFigures {
        load_percent: Some(83.4),
        network_idle_percent: Some(64.0),
        requests_per_second: Some(1234.0),
        bytes_in_per_second: Some(2_097_152.0),
        bytes_out_per_second: Some(4_194_304.0),
        messages_in_per_second: Some(2000.0),
        request_time_ms: [("Produce", time), ("FetchConsumer", RequestTime { local_p99_ms: None, ..time })]
            .into_iter()
            .collect(),
        under_replicated_partitions: Some(1),
        offline_log_dirs: Some(0),
        heap_used_bytes: Some(536_870_912),
        heap_max_bytes: Some(1_073_741_824),
        process_cpu_percent: Some(37.5),
        ..BrokerFigures::default()
    };
    let slow = "broker 2 is slow: it works 120 ms on a request (usually at most 12 ms); look at its disks first";
    LoadView {
        source: "jmx",
        figures: Some(Arc::new(figures)),
        error: None,
        replication: Comparison::Fine,
        slow: Comparison::Wrong(slow.into()),
    }
}

fn dir(broker: i32) -> DirView {
    DirView {
        broker,
        path: "/var/lib/kafka".into(),
        error: (broker == 3).then(|| "KAFKA_STORAGE_ERROR".into()),
        used_bytes: 412_316_860_416,
        used_percent: (broker != 3).then_some(if broker == 1 { 91.5 } else { 63.0 }),
        full_in_seconds: (broker == 1).then_some(93_600.0),
        growth_bytes_per_second: None,
    }
}

/// Adds a topic; of payments one partition is offline, of each topic with brokers 3 it is out of sync.
pub(crate) fn add_topic(view: &mut ClusterView, name: &str, partitions: i32) {
    let name: Arc<str> = name.into();
    let partition = |number: i32| {
        let replicas = [number % 3 + 1, (number + 1) % 3 + 1];
        let isr: Vec<i32> = replicas.into_iter().filter(|broker| *broker != 3).collect();
        let offline = &*name == "payments" && number == 5;
        PartitionSeen {
            number,
            leader: if offline { None } else { isr.first().copied() },
            replicas: replicas.into(),
            isr: isr.into(),
            earliest: Some(100),
            latest: (!offline).then_some(1_000_000),
        }
    };
    let partitions: Vec<PartitionSeen> = (0..partitions).map(partition).collect();
    let count = |test: fn(&PartitionSeen) -> bool| partitions.iter().filter(|partition| test(partition)).count() as u32;
    let figures = TopicView {
        watched: !name.starts_with("__"),
        messages: Some(999_900 * partitions.len() as i64),
        messages_in_per_second: Some(partitions.len() as f64 * 10.0),
        bytes: Some(partitions.len() as u64 * 1_073_741_824),
        offline: count(|partition| partition.leader.is_none()),
        under_replicated: count(|partition| partition.isr.len() < partition.replicas.len()),
        under_min_isr: Some(0),
        not_preferred: count(|partition| {
            partition.leader.is_some_and(|leader| partition.replicas.first() != Some(&leader))
        }),
        rate_chart: (0..POINTS).map(|point| 80.0 + 20.0 * (point as f32 / 7.0).sin()).collect(),
    };
    let topic = TopicSeen { id: None, internal: name.starts_with("__"), partitions };
    Arc::make_mut(&mut view.seen).topics.insert(Arc::clone(&name), topic);
    view.topics.insert(name, figures);
}

/// Adds a group that reads this topic and is so far behind, all of it in partition 0.
pub(crate) fn add_group(view: &mut ClusterView, group: &str, topic: &str, lag: i64) {
    let topic: Arc<str> = topic.into();
    let count = view.seen.topics.get(&topic).map_or(0, |topic| topic.partitions.len()) as i32;
    let partitions: Vec<GroupPartitionView> = (0..count)
        .map(|partition| {
            let lag = if partition == 0 { lag } else { 0 };
            GroupPartitionView {
                partition,
                committed: 1_000_000 - lag,
                lag: Some(lag),
                lag_seconds: Some(lag as f32 / 10.0),
                status: if lag > 1000 { GroupStatus::Stall } else { GroupStatus::Ok },
            }
        })
        .collect();
    let committed = partitions
        .iter()
        .map(|place| Committed { topic: Arc::clone(&topic), partition: place.partition, offset: place.committed })
        .collect();
    let place = GroupTopicView {
        judged: true,
        status: GroupStatus::Ok,
        lag: Some(lag),
        complete: true,
        lag_seconds: Some(Seconds { value: lag as f64 / 10.0, error: 15.0 }),
        older_than: vec![],
        partitions,
        lag_chart: (0..POINTS)
            .map(|point| if (20..25).contains(&point) { f32::NAN } else { lag as f32 * point as f32 / POINTS as f32 })
            .collect(),
    };
    let seen = GroupSeen {
        state: Some("Stable".into()),
        group_type: "classic".into(),
        coordinator: Some(1),
        members: Some(2),
        assigned: Some(vec![Arc::clone(&topic)]),
        committed: Some(committed),
    };
    let name: Arc<str> = group.into();
    Arc::make_mut(&mut view.seen).groups.insert(Arc::clone(&name), seen);
    let topics = LiteMap::from_iter([(topic, place)]);
    view.groups.insert(name, GroupView { status: GroupStatus::Ok, lag: Some(lag), topics });
}

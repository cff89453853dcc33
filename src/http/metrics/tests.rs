use std::sync::Arc;

use super::*;
use crate::logic::alert::{METRICS, Source};
use crate::logic::moment::Timestamp;
use crate::logic::watch::view::Seconds;
use crate::status::{ForwardState, ForwardStatus, made_up};
use tokio::sync::watch;

fn rendered(forward: ForwardStatus) -> String {
    let (publisher, board) = crate::status::board(Timestamp(0));
    publisher.set_forwards(vec![watch::channel(forward).1]);
    render(&board, ProcessFigures { resident_bytes: Some(3_145_728), cpu_seconds: Some(1.25) })
}

/// All about these clusters.
fn of_clusters(clusters: Vec<ClusterPublication>, max_series: usize) -> String {
    let (publisher, board) = crate::status::board(Timestamp(0));
    publisher.set_clusters(clusters.into_iter().map(|cluster| watch::channel(cluster).1).collect());
    publisher.set_alerts(Some(watch::channel(Arc::new(made_up::alerts())).1));
    publisher.set_max_series(max_series);
    render(&board, ProcessFigures::default())
}

#[track_caller]
fn check(rule: &str, text: &str, line: &str) {
    let name = line.split(['{', ' ']).next().expect("a name");
    let family: Vec<&str> = text.lines().filter(|line| line.starts_with(name)).collect();
    assert!(text.lines().any(|present| present == line), "{rule}: {line} is missing in\n{}", family.join("\n"));
}

#[test]
fn cluster_figures_have_kafka_exporter_s_names_labels_and_arithmetic() {
    let mut cluster = made_up::publication("default");
    let view = Arc::make_mut(cluster.view.as_mut().expect("a view"));
    // The log begins after what was committed: kafka_exporter does not look at that, group_lag does.
    view.groups.get_mut("billing").expect("a group").topics.get_mut("orders").expect("a topic").lag = Some(5);
    // A partition could not be seen: what is known is a lower bound.
    let place = view.groups.get_mut("fraud").expect("a group").topics.get_mut("payments").expect("a topic");
    place.complete = false;
    place.lag_seconds = Some(Seconds { value: 31.0, error: f64::INFINITY });
    let text = of_clusters(vec![cluster], 10_000);
    for line in [
        "barnabas_group_lag_seconds{group=\"fraud\",topic=\"payments\"} 31",
        "barnabas_group_lag_seconds_error{group=\"fraud\",topic=\"payments\"} +Inf",
        "kafka_brokers 3",
        "kafka_broker_info{id=\"1\",address=\"kafka-1.example.com:9092\"} 1",
        "kafka_topic_partitions{topic=\"orders\"} 12",
        "kafka_topic_partition_current_offset{topic=\"orders\",partition=\"0\"} 1000000",
        "kafka_topic_partition_oldest_offset{topic=\"orders\",partition=\"0\"} 100",
        "kafka_topic_partition_leader{topic=\"orders\",partition=\"0\"} 1",
        "kafka_topic_partition_leader_is_preferred{topic=\"orders\",partition=\"0\"} 1",
        "kafka_topic_partition_leader_is_preferred{topic=\"orders\",partition=\"2\"} 0",
        "kafka_topic_partition_replicas{topic=\"orders\",partition=\"1\"} 2",
        "kafka_topic_partition_in_sync_replica{topic=\"orders\",partition=\"1\"} 1",
        "kafka_topic_partition_under_replicated_partition{topic=\"orders\",partition=\"1\"} 1",
        "kafka_topic_partition_leader_is_preferred{topic=\"payments\",partition=\"5\"} 0",
        "kafka_consumergroup_current_offset{consumergroup=\"billing\",topic=\"orders\",partition=\"0\"} 987520",
        "kafka_consumergroup_lag{consumergroup=\"billing\",topic=\"orders\",partition=\"0\"} 12480",
        "kafka_consumergroup_current_offset_sum{consumergroup=\"billing\",topic=\"orders\"} 11987520",
        "kafka_consumergroup_lag_sum{consumergroup=\"billing\",topic=\"orders\"} 12480",
        "kafka_consumergroup_members{consumergroup=\"billing\"} 2",
        "barnabas_group_lag{group=\"billing\",topic=\"orders\"} 5",
        "barnabas_group_lag_seconds_error{group=\"billing\",topic=\"orders\"} 15",
        "barnabas_group_status{group=\"billing\",topic=\"orders\"} 2",
        "barnabas_cluster_up 1",
        "barnabas_broker_up{broker=\"3\"} 0",
        "barnabas_broker_bytes_in_per_second{broker=\"1\",source=\"logs\"} 1536000",
        "barnabas_broker_bytes_in_per_second{broker=\"2\",source=\"jmx\"} 2097152",
        "barnabas_broker_load_percent{broker=\"2\",source=\"jmx\"} 83.4",
        "barnabas_broker_request_seconds{broker=\"2\",request=\"Produce\",quantile=\"0.99\"} 0.042",
        "barnabas_broker_heap_used_bytes{broker=\"2\"} 536870912",
        "barnabas_broker_slow{broker=\"2\"} 1",
        "barnabas_broker_replication_disagreement{broker=\"2\"} 0",
        "barnabas_disk_full_in_seconds{broker=\"1\",dir=\"/var/lib/kafka\"} 93600",
        "barnabas_partitions_offline{topic=\"payments\"} 1",
        "barnabas_poll_requests 16",
        "barnabas_poll_missing 1",
        "barnabas_alerts_firing{name=\"broker-down\",severity=\"critical\"} 1",
        "barnabas_alerts_pending{name=\"slow-group\",severity=\"warning\"} 1",
        "barnabas_silences 1",
        "barnabas_channel_failing{channel=\"hook\"} 1",
        "barnabas_channel_notices_waiting{channel=\"hook\"} 2",
    ] {
        check("a cluster", &text, line);
    }
    for absent in [
        "kafka_topic_partition_leader{topic=\"payments\",partition=\"5\"}",
        "kafka_topic_partition_current_offset{topic=\"payments\",partition=\"5\"}",
        "kafka_consumergroup_lag{consumergroup=\"fraud\",topic=\"payments\",partition=\"5\"}",
        "barnabas_broker_latency_seconds{broker=\"3\"}",
        "barnabas_broker_load_percent{broker=\"1\"",
        "barnabas_disk_used_percent{broker=\"3\"",
        "barnabas_disk_used_bytes{broker=\"3\"",
        "barnabas_group_lag{group=\"fraud\"",
        "barnabas_series_left_out",
        "cluster=\"default\"",
    ] {
        assert!(!text.contains(absent), "what is not known has no sample: {absent}");
    }
}

#[test]
fn several_clusters_are_told_apart_and_one_that_does_not_answer_has_no_figures() {
    let down = ClusterPublication {
        error: Some("connection refused".into()),
        polled_at: Some(Timestamp(1000)),
        ..made_up::publication("west")
    };
    let new = ClusterPublication { name: "new".into(), ..ClusterPublication::default() };
    let text = of_clusters(vec![made_up::publication("east"), down, new], 10_000);
    check("a label", &text, "kafka_brokers{cluster=\"east\"} 3");
    check("on ours, too", &text, "barnabas_broker_up{cluster=\"east\",broker=\"3\"} 0");
    check("up", &text, "barnabas_cluster_up{cluster=\"east\"} 1");
    check("down", &text, "barnabas_cluster_up{cluster=\"west\"} 0");
    check("polled all the same", &text, "barnabas_poll_timestamp_seconds{cluster=\"west\"} 1");
    assert!(!text.contains("barnabas_cluster_up{cluster=\"new\"}"), "not known yet");
    assert!(!text.contains("kafka_brokers{cluster=\"west\"}"), "yesterday's figures are no figures");
}

#[test]
fn forwards_and_share_groups_are_no_consumer_groups() {
    let mut cluster = made_up::publication("default");
    let view = Arc::make_mut(cluster.view.as_mut().expect("a view"));
    let groups = &mut Arc::make_mut(&mut view.seen).groups;
    groups.get_mut("omp").expect("a group").group_type = "forward".into();
    groups.get_mut("search").expect("a group").group_type = "share".into();
    let text = of_clusters(vec![cluster], 10_000);
    assert!(text.contains("consumergroup=\"billing\""));
    assert!(!text.contains("consumergroup=\"omp\"") && !text.contains("consumergroup=\"search\""));
    check("they are groups to us", &text, "barnabas_group_lag{group=\"omp\",topic=\"event\"} 4");
}

#[test]
fn what_is_beyond_the_limit_is_counted() {
    let text = of_clusters(vec![made_up::publication("default")], 10);
    let count = |name: &str| text.lines().filter(|line| line.starts_with(&format!("{name}{{"))).count();
    assert_eq!(count("kafka_topic_partition_replicas"), 10);
    check("the rest", &text, "barnabas_series_left_out{metric=\"kafka_topic_partition_replicas\"} 109");
    assert!(!text.contains("barnabas_series_left_out{metric=\"barnabas_broker_up\"}"), "three fit");
}

#[test]
fn every_family_is_described_once_and_every_metric_of_a_cluster_has_a_family() {
    let text = of_clusters(vec![made_up::publication("a"), made_up::publication("b")], 10);
    let mut types: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    types.sort_unstable();
    let all = types.len();
    types.dedup();
    assert_eq!(types.len(), all);
    for metric in METRICS.iter().filter(|metric| metric.source == Source::Cluster) {
        assert!(
            text.contains(&format!("# HELP barnabas_{} {}", metric.name, cluster::help(metric))),
            "{}",
            metric.name
        );
        assert_ne!(cluster::help(metric), "See the documentation.", "{}", metric.name);
    }
    follows_its_type(&text);
}

#[test]
fn each_figure_has_its_line() {
    let text = rendered(ForwardStatus {
        name: "guance".into(),
        state: ForwardState::Suspended,
        lag: Some(9_007_199_254_740_993),
        pending: 1,
        in_flight: 2,
        consumed: 3,
        delivered: 4,
        filtered: 5,
        skipped: 6,
        dropped: 7,
        dead_lettered: 8,
        retries: 9,
        lost_offsets: 10,
        oldest_pending_seconds: Some(1.5),
        dead_letters_waiting: 11,
        ..ForwardStatus::default()
    });
    for line in [
        "barnabas_ready 0",
        "barnabas_forward_lag{forward=\"guance\"} 9007199254740993",
        "barnabas_forward_pending{forward=\"guance\"} 1",
        "barnabas_forward_in_flight{forward=\"guance\"} 2",
        "barnabas_forward_oldest_pending_seconds{forward=\"guance\"} 1.5",
        "barnabas_forward_suspended{forward=\"guance\"} 1",
        "barnabas_forward_paused{forward=\"guance\"} 0",
        "barnabas_forward_consumed_total{forward=\"guance\"} 3",
        "barnabas_forward_delivered_total{forward=\"guance\"} 4",
        "barnabas_forward_filtered_total{forward=\"guance\"} 5",
        "barnabas_forward_skipped_total{forward=\"guance\"} 6",
        "barnabas_forward_dropped_total{forward=\"guance\"} 7",
        "barnabas_forward_dead_lettered_total{forward=\"guance\"} 8",
        "barnabas_forward_retries_total{forward=\"guance\"} 9",
        "barnabas_forward_lost_offsets_total{forward=\"guance\"} 10",
        "barnabas_dead_letters{forward=\"guance\"} 11",
        "process_resident_memory_bytes 3145728",
        "process_cpu_seconds_total 1.25",
    ] {
        assert!(text.lines().any(|present| present == line), "{line} is missing in\n{text}");
    }
}

#[test]
fn every_sample_comes_after_its_help_and_its_type() {
    follows_its_type(&rendered(ForwardStatus::default()));
}

#[track_caller]
fn follows_its_type(text: &str) {
    let mut family = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().expect("a name").to_owned();
            assert!(text.contains(&format!("# HELP {family} ")), "{family}");
        } else if !line.starts_with('#') {
            assert_eq!(line.split(['{', ' ']).next(), Some(family.as_str()), "{line}");
        }
    }
    assert!(text.ends_with('\n'));
}

#[test]
fn an_unknown_lag_is_no_series_rather_than_a_zero() {
    assert!(!rendered(ForwardStatus::default()).contains("\nbarnabas_forward_lag{"));
}

#[test]
fn a_name_cannot_break_out_of_its_label() {
    let text = rendered(ForwardStatus { name: "a\"} 1\nforged \\".into(), ..ForwardStatus::default() });
    assert!(text.contains(r#"barnabas_forward_pending{forward="a\"} 1\nforged \\"} 0"#), "{text}");
    assert!(!text.contains("\nforged"));
}

#[test]
fn the_kernel_s_figures() {
    assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    1234 kB\nVmData: 1 kB\n"), Some(1_263_616));
    assert_eq!(resident_bytes("Name:\tx\n"), None);
    let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
    assert_eq!(cpu_seconds(stat), Some(2.0));
    assert_eq!(cpu_seconds("7 (a)"), None);
    let figures = ProcessFigures::read();
    assert!(figures.resident_bytes.is_some_and(|bytes| bytes > 100_000), "{figures:?}");
    assert!(figures.cpu_seconds.is_some(), "{figures:?}");
}

#[test]
fn a_large_text_is_not_moved_while_it_grows() {
    let mut cluster = made_up::publication("default");
    let view = Arc::make_mut(cluster.view.as_mut().expect("a view"));
    for number in 0..200 {
        made_up::add_topic(view, &format!("team-{number:03}.events.v1"), 10);
        made_up::add_group(view, &format!("service-{number:03}"), &format!("team-{number:03}.events.v1"), 7);
    }
    let room = capacity(std::slice::from_ref(&cluster));
    let text = of_clusters(vec![cluster], 100_000);
    assert!(text.len() <= room && room < 3 * text.len(), "{} bytes in {room}", text.len());
}

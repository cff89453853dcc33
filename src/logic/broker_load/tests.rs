//! Figures from invented samples, and from texts as the agents give them.

use std::time::Duration;

use proptest::prelude::*;

use super::checks::{LatencyHistory, replication_disagreement, slow_broker};
use super::*;

type Entry = (Quantity, &'static str, f64);

fn sample(seconds: u64, entries: &[Entry]) -> Sample {
    let mut readings = Readings::default();
    for (quantity, attribute, value) in entries {
        readings.add(*quantity, attribute, *value);
    }
    Sample { taken_at: Moment::after_start(Duration::from_secs(seconds)), readings }
}

const IDLE: Quantity = Quantity::HandlersIdle;
const BROKER_IDLE: Quantity = Quantity::BrokerHandlersIdle;
const RUN: Quantity = Quantity::Runtime;

#[track_caller]
fn check_load(rule: &str, before: &[Entry], after: &[Entry], expected: Option<(f64, Basis)>) {
    let figures = BrokerFigures::from_samples(Some(&sample(100, before)), &sample(110, after));
    let load = figures.load_percent.zip(figures.load_basis).map(|(load, basis)| ((load * 1e6).round() / 1e6, basis));
    assert_eq!(load, expected, "{rule}: {figures:?}");
    assert!(load.is_some() || figures.load_note.is_some(), "{rule}: it is said why");
}

#[test]
fn the_load_is_what_the_handlers_are_not_idle() {
    use Basis::{Difference, Mean, OneMinuteRate};
    let exact = |percent| Some((percent, Difference));
    check_load("7 of 10 s idle", &[(IDLE, "Count", 5e9)], &[(IDLE, "Count", 12e9)], exact(30.0));
    check_load("never idle", &[(IDLE, "Count", 5e9)], &[(IDLE, "Count", 5e9)], exact(100.0));
    check_load("a little too idle by rounding", &[(IDLE, "Count", 0.0)], &[(IDLE, "Count", 10.2e9)], exact(0.0));
    check_load(
        "the broker's own clock counts, not ours",
        &[(IDLE, "Count", 0.0), (RUN, "Uptime", 100_000.0)],
        &[(IDLE, "Count", 5e9), (RUN, "Uptime", 110_100.0)],
        exact(50.495_05),
    );
    check_load(
        "unless it jumped: then it was computed from a wall clock that was set",
        &[(IDLE, "Count", 0.0), (RUN, "Uptime", 100_000.0)],
        &[(IDLE, "Count", 5e9), (RUN, "Uptime", 9_000_000.0)],
        exact(50.0),
    );
    check_load(
        "the broker's own pool counts where it is told apart",
        &[(IDLE, "Count", 0.0), (BROKER_IDLE, "Count", 0.0)],
        &[(IDLE, "Count", 9e9), (BROKER_IDLE, "Count", 4e9)],
        exact(60.0),
    );
    check_load(
        "of a broker that is a controller, too, the sum of two pools is idle (seen by the bigger sum)",
        &[(IDLE, "Count", 0.0)],
        &[(IDLE, "Count", 17e9)],
        exact(30.0),
    );
    let node = [(Quantity::Controller, "Value", 1.0), (Quantity::KraftBroker, "last-applied-record-offset", 9.0)];
    let busy = [&[(IDLE, "Count", 10.5e9)][..], &node].concat();
    check_load("seen by its objects", &[(IDLE, "Count", 0.0)], &busy, exact(95.0));
    let zookeeper = [(IDLE, "Count", 5e9), (Quantity::Controller, "Value", 1.0)];
    check_load("a controller under ZooKeeper has one pool", &[(IDLE, "Count", 0.0)], &zookeeper, exact(50.0));
    check_load(
        "a restart in between: the one-minute rate",
        &[(IDLE, "Count", 9e9), (RUN, "StartTime", 1.0)],
        &[(IDLE, "Count", 9.5e9), (RUN, "StartTime", 2.0), (IDLE, "OneMinuteRate", 0.9)],
        Some((10.0, OneMinuteRate)),
    );
    check_load(
        "a counter that fell is a restart, too",
        &[(IDLE, "Count", 9e9)],
        &[(IDLE, "Count", 1e9), (IDLE, "OneMinuteRate", 0.25)],
        Some((75.0, OneMinuteRate)),
    );
    check_load("the rate is 0 at first", &[], &[(IDLE, "Count", 1e9), (IDLE, "OneMinuteRate", 0.0)], None);
    check_load(
        "and of its first seconds for a while",
        &[],
        &[(IDLE, "OneMinuteRate", 0.5), (RUN, "Uptime", 9_000.0)],
        None,
    );
    check_load(
        "the mean alone, times the uptime, is the count again: 60 s at 0.9, then 70 s at 0.85",
        &[(IDLE, "MeanRate", 0.9), (RUN, "Uptime", 60_000.0)],
        &[(IDLE, "MeanRate", 0.85), (RUN, "Uptime", 70_000.0)],
        Some((45.0, Mean)),
    );
    check_load("the mean alone says nothing", &[(IDLE, "MeanRate", 0.9)], &[(IDLE, "MeanRate", 0.85)], None);
    check_load("nothing is invented", &[], &[(Quantity::BytesIn, "Count", 1.0)], None);
}

#[test]
fn rates_are_differences_of_counters() {
    let before = sample(100, &[(Quantity::BytesIn, "Count", 1000.0), (Quantity::BytesOut, "Count", 500.0)]);
    let mut after = sample(120, &[(Quantity::BytesIn, "Count", 5000.0), (Quantity::BytesOut, "Count", 400.0)]);
    after.readings.add(Quantity::BytesOut, "OneMinuteRate", 7.0);
    let figures = BrokerFigures::from_samples(Some(&before), &after);
    assert_eq!(figures.bytes_in_per_second, Some(200.0));
    assert_eq!(figures.bytes_out_per_second, Some(7.0), "a counter that fell gives no difference");
    assert_eq!(figures.messages_in_per_second, None, "unknown is not zero");
    let alone = BrokerFigures::from_samples(None, &after);
    assert_eq!((alone.bytes_in_per_second, alone.bytes_out_per_second), (None, Some(7.0)));
    let same = BrokerFigures::from_samples(Some(&after), &after);
    assert_eq!(same.bytes_in_per_second, None, "over no time there is no rate");
}

#[test]
fn the_rest_is_taken_as_it_is() {
    let before = sample(0, &[(Quantity::System, "ProcessCpuTime", 1e9)]);
    let mut after = sample(
        10,
        &[
            (Quantity::System, "ProcessCpuTime", 11e9),
            (Quantity::System, "AvailableProcessors", 4.0),
            (Quantity::System, "ProcessCpuLoad", -1.0),
            (Quantity::Heap, "HeapMemoryUsage.used", 12.0),
            (Quantity::Heap, "HeapMemoryUsage.max", -1.0),
            (Quantity::NetworkIdle, "Value", 0.25),
            (Quantity::UnderReplicated, "Value", 3.0),
            (Quantity::ProduceTime, "Count", 7.0),
            (Quantity::ProduceTime, "99thPercentile", 4.5),
            (Quantity::FetchConsumerTime, "Count", 0.0),
            (Quantity::FetchConsumerTime, "99thPercentile", 0.0),
        ],
    );
    after.readings.add_requests("Produce", 70.0);
    after.readings.add_requests("Fetch", 30.0);
    after.readings.add_requests("FetchConsumer", 30.0);
    assert_eq!(after.readings.requests(), Some(100.0), "a fetch is one request");
    let figures = BrokerFigures::from_samples(Some(&before), &after);
    assert_eq!(figures.process_cpu_percent, Some(25.0), "10 s of CPU in 10 s on four processors");
    assert_eq!((figures.heap_used_bytes, figures.heap_max_bytes), (Some(12), None));
    assert_eq!(figures.network_idle_percent, Some(25.0));
    assert_eq!((figures.under_replicated_partitions, figures.offline_log_dirs), (Some(3), None));
    assert_eq!(figures.request_time_ms.get("Produce").unwrap().p99_ms, Some(4.5));
    assert!(!figures.request_time_ms.contains_key("FetchConsumer"), "the percentiles of nothing are 0");
    assert_eq!(BrokerFigures::from_samples(None, &after).process_cpu_percent, None, "-1 means unknown");
    after.readings.add(RUN, "Uptime", 20_000.0);
    let young = BrokerFigures::from_samples(None, &after);
    assert_eq!(young.network_idle_percent, None, "over its first window of 30 s the broker's average is too low");
}

#[test]
fn numbers_that_are_none_and_strangers_are_not_kept() {
    let mut readings = Readings::default();
    readings.add(IDLE, "Count", f64::NAN);
    readings.add(IDLE, "StdDev", 1.0);
    assert_eq!(readings, Readings::default());
    readings.add(RUN, "Uptime", 1.0);
    assert!(readings.is_no_broker(), "any JVM has an uptime");
    readings.add(IDLE, "Count", 1.0);
    assert!(!readings.is_no_broker());
}

// --- the exporter ---

const DEFAULT_NAMES: &str = r#"
# HELP java_lang_Runtime_Uptime java.lang:name=null,type=Runtime,attribute=Uptime
java_lang_Runtime_Uptime 627109.0
# HELP kafka_server_KafkaRequestHandlerPool_Count Attribute exposed for management kafka.server:name=RequestHandlerAvgIdlePercent,type=KafkaRequestHandlerPool,attribute=Count
kafka_server_KafkaRequestHandlerPool_Count{name="BrokerRequestHandlerAvgIdlePercent"} 6.25E11
kafka_server_KafkaRequestHandlerPool_Count{name="RequestHandlerAvgIdlePercent"} 6.24E11
# HELP kafka_server_BrokerTopicMetrics_Count Attribute exposed for management kafka.server:name=BytesInPerSec,type=BrokerTopicMetrics,attribute=Count
kafka_server_BrokerTopicMetrics_Count{name="BytesInPerSec"} 1000.0
kafka_server_BrokerTopicMetrics_Count{name="BytesInPerSec",topic="a\"b,c}"} 5.0
kafka_server_BrokerTopicMetrics_Count{name="BytesOutPerSec"} 50.0
# HELP kafka_network_RequestMetrics_Count Attribute exposed for management kafka.network:name=ResponseQueueTimeMs,type=RequestMetrics,attribute=Count
kafka_network_RequestMetrics_Count{name="RequestsPerSec",request="Fetch",version="4"} 30.0
kafka_network_RequestMetrics_Count{name="RequestsPerSec",request="Produce",version="9"} 7.0
kafka_network_RequestMetrics_Count{name="TotalTimeMs",request="Produce"} 7.0
# HELP kafka_network_RequestMetrics_99thPercentile Attribute exposed for management kafka.network:name=ResponseQueueTimeMs,type=RequestMetrics,attribute=99thPercentile
kafka_network_RequestMetrics_99thPercentile{name="TotalTimeMs",request="Produce"} 6.5
kafka_network_RequestMetrics_99thPercentile{name="TotalTimeMs",request="Metadata"} 99.0
java_lang_Memory_HeapMemoryUsage_used 2.0E8
java_lang_Memory_NonHeapMemoryUsage_used 1.0
process_start_time_seconds 1.0
"#;

const SAMPLE_RULES: &str = r#"
# HELP kafka_server_brokertopicmetrics_bytesin_total Attribute exposed for management (kafka.server<type=BrokerTopicMetrics, name=BytesInPerSec><>Count)
# TYPE kafka_server_brokertopicmetrics_bytesin_total counter
kafka_server_brokertopicmetrics_bytesin_total 1000.0
kafka_server_brokertopicmetrics_bytesin_total{topic="a"} 5.0
kafka_server_brokertopicmetrics_bytesout_total 50.0
kafka_network_requestmetrics_requests_total{request="Fetch",version="4",} 30.0
kafka_network_requestmetrics_requests_total{request="Produce",version="9",} 7.0 1395066363000
kafka_network_requestmetrics_totaltimems_count{request="Produce",} 7.0
kafka_network_requestmetrics_totaltimems{request="Produce",quantile="0.99",} 6.5
kafka_network_requestmetrics_totaltimems{request="Produce",quantile="0.999",} 70.0
kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent_count 6.24E11
jvm_memory_bytes_used{area="heap",} 2.0E8
jvm_memory_bytes_used{area="nonheap",} 1.0
process_start_time_seconds 1000.0
process_cpu_seconds_total 2.5
"#;

#[test]
fn the_exporter_is_understood_by_default_and_by_the_sample_rules() {
    for (rules, text) in [("default", DEFAULT_NAMES), ("sample", SAMPLE_RULES)] {
        let readings = prometheus::readings(text, 1627.109).expect(rules);
        for (quantity, attribute, expected) in [
            (IDLE, "Count", 6.24e11),
            (Quantity::BytesIn, "Count", 1000.0),
            (Quantity::BytesOut, "Count", 50.0),
            (Quantity::ProduceTime, "Count", 7.0),
            (Quantity::ProduceTime, "99thPercentile", 6.5),
            (Quantity::Heap, "HeapMemoryUsage.used", 2e8),
        ] {
            assert_eq!(readings.get(quantity, attribute), Some(expected), "{rules}: {quantity:?} {attribute}");
        }
        let uptime = readings.get(RUN, "Uptime").expect(rules);
        assert!((uptime - 627_109.0).abs() < 1.0, "{rules}: {uptime}");
        assert_eq!(readings.requests(), Some(37.0), "{rules}");
    }
    let readings = prometheus::readings(SAMPLE_RULES, 0.0).unwrap();
    assert_eq!(readings.get(Quantity::System, "ProcessCpuTime"), Some(2.5e9));
}

#[test]
fn that_only_the_mean_is_shown_is_said() {
    let mean = "# HELP kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent \
                kafka.server:name=RequestHandlerAvgIdlePercent,type=KafkaRequestHandlerPool,attribute=MeanRate\n\
                kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent 0.9\n";
    let readings = prometheus::readings(mean, 0.0).expect("text");
    assert_eq!(readings.get(IDLE, "MeanRate"), Some(0.9));
    let sample = Sample { taken_at: Moment::default(), readings };
    let note = BrokerFigures::from_samples(None, &sample).load_note.expect("a note");
    assert!(note.contains("only the MeanRate"), "{note}");
    // The rules of the sample spell it so even where HELP was overwritten.
    let bare = prometheus::readings("kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent 0.9", 0.0);
    assert_eq!(bare.expect("text").get(IDLE, "MeanRate"), Some(0.9));
}

#[test]
fn what_is_no_text_of_prometheus_is_refused() {
    for text in ["", "<html>404</html>", "{\"status\":200}"] {
        assert!(prometheus::readings(text, 0.0).is_err(), "{text}");
    }
}

// --- Jolokia ---

#[test]
fn jolokia_answers_in_the_order_of_the_questions() {
    let questions: serde_json::Value = serde_json::from_slice(&jolokia::bulk_request()).expect("JSON");
    let answer_to = |question: &serde_json::Value| {
        let value = match question["mbean"].as_str().unwrap_or_default() {
            name if name.ends_with("name=RequestHandlerAvgIdlePercent") => {
                serde_json::json!({"Count": 5, "MeanRate": "NaN"})
            }
            "java.lang:type=Memory" => serde_json::json!({"HeapMemoryUsage": {"used": 9, "max": 10}}),
            name if name.ends_with('*') => serde_json::json!({
                "kafka.network:name=RequestsPerSec,request=Produce,type=RequestMetrics,version=9": {"Count": 3},
                "kafka.network:name=RequestsPerSec,request=FetchFollower,type=RequestMetrics,version=9": {"Count": 3},
            }),
            _ => return serde_json::json!({"status": 404, "error": "javax.management.InstanceNotFoundException"}),
        };
        serde_json::json!({"status": 200, "value": value})
    };
    let answers: Vec<_> = questions.as_array().expect("a bulk").iter().map(answer_to).collect();
    let readings = jolokia::readings(serde_json::to_string(&answers).unwrap().as_bytes()).expect("readings");
    assert_eq!(readings.get(IDLE, "Count"), Some(5.0));
    assert_eq!(readings.get(Quantity::Heap, "HeapMemoryUsage.max"), Some(10.0));
    assert_eq!(readings.requests(), Some(3.0));

    let refused = vec![serde_json::json!({"status": 403, "error": "forbidden\u{1b}"}); answers.len()];
    for (rule, body, expected) in [
        ("no JSON", "Hello".to_owned(), "no JSON"),
        ("an error", "{\"status\":500,\"error\":\"boom\"}".to_owned(), "boom"),
        ("too few", "[]".to_owned(), "answered 0 of"),
        ("everything is refused", serde_json::to_string(&refused).unwrap(), "forbidden\\x1b"),
    ] {
        let error = jolokia::readings(body.as_bytes()).expect_err(rule);
        assert!(error.contains(expected), "{rule}: {error}");
    }
}

// --- checks ---

#[test]
fn a_broker_that_contradicts_the_metadata_is_named() {
    assert_eq!(replication_disagreement(1, 0, 0), None);
    assert_eq!(replication_disagreement(1, 5, 3), None, "both see it; the count may lag");
    assert!(replication_disagreement(1, 5, 0).is_some_and(|text| text.contains("broker 1 counts 5")));
    assert!(replication_disagreement(2, 0, 1).is_some_and(|text| text.contains("broker 2 leads")));
}

#[test]
fn a_slow_broker_is_slow_against_its_past_or_its_peers() {
    let mut history = LatencyHistory::default();
    assert_eq!(slow_broker(1, 900.0, &history, &[]), None, "nothing to compare with");
    for _ in 0..50 {
        history.observe(20.0);
    }
    for (rule, now, peers, expected) in [
        ("as usual", 25.0, vec![20.0, 20.0], None),
        ("three times the usual", 90.0, vec![60.0, 60.0], Some("usually at most 20 ms")),
        ("too short to matter", 49.0, vec![1.0, 1.0], None),
        ("ten times the peers", 59.0, vec![5.0, 5.0, 900.0], Some("its peers take 5 ms")),
        ("not a number", f64::NAN, vec![1.0], None),
        ("both", 5000.0, vec![5.0, f64::NAN], Some("usually at most 20 ms, and its peers take 5 ms")),
    ] {
        let said = slow_broker(1, now, &history, &peers);
        assert_eq!(said.is_some(), expected.is_some(), "{rule}: {said:?}");
        assert!(said.unwrap_or_default().contains(expected.unwrap_or_default()), "{rule}");
    }
}

proptest! {
    #[test]
    fn no_text_does_harm(text in "(?s).{0,300}", lines in proptest::collection::vec("[a-z_]{1,20}(\\{([a-z]+=\"[^\"]{0,5}\",?){0,3}\\}?)? ?[0-9.eE+-]{0,6}", 0..20)) {
        let _ = prometheus::readings(&text, 0.0);
        let _ = prometheus::readings(&lines.join("\n"), 0.0);
        let _ = jolokia::readings(text.as_bytes());
    }

    #[test]
    fn no_figure_is_outside_its_range(before in 0.0..1e13_f64, after in 0.0..1e13_f64, mean in -1.0..3.0_f64, uptime in 0.0..1e9_f64) {
        let first = sample(0, &[(IDLE, "Count", before), (RUN, "Uptime", uptime)]);
        let second = sample(10, &[(IDLE, "Count", after), (IDLE, "OneMinuteRate", mean), (IDLE, "MeanRate", mean), (RUN, "Uptime", uptime + 1e4)]);
        let load = BrokerFigures::from_samples(Some(&first), &second).load_percent;
        prop_assert!(load.is_none_or(|load| (0.0..=100.0).contains(&load)));
    }
}

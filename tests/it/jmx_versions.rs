//! Broker load by plain JMX from old versions of Kafka: other metrics, the same bytes.

use std::time::Duration;

use barnabas::logic::broker_load::{Basis, BrokerFigures};

use super::jmx::{Reading, jmx_url, settings};
use super::support::kafka::{Kafka, Options};
use super::support::wait::wait_for;

fn read(version: &str) {
    let arguments = vec!["--jmx".to_owned(), "open".to_owned()];
    let kafka = Kafka::start(&Options { version: version.to_owned(), arguments, ..Options::default() });
    let mut reading = Reading::new(&settings(&jmx_url(&kafka)));
    let before = reading.sample();
    let topic = kafka.new_topic("jmx", 1, &[]);
    kafka.produce(&topic, 0, (0..1000).map(|n| (None::<&str>, format!("event {n}"))));
    let figures = wait_for(Duration::from_secs(30), "a reading that is a second younger", || {
        let figures = BrokerFigures::from_samples(Some(&before), &reading.sample());
        figures.load_basis.is_some().then_some(figures)
    });
    assert_eq!(figures.load_basis, Some(Basis::Difference), "{version}: {figures:?}");
    assert!(figures.load_percent.is_some_and(|load| load < 90.0), "{version}: {figures:?}");
    assert!(figures.messages_in_per_second.is_some_and(|rate| rate > 1.0), "{version}: {figures:?}");
    assert!(figures.requests_per_second.is_some_and(|rate| rate > 0.0), "{version}: {figures:?}");
    assert!(figures.request_time_ms.contains_key("Produce"), "{version}: {figures:?}");
    assert_eq!(figures.under_replicated_partitions, Some(0), "{version}");
    // Log directories can fail one by one since 1.0.
    assert_eq!(figures.offline_log_dirs, (version != "0.11.0.3").then_some(0), "{version}");
    reading.close();
}

#[test]
fn kafka_0_11_tells_its_load() {
    read("0.11.0.3");
}

#[test]
fn kafka_1_1_tells_its_load() {
    read("1.1.1");
}

#[test]
fn kafka_2_8_tells_its_load() {
    read("2.8.2");
}

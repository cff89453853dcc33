//! A broker's load in the monitor, with the real binary: an alert on it fires under load and ends, and a JMX port that hangs
//! holds up nothing. What the figures are is in jmx.rs.

use std::time::Duration;

use serde_json::Value;

use crate::jmx::{broker, produce};
use crate::support::barnabas::Barnabas;
use crate::support::config::kafka_section;
use crate::support::kafka::Kafka;
use crate::support::wait::{wait_for, wait_until};

const LIMIT: Duration = Duration::from_secs(120);

fn config(kafka: &Kafka, jmx: &str) -> String {
    let (_, port) = jmx.rsplit_once(':').expect("host:port");
    format!(
        "{}[monitor]\ninterval = \"1s\"\njmx = \"jmx://{{host}}:{port}\"\n\
         [[alert]]\nname = \"busy\"\nmetric = \"broker_load_percent\"\nabove = 15\nclear_at = 10\nnotify = []\n",
        kafka_section(kafka)
    )
}

/// The only broker in the daemon's status.
fn status(daemon: &Barnabas) -> Option<Value> {
    daemon.status()?["monitor"]["clusters"][0]["brokers"].get(0).cloned()
}

fn load(daemon: &Barnabas) -> Option<f64> {
    status(daemon)?["load_percent"].as_f64()
}

/// Whether the alert fires.
fn fires(daemon: &Barnabas) -> bool {
    let alerts = daemon.status().map(|status| status["alerts"].clone()).unwrap_or_default();
    let mut alerts = alerts.as_array().into_iter().flatten();
    alerts.any(|alert| alert["name"] == "busy" && alert["state"] == "firing" && alert["labels"]["source"] == "jmx")
}

#[test]
fn an_alert_on_the_load_fires_while_a_producer_works_and_ends_afterwards() {
    let kafka = broker(&["--jmx", "open"]);
    let topic = kafka.new_topic("load", 2, &[]);
    let daemon = Barnabas::start(&config(&kafka, kafka.env("JMX_1")));
    wait_until(LIMIT, "the load of an idle broker is low", || load(&daemon).is_some_and(|load| load < 10.0));
    assert!(!fires(&daemon));
    std::thread::scope(|scope| {
        let producer = scope.spawn(|| {
            for _ in 0..8 {
                produce(&kafka, &topic, 100_000);
            }
        });
        wait_until(LIMIT, "the alert fires", || fires(&daemon));
        assert_eq!(status(&daemon).expect("the broker")["load_source"], "jmx");
        producer.join().expect("the producer");
    });
    wait_until(LIMIT, "the alert ends", || !fires(&daemon) && load(&daemon).is_some_and(|load| load <= 10.0));
    let checked = daemon.command(&["check", "--connect"], "").success();
    assert!(checked.contains("ok load of broker 1 of default: "), "{checked}");
    assert!(checked.contains("% busy; by jmx from jmx://"), "{checked}");
}

#[test]
fn a_jmx_port_that_hangs_holds_up_no_poll_and_its_figures_become_unknown() {
    let kafka = broker(&["--jmx", "open"]);
    // Another broker's JMX port, so that the watched one goes on while this one hangs.
    let other = broker(&["--jmx", "open"]);
    let daemon = Barnabas::start(&config(&kafka, other.env("JMX_1")));
    wait_until(LIMIT, "there is a load", || load(&daemon).is_some());
    other.freeze(1);
    let unknown = wait_for(LIMIT, "the load is unknown", || {
        let broker = status(&daemon)?;
        (broker["load_percent"].is_null() && broker["load_note"].is_string()).then_some(broker)
    });
    assert_eq!(unknown["load_source"], "jmx", "it is known where it should come from");
    assert!(unknown["load_note"].as_str().is_some_and(|note| note.contains("no answer within 5s")), "{unknown}");
    let polled_at =
        || daemon.status().and_then(|status| status["monitor"]["clusters"][0]["polled_at"].as_str().map(str::to_owned));
    for _ in 0..3 {
        let before = polled_at();
        wait_until(Duration::from_secs(4), "polls go on", || polled_at() != before);
    }
    assert_eq!(daemon.log().matches("its load cannot be read").count(), 1, "it is said once: {}", daemon.log());
    other.thaw(1);
    wait_until(LIMIT, "the load is back", || load(&daemon).is_some());
    assert!(daemon.log().contains("its load can be read again"));
}

//! Broker load from real brokers: by plain JMX, by Jolokia's agent and by the JMX exporter's, which must agree. What goes
//! wrong is in jmx_faults.rs, old versions in jmx_versions.rs.

use std::time::Duration;

use barnabas::config::schema::{Secret, TlsSettings};
use barnabas::jmx::{JmxError, JmxSettings, Source};
use barnabas::logic::broker_load::{Basis, BrokerFigures, Quantity, Sample};
use tokio::runtime::{Builder, Runtime};

use super::support::kafka::{Kafka, Options};
use super::support::wait::wait_for;

/// Settings without a login, with a limit that a busy machine keeps, too.
pub(crate) fn settings(url: &str) -> JmxSettings {
    JmxSettings {
        broker: Some(1),
        url: url.to_owned(),
        username: None,
        password: None,
        tls: None,
        timeout: Duration::from_secs(20),
    }
}

pub(crate) fn jmx_url(kafka: &Kafka) -> String {
    format!("jmx://{}", kafka.env("JMX_1"))
}

pub(crate) fn with_login(mut settings: JmxSettings, username: &str, password: &str) -> JmxSettings {
    settings.username = Some(username.to_owned());
    settings.password = Some(Secret::new(password));
    settings
}

/// A source and the runtime that its connection lives in.
pub(crate) struct Reading {
    runtime: Runtime,
    source: Source,
}

impl Reading {
    #[track_caller]
    pub(crate) fn new(settings: &JmxSettings) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, source: Source::new(settings, "127.0.0.1").expect("settings") }
    }

    pub(crate) fn read(&mut self) -> Result<Sample, JmxError> {
        self.runtime.block_on(self.source.read())
    }

    #[track_caller]
    pub(crate) fn sample(&mut self) -> Sample {
        self.read().unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn close(self) {
        self.runtime.block_on(self.source.close());
    }
}

/// A broker with one request handler, so that a producer keeps it busy.
pub(crate) fn broker(arguments: &[&str]) -> Kafka {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let properties = vec!["num.io.threads=1".to_owned()];
    Kafka::start(&Options { arguments, properties, ..Options::default() })
}

/// A producer that sends small batches as fast as it can, until it is done.
pub(crate) fn produce(kafka: &Kafka, topic: &str, records: u32) {
    let config = kafka.dir().join("producer.properties");
    std::fs::write(&config, "batch.size=500\nlinger.ms=0\nacks=1\n").expect("write the producer's settings");
    let (config, records) = (config.display().to_string(), records.to_string());
    let arguments = ["producer-perf", "--topic", topic, "--record-size", "100", "--throughput", "-1"];
    kafka.run("tool", &[&arguments[..], &["--num-records", &records, "--producer.config", &config]].concat(), "");
}

fn load(before: &Sample, after: &Sample) -> f64 {
    let figures = BrokerFigures::from_samples(Some(before), after);
    assert_eq!(figures.load_basis, Some(Basis::Difference), "{figures:?}");
    figures.load_percent.expect("a load")
}

#[track_caller]
fn agree(what: &str, figures: &[f64], points: f64) {
    let (least, most) =
        figures.iter().fold((f64::MAX, f64::MIN), |(least, most), one| (least.min(*one), most.max(*one)));
    assert!(most - least <= points, "{what}: {figures:?} differ by more than {points}");
}

#[test]
fn all_sources_show_the_same_load_and_it_moves_with_the_load() {
    let kafka = broker(&["--jmx", "open", "--agent", "jolokia", "--agent", "exporter"]);
    let urls = [
        jmx_url(&kafka),
        format!("http://{}/jolokia", kafka.env("JOLOKIA_1")),
        format!("http://{}/metrics", kafka.env("EXPORTER_1")),
    ];
    let mut sources: Vec<Reading> = urls.iter().map(|url| Reading::new(&settings(url))).collect();
    let mut read = || -> Vec<Sample> { sources.iter_mut().map(Reading::sample).collect() };

    let _warm = read();
    let start = read();
    let topic = kafka.new_topic("jmx", 2, &[]);
    // Readings that follow each other within a second make no figure, and an idle machine is that fast.
    let idle = wait_for(Duration::from_secs(30), "a window that is long enough for a figure", || {
        let idle = read();
        start.iter().zip(&idle).all(|(before, after)| seconds(before, after) > 1.5).then_some(idle)
    });
    produce(&kafka, &topic, 150_000);
    let busy = read();

    let loads = |before: &[Sample], after: &[Sample]| -> Vec<f64> {
        before.iter().zip(after).map(|(before, after)| load(before, after)).collect()
    };
    let (idle_loads, busy_loads) = (loads(&start, &idle), loads(&idle, &busy));
    agree("load under load", &busy_loads, tolerance(&idle[0], &busy[0]));
    assert!(busy_loads[0] > idle_loads[0] + 5.0, "the load moves: {idle_loads:?} {busy_loads:?}");
    println!("load in {:.1} s: idle {idle_loads:?}, busy {busy_loads:?}", seconds(&idle[0], &busy[0]));

    let figures: Vec<BrokerFigures> =
        idle.iter().zip(&busy).map(|(before, after)| BrokerFigures::from_samples(Some(before), after)).collect();
    for (sample, url) in busy.iter().zip(&urls) {
        // The figure itself comes when the broker has run for 30 s.
        assert!(sample.readings.get(Quantity::NetworkIdle, "Value").is_some(), "{url}: {sample:?}");
    }
    for (url, figures) in urls.iter().zip(&figures) {
        let messages = figures.messages_in_per_second.expect("messages") * seconds(&idle[0], &busy[0]);
        assert!((149_000.0..165_000.0).contains(&messages), "{url}: all messages were counted: {messages}");
        assert!(figures.bytes_in_per_second.expect("bytes in") > 100.0 * figures.messages_in_per_second.unwrap());
        assert!(figures.requests_per_second.expect("requests") > 100.0, "{url}: {figures:?}");
        assert!(figures.request_time_ms.get("Produce").unwrap().p99_ms.is_some(), "{url}: {figures:?}");
        assert_eq!((figures.under_replicated_partitions, figures.offline_log_dirs), (Some(0), Some(0)), "{url}");
        assert!(figures.heap_used_bytes.expect("heap") < figures.heap_max_bytes.expect("heap"), "{url}");
        assert!(figures.process_cpu_percent.is_some_and(|cpu| cpu > 1.0), "{url}: {figures:?}");
    }
    let requests: Vec<f64> = figures.iter().filter_map(|figures| figures.requests_per_second).collect();
    let percent: Vec<f64> = requests.iter().map(|one| one / requests[0] * 100.0).collect();
    agree("requests per second, in percent of the first", &percent, 10.0);
    for source in sources {
        source.close();
    }
}

/// Points by which sources may differ: they are read one after the other, and a broker adds idle time up to 300 ms late.
fn tolerance(before: &Sample, after: &Sample) -> f64 {
    2.0 + 100.0 * 0.45 / seconds(before, after)
}

fn seconds(before: &Sample, after: &Sample) -> f64 {
    after.taken_at.since(before.taken_at).as_secs_f64()
}

#[test]
fn a_password_is_asked_for_and_checked_and_the_exporter_s_sample_rules_are_understood() {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/jmx_exporter_rules.yml");
    let kafka = broker(&["--jmx", "password", "--agent", "exporter", "--exporter-rules", rules]);
    let (username, password) = (kafka.env("JMX_USER"), kafka.env("JMX_PASSWORD"));
    let url = jmx_url(&kafka);
    let mut by_jmx = Reading::new(&with_login(settings(&url), username, password));
    let mut by_exporter = Reading::new(&settings(&format!("http://{}/metrics", kafka.env("EXPORTER_1"))));

    let before = [by_jmx.sample(), by_exporter.sample()];
    let topic = kafka.new_topic("jmx", 2, &[]);
    produce(&kafka, &topic, 40_000);
    let after = [by_jmx.sample(), by_exporter.sample()];
    let figures = [0, 1].map(|index| BrokerFigures::from_samples(Some(&before[index]), &after[index]));
    let loads = [figures[0].load_percent.expect("a load"), figures[1].load_percent.expect("a load")];
    agree("load by the sample rules", &loads, tolerance(&before[0], &after[0]));
    assert_eq!(
        figures[1].request_time_ms.get("Produce").unwrap().p99_ms,
        figures[0].request_time_ms.get("Produce").unwrap().p99_ms
    );
    assert!(figures[1].requests_per_second.is_some() && figures[1].bytes_in_per_second.is_some(), "{figures:?}");
    by_jmx.close();

    for (rule, settings, expected) in [
        ("none is given", settings(&url), "set `username` and `password_file`"),
        ("a wrong one is", with_login(settings(&url), username, "wrong"), "check `username` and the password"),
    ] {
        let error = Reading::new(&settings).read().expect_err("refused").to_string();
        assert!(error.contains("logging in") && error.contains(expected), "{rule}: {error}");
        assert!(!error.contains("wrong"), "no password in it: {error}");
    }
}

#[test]
fn with_tls_the_certificate_is_checked_and_nothing_travels_without() {
    // Java's default beside the stricter one: a registry without TLS.
    for registry in ["true", "false"] {
        let option = format!("-Dcom.sun.management.jmxremote.registry.ssl={registry}");
        // Two ports: a registry without TLS cannot share one with an object that has it.
        let ports = "-Dcom.sun.management.jmxremote.rmi.port=0";
        let kafka = broker(&["--jmx", "tls", "--java-option", &option, "--java-option", ports]);
        let login = |tls| {
            let settings = with_login(settings(&jmx_url(&kafka)), kafka.env("JMX_USER"), kafka.env("JMX_PASSWORD"));
            JmxSettings { tls, ..settings }
        };
        let ca = |name: &str| Some(TlsSettings { ca_file: Some(kafka.env(name).into()), ..TlsSettings::default() });
        let mut reading = Reading::new(&login(ca("CA_FILE")));
        let first = reading.sample();
        let second = reading.sample();
        assert!(second.readings.requests() >= first.readings.requests());
        reading.close();

        let wrong = Reading::new(&login(ca("WRONG_CA_FILE"))).read().expect_err("a stranger").to_string();
        assert!(wrong.contains("tls.ca_file"), "{wrong}");
        let without = Reading::new(&login(None)).read().expect_err("plain").to_string();
        assert!(without.contains("set `tls`"), "{without}");
    }
    let kafka = broker(&["--jmx", "password"]);
    let settings = with_login(settings(&jmx_url(&kafka)), kafka.env("JMX_USER"), kafka.env("JMX_PASSWORD"));
    let settings = JmxSettings { tls: Some(TlsSettings::default()), ..settings };
    let error = Reading::new(&settings).read().expect_err("the password stays here").to_string();
    assert!(error.contains("com.sun.management.jmxremote.ssl=true"), "{error}");
}

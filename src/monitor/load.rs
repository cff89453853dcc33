//! Reads what brokers tell of themselves: a task for each broker that has a source, so that one that does not answer
//! delays nobody, and a connection that each keeps. What figures mean is `logic::broker_load`'s.

use std::time::Duration;

use litemap::LiteMap;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock;
use crate::config::jmx_address::{Address, for_host};
use crate::config::schema::{ClusterSettings, HostPort, JmxSettings, MonitorSettings};
use crate::jmx::{JmxError, Source};
use crate::logic::broker_load::{BrokerFigures, SampleWindow};
use crate::logic::watch::LoadReading;
use crate::logic::watch::snapshot::BrokerSeen;

/// Readings that may wait while a poll goes on; more make their readers wait.
const WAITING: usize = 64;

/// The readers of one cluster. They end with it.
pub(super) struct LoadReaders {
    cluster: String,
    sources: Vec<JmxSettings>,
    addresses: LiteMap<HostPort, HostPort>,
    interval: Duration,
    readings: mpsc::Sender<LoadReading>,
    tasks: LiteMap<i32, Reader>,
}

/// One broker's reader.
struct Reader {
    host: String,
    kind: &'static str,
    task: JoinHandle<()>,
}

impl Drop for Reader {
    /// A reading changes nothing on a broker, so it can end anywhere; the JVM forgets the connection by itself.
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl LoadReaders {
    /// Nobody is read yet; readings come out of the receiver.
    pub(super) fn new(settings: &MonitorSettings, cluster: &ClusterSettings) -> (Self, mpsc::Receiver<LoadReading>) {
        let (readings, receiver) = mpsc::channel(WAITING);
        let readers = Self {
            cluster: cluster.name.clone(),
            sources: settings.jmx.get(&cluster.name).cloned().unwrap_or_default(),
            addresses: cluster.addresses.clone(),
            interval: settings.interval,
            readings,
            tasks: LiteMap::new(),
        };
        (readers, receiver)
    }

    /// Reads the brokers that a poll listed, and no others; none: nobody could tell who there is. Gives those that have
    /// a source, with its kind.
    pub(super) fn follow(&mut self, brokers: Option<&LiteMap<i32, BrokerSeen>>) -> LiteMap<i32, &'static str> {
        if let Some(brokers) = brokers {
            self.tasks.retain(|broker, _| brokers.contains_key(broker));
            for (id, broker) in brokers {
                self.follow_broker(*id, broker);
            }
        }
        self.tasks.iter().map(|(broker, reader)| (*broker, reader.kind)).collect()
    }

    fn follow_broker(&mut self, id: i32, broker: &BrokerSeen) {
        let Some(settings) = JmxSettings::of_broker(&self.sources, id) else { return };
        let host = host_of(broker, &self.addresses);
        if self.tasks.get(&id).is_some_and(|reader| reader.host == host) {
            return;
        }
        // The URL was checked with the configuration, though not with every host.
        let kind = Address::parse(&for_host(&settings.url, &host)).map_or("jmx", |address| address.kind());
        let reading = Reading {
            cluster: self.cluster.clone(),
            broker: id,
            host: host.clone(),
            kind,
            settings: settings.clone(),
            source: None,
            window: SampleWindow::new(self.interval),
            failing: false,
        };
        let task = tokio::spawn(reading.run(self.interval, self.readings.clone()));
        self.tasks.insert(id, Reader { host, kind, task });
    }
}

/// The broker's host as it can be reached from here.
pub(crate) fn host_of(broker: &BrokerSeen, addresses: &LiteMap<HostPort, HostPort>) -> String {
    let advertised = HostPort { host: broker.host.clone(), port: broker.port };
    addresses.get(&advertised).map_or(advertised.host, |reachable| reachable.host.clone())
}

/// One broker's figures, owned by its task.
struct Reading {
    cluster: String,
    broker: i32,
    host: String,
    kind: &'static str,
    settings: JmxSettings,
    source: Option<Source>,
    window: SampleWindow,
    /// So that each failure is said once.
    failing: bool,
}

impl Reading {
    async fn run(mut self, every: Duration, readings: mpsc::Sender<LoadReading>) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let result = self.read().await.map_err(|error| error.to_string());
            self.say(&result);
            let reading = LoadReading { broker: self.broker, source: self.kind, taken_at: clock::now(), result };
            if readings.send(reading).await.is_err() {
                return;
            }
        }
    }

    async fn read(&mut self) -> Result<BrokerFigures, JmxError> {
        let source = match &mut self.source {
            Some(source) => source,
            // TLS files may be there the next time.
            none => none.insert(Source::new(&self.settings, &self.host)?),
        };
        let sample = source.read().await?;
        Ok(self.window.figures(sample))
    }

    /// Logs what is new.
    fn say(&mut self, result: &Result<BrokerFigures, String>) {
        let (cluster, broker) = (&*self.cluster, self.broker);
        match result {
            Err(error) if !self.failing => tracing::warn!(cluster, broker, "its load cannot be read: {error}"),
            Err(error) => tracing::debug!(cluster, broker, "its load cannot be read: {error}"),
            Ok(_) if self.failing => tracing::info!(cluster, broker, "its load can be read again"),
            Ok(_) => {}
        }
        self.failing = result.is_err();
    }
}

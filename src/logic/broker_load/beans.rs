//! The object names and attributes that are read, in one table for all sources. Knows no source.

/// What a number is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantity {
    /// The idle time of all request handlers; on a node that is broker and controller that of both pools, before
    /// KIP-1207 as a sum.
    HandlersIdle,
    /// The idle time of the broker's own request handlers (KIP-1207).
    BrokerHandlersIdle,
    /// The idle fraction of the network threads.
    NetworkIdle,
    /// Bytes that producers sent.
    BytesIn,
    /// Bytes that consumers were sent.
    BytesOut,
    /// Messages that producers sent.
    MessagesIn,
    /// Partitions led here that lack an in-sync replica.
    UnderReplicated,
    /// Log directories that cannot be used.
    OfflineLogDirs,
    /// Whether the active controller is here: there is a controller.
    Controller,
    /// How far the broker has applied KRaft's metadata: there is a broker, and no ZooKeeper.
    KraftBroker,
    /// Time from a Produce request's arrival to its answer.
    ProduceTime,
    /// The part of it that the broker itself worked on it.
    ProduceLocalTime,
    /// The same of a consumer's Fetch, which includes that it waited for data.
    FetchConsumerTime,
    /// The same of a follower's Fetch.
    FetchFollowerTime,
    /// The JVM's memory.
    Heap,
    /// The machine as the JVM sees it.
    System,
    /// The JVM.
    Runtime,
}

/// An object of the broker and what of it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bean {
    /// What it is about.
    pub quantity: Quantity,
    /// The domain of its object name.
    pub domain: &'static str,
    /// The key properties, `type` first, in Kafka's order.
    pub keys: &'static [(&'static str, &'static str)],
    /// The attributes to ask for.
    pub attributes: &'static [&'static str],
    /// Of a composite attribute: the items that are kept, as `attribute.item`.
    items: &'static [&'static str],
}

impl Bean {
    /// Such as `kafka.server:type=BrokerTopicMetrics,name=BytesInPerSec`.
    pub fn object_name(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
        format!("{}:{}", self.domain, keys.join(","))
    }

    /// The names under which [`super::Readings`] keeps numbers of it.
    pub fn keeps(&self) -> impl Iterator<Item = &'static str> {
        let kept = if self.items.is_empty() { self.attributes } else { self.items };
        kept.iter().copied()
    }

    /// The value of a key property.
    pub fn key(&self, name: &str) -> Option<&'static str> {
        self.keys.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }
}

const METER: &[&str] = &["Count", "OneMinuteRate", "MeanRate"];
const VALUE: &[&str] = &["Value"];
const TIMES: &[&str] = &["Count", "50thPercentile", "99thPercentile"];

type Keys = &'static [(&'static str, &'static str)];

const fn bean(quantity: Quantity, domain: &'static str, keys: Keys, attributes: &'static [&'static str]) -> Bean {
    Bean { quantity, domain, keys, attributes, items: &[] }
}

const fn request_times(quantity: Quantity, keys: Keys) -> Bean {
    bean(quantity, "kafka.network", keys, TIMES)
}

const TOTAL: (&str, &str) = ("name", "TotalTimeMs");
const REQUEST_METRICS: (&str, &str) = ("type", "RequestMetrics");
const HANDLER_POOL: (&str, &str) = ("type", "KafkaRequestHandlerPool");
const TOPIC_METRICS: (&str, &str) = ("type", "BrokerTopicMetrics");

/// All that is read, but the counts of requests.
pub const BEANS: &[Bean] = &[
    // The JVM's uptime beside the idle time: their differences are divided by each other.
    bean(Quantity::Runtime, "java.lang", &[("type", "Runtime")], &["StartTime", "Uptime"]),
    bean(Quantity::HandlersIdle, "kafka.server", &[HANDLER_POOL, ("name", "RequestHandlerAvgIdlePercent")], METER),
    bean(
        Quantity::BrokerHandlersIdle,
        "kafka.server",
        &[HANDLER_POOL, ("name", "BrokerRequestHandlerAvgIdlePercent")],
        METER,
    ),
    bean(
        Quantity::NetworkIdle,
        "kafka.network",
        &[("type", "SocketServer"), ("name", "NetworkProcessorAvgIdlePercent")],
        VALUE,
    ),
    bean(Quantity::BytesIn, "kafka.server", &[TOPIC_METRICS, ("name", "BytesInPerSec")], METER),
    bean(Quantity::BytesOut, "kafka.server", &[TOPIC_METRICS, ("name", "BytesOutPerSec")], METER),
    bean(Quantity::MessagesIn, "kafka.server", &[TOPIC_METRICS, ("name", "MessagesInPerSec")], METER),
    bean(
        Quantity::UnderReplicated,
        "kafka.server",
        &[("type", "ReplicaManager"), ("name", "UnderReplicatedPartitions")],
        VALUE,
    ),
    bean(Quantity::OfflineLogDirs, "kafka.log", &[("type", "LogManager"), ("name", "OfflineLogDirectoryCount")], VALUE),
    bean(
        Quantity::Controller,
        "kafka.controller",
        &[("type", "KafkaController"), ("name", "ActiveControllerCount")],
        VALUE,
    ),
    bean(
        Quantity::KraftBroker,
        "kafka.server",
        &[("type", "broker-metadata-metrics")],
        &["last-applied-record-offset"],
    ),
    request_times(Quantity::ProduceTime, &[REQUEST_METRICS, TOTAL, ("request", "Produce")]),
    request_times(Quantity::ProduceLocalTime, &[REQUEST_METRICS, ("name", "LocalTimeMs"), ("request", "Produce")]),
    request_times(Quantity::FetchConsumerTime, &[REQUEST_METRICS, TOTAL, ("request", "FetchConsumer")]),
    request_times(Quantity::FetchFollowerTime, &[REQUEST_METRICS, TOTAL, ("request", "FetchFollower")]),
    Bean {
        quantity: Quantity::Heap,
        domain: "java.lang",
        keys: &[("type", "Memory")],
        attributes: &["HeapMemoryUsage"],
        items: &["HeapMemoryUsage.used", "HeapMemoryUsage.max"],
    },
    bean(
        Quantity::System,
        "java.lang",
        &[("type", "OperatingSystem")],
        &["ProcessCpuTime", "ProcessCpuLoad", "AvailableProcessors"],
    ),
];

/// The objects that count requests: one for each kind, since Kafka 2.0 for each version of it, and since 3.x with
/// further properties.
pub const REQUESTS_PATTERN: &str = "kafka.network:type=RequestMetrics,name=RequestsPerSec,*";

/// The entry of a quantity.
pub fn bean_of(quantity: Quantity) -> Option<&'static Bean> {
    BEANS.iter().find(|bean| bean.quantity == quantity)
}

/// The request that one of the objects of [`REQUESTS_PATTERN`] counts.
pub fn request_of(object_name: &str) -> Option<&str> {
    let (_, keys) = object_name.split_once(':')?;
    keys.split(',').find_map(|key| key.strip_prefix("request="))
}

//! From two samples to figures: rates from differences of counters, the load from the handlers' idle time. Knows neither
//! source nor threshold.

use std::time::Duration;

use litemap::LiteMap;

use super::{Quantity, Readings, Sample};

/// A broker adds a handler's idle time when its wait ends, at the latest after 300 ms: over less time than this, a
/// difference would say little.
const SHORTEST: Duration = Duration::from_secs(1);
/// Until then the broker's own rates of one minute are 0, or of its first seconds.
const WARM_UP_MS: f64 = 15_000.0;
/// Until then what Kafka averages over a window of 30 s is far too low: it divides by the whole window.
const FIRST_WINDOW_MS: f64 = 30_000.0;
/// An idle fraction above it is the sum of two pools.
const MORE_THAN_ONE_POOL: f64 = 1.1;

/// What the load was computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The idle time between two readings: exact.
    Difference,
    /// The same, computed back from the mean since the start, which is all that the exporter shows.
    Mean,
    /// The broker's own rate of one minute: late, but there from the first reading on.
    OneMinuteRate,
}

/// How long requests took, in milliseconds. Percentiles are the broker's own: of the last minutes, the newest counting
/// most.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RequestTime {
    /// Half of them took at most this.
    pub p50_ms: Option<f64>,
    /// 99 of 100 took at most this.
    pub p99_ms: Option<f64>,
    /// The same of the time that the broker itself worked on it, without waits for data, followers and quotas.
    pub local_p99_ms: Option<f64>,
}

/// A broker's figures by its own account. None: not known, or not yet; never guessed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BrokerFigures {
    /// 0…100: how much of their time the request handlers are not idle.
    pub load_percent: Option<f64>,
    /// What `load_percent` was computed from.
    pub load_basis: Option<Basis>,
    /// Why there is no load, or why it is to be taken with care, in a sentence.
    pub load_note: Option<&'static str>,
    /// 0…100: how much of their time the network threads are idle.
    pub network_idle_percent: Option<f64>,
    /// Requests of all kinds.
    pub requests_per_second: Option<f64>,
    /// From producers, compressed as they came; without replication.
    pub bytes_in_per_second: Option<f64>,
    /// To consumers; without replication.
    pub bytes_out_per_second: Option<f64>,
    /// From producers.
    pub messages_in_per_second: Option<f64>,
    /// By request: `Produce`, `FetchConsumer`, `FetchFollower`; one that never came is missing.
    pub request_time_ms: LiteMap<&'static str, RequestTime>,
    /// Partitions led by this broker that lack an in-sync replica.
    pub under_replicated_partitions: Option<u64>,
    /// Log directories that it cannot use any more.
    pub offline_log_dirs: Option<u64>,
    /// Bytes of the Java heap in use, garbage included.
    pub heap_used_bytes: Option<u64>,
    /// Bytes that the Java heap may grow to.
    pub heap_max_bytes: Option<u64>,
    /// 0…100: the process's share of all processors of its machine.
    pub process_cpu_percent: Option<f64>,
    /// How long the JVM runs.
    pub uptime: Option<Duration>,
}

impl BrokerFigures {
    /// What `now` says, together with the sample before it where there is one. A restart in between is noticed by the
    /// JVM's start time, its uptime, or a counter that fell: then there are no differences.
    pub fn from_samples(previous: Option<&Sample>, now: &Sample) -> Self {
        let span = previous.and_then(|previous| Span::new(previous, now));
        let figures = &now.readings;
        let (load, load_note) = load(span.as_ref(), figures);
        let value = |quantity| figures.get(quantity, "Value");
        let rate = |quantity| rate(span.as_ref(), figures, quantity);
        let requests = |span: &Span<'_>| grown(span.before.requests()?, figures.requests()?);
        Self {
            load_percent: load.map(|(percent, _)| percent),
            load_basis: load.map(|(_, basis)| basis),
            load_note,
            network_idle_percent: value(Quantity::NetworkIdle)
                .filter(|idle| *idle >= 0.0 && runs_for(figures, FIRST_WINDOW_MS))
                .map(percent),
            requests_per_second: span.as_ref().and_then(|span| Some(requests(span)? / span.seconds)),
            bytes_in_per_second: rate(Quantity::BytesIn),
            bytes_out_per_second: rate(Quantity::BytesOut),
            messages_in_per_second: rate(Quantity::MessagesIn),
            request_time_ms: request_times(figures),
            under_replicated_partitions: value(Quantity::UnderReplicated).and_then(whole),
            offline_log_dirs: value(Quantity::OfflineLogDirs).and_then(whole),
            heap_used_bytes: figures.get(Quantity::Heap, "HeapMemoryUsage.used").and_then(whole),
            heap_max_bytes: figures.get(Quantity::Heap, "HeapMemoryUsage.max").and_then(whole),
            process_cpu_percent: process_cpu(span.as_ref(), figures),
            uptime: figures.get(Quantity::Runtime, "Uptime").and_then(|ms| Duration::try_from_secs_f64(ms / 1e3).ok()),
        }
    }
}

/// Two readings of the same run of a JVM.
struct Span<'a> {
    before: &'a Readings,
    seconds: f64,
}

impl<'a> Span<'a> {
    /// None where the JVM was restarted in between, or the readings lie too close together.
    fn new(previous: &'a Sample, now: &Sample) -> Option<Self> {
        let (before, after) = (&previous.readings, &now.readings);
        let both =
            |attribute| Some((before.get(Quantity::Runtime, attribute)?, after.get(Quantity::Runtime, attribute)?));
        if both("StartTime").is_some_and(|(before, after)| before != after) {
            return None;
        }
        let here = now.taken_at.since(previous.taken_at);
        let here = here.as_secs_f64();
        // The broker's own clock, which was read beside the counters: what the network took is not in it. Where it was
        // computed from the wall clock (see `prometheus`) that one may have been set in between.
        let seconds = match both("Uptime") {
            Some((before, after)) if after < before => return None,
            Some((before, after)) if ((after - before) / 1e3 - here).abs() < (here / 5.0).max(2.0) => {
                (after - before) / 1e3
            }
            _ => here,
        };
        (seconds >= SHORTEST.as_secs_f64()).then_some(Self { before, seconds })
    }
}

fn percent(fraction: f64) -> f64 {
    (fraction * 100.0).clamp(0.0, 100.0)
}

fn whole(value: f64) -> Option<u64> {
    // Casts saturate; a negative one means "not known" (the heap's maximum may be -1).
    (value >= 0.0).then_some(value as u64)
}

/// How much a counter grew; none where it fell, which only a restart does.
fn grown(before: f64, after: f64) -> Option<f64> {
    (after >= before).then_some(after - before)
}

fn rate(span: Option<&Span<'_>>, now: &Readings, quantity: Quantity) -> Option<f64> {
    let count = now.get(quantity, "Count");
    let difference = span.and_then(|span| Some(grown(span.before.get(quantity, "Count")?, count?)? / span.seconds));
    difference.or_else(|| now.get(quantity, "OneMinuteRate").filter(|rate| *rate >= 0.0 && runs_for(now, WARM_UP_MS)))
}

fn runs_for(now: &Readings, milliseconds: f64) -> bool {
    now.get(Quantity::Runtime, "Uptime").is_none_or(|uptime| uptime >= milliseconds)
}

/// The load and its basis, and what is to be said about it.
fn load(span: Option<&Span<'_>>, now: &Readings) -> (Option<(f64, Basis)>, Option<&'static str>) {
    let has = |quantity| METER.iter().any(|attribute| now.get(quantity, attribute).is_some());
    let quantity =
        if has(Quantity::BrokerHandlersIdle) { Quantity::BrokerHandlersIdle } else { Quantity::HandlersIdle };
    if !has(quantity) {
        return (None, Some("the source does not show RequestHandlerAvgIdlePercent"));
    }
    let Some((idle, basis)) = idle_fraction(span, now, quantity) else {
        let only_mean = now.get(quantity, "Count").is_none() && now.get(quantity, "OneMinuteRate").is_none();
        let why = match (only_mean, span) {
            (true, Some(_)) => {
                "only the MeanRate of RequestHandlerAvgIdlePercent is shown, and not how long the JVM runs: show its \
                 Count, too"
            }
            (true, None) => {
                "only the MeanRate of RequestHandlerAvgIdlePercent is shown: the load comes with the second reading"
            }
            (false, _) => "there is no figure yet: it comes with the second reading",
        };
        return (None, Some(why));
    };
    let two_pools = quantity == Quantity::HandlersIdle && is_sum_of_two_pools(now, idle);
    // Of two pools only the sum of what is idle is known. That both loads are put on the broker errs to the safe side.
    let load = if two_pools { 2.0 - idle } else { 1.0 - idle };
    let note = match (basis, two_pools) {
        (Basis::Mean, _) => {
            Some("computed back from the MeanRate, which is all that the exporter shows: show the Count, too")
        }
        (_, true) => Some("this node is broker and controller: the load is that of both pools of request handlers"),
        _ => None,
    };
    (Some((percent(load), basis)), note)
}

const METER: [&str; 3] = ["Count", "OneMinuteRate", "MeanRate"];

fn is_sum_of_two_pools(now: &Readings, idle: f64) -> bool {
    let has_both = now.get(Quantity::Controller, "Value").is_some()
        && now.get(Quantity::KraftBroker, "last-applied-record-offset").is_some();
    let mean = now.get(Quantity::HandlersIdle, "MeanRate");
    has_both || idle.max(mean.unwrap_or(0.0)) > MORE_THAN_ONE_POOL
}

/// The handlers' idle time is counted in nanoseconds, and divided by their number already.
fn idle_fraction(span: Option<&Span<'_>>, now: &Readings, quantity: Quantity) -> Option<(f64, Basis)> {
    let by_count = span.and_then(|span| {
        let (before, after) = (span.before.get(quantity, "Count")?, now.get(quantity, "Count")?);
        Some((grown(before, after)? / 1e9 / span.seconds, Basis::Difference))
    });
    let by_mean = || {
        let span = span?;
        let total_ms = |readings: &Readings| {
            Some(readings.get(quantity, "MeanRate")? * readings.get(Quantity::Runtime, "Uptime")?)
        };
        Some((grown(total_ms(span.before)?, total_ms(now)?)? / 1e3 / span.seconds, Basis::Mean))
    };
    // 0 is what it has in its first seconds, and never afterwards: it only ever comes near it.
    let by_rate = || {
        let rate = now.get(quantity, "OneMinuteRate").filter(|rate| *rate > 0.0 && runs_for(now, WARM_UP_MS))?;
        Some((rate, Basis::OneMinuteRate))
    };
    by_count.or_else(by_rate).or_else(by_mean)
}

fn request_times(now: &Readings) -> LiteMap<&'static str, RequestTime> {
    let requests = [
        ("Produce", Quantity::ProduceTime, Some(Quantity::ProduceLocalTime)),
        ("FetchConsumer", Quantity::FetchConsumerTime, None),
        ("FetchFollower", Quantity::FetchFollowerTime, None),
    ];
    let mut times = LiteMap::new();
    for (request, total, local) in requests {
        // The percentiles of no request at all are 0.
        let came = now.get(total, "Count").is_none_or(|count| count > 0.0);
        let percentile = |quantity, name| now.get(quantity, name).filter(|ms| came && *ms >= 0.0);
        let time = RequestTime {
            p50_ms: percentile(total, "50thPercentile"),
            p99_ms: percentile(total, "99thPercentile"),
            local_p99_ms: local.and_then(|local| percentile(local, "99thPercentile")),
        };
        if time != RequestTime::default() {
            times.insert(request, time);
        }
    }
    times
}

fn process_cpu(span: Option<&Span<'_>>, now: &Readings) -> Option<f64> {
    let get = |readings: &Readings, attribute| readings.get(Quantity::System, attribute);
    let difference = span.and_then(|span| {
        let nanoseconds = grown(get(span.before, "ProcessCpuTime")?, get(now, "ProcessCpuTime")?)?;
        let processors = get(now, "AvailableProcessors").filter(|processors| *processors >= 1.0)?;
        Some(nanoseconds / 1e9 / span.seconds / processors)
    });
    difference.or_else(|| get(now, "ProcessCpuLoad").filter(|load| *load >= 0.0)).map(percent)
}

//! Polls a cluster as the monitor does, and prints what each poll costs: requests, time, CPU time, memory.
//!
//!     cargo run --release --example monitor-poll -- HOST:PORT[,HOST:PORT…] [POLLS] [AGE_IN_SECONDS…]
//!
//! `watch` is the CPU time for what follows a poll: lag, ages, status, distribution, with the history that the monitor
//! keeps. scripts/bench/monitor.sh makes a cluster to point it at.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use barnabas::clock;
use barnabas::config::schema::{ClusterSettings, HostPort, Selection};
use barnabas::kafka::wire::Client;
use barnabas::logic::watch::{Snapshot, Watch};
use barnabas::monitor::poll::Poller;
use litemap::LiteMap;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The thread's CPU time, as Linux counts it; there is one thread.
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let counted = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = counted.split(' ').next().unwrap_or_default().parse()?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// A line of /proc/self/status in kB: VmRSS now, VmHWM at most so far.
fn memory(name: &str) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).ok_or("no such line")?;
    Ok(line.trim_end_matches(" kB").trim().parse()?)
}

fn settings(bootstrap: &str) -> Result<ClusterSettings, Box<dyn Error>> {
    let server = |text: &str| {
        let (host, port) = text.rsplit_once(':').ok_or("HOST:PORT is needed")?;
        Ok::<_, Box<dyn Error>>(HostPort { host: host.to_owned(), port: port.parse()? })
    };
    Ok(ClusterSettings {
        name: "default".to_owned(),
        bootstrap_servers: bootstrap.split(',').map(server).collect::<Result<_, _>>()?,
        client_id: "monitor-poll".to_owned(),
        request_timeout: Duration::from_secs(10),
        addresses: LiteMap::new(),
        tls: None,
        sasl: None,
    })
}

fn describe(snapshot: &Snapshot) -> String {
    let partitions: usize = snapshot.topics.values().map(|topic| topic.partitions.len()).sum();
    let pairs: usize = snapshot.groups.values().filter_map(|group| group.committed.as_ref()).map(Vec::len).sum();
    let brokers = snapshot.brokers.as_ref().map_or(0, LiteMap::len);
    let (topics, groups) = (snapshot.topics.len(), snapshot.groups.len());
    format!(
        "{brokers} brokers, {topics} topics, {partitions} partitions, {groups} groups, {pairs} group-partition pairs"
    )
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let bootstrap = arguments.next().ok_or("usage: monitor-poll HOST:PORT[,…] [POLLS] [AGE_IN_SECONDS…]")?;
    let polls: u32 = arguments.next().map_or(Ok(10), |polls| polls.parse())?;
    let ages = arguments.map(|age| age.parse().map(Duration::from_secs)).collect::<Result<Vec<_>, _>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let all = Selection { include: vec!["*".to_owned()], exclude: Vec::new() };
        let mut poller = Poller::new(Client::new(Arc::new(settings(&bootstrap)?))?, &all, &all)?;
        let mut watch = Watch::new(Duration::from_secs(30));
        println!(
            "{:>4} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
            "poll", "requests", "ms", "CPU ms", "watch ms", "RSS kB", "peak kB"
        );
        println!("{:>4} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}", "-", 0, 0, 0, 0, memory("VmRSS")?, memory("VmHWM")?);
        for number in 1..=polls {
            let (requests, began, cpu) = (poller.requests(), clock::now(), cpu_time()?);
            let snapshot = poller.poll(&ages, LiteMap::new()).await;
            let (polled, took) = (cpu_time()?, clock::now().since(began));
            watch.observe(snapshot);
            let watched = cpu_time()?.saturating_sub(polled);
            let cpu = polled.saturating_sub(cpu);
            println!(
                "{number:>4} {:>8} {:>8.1} {:>8.2} {:>8.2} {:>8} {:>8}",
                poller.requests() - requests,
                took.as_secs_f64() * 1_000.0,
                cpu.as_secs_f64() * 1_000.0,
                watched.as_secs_f64() * 1_000.0,
                memory("VmRSS")?,
                memory("VmHWM")?,
            );
        }
        let (requests, began, cpu) = (poller.requests(), clock::now(), cpu_time()?);
        let slow = poller.poll_slow().await;
        println!(
            "slow {:>8} {:>8.1} {:>8.2}          {:>8} {:>8}",
            poller.requests() - requests,
            clock::now().since(began).as_secs_f64() * 1_000.0,
            cpu_time()?.saturating_sub(cpu).as_secs_f64() * 1_000.0,
            memory("VmRSS")?,
            memory("VmHWM")?,
        );
        let view = watch.view();
        println!("{}", describe(&view.seen));
        for sentence in view.seen.missing.iter().chain(&slow.missing) {
            println!("missing: {sentence}");
        }
        Ok(())
    })
}

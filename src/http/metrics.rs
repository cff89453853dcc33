//! /metrics in the Prometheus text format (version 0.0.4): a pure rendering of what is on the board, and two figures
//! about the process from /proc. Names are those of the documentation, and stay.

mod alerts;
mod cluster;
mod exposition;
mod forwards;
mod kafka_exporter;

use std::fs;

use self::cluster::Clusters;
use self::exposition::Exposition;
use crate::status::{ClusterPublication, StatusBoard};

/// Bytes of a line about a partition, with names of usual length.
const LINE: usize = 100;

/// What the kernel says about this process; what it does not say is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessFigures {
    /// Resident memory in bytes.
    pub resident_bytes: Option<u64>,
    /// Processor time, user and system, in seconds.
    pub cpu_seconds: Option<f64>,
}

impl ProcessFigures {
    /// The figures of this moment.
    pub fn read() -> Self {
        Self {
            resident_bytes: fs::read_to_string("/proc/self/status").ok().and_then(|text| resident_bytes(&text)),
            cpu_seconds: fs::read_to_string("/proc/self/stat").ok().and_then(|text| cpu_seconds(&text)),
        }
    }
}

/// `VmRSS: 1234 kB` of /proc/self/status. (statm counts pages, whose size differs between machines.)
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Fields 14 and 15 of /proc/self/stat (proc_pid_stat(5)), in ticks of 1/100 s, which Linux has promised on every
/// architecture that we build for. The name in field 2 may hold blanks and parentheses.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11);
    let user: u32 = ticks.next()?.parse().ok()?;
    let system: u32 = ticks.next()?.parse().ok()?;
    Some((f64::from(user) + f64::from(system)) / 100.0)
}

/// The whole answer.
pub(super) fn render(board: &StatusBoard, process: ProcessFigures) -> String {
    let status = board.status_without_monitor();
    let clusters = board.clusters();
    let mut text = Exposition::new(capacity(&clusters), board.max_series().unwrap_or(usize::MAX));
    text.family("barnabas_build_info", "gauge", "Constant 1; the version is in the label.");
    text.sample(&[("version", &status.version)], 1);
    text.family("barnabas_ready", "gauge", "1 where /readyz answers 200.");
    text.sample(&[], u8::from(status.ready));
    forwards::render(&mut text, &status.forwards);
    if !clusters.is_empty() {
        let clusters = Clusters::new(&clusters);
        kafka_exporter::render(&mut text, &clusters);
        cluster::render(&mut text, &clusters);
    }
    alerts::render(&mut text, &board.alerts());
    if let Some(bytes) = process.resident_bytes {
        text.family("process_resident_memory_bytes", "gauge", "Resident memory in bytes.");
        text.sample(&[], bytes);
    }
    if let Some(seconds) = process.cpu_seconds {
        text.family("process_cpu_seconds_total", "counter", "User and system CPU time in seconds.");
        text.sample(&[], seconds);
    }
    text.finish()
}

/// Room for all lines, so that a large text is never moved while it grows. What is not written to costs nothing.
fn capacity(clusters: &[ClusterPublication]) -> usize {
    const FOR_A_PARTITION: usize = 7;
    const FOR_A_PLACE: usize = 2;
    let views = clusters.iter().filter_map(|cluster| cluster.view.as_deref());
    let lines = views.map(|view| {
        let partitions: usize = view.seen.topics.values().map(|topic| topic.partitions.len()).sum();
        let places: usize = view.seen.groups.values().filter_map(|group| group.committed.as_ref()).map(Vec::len).sum();
        let rest = 10 * (view.topics.len() + view.groups.len() + view.brokers.len());
        FOR_A_PARTITION * partitions + FOR_A_PLACE * places + rest
    });
    16 * 1024 + LINE * lines.sum::<usize>()
}

#[cfg(test)]
mod tests;

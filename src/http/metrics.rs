//! /metrics in the Prometheus text format (version 0.0.4): a pure rendering of the status, and two figures about the
//! process from /proc. Names are those of the documentation, and stay.

use std::fmt::{Display, Write};
use std::fs;

use crate::status::{ForwardState, ForwardStatus, Status};

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
pub fn render(status: &Status, process: ProcessFigures) -> String {
    let mut text = Exposition::default();
    text.family("barnabas_build_info", "gauge", "Constant 1; the version is in the label.");
    text.sample("barnabas_build_info", &[("version", &status.version)], 1);
    text.family("barnabas_ready", "gauge", "1 where /readyz answers 200.");
    text.sample("barnabas_ready", &[], u8::from(status.ready));
    for figure in FORWARD_FIGURES {
        text.family(figure.name, figure.kind, figure.help);
        for forward in &status.forwards {
            if let Some(value) = (figure.value)(forward) {
                text.sample(figure.name, &[("forward", &forward.name)], value);
            }
        }
    }
    if let Some(bytes) = process.resident_bytes {
        text.family("process_resident_memory_bytes", "gauge", "Resident memory in bytes.");
        text.sample("process_resident_memory_bytes", &[], bytes);
    }
    if let Some(seconds) = process.cpu_seconds {
        text.family("process_cpu_seconds_total", "counter", "User and system CPU time in seconds.");
        text.sample("process_cpu_seconds_total", &[], seconds);
    }
    text.0
}

struct Figure {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    /// None: no series, because the figure is not known.
    value: fn(&ForwardStatus) -> Option<Number>,
}

/// A sample's value: whole numbers keep all their digits.
enum Number {
    Whole(i128),
    Real(f64),
}

impl Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(f),
            Self::Real(number) => number.fmt(f),
        }
    }
}

const fn gauge(name: &'static str, help: &'static str, value: fn(&ForwardStatus) -> Option<Number>) -> Figure {
    Figure { name, kind: "gauge", help, value }
}

const fn counter(name: &'static str, help: &'static str, value: fn(&ForwardStatus) -> Option<Number>) -> Figure {
    Figure { name, kind: "counter", help, value }
}

fn whole(number: impl Into<i128>) -> Option<Number> {
    Some(Number::Whole(number.into()))
}

const FORWARD_FIGURES: &[Figure] = &[
    gauge("barnabas_forward_lag", "Records between the stored offsets and the ends of the logs.", |forward| {
        forward.lag.and_then(whole)
    }),
    gauge("barnabas_forward_pending", "Records read and not settled.", |forward| whole(forward.pending)),
    gauge("barnabas_forward_in_flight", "Requests under way.", |forward| whole(forward.in_flight)),
    gauge(
        "barnabas_forward_oldest_pending_seconds",
        "How long the oldest pending record has been waiting; 0 where none is.",
        |forward| Some(Number::Real(forward.oldest_pending_seconds.unwrap_or(0.0))),
    ),
    gauge(
        "barnabas_forward_suspended",
        "1 while the endpoint refuses everything and only probes are sent.",
        |forward| whole(u8::from(forward.state == ForwardState::Suspended)),
    ),
    gauge("barnabas_forward_paused", "1 while a person paused it.", |forward| {
        whole(u8::from(forward.state == ForwardState::Paused))
    }),
    gauge("barnabas_forward_stalled", "1 while it cannot go on.", |forward| {
        whole(u8::from(forward.state == ForwardState::Stalled))
    }),
    counter("barnabas_forward_consumed_total", "Records read.", |forward| whole(forward.consumed)),
    counter("barnabas_forward_delivered_total", "Records that the endpoint took.", |forward| whole(forward.delivered)),
    counter("barnabas_forward_filtered_total", "Records that the steps left out.", |forward| whole(forward.filtered)),
    counter("barnabas_forward_skipped_total", "Invalid records passed over.", |forward| whole(forward.skipped)),
    counter("barnabas_forward_dropped_total", "Records that an outcome rule dropped.", |forward| {
        whole(forward.dropped)
    }),
    counter("barnabas_forward_dead_lettered_total", "Records kept aside.", |forward| whole(forward.dead_lettered)),
    counter("barnabas_forward_retries_total", "Attempts after the first.", |forward| whole(forward.retries)),
    counter(
        "barnabas_forward_lost_offsets_total",
        "Offsets that the log no longer had when they were wanted.",
        |forward| whole(forward.lost_offsets),
    ),
    gauge("barnabas_dead_letters", "Dead letters waiting.", |forward| whole(forward.dead_letters_waiting)),
];

/// The text as it grows. Writing to a String cannot fail.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let _ = if labels.is_empty() {
            writeln!(self.0, "{name} {value}")
        } else {
            writeln!(self.0, "{name}{{{}}} {value}", labels.join(","))
        };
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::moment::Timestamp;
    use tokio::sync::watch;

    fn rendered(forward: ForwardStatus) -> String {
        let (publisher, board) = crate::status::board(Timestamp(0));
        publisher.set_forwards(vec![watch::channel(forward).1]);
        render(&board.status(), ProcessFigures { resident_bytes: Some(3_145_728), cpu_seconds: Some(1.25) })
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
        let text = rendered(ForwardStatus::default());
        let mut family = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                family = rest.split(' ').next().expect("a name").to_owned();
                assert!(text.contains(&format!("# HELP {family} ")), "{family}");
            } else if !line.starts_with('#') {
                assert!(line.starts_with(&family), "{line} after {family}");
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
}

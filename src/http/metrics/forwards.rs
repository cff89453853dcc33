//! The forwards' figures in /metrics. A table; knows nothing of how a line is written.

use std::fmt::Display;

use super::exposition::Exposition;
use crate::status::{ForwardState, ForwardStatus};

/// All families about forwards.
pub(super) fn render(text: &mut Exposition, forwards: &[ForwardStatus]) {
    for figure in FORWARD_FIGURES {
        text.family(figure.name, figure.kind, figure.help);
        for forward in forwards {
            if let Some(value) = (figure.value)(forward) {
                text.sample(&[("forward", &forward.name)], value);
            }
        }
    }
}

struct Figure {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    /// None: no series, because the figure is not known.
    value: fn(&ForwardStatus) -> Option<Number>,
}

/// A figure's value: whole numbers keep all their digits.
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

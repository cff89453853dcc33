//! What looks wrong when a broker's own figures are compared: with the cluster's metadata, with its own past, with its
//! peers. Each check gives a sentence. Knows no alert: how long something must last is the
//! rule's business.

use std::collections::VecDeque;

/// Past values that a broker is compared with: two hours at a poll a minute, half an hour at one in 15 s.
const HISTORY: usize = 120;
/// Fewer tell nothing about what is usual.
const ENOUGH: usize = 20;
/// Cruise Control's margins: three times what nine of ten past values were, ten times the median of the peers.
const OWN_MARGIN: f64 = 3.0;
const PEER_MARGIN: f64 = 10.0;
/// Milliseconds: below, nobody waits, whatever the factor.
const TOO_SHORT_TO_MATTER_MS: f64 = 50.0;

/// The broker counts under-replicated partitions that the metadata does not show, or the other way round. Both numbers are
/// about the partitions that this broker leads. For a moment that is normal (the metadata is behind); if it lasts, the
/// broker and the controller disagree, and one of them has to be restarted.
pub fn replication_disagreement(broker: i32, by_broker: u64, by_metadata: u64) -> Option<String> {
    match (by_broker, by_metadata) {
        (1.., 0) => Some(format!(
            "broker {broker} counts {by_broker} under-replicated partitions, and the cluster's metadata shows none: the \
             broker's view of its followers and the controller's differ"
        )),
        (0, 1..) => Some(format!(
            "the cluster's metadata shows {by_metadata} under-replicated partitions that broker {broker} leads, and the \
             broker counts none: it may not have heard of the controller's decisions"
        )),
        _ => None,
    }
}

/// A broker's past times for the same work, such as the local p99 of Produce in milliseconds. Bounded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LatencyHistory(VecDeque<f64>);

impl LatencyHistory {
    /// Keeps a value for later comparisons.
    pub fn observe(&mut self, milliseconds: f64) {
        if !milliseconds.is_finite() {
            return;
        }
        if self.0.len() >= HISTORY {
            self.0.pop_front();
        }
        self.0.push_back(milliseconds);
    }

    /// What nine of ten past values did not exceed; none while there are too few.
    fn usual(&self) -> Option<f64> {
        if self.0.len() < ENOUGH { None } else { percentile(self.0.iter().copied(), 0.9) }
    }
}

fn percentile(values: impl Iterator<Item = f64>, share: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    // Rounded up, so that of two peers the slower one counts.
    let index = (last as f64 * share).ceil() as usize;
    sorted.get(index.min(last)).copied()
}

/// A broker that is slow against its own past or against its peers. `now_ms` is its present time for the work,
/// `history` its past without `now_ms`, `peers_ms` the present times of the other brokers.
pub fn slow_broker(broker: i32, now_ms: f64, history: &LatencyHistory, peers_ms: &[f64]) -> Option<String> {
    if !(now_ms.is_finite() && now_ms >= TOO_SHORT_TO_MATTER_MS) {
        return None;
    }
    let beyond = |known: Option<f64>, margin: f64| known.filter(|known| now_ms > known * margin);
    let own = beyond(history.usual(), OWN_MARGIN);
    let peers = beyond(percentile(peers_ms.iter().copied(), 0.5), PEER_MARGIN);
    let comparison = match (own, peers) {
        (None, None) => return None,
        (Some(own), None) => format!("usually at most {own:.0} ms"),
        (None, Some(peers)) => format!("its peers take {peers:.0} ms"),
        (Some(own), Some(peers)) => format!("usually at most {own:.0} ms, and its peers take {peers:.0} ms"),
    };
    Some(format!(
        "broker {broker} is slow: it works {now_ms:.0} ms on a request ({comparison}); look at its disks first"
    ))
}

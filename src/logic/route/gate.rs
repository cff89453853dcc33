//! Whether the endpoint as a whole may be sent anything. It is open; or the endpoint seems to be down and gets one
//! event at a time, at growing intervals; or it refuses everything (suspended) and gets the oldest event now and then.
//!
//! Knows answers by kind and time; knows nothing of events.

use std::time::Duration;

use super::lanes::EventId;
use crate::logic::moment::Moment;
use crate::logic::retry::RetrySettings;

/// So many refusals in a row, with nothing accepted between them, and the endpoint counts as down. One alone may be
/// the event's own fault, and holds back only its lane.
const DOWN_AFTER: u32 = 8;
/// Fewer different events than this hold back no others, however often they are refused: it may be their own fault, and
/// the waits of each of them spare the endpoint enough.
const MANY_EVENTS: usize = 8;

/// The state of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Send as much as is allowed.
    Open {
        /// Refusals since something was last accepted.
        refusals: u32,
        /// The latest moment before which one of these refusals asked for nothing more.
        asked: Moment,
        /// Which events these were; no more than matter.
        refused: Vec<EventId>,
    },
    /// It seems to be down: one event at a time, once many were refused.
    Down {
        /// When it went down.
        since: Moment,
        /// When the next event may be sent.
        until: Moment,
        /// How many were refused one after another since it went down.
        probes: u32,
        /// The event that is out now.
        probe: Option<EventId>,
        /// Which events were refused; no more than matter.
        refused: Vec<EventId>,
    },
    /// It refuses everything: the oldest event as a probe every `retry.max`.
    Suspended {
        /// When the next probe is sent.
        until: Moment,
        /// The probe that is out now.
        probe: Option<EventId>,
        /// What the endpoint said.
        reason: String,
    },
}

/// What may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    /// Whatever is next.
    Any,
    /// One event, to see whether the endpoint is back.
    Probe,
    /// The oldest event, to see whether the endpoint still refuses.
    OldestProbe,
    /// Nothing.
    Nothing,
}

/// How the state changed; people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It did not.
    None,
    /// The endpoint seems to be down.
    WentDown,
    /// It refuses everything.
    Suspended,
    /// It works again.
    Reopened,
}

impl Gate {
    /// The state at the start: the endpoint is believed to work.
    pub(super) fn new() -> Self {
        Self::Open { refusals: 0, asked: Moment::default(), refused: Vec::new() }
    }

    /// What may be sent now.
    pub(super) fn permission(&self, now: Moment) -> Permission {
        match self {
            Self::Open { .. } => Permission::Any,
            Self::Down { refused, .. } if !are_many(refused) => Permission::Any,
            Self::Down { until, probe: None, .. } if *until <= now => Permission::Probe,
            Self::Suspended { until, probe: None, .. } if *until <= now => Permission::OldestProbe,
            Self::Down { .. } | Self::Suspended { .. } => Permission::Nothing,
        }
    }

    /// Whether events have to wait for others.
    pub(super) fn holds_back(&self) -> bool {
        match self {
            Self::Open { .. } => false,
            Self::Down { refused, .. } => are_many(refused),
            Self::Suspended { .. } => true,
        }
    }

    /// When the permission changes by itself.
    pub(super) fn opens_at(&self) -> Option<Moment> {
        match self {
            Self::Down { refused, .. } if !are_many(refused) => None,
            Self::Down { until, probe: None, .. } | Self::Suspended { until, probe: None, .. } => Some(*until),
            Self::Open { .. } | Self::Down { .. } | Self::Suspended { .. } => None,
        }
    }

    /// `id` was sent by a permission to probe.
    pub(super) fn probing(&mut self, id: EventId) {
        match self {
            Self::Open { .. } => {}
            Self::Down { refused, .. } if !are_many(refused) => {}
            Self::Down { probe, .. } | Self::Suspended { probe, .. } => *probe = Some(id),
        }
    }

    /// The endpoint decided on an event: took it, or said for good that it will not.
    pub(super) fn decided(&mut self, id: EventId) -> Change {
        match self {
            Self::Open { .. } => {
                *self = Self::new();
                Change::None
            }
            // An answer to something sent before the suspension says nothing about what came after it.
            Self::Suspended { probe, .. } if *probe != Some(id) => Change::None,
            Self::Down { .. } | Self::Suspended { .. } => {
                *self = Self::new();
                Change::Reopened
            }
        }
    }

    /// The endpoint refused an event for now, and asked to be left alone for `retry_after`.
    pub(super) fn refused(
        &mut self,
        id: EventId,
        retry_after: Duration,
        settings: &RetrySettings,
        jitter: f64,
        now: Moment,
    ) -> Change {
        match self {
            Self::Open { refusals, asked, refused } => {
                *refusals += 1;
                *asked = (*asked).max(now + retry_after);
                note(refused, id);
                if *refusals < DOWN_AFTER {
                    return Change::None;
                }
                let until = (now + settings.wait(1, jitter)).max(*asked);
                *self = Self::Down { since: now, until, probes: 0, probe: None, refused: std::mem::take(refused) };
                Change::WentDown
            }
            Self::Down { until, probes, probe, refused, .. } => {
                if !are_many(refused) {
                    note(refused, id);
                    *until = (*until).max(now + settings.wait(1, jitter).max(retry_after));
                } else if *probe == Some(id) {
                    *probe = None;
                    *probes = probes.saturating_add(1);
                    *until = now + settings.wait(probes.saturating_add(1), jitter).max(retry_after);
                } else {
                    // Sent before it went down: nothing new, except for what it asks.
                    *until = (*until).max(now + retry_after);
                }
                Change::None
            }
            Self::Suspended { until, probe, .. } => {
                if *probe == Some(id) {
                    *probe = None;
                    *until = now + settings.max.max(retry_after);
                }
                Change::None
            }
        }
    }

    /// The endpoint's answer means that it refuses everything.
    pub(super) fn suspend(&mut self, reason: &str, settings: &RetrySettings, now: Moment) -> Change {
        let change = if matches!(self, Self::Suspended { .. }) { Change::None } else { Change::Suspended };
        *self = Self::Suspended { until: now + settings.max, probe: None, reason: reason.to_owned() };
        change
    }

    /// Tries again at once, because a person asked for it.
    pub(super) fn hurry(&mut self, now: Moment) {
        match self {
            Self::Down { until, .. } | Self::Suspended { until, .. } => *until = now,
            Self::Open { .. } => {}
        }
    }

    /// The probe will not be answered: it was taken back.
    pub(super) fn probe_withdrawn(&mut self, id: EventId) {
        match self {
            Self::Down { probe, .. } | Self::Suspended { probe, .. } if *probe == Some(id) => *probe = None,
            _ => {}
        }
    }
}

fn are_many(refused: &[EventId]) -> bool {
    refused.len() >= MANY_EVENTS
}

fn note(refused: &mut Vec<EventId>, id: EventId) {
    if !are_many(refused) && !refused.contains(&id) {
        refused.push(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn settings() -> RetrySettings {
        RetrySettings { initial: SECOND, max: 30 * SECOND, give_up_after: None, poison_after: None }
    }

    fn at(seconds: u32) -> Moment {
        Moment::after_start(SECOND * seconds)
    }

    fn refuse(gate: &mut Gate, id: u64, retry_after: u32, now: u32) -> Change {
        gate.refused(EventId(id), SECOND * retry_after, &settings(), 1.0, at(now))
    }

    fn down() -> Gate {
        let mut gate = Gate::new();
        let changes: Vec<_> = (0..u64::from(DOWN_AFTER)).map(|id| refuse(&mut gate, id, 0, 0)).collect();
        assert_eq!(changes.last(), Some(&Change::WentDown));
        assert!(changes.iter().rev().skip(1).all(|change| *change == Change::None));
        gate
    }

    #[test]
    fn an_endpoint_that_refuses_many_in_a_row_is_asked_with_one_event_at_a_time_at_doubling_intervals() {
        let mut gate = down();
        assert_eq!(gate.permission(at(0)), Permission::Nothing);
        assert_eq!(gate.opens_at(), Some(at(1)));
        for (sent, next) in [(1, 3), (3, 7), (7, 15), (15, 31), (31, 61)] {
            assert_eq!(gate.permission(at(sent)), Permission::Probe);
            gate.probing(EventId(99));
            assert_eq!(gate.permission(at(sent)), Permission::Nothing, "one at a time");
            assert_eq!(refuse(&mut gate, 99, 0, sent), Change::None);
            assert_eq!(gate.opens_at(), Some(at(next)));
        }
    }

    #[test]
    fn a_few_events_that_are_refused_again_and_again_hold_back_no_others() {
        let mut gate = Gate::new();
        let changes: Vec<_> = (0..100).map(|n| refuse(&mut gate, n % 7, 0, 0)).collect();
        assert_eq!(changes.iter().filter(|change| **change == Change::WentDown).count(), 1, "but people are told");
        assert_eq!(gate.permission(at(0)), Permission::Any);
        assert_eq!(gate.opens_at(), None, "each has a wait of its own");
        gate.probing(EventId(99));
        refuse(&mut gate, 99, 20, 5);
        assert_eq!(
            gate.permission(at(24)),
            Permission::Nothing,
            "the eighth: it is the endpoint, and it asked for 20 s"
        );
        assert_eq!(gate.permission(at(25)), Permission::Probe);
    }

    #[test]
    fn one_acceptance_between_refusals_keeps_it_open() {
        let mut gate = Gate::new();
        for id in 0..100 {
            assert_eq!(refuse(&mut gate, id, 0, 0), Change::None);
            if id % 5 == 0 {
                gate.decided(EventId(1000));
            }
        }
        assert_eq!(gate.permission(at(0)), Permission::Any);
    }

    #[test]
    fn any_acceptance_reopens_an_endpoint_that_seemed_down() {
        let mut gate = down();
        assert_eq!(gate.decided(EventId(3)), Change::Reopened);
        assert_eq!(gate.permission(at(0)), Permission::Any);
    }

    #[test]
    fn what_the_endpoint_asks_for_is_kept() {
        let mut gate = down();
        refuse(&mut gate, 1, 20, 0);
        assert_eq!(gate.opens_at(), Some(at(20)), "asked by an answer to something sent earlier");
        gate.probing(EventId(9));
        refuse(&mut gate, 9, 50, 20);
        assert_eq!(gate.opens_at(), Some(at(70)), "asked by the answer to the probe");
    }

    #[test]
    fn only_its_probe_ends_a_suspension() {
        let mut gate = Gate::new();
        assert_eq!(gate.suspend("401", &settings(), at(0)), Change::Suspended);
        assert_eq!(gate.decided(EventId(1)), Change::None, "sent before");
        assert_eq!(gate.permission(at(29)), Permission::Nothing);
        assert_eq!(gate.permission(at(30)), Permission::OldestProbe);
        gate.probing(EventId(2));
        assert_eq!(gate.suspend("401", &settings(), at(31)), Change::None, "said once");
        assert_eq!(gate.opens_at(), Some(at(61)));
        gate.probing(EventId(2));
        assert_eq!(gate.decided(EventId(2)), Change::Reopened);
    }

    #[test]
    fn a_probe_that_fails_otherwise_keeps_the_suspension() {
        let mut gate = Gate::new();
        gate.suspend("401", &settings(), at(0));
        gate.probing(EventId(2));
        refuse(&mut gate, 2, 0, 30);
        assert_eq!(gate.opens_at(), Some(at(60)));
    }

    #[test]
    fn a_person_may_hurry_it() {
        let mut gate = down();
        gate.hurry(at(0));
        assert_eq!(gate.permission(at(0)), Permission::Probe);
    }
}

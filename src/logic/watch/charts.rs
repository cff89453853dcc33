//! Figures over time, thin enough to keep: at most 120 points, aligned at their newest.
//!
//! At first every poll is a point. When there are 120 every other one goes and points are taken half as often, until
//! they span six hours; from then on the oldest goes. Knows not what the figures are.

use std::sync::Arc;
use std::time::Duration;

use crate::logic::moment::{Moment, Timestamp};

const MOST_POINTS: usize = 120;
const SPAN: Duration = Duration::from_secs(6 * 3600);

/// Charts of one kind: of lags, of rates. Further ones are not kept.
pub(super) const MOST_CHARTS: usize = 1_000;

/// When points are taken.
#[derive(Debug)]
pub(super) struct ChartClock {
    step: Duration,
    interval: Duration,
    last: Option<Moment>,
    times: Arc<[Timestamp]>,
}

/// What becomes of every chart at a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChartStep {
    /// It stays as it is.
    Stay,
    /// A point is added.
    Add,
    /// Every other point goes, and one is added.
    HalveAndAdd,
}

impl ChartClock {
    pub(super) fn new(interval: Duration) -> Self {
        Self { step: interval, interval, last: None, times: Arc::default() }
    }

    /// A poll took place.
    pub(super) fn poll(&mut self, now: Moment, wall_clock: Timestamp) -> ChartStep {
        // Half a poll early is in time, or a poll that came a little early would cost a whole one.
        if self.last.is_some_and(|last| now.since(last) + self.interval / 2 < self.step) {
            return ChartStep::Stay;
        }
        self.last = Some(now);
        let full = self.times.len() >= MOST_POINTS;
        let spans = self.step.saturating_mul(MOST_POINTS as u32);
        let step = if full && spans < SPAN { ChartStep::HalveAndAdd } else { ChartStep::Add };
        if step == ChartStep::HalveAndAdd {
            self.step = self.step.saturating_mul(2);
        }
        step.apply(&mut self.times, wall_clock);
        step
    }

    /// The times of all points.
    pub(super) fn times(&self) -> Arc<[Timestamp]> {
        Arc::clone(&self.times)
    }
}

impl ChartStep {
    /// Takes a chart one step on. `figure` is its newest, NaN where it is not known.
    pub(super) fn apply<T: Copy>(self, points: &mut Arc<[T]>, figure: T) {
        let each = match self {
            Self::Stay => return,
            Self::Add => 1,
            Self::HalveAndAdd => 2,
        };
        let newest_first = points.iter().rev().step_by(each).take(MOST_POINTS - 1);
        let mut kept: Vec<T> = std::iter::once(&figure).chain(newest_first).copied().collect();
        kept.reverse();
        *points = kept.into();
    }
}

//! The last readings of one broker, and which of them the newest is compared with. Bounded; knows no source.

use std::collections::VecDeque;
use std::time::Duration;

use super::{BrokerFigures, Sample};
use crate::logic::moment::Moment;

/// Over less time the load is too rough: a broker adds a handler's idle time up to 300 ms late.
const WANTED: Duration = Duration::from_secs(10);

/// One broker's last readings.
#[derive(Clone, Debug, Default)]
pub struct SampleWindow {
    samples: VecDeque<Sample>,
    longest: Duration,
}

impl SampleWindow {
    /// For a reading every `interval`. What was read more than three intervals ago is not compared with.
    pub fn new(interval: Duration) -> Self {
        Self { samples: VecDeque::new(), longest: (3 * interval).max(2 * WANTED) }
    }

    /// The figures at a reading: over the last 10 seconds, or since the reading before where that is longer ago.
    pub fn figures(&mut self, now: Sample) -> BrokerFigures {
        let is_older_than = |sample: &Sample, age: Duration| is_older(sample, now.taken_at, age);
        while self.samples.front().is_some_and(|oldest| is_older_than(oldest, self.longest))
            || self.samples.get(1).is_some_and(|second| is_older_than(second, WANTED))
        {
            self.samples.pop_front();
        }
        let figures = BrokerFigures::from_samples(self.samples.front(), &now);
        self.samples.push_back(now);
        figures
    }
}

fn is_older(sample: &Sample, now: Moment, age: Duration) -> bool {
    now.since(sample.taken_at) >= age
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::broker_load::{Quantity, Readings};

    /// A broker whose handlers are idle for this fraction of each second.
    fn sample(seconds: u64, idle_seconds: f64) -> Sample {
        let mut readings = Readings::default();
        readings.add(Quantity::HandlersIdle, "Count", idle_seconds * 1e9);
        Sample { taken_at: Moment::after_start(Duration::from_secs(seconds)), readings }
    }

    #[test]
    fn a_load_is_that_of_ten_seconds_where_readings_come_faster() {
        let mut window = SampleWindow::new(Duration::from_secs(1));
        // Idle for 20 s, then busy.
        let idle_until = |second: u64| second.min(20) as f64;
        let loads: Vec<Option<f64>> = (0..=35)
            .map(|second| window.figures(sample(second, idle_until(second))).load_percent.map(f64::round))
            .collect();
        let load = |second: usize| loads[second];
        assert_eq!((load(0), load(1), load(20)), (None, Some(0.0), Some(0.0)));
        assert_eq!((load(21), load(25), load(30), load(35)), (Some(10.0), Some(50.0), Some(100.0), Some(100.0)));
        assert!(window.samples.len() <= 12, "{}", window.samples.len());
    }

    #[test]
    fn a_load_is_that_between_two_readings_where_they_are_slower_and_never_of_long_ago() {
        let mut window = SampleWindow::new(Duration::from_secs(30));
        assert_eq!(window.figures(sample(0, 0.0)).load_percent, None);
        assert_eq!(window.figures(sample(30, 30.0)).load_percent, Some(0.0));
        assert_eq!(window.figures(sample(60, 30.0)).load_percent, Some(100.0), "since the last reading only");
        assert_eq!(window.figures(sample(200, 30.0)).load_percent, None, "nothing was read for long");
    }
}

//! Log directories: how full, and until when at their growth over the last hours. Knows no partitions.
//!
//! The growth is the line that fits best through what was seen in the last six hours. It takes half an hour and four
//! looks to say anything, and what is not more than the ups and downs of retention is no growth.

use std::sync::Arc;
use std::time::Duration;

use litemap::LiteMap;

use super::snapshot::{DirSeen, SlowSnapshot};
use super::view::DirView;
use crate::logic::moment::Moment;

const WINDOW: Duration = Duration::from_secs(6 * 3600);
/// Looks that follow more quickly replace each other.
const LEAST_DISTANCE: Duration = Duration::from_secs(6 * 3600 / 60);
/// Nothing is said from a shorter span.
const LEAST_SPAN: Duration = Duration::from_secs(30 * 60);
const LEAST_LOOKS: usize = 4;

/// How much was used in each directory at the last looks.
#[derive(Debug, Default)]
pub(super) struct Disks {
    /// By broker and path.
    looks: LiteMap<(i32, Arc<str>), Vec<Look>>,
}

/// When, and the bytes in use on the volume (Kafka's own where it is not known).
type Look = (Moment, u64);

impl Disks {
    /// Takes in a look.
    pub(super) fn observe(&mut self, slow: &SlowSnapshot) {
        let now = slow.taken_at;
        for (broker, dirs) in &slow.dirs {
            for dir in dirs.iter().flatten().filter(|dir| dir.error.is_none()) {
                let looks = self.looks.entry((*broker, Arc::clone(&dir.path))).or_default();
                let replaces = match looks.as_slice() {
                    [.., (before, _), (last, _)] => last.since(*before) < LEAST_DISTANCE,
                    _ => false,
                };
                if replaces {
                    looks.pop();
                }
                looks.push((now, in_use(dir)));
            }
        }
        self.looks.iter_mut().for_each(|(_, looks)| looks.retain(|(at, _)| now.since(*at) <= WINDOW));
        self.looks.retain(|_, looks| !looks.is_empty());
    }

    /// Every directory that is known.
    pub(super) fn views(&self, slow: &SlowSnapshot) -> Vec<DirView> {
        let dirs = slow.dirs.iter().flat_map(|(broker, dirs)| dirs.iter().flatten().map(|dir| (*broker, dir)));
        dirs.map(|(broker, dir)| self.view(broker, dir)).collect()
    }

    fn view(&self, broker: i32, dir: &DirSeen) -> DirView {
        let volume = dir.volume.zip(dir.free).filter(|(volume, _)| dir.error.is_none() && *volume > 0);
        let looks = self.looks.get(&(broker, Arc::clone(&dir.path))).filter(|_| dir.error.is_none());
        let growth = looks.and_then(|looks| growth(looks));
        let full_in = |(_, free): (u64, u64)| growth.filter(|growth| *growth > 0.0).map(|growth| free as f64 / growth);
        DirView {
            broker,
            path: Arc::clone(&dir.path),
            error: dir.error.clone(),
            used_bytes: dir.used,
            used_percent: volume.map(|(volume, free)| 100.0 * volume.saturating_sub(free) as f64 / volume as f64),
            full_in_seconds: volume.and_then(full_in),
            growth_bytes_per_second: growth,
        }
    }
}

fn in_use(dir: &DirSeen) -> u64 {
    dir.volume.zip(dir.free).map_or(dir.used, |(volume, free)| volume.saturating_sub(free))
}

/// Bytes per second, by least squares; zero: no growth. None: too little was seen.
fn growth(looks: &[Look]) -> Option<f64> {
    let (first, last) = looks.first().zip(looks.last())?;
    let span = last.0.since(first.0);
    if looks.len() < LEAST_LOOKS || span < LEAST_SPAN {
        return None;
    }
    let count = looks.len() as f64;
    let points = || looks.iter().map(|(at, used)| (at.since(first.0).as_secs_f64(), *used as f64));
    let mean_time = points().map(|(time, _)| time).sum::<f64>() / count;
    let mean_used = points().map(|(_, used)| used).sum::<f64>() / count;
    let sum = |figure: fn(f64, f64) -> f64| points().map(|(t, u)| figure(t - mean_time, u - mean_used)).sum::<f64>();
    let slope = sum(|time, used| time * used) / sum(|time, _| time * time);
    let scatter =
        (points().map(|(t, u)| (u - mean_used - slope * (t - mean_time)).powi(2)).sum::<f64>() / count).sqrt();
    Some(if slope * span.as_secs_f64() > scatter { slope } else { 0.0 })
}

#[cfg(test)]
#[path = "disks_tests.rs"]
mod tests;

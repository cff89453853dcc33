//! How a forward says that it is doing: what the route tells, and what the loop knows besides, as one status.
//!
//! Only looks; decides and changes nothing.

use std::time::Duration;

use super::run::{GroupCheck, Running};
use crate::logic::moment::Moment;
use crate::logic::route::RouteState;
use crate::logic::sorted_set::SortedSet;
use crate::status::{ForwardState, ForwardStatus, PartitionStatus};

/// How often the status is published while nothing but counters changes.
pub(super) const PUBLISH_INTERVAL: Duration = Duration::from_millis(500);
/// What hinders reading for so long is no change of leaders any more.
const TROUBLE_FOR_LONG: Duration = Duration::from_secs(15);

impl Running {
    pub(super) fn publish_if_due(&mut self, now: Moment) {
        if self.publish_at <= now {
            self.publish_at = now + PUBLISH_INTERVAL;
            self.publish(now);
        }
    }

    pub(super) fn publish(&self, now: Moment) {
        let status = self.describe(now);
        self.status.send_if_modified(|published| {
            let changed = *published != status;
            if changed {
                *published = status;
            }
            changed
        });
    }

    /// Something has hindered reading for longer than a change of leaders takes.
    fn cannot_read(&self, now: Moment) -> bool {
        self.trouble.values().any(|(since, _)| now.since(*since) >= TROUBLE_FOR_LONG)
    }

    fn describe(&self, now: Moment) -> ForwardStatus {
        let route = self.route.status(now);
        let mut reasons = route.reasons;
        if let GroupCheck::Due(_, Some(reason)) | GroupCheck::Out(Some(reason)) = &self.group_check {
            reasons.push(reason.clone());
        }
        reasons.extend(self.beginnings.reasons().cloned());
        reasons.extend(self.trouble.values().map(|(_, text)| text.clone()));
        let begun = self.beginnings.is_done() && matches!(self.group_check, GroupCheck::Passed);
        let topics: SortedSet<&str> = route.partitions.iter().map(|p| &*p.topic_partition.topic).collect();
        ForwardStatus {
            name: self.settings.name.clone(),
            state: match route.state {
                RouteState::Running if self.cannot_read(now) => ForwardState::Stalled,
                RouteState::Running if begun => ForwardState::Running,
                RouteState::Running => ForwardState::Starting,
                RouteState::Suspended => ForwardState::Suspended,
                RouteState::Paused => ForwardState::Paused,
                RouteState::Stalled => ForwardState::Stalled,
            },
            reasons,
            topics: topics.into_iter().map(str::to_owned).collect(),
            lag: route.lag,
            pending: route.pending,
            in_flight: route.in_flight as u64,
            consumed: route.counters.consumed,
            delivered: route.counters.delivered,
            filtered: route.counters.filtered,
            skipped: route.counters.skipped,
            dropped: route.counters.dropped,
            dead_lettered: route.counters.dead_lettered,
            retries: route.counters.retries,
            lost_offsets: route.counters.lost_offsets,
            oldest_pending_seconds: route.oldest_pending.map(|age| (age.as_secs_f64() * 10.0).round() / 10.0),
            dead_letters_waiting: self.dead_letters.waiting,
            partitions: route
                .partitions
                .iter()
                .map(|partition| PartitionStatus {
                    topic: partition.topic_partition.topic.to_string(),
                    partition: partition.topic_partition.partition,
                    stored: partition.stored,
                    fetched: Some(partition.fetched),
                    end: partition.end,
                })
                .collect(),
        }
    }
}

//! Commits the stored offsets to the consumer group as well, so that Kafka's tools show the lag. The state stays the
//! only truth: nothing is ever read back, and a commit that fails is just tried again.

use std::time::Duration;

use litemap::LiteMap;

use crate::kafka::wire::{Client, Error};
use crate::logic::moment::Moment;
use crate::logic::record::TopicPartition;
use crate::logic::route::StoreOffsets;

/// Other people's tools need no more.
const INTERVAL: Duration = Duration::from_secs(5);

/// What the group was told, and what it has yet to be.
#[derive(Debug)]
pub(super) struct Mirror {
    group: String,
    changed: LiteMap<TopicPartition, (i64, i32)>,
    next: Moment,
    out: bool,
    trouble: Option<String>,
}

impl Mirror {
    pub(super) fn new(group: String) -> Self {
        Self { group, changed: LiteMap::new(), next: Moment::default(), out: false, trouble: None }
    }

    /// These offsets are durable, and may be told.
    pub(super) fn stored(&mut self, offsets: &StoreOffsets) {
        for partition in &offsets.partitions {
            let offset = partition.snapshot.storable().0;
            self.changed.insert(partition.topic_partition.clone(), (offset, partition.identity.leader_epoch));
        }
    }

    /// What to commit now, if it is time. `last` does not wait for the interval.
    pub(super) fn take_due(&mut self, now: Moment, last: bool) -> Option<Commit> {
        if self.out || self.changed.is_empty() || (!last && now < self.next) {
            return None;
        }
        self.out = true;
        self.next = now + INTERVAL;
        let offsets = std::mem::take(&mut self.changed);
        Some(Commit { group: self.group.clone(), offsets })
    }

    /// When [`take_due`](Self::take_due) has something.
    pub(super) fn wakes_at(&self) -> Option<Moment> {
        (!self.out && !self.changed.is_empty()).then_some(self.next)
    }

    /// Whether a stop need not wait: everything was told, or nobody listens.
    pub(super) fn may_end(&self) -> bool {
        !self.out && (self.changed.is_empty() || self.trouble.is_some())
    }

    /// A commit ended. What failed is committed again, unless something newer is to be.
    pub(super) fn committed(&mut self, forward: &str, commit: Commit, failed: Option<String>) {
        self.out = false;
        match failed {
            None => {
                if self.trouble.take().is_some() {
                    tracing::info!(forward, group = self.group, "offsets are mirrored again");
                }
            }
            Some(reason) => {
                for (name, offset) in commit.offsets {
                    self.changed.entry(name).or_insert(offset);
                }
                if self.trouble.as_ref() != Some(&reason) {
                    tracing::warn!(
                        forward,
                        group = self.group,
                        reason,
                        "offsets are not mirrored; those in the state are safe"
                    );
                }
                self.trouble = Some(reason);
            }
        }
    }
}

/// Offsets for the group.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    group: String,
    offsets: LiteMap<TopicPartition, (i64, i32)>,
}

impl Commit {
    /// Commits, and tells what went wrong.
    pub(super) async fn run(self, client: Client) -> (Self, Option<String>) {
        let offsets: Vec<_> = self
            .offsets
            .iter()
            .map(|(name, (offset, epoch))| (name.clone(), *offset, (*epoch >= 0).then_some(*epoch)))
            .collect();
        let failed = match client.commit_offsets(&self.group, &offsets).await {
            Err(error) => Some(explain(&self.group, &error)),
            Ok(answers) => {
                answers.into_iter().find_map(|(_, answer)| answer.err()).map(|error| explain(&self.group, &error))
            }
        };
        (self, failed)
    }
}

/// UNKNOWN_MEMBER_ID is what a broker says to a commit from outside while the group has members.
fn explain(group: &str, error: &Error) -> String {
    const UNKNOWN_MEMBER_ID: i16 = 25;
    if error.kafka().is_some_and(|error| error.0 == UNKNOWN_MEMBER_ID) {
        format!("group {group} has live members, which commit for themselves: stop them, or use offsets = \"local\"")
    } else {
        error.to_string()
    }
}

//! How a group does in a partition: Burrow's rules over its last ten commits, in 48 bytes.
//!
//! OffsetFetch tells neither when a group committed nor that it committed the same offset again. A commit here is a
//! change that a poll saw, at the time of that poll, and standing still is judged by time. What Burrow is known to get
//! wrong is left out: a verdict needs three polls and a minute; waiting begins when there is something to read, not at
//! the last commit; a group that commits rarely is given twice the longest time that it took lately.

use std::time::Duration;

use super::view::GroupStatus;
use crate::logic::moment::Moment;

/// Nothing is said about standing still from fewer polls.
const LEAST_POLLS: u8 = 3;
/// Nor from a shorter time.
const LEAST_TIME: Duration = Duration::from_secs(60);
/// How long a group that has members may take for the first commit that we see.
const UNKNOWN_RHYTHM: Duration = Duration::from_secs(5 * 60);
/// A wait is counted in these, rounded up; the longest that a byte holds is an hour, so no rhythm is waited for more
/// than two.
const WAIT_UNIT: u32 = 15;
/// A reader of transactions may stay one behind: the end of its log is a marker that nobody reads.
const TRIVIAL_LAG: i64 = 1;

/// No lag was known at any commit.
const NO_LAG: u32 = u32::MAX;

/// The commits that count.
const COMMITS: u8 = 10;
/// The bits that tell of one commit.
const MARK_BITS: u32 = 3;
/// Nothing was left to read.
const CAUGHT_UP: u32 = 0b001;
/// More was left than at the commit before.
const ROSE: u32 = 0b010;
/// Less was left than at the commit before.
const FELL: u32 = 0b100;

/// Who reads for a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    /// It has live members.
    Members,
    /// It had members and has none.
    Gone,
    /// It never had members that we saw: stopped long ago, or its reader assigns partitions itself.
    NeverSeen,
    /// The brokers do not tell.
    Unknown,
}

/// A poll as it matters to a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Poll {
    /// When.
    pub(super) now: Moment,
    /// From one poll to the next.
    pub(super) interval: Duration,
    /// Who reads.
    pub(super) readers: Readers,
}

/// A group's last commits in a partition.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    committed: i64,
    /// At the last commit at which it was known, where it fits; [`NO_LAG`]: at none.
    lag: u32,
    /// The offset from which it went back, while it has not reached that again; −1: it did not.
    rewound_from: i64,
    partition: i32,
    /// Since when there was something to read, and no commit; seconds after the start of the process.
    waiting_since: u32,
    /// [`MARK_BITS`] for each commit, the last in the lowest ones.
    marks: u32,
    /// How long there was something to read before a commit came, the last first, in [`WAIT_UNIT`]s.
    waits: [u8; COMMITS as usize - 1],
    /// Polls that saw it wait; zero: it does not.
    waiting_polls: u8,
    /// At most [`COMMITS`]; the first is what we found.
    commits: u8,
    commits_since_rewind: u8,
    status: GroupStatus,
}

impl Progress {
    /// A group's place in a partition, seen for the first time.
    pub(super) fn found(partition: i32, committed: i64) -> Self {
        Self {
            committed,
            lag: NO_LAG,
            rewound_from: -1,
            partition,
            waiting_since: 0,
            marks: 0,
            waits: [0; COMMITS as usize - 1],
            waiting_polls: 0,
            commits: 0,
            commits_since_rewind: 0,
            status: GroupStatus::Ok,
        }
    }

    /// The partition's number.
    pub(super) fn partition(&self) -> i32 {
        self.partition
    }

    /// The offset that it committed last.
    pub(super) fn committed(&self) -> i64 {
        self.committed
    }

    /// How it did when that could be told for the last time.
    pub(super) fn status(&self) -> GroupStatus {
        self.status
    }

    /// Whether an ok means that it does well: it has nothing to read, or we saw it commit. Else it only was not
    /// watched for long enough.
    pub(super) fn is_judged(&self) -> bool {
        self.status != GroupStatus::Ok || self.waiting_polls == 0 || self.commits > 1
    }

    /// Takes in what a poll saw, and judges. Where the lag is not known the status stays as it was.
    pub(super) fn observe(&mut self, committed: i64, lag: Option<i64>, poll: Poll) -> GroupStatus {
        let now = u32::try_from(poll.now.since_start().as_secs()).unwrap_or(u32::MAX);
        if self.commits == 0 || committed != self.committed {
            self.commit(committed, lag, now);
        }
        let Some(lag) = lag else { return self.status };
        let allowed = match poll.readers {
            Readers::Members | Readers::Unknown => TRIVIAL_LAG,
            Readers::Gone | Readers::NeverSeen => 0,
        };
        if lag <= allowed {
            self.waiting_polls = 0;
            self.status = GroupStatus::Ok;
            return self.status;
        }
        if self.waiting_polls == 0 {
            self.waiting_since = now;
        }
        self.waiting_polls = self.waiting_polls.saturating_add(1);
        self.status = self.judge(now, poll);
        self.status
    }

    fn commit(&mut self, committed: i64, lag: Option<i64>, now: u32) {
        if self.commits > 0 {
            let waited = if self.waiting_polls > 0 { now.saturating_sub(self.waiting_since) } else { 0 };
            self.waits.rotate_right(1);
            if let Some(last) = self.waits.first_mut() {
                *last = u8::try_from(waited.div_ceil(WAIT_UNIT)).unwrap_or(u8::MAX);
            }
            self.note_rewind(committed);
        }
        self.marks = (self.marks << MARK_BITS) & ((1 << (MARK_BITS * u32::from(COMMITS))) - 1);
        if let Some(lag) = lag {
            self.marks |= if lag <= TRIVIAL_LAG { CAUGHT_UP } else { 0 };
            let lag = u32::try_from(lag).unwrap_or(NO_LAG - 1).min(NO_LAG - 1);
            let known = self.lag != NO_LAG;
            self.marks |= if known && lag > self.lag { ROSE } else { 0 };
            self.marks |= if known && lag < self.lag { FELL } else { 0 };
            self.lag = lag;
        }
        self.committed = committed;
        self.commits = (self.commits + 1).min(COMMITS);
        self.waiting_polls = 0;
    }

    /// Going back counts until the group is where it was, or ten commits later.
    fn note_rewind(&mut self, committed: i64) {
        if committed < self.committed {
            self.rewound_from = self.rewound_from.max(self.committed);
            self.commits_since_rewind = 0;
        } else {
            self.commits_since_rewind = self.commits_since_rewind.saturating_add(1);
        }
        if committed >= self.rewound_from || self.commits_since_rewind >= COMMITS - 1 {
            self.rewound_from = -1;
        }
    }

    /// With something to read. The order is Burrow's.
    fn judge(&self, now: u32, poll: Poll) -> GroupStatus {
        let waiting = Duration::from_secs(u64::from(now.saturating_sub(self.waiting_since)));
        if self.waiting_polls >= LEAST_POLLS && waiting >= self.patience(poll) {
            return match poll.readers {
                Readers::Members => GroupStatus::Stall,
                Readers::Gone | Readers::NeverSeen | Readers::Unknown => GroupStatus::Stop,
            };
        }
        if self.rewound_from >= 0 {
            return GroupStatus::Rewind;
        }
        let any = |mark: u32| (0..u32::from(COMMITS)).any(|commit| self.marks >> (commit * MARK_BITS) & mark != 0);
        // Burrow's last rule, from no fewer than ten commits (fewer lags rise in a row by chance), and not where the
        // lag stays as it is.
        if !any(CAUGHT_UP) && self.commits == COMMITS && any(ROSE) && !any(FELL) {
            return GroupStatus::Warning;
        }
        GroupStatus::Ok
    }

    /// How long it may take to the next commit.
    fn patience(&self, poll: Poll) -> Duration {
        let least = LEAST_TIME.max(poll.interval.saturating_mul(2));
        let longest = u32::from(self.waits.iter().copied().max().unwrap_or_default()) * WAIT_UNIT;
        let rhythm = Duration::from_secs(2 * u64::from(longest));
        match poll.readers {
            Readers::Gone => least,
            Readers::Members | Readers::Unknown if self.commits <= 1 => least.max(UNKNOWN_RHYTHM),
            Readers::NeverSeen | Readers::Members | Readers::Unknown => least.max(rhythm),
        }
    }
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;

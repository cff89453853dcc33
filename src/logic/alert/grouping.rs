//! Does a channel need a notice, and why? A function of what the channel has been told, what there is to tell, and how
//! long ago the last notice was; after Alertmanager's dispatcher and its dedup stage. Pure; knows no alert by name.
//!
//! One thing differs. Alertmanager looks every `group_interval`, so that something new waits for anything between
//! nothing and all of it. Here it waits for `group_wait`, so that others can join it, and until `group_interval` has
//! passed since the last notice.

use std::time::Duration;

use super::notice::{ChannelSettings, Reason};

/// An alert as one channel sees it. What was not told and must not be told now is not an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It fires, and was not told. So long it could have been.
    New(Duration),
    /// It fires, and was told.
    Told,
    /// It fires, was told, and must not be told again for now: it is silenced, or explained by another.
    ToldAndHeld,
    /// It was told, and is over. So long it has been.
    Over(Duration),
}

/// What a channel needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// A notice, now.
    Notice(Reason),
    /// A look after this time. Never zero.
    Wait(Duration),
    /// Nothing, until something changes.
    Nothing,
}

/// What the channel needs, when its last notice was decided `since_last` ago.
pub(super) fn need(entries: &[Entry], channel: &ChannelSettings, since_last: Duration) -> Need {
    let mut is_group = false;
    let mut repeats = false;
    let mut newest = None;
    let mut over = None;
    for entry in entries {
        match *entry {
            Entry::New(waited) => newest = newest.max(Some(waited)),
            Entry::Told => (is_group, repeats) = (true, true),
            Entry::ToldAndHeld => is_group = true,
            Entry::Over(waited) => {
                is_group = true;
                over = over.max(Some(waited));
            }
        }
    }
    // The first of a group waits for others; so does what joins it, which must also keep its distance.
    let distance = if is_group { channel.group_interval.saturating_sub(since_last) } else { Duration::ZERO };
    let change = newest.max(over).map(|waited| {
        let reason = match (is_group, newest) {
            (false, _) => Reason::First,
            (true, Some(_)) => Reason::New,
            (true, None) => Reason::Resolved,
        };
        (channel.group_wait.saturating_sub(waited).max(distance), reason)
    });
    let repeat = repeats.then(|| {
        // A repeat that is more frequent than group_interval would break the promise of the latter.
        let interval = channel.repeat_interval.max(channel.group_interval);
        (interval.saturating_sub(since_last), Reason::Repeat)
    });
    // Of two that are due, the change is the better reason.
    match change.into_iter().chain(repeat).min_by_key(|(wait, _)| *wait) {
        Some((Duration::ZERO, reason)) => Need::Notice(reason),
        Some((wait, _)) => Need::Wait(wait),
        None => Need::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::alert::test_support::channel;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[track_caller]
    fn check(why: &str, entries: &[Entry], since_last: u64, expected: Need) {
        // 30 s, 5 min, 4 h
        assert_eq!(need(entries, &channel("ops"), seconds(since_last)), expected, "{why}");
    }

    #[test]
    fn needs() {
        use Entry::{New, Over, Told, ToldAndHeld};
        use Need::{Nothing, Notice, Wait};
        let hour = 3600;
        check("nothing fires", &[], 9 * hour, Nothing);
        check("the first waits for others", &[New(seconds(0))], 9 * hour, Wait(seconds(30)));
        check("and goes when it has", &[New(seconds(30))], 9 * hour, Notice(Reason::First));
        check("others do not make it wait longer", &[New(seconds(30)), New(seconds(1))], 0, Notice(Reason::First));
        check("what was told waits for its repeat", &[Told], 60, Wait(seconds(4 * hour - 60)));
        check("and is repeated", &[Told], 4 * hour, Notice(Reason::Repeat));
        check("another one keeps its distance", &[Told, New(seconds(60))], 100, Wait(seconds(200)));
        check("and is told", &[Told, New(seconds(60))], 300, Notice(Reason::New));
        check("also another one waits for others", &[Told, New(seconds(10))], hour, Wait(seconds(20)));
        check("an end keeps its distance", &[Over(seconds(90))], 100, Wait(seconds(200)));
        check("and is told", &[Over(seconds(30))], 300, Notice(Reason::Resolved));
        check("an end and another one", &[Over(seconds(30)), New(seconds(1))], 300, Notice(Reason::New));
        check(
            "a repeat that is due does not wait for what is new",
            &[Told, New(seconds(0))],
            4 * hour,
            Notice(Reason::Repeat),
        );
        check(
            "what is due at once with a repeat is the reason",
            &[Told, New(seconds(30))],
            4 * hour,
            Notice(Reason::New),
        );
        check("what is held is not repeated", &[ToldAndHeld], 9 * hour, Nothing);
        check("but it is still the same group", &[ToldAndHeld, New(seconds(60))], 100, Wait(seconds(200)));
    }
}

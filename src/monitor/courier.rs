//! Takes notices to one channel and tries each again until the channel takes it, also what was refused for good: somebody
//! mends that, and the end of an alert must not be lost.
//!
//! What is to be sent is not decided here, and nothing is stored here: whoever gives a notice keeps it until it hears
//! that it was taken.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::clock;
use crate::logic::alert::Notice;
use crate::logic::moment::Moment;
use crate::logic::retry::RetrySettings;
use crate::logic::sorted_set::SortedSet;
use crate::notify::{Channel, SendError};

/// How a failed notice is tried again: soon at first, for a mail server that restarts, and then every few minutes.
const RETRY: RetrySettings = RetrySettings {
    initial: Duration::from_secs(5),
    max: Duration::from_secs(300),
    give_up_after: None,
    poison_after: None,
};

/// How long somebody whose mail is deferred while others have it is waited for. Greylisting takes minutes; until it is
/// over, what happens gathers for the others, too.
const DEFERRED_FOR: Duration = Duration::from_secs(3600);

/// What became of an attempt.
#[derive(Debug)]
pub(super) struct Delivery {
    /// The channel.
    pub(super) channel: String,
    /// The notice.
    pub(super) notice: u64,
    /// How it went.
    pub(super) verdict: Verdict,
}

/// How an attempt went.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The channel has it.
    Taken,
    /// Not this time, and why; it is tried again.
    Failed(String),
}

/// A channel with a task that serves it.
#[derive(Debug)]
pub(super) struct Courier {
    channel: Arc<Channel>,
    /// None: it is ending.
    notices: Option<mpsc::Sender<Notice>>,
    task: JoinHandle<()>,
}

impl Drop for Courier {
    /// What was on its way is still stored, and the next run sends it with the same id.
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Courier {
    /// Starts the task of the channel called `name`.
    pub(super) fn start(name: String, channel: Arc<Channel>, deliveries: mpsc::Sender<Delivery>) -> Self {
        let (sender, notices) = mpsc::channel(1);
        let task = tokio::spawn(carry(name, Arc::clone(&channel), notices, deliveries));
        Self { channel, notices: Some(sender), task }
    }

    /// Gives it a notice; it has one at a time, and the next one when that was taken.
    pub(super) fn give(&self, notice: Notice) {
        // Full only where the promise above was broken, gone or closed only where the task is being ended.
        if self.notices.as_ref().is_none_or(|notices| notices.try_send(notice).is_err()) {
            tracing::debug!("a notice was given to a courier that is busy; it is sent after the next start");
        }
    }

    /// Takes no further notice. An attempt that is under way comes to its end, and is the last: a mail that was taken
    /// just now must not be sent again only because nobody listened to the answer.
    pub(super) fn begin_to_end(&mut self) {
        self.notices = None;
    }

    /// What it serves.
    pub(super) fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }
}

async fn carry(
    name: String,
    channel: Arc<Channel>,
    mut notices: mpsc::Receiver<Notice>,
    deliveries: mpsc::Sender<Delivery>,
) {
    let mut unreachable = SortedSet::new();
    while let Some(notice) = notices.recv().await {
        let mut attempts = Attempts::default();
        loop {
            let result = channel.send_to(&notice, attempts.only()).await;
            let next = attempts.next(result, &mut unreachable, clock::now());
            let (verdict, again) = match next {
                Next::Taken => (Some(Verdict::Taken), None),
                Next::TakenBySome { missing, said } => {
                    let missing = missing.join(", ");
                    tracing::error!(
                        channel = name,
                        notice = notice.id,
                        missing,
                        "others have it, these do not: {said}"
                    );
                    (Some(Verdict::Taken), None)
                }
                Next::Again { error } => (Some(Verdict::Failed(error.text)), Some(error.retry_after)),
                Next::AgainForSome { said, again } => {
                    if again == Again::First {
                        tracing::warn!(channel = name, notice = notice.id, "told, but not to everybody yet: {said}");
                    }
                    (None, Some(None))
                }
            };
            if let Some(verdict) = verdict {
                let delivery = Delivery { channel: name.clone(), notice: notice.id, verdict };
                if deliveries.send(delivery).await.is_err() {
                    return;
                }
            }
            let Some(at_least) = again else { break };
            let wait = RETRY.wait(attempts.count, fastrand::f64()).max(at_least.unwrap_or_default());
            tokio::select! {
                () = tokio::time::sleep_until(clock::instant(clock::now() + wait)) => {}
                // There is never a second notice, so this says that it is to end.
                _ = notices.recv() => return,
            }
        }
    }
}

/// What the attempts at one notice came to so far.
#[derive(Debug, Default)]
struct Attempts {
    /// Those that failed.
    count: u32,
    /// Some have the mail, and these do not.
    deferred: Option<Deferred>,
}

#[derive(Debug)]
struct Deferred {
    since: Moment,
    recipients: Vec<String>,
}

/// What is to be done after an attempt.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Nothing: the channel has it, for everybody.
    Taken,
    /// Nothing: these were waited for long enough.
    TakenBySome { missing: Vec<String>, said: String },
    /// Another attempt.
    Again { error: SendError },
    /// Another attempt, for those that do not have it yet. The channel works, and does not count as failing.
    AgainForSome { said: String, again: Again },
}

/// Whether something is said for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    First,
    Repeated,
}

impl Attempts {
    /// Whom the next attempt is for; none: everybody.
    fn only(&self) -> Option<&[String]> {
        self.deferred.as_ref().map(|deferred| deferred.recipients.as_slice())
    }

    /// Takes what came of one. `unreachable` remembers, over all notices, whom it was waited for in vain: a mailbox that
    /// is full for days must not hold up every notice for as long again.
    fn next(&mut self, result: Result<(), SendError>, unreachable: &mut SortedSet<String>, now: Moment) -> Next {
        let Err(error) = result else {
            unreachable.clear();
            return Next::Taken;
        };
        self.count = self.count.saturating_add(1);
        if error.deferred.is_empty() {
            return Next::Again { error };
        }
        let again = if self.deferred.is_none() { Again::First } else { Again::Repeated };
        let since = self.deferred.as_ref().map_or(now, |deferred| deferred.since);
        let (missing, said) = (error.deferred, error.text);
        unreachable.retain(|recipient| missing.contains(recipient));
        let is_over = now.since(since) >= DEFERRED_FOR;
        if is_over || missing.iter().all(|recipient| unreachable.contains(recipient)) {
            unreachable.extend(missing.iter().cloned());
            return Next::TakenBySome { missing, said };
        }
        self.deferred = Some(Deferred { since, recipients: missing });
        Next::AgainForSome { said, again }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::SendErrorKind;

    const MINUTE: u64 = 60;

    fn error(deferred: &[&str]) -> Result<(), SendError> {
        Err(SendError {
            text: "busy".to_owned(),
            detail: String::new(),
            kind: SendErrorKind::Temporary,
            retry_after: None,
            deferred: own(deferred),
        })
    }

    fn own(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// Seconds, what the channel said, what that came to, and whom the next attempt is for.
    type Attempt<'a> = (u64, Result<(), SendError>, &'a str, &'a [&'a str]);

    /// What each attempt came to, and whom the next one is for.
    #[track_caller]
    fn check(why: &str, unreachable: &mut SortedSet<String>, attempts: &[Attempt<'_>]) {
        let mut of = Attempts::default();
        for (seconds, result, expected, only) in attempts {
            let now = Moment::after_start(Duration::from_secs(*seconds));
            let next = match of.next(result.clone(), unreachable, now) {
                Next::Taken => "taken".to_owned(),
                Next::TakenBySome { missing, .. } => format!("not by {}", missing.join(", ")),
                Next::Again { .. } => "fails".to_owned(),
                Next::AgainForSome { again, .. } => format!("{again:?}"),
            };
            assert_eq!(next, *expected, "{why}, after {seconds} s");
            assert_eq!(of.only().unwrap_or_default(), own(only), "{why}, after {seconds} s");
        }
    }

    #[test]
    fn who_is_deferred_is_waited_for_and_nobody_gets_it_twice() {
        let mut none = SortedSet::new();
        check(
            "a server that does not answer keeps it from everybody",
            &mut none,
            &[(0, error(&[]), "fails", &[]), (9 * 3600, error(&[]), "fails", &[]), (9 * 3600, Ok(()), "taken", &[])],
        );
        check(
            "greylisting: the others have it",
            &mut none,
            &[
                (0, error(&["a", "b"]), "First", &["a", "b"]),
                (5, error(&["b"]), "Repeated", &["b"]),
                (10, error(&[]), "fails", &["b"]),
                (300, Ok(()), "taken", &["b"]),
            ],
        );
        assert!(none.is_empty());
    }

    #[test]
    fn who_is_deferred_for_an_hour_holds_up_one_notice_and_no_other() {
        let mut unreachable = SortedSet::new();
        check(
            "an hour, and a server that is away does not count",
            &mut unreachable,
            &[
                (0, error(&["a"]), "First", &["a"]),
                (61 * MINUTE, error(&[]), "fails", &["a"]),
                (62 * MINUTE, error(&["a"]), "not by a", &["a"]),
            ],
        );
        check("the next one does not wait", &mut unreachable, &[(0, error(&["a"]), "not by a", &[])]);
        check(
            "but for another one it does",
            &mut unreachable,
            &[(0, error(&["a", "b"]), "First", &["a", "b"]), (5, error(&["a"]), "not by a", &["a", "b"])],
        );
        check("until a is reached again", &mut unreachable, &[(0, Ok(()), "taken", &[])]);
        check("and then it is waited for", &mut unreachable, &[(0, error(&["a"]), "First", &["a"])]);
    }
}

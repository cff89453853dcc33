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
use crate::logic::retry::RetrySettings;
use crate::notify::Channel;

/// How a failed notice is tried again: soon at first, for a mail server that restarts, and then every few minutes.
const RETRY: RetrySettings = RetrySettings {
    initial: Duration::from_secs(5),
    max: Duration::from_secs(300),
    give_up_after: None,
    poison_after: None,
};

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
    while let Some(notice) = notices.recv().await {
        let mut refusals = 0u32;
        loop {
            let (verdict, wait) = match channel.send(&notice).await {
                Ok(()) => (Verdict::Taken, None),
                Err(error) => {
                    refusals = refusals.saturating_add(1);
                    let wait = RETRY.wait(refusals, fastrand::f64()).max(error.retry_after.unwrap_or_default());
                    (Verdict::Failed(error.text), Some(wait))
                }
            };
            let delivery = Delivery { channel: name.clone(), notice: notice.id, verdict };
            if deliveries.send(delivery).await.is_err() {
                return;
            }
            let Some(wait) = wait else { break };
            tokio::select! {
                () = tokio::time::sleep_until(clock::instant(clock::now() + wait)) => {}
                // There is never a second notice, so this says that it is to end.
                _ = notices.recv() => return,
            }
        }
    }
}

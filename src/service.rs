//! What a service manager and a daemon say to each other: systemd's notifications (sd_notify(3)) one way, signals the
//! other. Without systemd nothing is sent and nothing fails. Knows nothing of what the daemon does.

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};

/// What the service manager is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice<'a> {
    /// The start is over.
    Ready,
    /// The configuration is being read again; `Ready` must follow, also where it was refused.
    Reloading,
    /// A stop has begun.
    Stopping,
    /// We are alive; see [`watchdog_interval`].
    Alive,
    /// One line for `systemctl status`.
    Status(&'a str),
}

/// Tells the service manager. A notification that cannot be sent is worth a log line, and no more.
pub fn notify(notice: Notice<'_>) {
    let sent = match notice {
        Notice::Ready => sd_notify::notify(&[NotifyState::Ready]),
        // systemd takes a reload for one only with the time at which it began (Type=notify-reload).
        Notice::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|monotonic| sd_notify::notify(&[NotifyState::Reloading, monotonic])),
        Notice::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        Notice::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
        Notice::Status(text) => {
            let line = text.replace(['\n', '\r'], " ");
            sd_notify::notify(&[NotifyState::Status(&line)])
        }
    };
    if let Err(error) = sent {
        tracing::debug!(%error, "systemd could not be notified");
    }
}

/// How often to send [`Notice::Alive`]: half of what the unit's WatchdogSec grants. None: nobody watches.
pub fn watchdog_interval() -> Option<Duration> {
    // A unit with WatchdogSec=1us is a joke, but a timer of zero would be ours.
    sd_notify::watchdog_enabled().map(|limit| (limit / 2).max(Duration::from_millis(10)))
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: finish what is in flight, store, exit.
    Stop,
    /// A second one: somebody does not want to wait.
    StopNow,
    /// SIGHUP: read the configuration again.
    Reload,
}

/// The signals that the process takes; from the moment this exists they no longer end it.
#[derive(Debug)]
pub struct Signals {
    terminate: SignalStream,
    interrupt: SignalStream,
    hangup: SignalStream,
    stopping: bool,
}

impl Signals {
    /// Takes the signals over. Must be called within a runtime.
    ///
    /// # Errors
    /// The operating system refused a signal handler.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            stopping: false,
        })
    }

    /// The next request. May be dropped and called again (in a `select!`) without losing one.
    pub async fn next(&mut self) -> Signal {
        let hangup = tokio::select! {
            _ = self.terminate.recv() => false,
            _ = self.interrupt.recv() => false,
            _ = self.hangup.recv() => true,
        };
        if hangup {
            Signal::Reload
        } else if std::mem::replace(&mut self.stopping, true) {
            Signal::StopNow
        } else {
            Signal::Stop
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn raise(name: &str) {
        let status = Command::new("kill").args([name, &std::process::id().to_string()]).status().expect("kill");
        assert!(status.success());
    }

    #[tokio::test]
    async fn a_second_stop_is_immediate_and_a_reload_is_neither() {
        let mut signals = Signals::new().expect("signal handlers");
        for (name, expected) in [
            ("-HUP", Signal::Reload),
            ("-TERM", Signal::Stop),
            ("-HUP", Signal::Reload),
            ("-INT", Signal::StopNow),
            ("-TERM", Signal::StopNow),
        ] {
            raise(name);
            let taken = tokio::time::timeout(Duration::from_secs(10), signals.next()).await;
            assert_eq!(taken, Ok(expected), "{name}");
        }
    }

    #[test]
    fn without_a_service_manager_nothing_fails() {
        // The test runner has no NOTIFY_SOCKET; should it have one, the notices go there and still nothing fails.
        for notice in [Notice::Ready, Notice::Reloading, Notice::Status("a\nb"), Notice::Alive, Notice::Stopping] {
            notify(notice);
        }
    }
}

//! `status --watch` on a terminal: asks the daemon every two seconds, draws again when the terminal changes its size, and
//! ends with q or Ctrl-C. Waits on: the daemon's answer, the next question, a key, and signals.

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use super::screen::View;
use super::terminal::{Terminal, keys, size};
use super::{WATCH_INTERVAL, fetch};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::runtime::block_on;
use crate::clock;
use crate::config::schema::Config;
use crate::logic::moment::Moment;
use crate::status::Status;

pub(super) fn watch(config: Config, output: &mut Output<'_>) -> Result<(), Failure> {
    // Without a daemon at the start there is nothing to watch; one that goes away later may come back.
    let mut watching = Watching { answered_at: clock::now(), view: View::at(clock::wall_clock()) };
    watching.answered(fetch(&config));
    if let Some(failure) = watching.view.failure {
        return Err(Failure::Failed(failure));
    }
    block_on(watching.run(config, output))
}

struct Watching {
    answered_at: Moment,
    view: View,
}

impl Watching {
    async fn run(mut self, config: Config, output: &mut Output<'_>) -> Result<(), Failure> {
        let listen = |kind| signal(kind).map_err(Failure::failed);
        let (mut interrupt, mut terminate, mut resized) =
            (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::window_change())?);
        let mut terminal = Terminal::enter(output)?;
        let mut keys = keys();
        let mut has_keys = true;
        let mut asking: Option<JoinHandle<Result<Status, Failure>>> = None;
        loop {
            terminal.show(&self.view.lines(size()))?;
            let next = clock::instant(self.answered_at + WATCH_INTERVAL);
            tokio::select! {
                _ = interrupt.recv() => return Ok(()),
                _ = terminate.recv() => return Ok(()),
                _ = resized.recv() => {}
                key = keys.recv(), if has_keys => match key {
                    Some(b'q' | b'Q') => return Ok(()),
                    Some(_) => {}
                    None => has_keys = false,
                },
                () = tokio::time::sleep_until(next), if asking.is_none() => {
                    let config = config.clone();
                    asking = Some(tokio::task::spawn_blocking(move || fetch(&config)));
                }
                answer = answered(&mut asking) => {
                    asking = None;
                    self.answered(answer);
                }
            }
        }
    }

    fn answered(&mut self, answer: Result<Status, Failure>) {
        let now = clock::now();
        match answer {
            Ok(status) => {
                let seconds = now.since(self.answered_at).as_secs_f64();
                self.view.before = self.view.status.replace(status).map(|before| (before, seconds));
                self.view.failure = None;
            }
            Err(failure) => self.view.failure = Some(failure.to_string()),
        }
        self.answered_at = now;
        self.view.now = clock::wall_clock();
    }
}

/// The daemon's answer, once there is one to wait for.
async fn answered(asking: &mut Option<JoinHandle<Result<Status, Failure>>>) -> Result<Status, Failure> {
    match asking {
        Some(asking) => asking.await.unwrap_or_else(|error| Err(Failure::failed(error))),
        None => std::future::pending().await,
    }
}

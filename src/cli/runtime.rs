//! How a command waits for what cannot be asked without a runtime.

use std::pin::{Pin, pin};

use tokio::runtime::{Builder, Runtime};

use super::failure::Failure;

/// A runtime on this thread, with sockets and timers.
pub(super) fn start() -> Result<Runtime, Failure> {
    let failed = |error| Failure::failed(format!("the runtime cannot be started: {error}"));
    Builder::new_current_thread().enable_all().build().map_err(failed)
}

/// Waits for the end of `future`.
pub(super) fn wait<T>(runtime: &Runtime, future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut ended = None;
    drive(runtime, pin!(async { ended = Some(future.await) }));
    ended.unwrap_or_else(|| Err(Failure::failed("it did not come to an end")))
}

/// One for all futures: tokio's own loop is made anew for each type of them.
fn drive(runtime: &Runtime, future: Pin<&mut dyn Future<Output = ()>>) {
    runtime.block_on(future);
}

/// Runs what a command has to ask others.
pub(super) fn block_on<T>(asking: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = start()?;
    let ended = wait(&runtime, asking);
    // A name that is still being looked up must not hold us up.
    runtime.shutdown_background();
    ended
}

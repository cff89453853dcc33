//! Waiting: for a condition, and for a child process, always with a limit. The only place in the tests that pauses; a
//! test that needs a fixed time to pass waits for something that happens then.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use barnabas::clock;

const POLL: Duration = Duration::from_millis(20);

/// Waits until `condition` gives something, or fails the test with `what` did not happen within `limit`.
#[track_caller]
pub(crate) fn wait_for<T>(limit: Duration, what: &str, condition: impl FnMut() -> Option<T>) -> T {
    match within(limit, condition) {
        Some(value) => value,
        None => panic!("not within {limit:?}: {what}"),
    }
}

/// Waits until `condition` holds, or fails the test.
#[track_caller]
pub(crate) fn wait_until(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(limit, what, || condition().then_some(()));
}

/// What `condition` gives within `limit`; it is asked at least twice, at the beginning and at the end.
pub(crate) fn within<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let start = clock::now();
    loop {
        let expired = clock::now().since(start) >= limit;
        if let Some(value) = condition() {
            return Some(value);
        }
        if expired {
            return None;
        }
        thread::park_timeout(POLL);
    }
}

/// How a child process ended, or none: it had not within `limit`.
pub(crate) fn exit_within(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    within(limit, || child.try_wait().expect("wait for a child"))
}

/// What a command wrote, and its end.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Its standard output; fails the test where the command failed.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert!(self.status.success(), "{}\n{}{}", self.status, self.stdout, self.stderr);
        self.stdout
    }
}

/// Runs `command` with `input` as its standard input to its end, or fails the test after `limit`.
#[track_caller]
pub(crate) fn run(command: &mut Command, input: &str, limit: Duration) -> Finished {
    // Files, not pipes: a grandchild that outlives the command would keep a pipe open, and a full one would block.
    let stdout = tempfile::tempfile().expect("temporary file");
    let stderr = tempfile::tempfile().expect("temporary file");
    let mut stdin = tempfile::tempfile().expect("temporary file");
    stdin.write_all(input.as_bytes()).expect("write the input");
    stdin.rewind().expect("rewind the input");
    let mut child = command
        .stdin(Stdio::from(stdin))
        .stdout(Stdio::from(stdout.try_clone().expect("a second handle")))
        .stderr(Stdio::from(stderr.try_clone().expect("a second handle")))
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let Some(status) = exit_within(&mut child, limit) else {
        // It may have ended just now; what matters is that it is gone.
        let _ = child.kill();
        let _ = child.wait();
        panic!("{command:?} was not done within {limit:?}: {}{}", content(stdout), content(stderr));
    };
    Finished { status, stdout: content(stdout), stderr: content(stderr) }
}

fn content(mut file: File) -> String {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("read what a command wrote");
    String::from_utf8_lossy(&bytes).into_owned()
}

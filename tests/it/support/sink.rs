//! The other end: the example `webhook-receiver` as a process of its own, scripted over HTTP, with every request in a
//! log file that is complete before the answer goes out.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use super::wait::wait_for;

const START_LIMIT: Duration = Duration::from_secs(20);

/// A running receiver; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Sink {
    child: Child,
    dir: TempDir,
    port: u16,
}

/// A request that arrived, as the receiver logged it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Delivered {
    /// Counts requests in the order of their arrival, from 1.
    pub(crate) n: u64,
    /// When its head had come, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// When its end was decided.
    pub(crate) ended_ms: i64,
    pub(crate) idempotency_key: String,
    /// answered, hung, cut-before, cut-after or cut-during.
    pub(crate) outcome: String,
    pub(crate) status: Option<u16>,
    pub(crate) body: Value,
}

impl Delivered {
    /// Whether the receiver said that it took it.
    pub(crate) fn accepted(&self) -> bool {
        self.outcome == "answered" && self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

impl Sink {
    /// A receiver that answers 200 {"code":0} to everything.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With further arguments, such as `--delay 20ms`.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", arguments)
    }

    fn start_at(listen: &str, arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        let port_file = dir.path().join("port");
        let program = program();
        let mut child = Command::new(&program)
            .args(["--listen", listen, "--port-file"])
            .arg(&port_file)
            .arg("--log")
            .arg(dir.path().join("log.jsonl"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{}: {error}; `cargo build --example webhook-receiver` makes it", program.display())
            });
        let port = wait_for(START_LIMIT, "the receiver listens", || {
            if let Some(status) = child.try_wait().expect("wait for the receiver") {
                panic!("the receiver ended: {status}");
            }
            fs::read_to_string(&port_file).ok()?.trim().parse().ok()
        });
        Self { child, dir, port }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where to send events to.
    pub(crate) fn url(&self) -> String {
        self.address("/api/alerts")
    }

    /// Replaces the rules by which it answers (examples/webhook-receiver/rules.rs).
    pub(crate) fn script(&self, rules: &Value) {
        ureq::put(self.address("/_control")).send(rules.to_string()).expect("the rules are taken");
    }

    /// Its counts: requests, connections, by_status, max_concurrent, distinct_keys…
    pub(crate) fn stats(&self) -> Value {
        let text = ureq::get(self.address("/_stats")).call().and_then(|mut answer| answer.body_mut().read_to_string());
        serde_json::from_str(&text.expect("the counts")).expect("counts in JSON")
    }

    /// All requests so far, in the order in which their end was decided.
    pub(crate) fn delivered(&self) -> Vec<Delivered> {
        let text = fs::read_to_string(self.log_file()).unwrap_or_default();
        // The last line may be under way.
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete.lines().map(|line| serde_json::from_str(line).expect("a line of the receiver's log")).collect()
    }

    /// The requests that it took.
    pub(crate) fn accepted(&self) -> Vec<Delivered> {
        self.delivered().into_iter().filter(Delivered::accepted).collect()
    }

    /// Waits until it took at least `count` different events (by idempotency key); gives all that it took.
    #[track_caller]
    pub(crate) fn wait_for_accepted(&self, count: usize, limit: Duration) -> Vec<Delivered> {
        wait_for(limit, &format!("{count} events are delivered"), || {
            let accepted = self.accepted();
            let keys: std::collections::HashSet<_> = accepted.iter().map(|each| &each.idempotency_key).collect();
            (keys.len() >= count).then_some(accepted)
        })
    }

    /// Ends it at once; its port refuses connections from then on.
    pub(crate) fn kill(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// A new one on the same port; the log goes on in a new file, so read the old one before.
    pub(crate) fn start_again(mut self) -> Self {
        self.kill();
        Self::start_at(&format!("127.0.0.1:{}", self.port), &[])
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("log.jsonl")
    }

    fn address(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Beside the binary, in the profile that the tests were built in.
fn program() -> PathBuf {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_barnabas"));
    binary.parent().expect("the target folder").join("examples").join("webhook-receiver")
}

mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_receiver_does_as_scripted_and_logs_it() {
        let sink = Sink::start();
        sink.script(&json!([{"when": {"nth": 1}, "then": {"status": 503}}]));
        for _ in 0..2 {
            // 503 is an error to ureq; what counts is the receiver's log.
            let _ = ureq::post(sink.url()).header("Idempotency-Key", "f/t/0/7").send(r#"{"n":1}"#);
        }
        let accepted = sink.wait_for_accepted(1, START_LIMIT);
        assert_eq!(accepted.len(), 1);
        assert_eq!((accepted[0].idempotency_key.as_str(), &accepted[0].body), ("f/t/0/7", &json!({"n": 1})));
        let statuses: Vec<_> = sink.delivered().iter().map(|each| each.status).collect();
        assert_eq!(statuses, [Some(503), Some(200)]);
        assert_eq!(sink.stats()["requests"], 2);
    }
}

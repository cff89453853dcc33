//! The real binary as a process: its folder (configuration, state, log) outlives the process, so that a test can kill it
//! and start it again on the same state. Asks it what it is doing by its own `status --json`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::wait::{self, Finished, exit_within, wait_until};

/// The binary under test: cargo's, or the one that scripts/test-static.sh names.
pub(crate) const BINARY: &str = match option_env!("BARNABAS_TEST_BINARY") {
    Some(path) => path,
    None => env!("CARGO_BIN_EXE_barnabas"),
};
const COMMAND_LIMIT: Duration = Duration::from_secs(30);
/// Beyond the default of process.shutdown_timeout, 25 s.
const STOP_LIMIT: Duration = Duration::from_secs(35);

/// A daemon and its folder. Dropping it kills the process and deletes the folder; where the test fails, its log is shown.
#[derive(Debug)]
pub(crate) struct Barnabas {
    dir: TempDir,
    child: Option<Child>,
    starts: u32,
}

impl Barnabas {
    /// A folder with `config`, to which `[state]` with its `dir` and `[control]` are added where it has none. Not started.
    pub(crate) fn new(config: &str) -> Self {
        // Directly in /tmp: the path of a Unix socket must be shorter than 108 bytes.
        let dir = tempfile::Builder::new().prefix("bnb").tempdir_in("/tmp").expect("temporary folder");
        let barnabas = Self { dir, child: None, starts: 0 };
        barnabas.configure(config);
        barnabas
    }

    /// As `new`, and started; returns when the control socket answers.
    #[track_caller]
    pub(crate) fn start(config: &str) -> Self {
        let mut barnabas = Self::new(config);
        barnabas.run();
        barnabas
    }

    /// Writes another configuration; for a running process SIGHUP makes it count.
    pub(crate) fn configure(&self, config: &str) {
        let mut text = config.to_owned();
        let dir = format!("[state]\ndir = {:?}\n", self.path("state"));
        if !config.contains("[state]") {
            text.push_str(&format!("\n{dir}"));
        } else if !config.contains("\ndir = ") {
            text = text.replacen("[state]\n", &dir, 1);
        }
        if !config.contains("[control]") {
            text.push_str(&format!("\n[control]\nsocket = {:?}\n", self.path("sock")));
        }
        fs::write(self.config_file(), text).expect("write the configuration");
    }

    /// Starts the process and waits until the control socket answers.
    #[track_caller]
    pub(crate) fn run(&mut self) {
        self.spawn();
        let limit = COMMAND_LIMIT;
        wait_until(limit, "the daemon answers on its control socket", || {
            self.assert_runs();
            self.status().is_some()
        });
    }

    /// Starts the process and waits for nothing.
    #[track_caller]
    pub(crate) fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        self.starts += 1;
        let log = File::options().create(true).append(true).open(self.log_file()).expect("open the log");
        let child = Command::new(BINARY)
            .args(["run", "--config"])
            .arg(self.config_file())
            .stdin(Stdio::null())
            .stdout(Stdio::from(log.try_clone().expect("a second handle")))
            .stderr(Stdio::from(log))
            .spawn()
            .expect("start barnabas");
        self.child = Some(child);
    }

    #[track_caller]
    fn assert_runs(&mut self) {
        if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().expect("wait for barnabas")) {
            panic!("barnabas ended: {status}\n{}", self.log());
        }
    }

    /// SIGKILL, at once.
    pub(crate) fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            // An error means that it had ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM, and its exit status.
    #[track_caller]
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait_for_exit(STOP_LIMIT)
    }

    /// Waits until the process ends by itself.
    #[track_caller]
    pub(crate) fn wait_for_exit(&mut self, limit: Duration) -> ExitStatus {
        let child = self.child.as_mut().expect("it runs");
        match exit_within(child, limit) {
            Some(status) => {
                self.child = None;
                status
            }
            None => panic!("barnabas did not end within {limit:?}"),
        }
    }

    /// Sends a signal by its name: TERM, HUP, STOP, CONT.
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(status.expect("kill").success(), "signal {name}");
    }

    #[track_caller]
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// The document of `status --json`; none: the daemon does not answer.
    pub(crate) fn status(&self) -> Option<Value> {
        let finished = self.command(&["status", "--json"], "");
        if !finished.status.success() {
            return None;
        }
        Some(serde_json::from_str(&finished.stdout).expect("status --json is JSON"))
    }

    /// The part of the status about one forward.
    #[track_caller]
    pub(crate) fn forward(&self, name: &str) -> Value {
        let finished = self.command(&["status", "--json"], "");
        let status: Value = serde_json::from_str(&finished.success()).expect("status --json is JSON");
        let forwards = status["forwards"].as_array().expect("forwards");
        forwards.iter().find(|forward| forward["name"] == name).expect("the forward").clone()
    }

    /// Waits until the forward's status fulfils `condition`, or shows what it was.
    #[track_caller]
    pub(crate) fn wait_for_forward(&self, name: &str, limit: Duration, condition: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = wait::within(limit, || {
            last = self.forward(name);
            condition(&last).then(|| last.clone())
        });
        found.unwrap_or_else(|| panic!("{name} did not come to what was waited for within {limit:?}: {last:#}"))
    }

    /// Waits until everything that is in the topics is settled, as far as the forward has seen their ends.
    #[track_caller]
    pub(crate) fn wait_until_settled(&self, forward: &str, limit: Duration) -> Value {
        self.wait_for_forward(forward, limit, |status| {
            // Without an end there is no lag yet that could be 0.
            let partitions = status["partitions"].as_array().expect("partitions");
            let seen = !partitions.is_empty() && partitions.iter().all(|partition| partition["end"].is_i64());
            seen && status["state"] == "running" && status["lag"] == 0 && status["pending"] == 0
        })
    }

    /// Waits until the forward has consumed exactly `count` records in its life, and settled them.
    #[track_caller]
    pub(crate) fn wait_until_consumed(&self, forward: &str, count: u64, limit: Duration) -> Value {
        self.wait_for_forward(forward, limit, |status| status["consumed"] == count && status["pending"] == 0)
    }

    /// The dead letters of all forwards.
    #[track_caller]
    pub(crate) fn dead_letters(&self) -> Vec<Value> {
        self.json(&["dead-letters", "list"]).as_array().expect("an array").clone()
    }

    /// Runs a command of the binary with this configuration.
    #[track_caller]
    pub(crate) fn command(&self, arguments: &[&str], input: &str) -> Finished {
        wait::run(Command::new(BINARY).args(arguments).arg("--config").arg(self.config_file()), input, COMMAND_LIMIT)
    }

    /// What a command with `--json` gave.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let printed = self.command(&[arguments, &["--json"]].concat(), "").success();
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {printed}"))
    }

    /// Everything that it logged, over all its starts.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Resident memory in KiB (Linux).
    pub(crate) fn resident_kib(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most that it ever was, in KiB (Linux).
    pub(crate) fn peak_resident_kib(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("Linux's /proc");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.path("barnabas.toml")
    }

    fn log_file(&self) -> PathBuf {
        self.path("log")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Barnabas {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.char_indices().rev().nth(8_000).map_or(0, |(at, _)| at);
            eprintln!("--- the end of barnabas' log ({} starts) ---\n{}", self.starts, &log[from..]);
        }
    }
}

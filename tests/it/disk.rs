//! No room: for dead letters, and on the disk. Everything stands still and says so, nothing is lost, and it goes on by itself
//! when there is room.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::barnabas::Barnabas;
use crate::support::config::{Config, FORWARD};
use crate::support::conservation::{Expected, Fate, check_books};
use crate::support::kafka::Kafka;
use crate::support::sink::Sink;
use crate::support::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(60);

fn stalled(barnabas: &Barnabas) -> Value {
    let status = barnabas.wait_for_forward(FORWARD, LIMIT, |status| status["state"] == "stalled");
    check_books(&status);
    let daemon = barnabas.status().expect("the daemon answers");
    assert_eq!(daemon["ready"], false, "{daemon:#}");
    status
}

#[test]
fn a_forward_without_room_for_dead_letters_stalls_and_goes_on_after_a_purge() {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let topic = kafka.new_topic("letters-full", 1, &[]);
    let broken = "no JSON ".repeat(30_000);
    let good = json!({"id": 1}).to_string();
    for _ in 0..12 {
        kafka.produce(&topic, 0, [(None::<&str>, &broken), (None, &good)]);
    }
    let config = Config::new(kafka, &topic, &sink.url())
        .forward("max_record_size = \"512KiB\"")
        .tables("[forward.dead_letters]\nmax_size = \"1MiB\"");
    let barnabas = Barnabas::start(&config.text());
    let status = stalled(&barnabas);
    assert!(status["reasons"][0].as_str().is_some_and(|it| it.contains("dead letters")), "{status:#}");
    let kept = barnabas.dead_letters();
    assert!((1..12).contains(&kept.len()), "{} are kept", kept.len());
    wait_until(LIMIT, "purging makes room until all are through", || {
        let ids: Vec<String> = barnabas.dead_letters().iter().map(|letter| letter["id"].to_string()).collect();
        if !ids.is_empty() {
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            barnabas.command(&[&["dead-letters", "purge"], &*ids, &["--yes"]].concat(), "").success();
        }
        barnabas.forward(FORWARD)["pending"] == 0
    });
    let status = barnabas.wait_until_consumed(FORWARD, 24, LIMIT);
    check_books(&status);
    assert_eq!((&status["delivered"], &status["dead_lettered"]), (&json!(12), &json!(12)), "none was dropped");
    barnabas.wait_for_forward(FORWARD, LIMIT, |status| status["state"] == "running");
}

/// A file system of some megabytes in memory.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// None: this user may not mount one.
    fn new(megabytes: u32) -> Option<Self> {
        let dir = tempfile::Builder::new().prefix("bnbdisk").tempdir_in("/tmp").expect("temporary folder");
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(dir.path()).output();
        mounted.is_ok_and(|it| it.status.success()).then_some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room that is left; deleting the file gives it back.
    fn fill(&self) -> PathBuf {
        let file = self.path().join("filling");
        let all = vec![0_u8; 64 << 20];
        // It ends where the room does.
        assert!(fs::write(&file, all).is_err(), "there was more room than that");
        file
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

#[test]
fn a_disk_that_is_full_stops_the_work_loses_nothing_and_it_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::new(16) else {
        eprintln!("not tested: mounting a small file system needs root");
        return;
    };
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let topic = kafka.new_topic("disk-full", 1, &[]);
    let mut expected = Expected::new(FORWARD, &topic);
    let mut produce = |count: usize| {
        let events = (0..count).map(|n| match n % 4 {
            3 => (None::<&str>, "no JSON ".repeat(5_000)),
            _ => (None, json!({"id": n}).to_string()),
        });
        for (n, offset) in kafka.produce(&topic, 0, events).into_iter().enumerate() {
            let fate = if n % 4 == 3 { Fate::DeadLettered } else { Fate::Delivered(None) };
            expected.add(0, [offset], &fate);
        }
        expected.clone()
    };
    produce(20);
    let dir = disk.path().join("state");
    let config = Config::new(kafka, &topic, &sink.url())
        .tables(&format!("[state]\ndir = {dir:?}\n[control]\nsocket = \"{}/sock\"", disk.path().display()));
    let mut barnabas = Barnabas::start(&config.text());
    barnabas.wait_until_consumed(FORWARD, 20, LIMIT);
    let filling = disk.fill();
    // 100 dead letters of 40 KB are more than what the files have room for inside.
    produce(400);
    stalled(&barnabas);
    assert!(barnabas.log().contains("ERROR stalled"), "it is said");
    barnabas.kill9();
    fs::remove_file(&filling).expect("make room");
    barnabas.run();
    let filling = disk.fill();
    let expected = produce(40);
    barnabas.wait_for_forward(FORWARD, LIMIT, |status| status["consumed"].as_u64() > Some(20));
    fs::remove_file(&filling).expect("make room");
    let status = barnabas.wait_until_consumed(FORWARD, 460, LIMIT);
    check_books(&status);
    barnabas.wait_for_forward(FORWARD, LIMIT, |status| status["state"] == "running");
    let mut expected = expected;
    // What was in flight, and settled but not stored when there was no room.
    expected.repeats = crate::support::conservation::Repeats::AtMost(64);
    expected.check(&sink.delivered(), &barnabas.dead_letters());
}

//! Subjects and plain texts as a person reads them.

use super::examples::{alert, notice, over};
use super::*;

fn critical(summary: &str) -> NoticeAlert {
    NoticeAlert { severity: Severity::Critical, summary: summary.to_owned(), ..alert("a", &[]) }
}

#[test]
fn a_subject_names_the_worst() {
    let warning = || alert("b", &[]);
    for (rule, reason, firing, resolved, subject) in [
        ("one", Reason::First, vec![warning()], vec![], "[WARNING] summary of b"),
        (
            "the worst of several, wherever it stands",
            Reason::New,
            vec![warning(), critical("broker 1 is gone"), critical("broker 2 is gone")],
            vec![],
            "[CRITICAL] broker 1 is gone, and 2 more",
        ),
        (
            "some are over, and others fire",
            Reason::Resolved,
            vec![warning()],
            vec![over("x", 1), over("y", 1)],
            "[WARNING] summary of b (2 over)",
        ),
        ("all over", Reason::Resolved, vec![], vec![over("x", 1), over("y", 1)], "[RESOLVED] summary of x, and 1 more"),
        ("said again", Reason::Repeat, vec![warning()], vec![], "[WARNING] still: summary of b"),
        ("a test", Reason::Test, vec![warning()], vec![], "[TEST] summary of b"),
        ("nothing", Reason::Test, vec![], vec![], "[TEST] nothing fires"),
    ] {
        assert_eq!(Words::new(&Notice { reason, ..notice(firing, resolved) }).subject, subject, "{rule}");
    }
}

#[test]
fn a_subject_is_one_short_line() {
    let subject = Words::new(&notice(vec![critical(&"x\r\nBcc: a@b\r\n".repeat(1000))], vec![])).subject;
    assert!(subject.starts_with("[CRITICAL] x\\r\\nBcc: a@b"), "{subject}");
    assert!(!subject.contains(['\r', '\n']) && subject.chars().count() < 200, "{subject}");
}

#[test]
fn the_text_says_all_there_is() {
    let firing = alert("broker-load", &[("broker", "1"), ("cluster", "default")]);
    let words = Words::new(&notice(vec![firing], vec![over("backlog", 125_000)]));
    assert_eq!(
        words.plain(),
        "Firing: 1\n\
         \n\
         * warning: summary of broker-load\n\
         \x20 Value: 85.5 %\n\
         \x20 Since: 2026-11-21 07:00:00 UTC\n\
         \x20 Rule: broker-load: broker_load_percent above 80 %\n\
         \x20 Labels: broker=1, cluster=default\n\
         \x20 What to do: https://wiki.example.com/broker-load\n\
         \n\
         Over: 1\n\
         \n\
         * over: summary of backlog\n\
         \x20 Lasted: 2 min 5 s\n\
         \x20 From: 2026-11-21 07:00:00 UTC\n\
         \x20 To: 2026-11-21 07:02:05 UTC\n\
         \x20 Value now: 85.5 %\n\
         \x20 Rule: backlog: broker_load_percent above 80 %\n\
         \x20 What to do: https://wiki.example.com/backlog\n\
         \n\
         -- \n\
         barnabas, channel ops, 2026-11-21 07:00:30 UTC.\n"
    );
}

#[test]
fn too_many_are_counted() {
    let many = (0..MAX_ENTRIES + 7).map(|number| alert(&number.to_string(), &[])).collect();
    let text = Words::new(&notice(many, vec![])).plain();
    assert!(text.starts_with("Firing: 107\n") && text.contains("… and 7 more\n"), "{text}");
}

#[test]
fn durations_have_two_units() {
    for (seconds, text) in [
        (0, "less than 1 s"),
        (-5, "less than 1 s"),
        (45, "45 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (3605, "1 h"),
        (7380, "2 h 3 min"),
        (273_600, "3 d 4 h"),
    ] {
        assert_eq!(duration(seconds * 1000), text, "{seconds}");
    }
    assert!(!duration(i64::MAX).is_empty());
    assert_eq!(date(i64::MAX), i64::MAX.to_string());
}

//! Threads; what a whole mail looks like is tested against a mail server (tests/it/mail.rs).

use super::*;
use crate::logic::alert::{Labels, NoticeAlert, Reason, Severity};

fn told(ids: &[Option<u64>]) -> Vec<NoticeAlert> {
    let alert = |told_in: &Option<u64>| NoticeAlert {
        name: "a".to_owned(),
        metric: "broker_up".to_owned(),
        labels: Labels::new(),
        severity: Severity::Info,
        summary: String::new(),
        runbook: None,
        value: None,
        value_text: String::new(),
        threshold_text: String::new(),
        since: 0,
        ended: None,
        told_in: *told_in,
    };
    ids.iter().map(alert).collect()
}

#[test]
fn a_mail_answers_those_that_told_first() {
    for (rule, firing, resolved, expected) in [
        ("the first of all", told(&[None]), vec![], vec![]),
        ("its own id is no parent", told(&[Some(9)]), vec![], vec![]),
        ("news beside what was told", told(&[None, Some(3), Some(2), Some(3)]), vec![], vec![3, 2]),
        ("ends come before what still fires", told(&[Some(1)]), told(&[Some(5), None, Some(4)]), vec![5, 4]),
    ] {
        let notice = Notice { id: 9, channel: "ops".to_owned(), reason: Reason::New, at: 0, firing, resolved, more: 0 };
        assert_eq!(parents(&notice), expected, "{rule}");
    }
}

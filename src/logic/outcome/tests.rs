//! What answers mean, in tables.

use super::*;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn rules(rules: &[(&str, Outcome)]) -> OutcomeRules {
    let rule = |(when, then): &(&str, Outcome)| OutcomeRule { when: (*when).to_owned(), then: *then, log: None };
    OutcomeRules::compile(&rules.iter().map(rule).collect::<Vec<_>>()).expect("rules that compile")
}

fn fields(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn judge(rules: &OutcomeRules, status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    rules.judge(&Response { status, headers: &fields(headers), body: body.as_bytes() }, NOW)
}

#[test]
fn without_rules_the_status_decides() {
    use Outcome::{DeadLetter, Delivered, Retry, Suspend};
    let none = rules(&[]);
    for (outcome, statuses) in [
        (Delivered, &[200, 201, 202, 204, 299][..]),
        (Retry, &[100, 199, 408, 425, 429, 500, 502, 503, 599, 600, 999]),
        (Suspend, &[300, 301, 302, 307, 308, 399, 401, 403, 404, 405, 410]),
        (DeadLetter, &[400, 402, 406, 409, 411, 413, 422, 451, 499]),
    ] {
        for &status in statuses {
            assert_eq!(judge(&none, status, &[], "").outcome, outcome, "{status}");
        }
    }
    assert_eq!(Answer::without_response("connection\nrefused").outcome, Retry);
    assert_eq!(Answer::without_response("connection\nrefused").detail, "connection refused");
}

#[test]
fn the_first_rule_that_gives_true_decides() {
    use Outcome::{DeadLetter, Delivered, Drop, Retry, Suspend};
    let rules = rules(&[
        (".status == 200 and .body.code == 0", Delivered),
        (".status == 400 and (.body.error // \"\" | contains(\"not match any cmdb instance\"))", DeadLetter),
        (".headers[\"x-reason\"] == \"a, b\"", Drop),
        (".text | test(\"^busy\")", Suspend),
        (".body.odd", Drop),
    ]);
    for (rule, status, headers, body, outcome) in [
        ("accepted", 200, &[][..], r#"{"code":0}"#, Delivered),
        ("200 with an error in it is no delivery once there are rules", 200, &[], r#"{"code":7}"#, Retry),
        ("a body that is no JSON is null", 200, &[], "<html>", Retry),
        ("201 is not among the rules", 201, &[], r#"{"code":0}"#, Retry),
        ("refused for good", 400, &[], r#"{"error":"x not match any cmdb instance y"}"#, DeadLetter),
        ("the same by the defaults", 400, &[], "{}", DeadLetter),
        ("repeated header fields are joined, in lower case", 503, &[("X-Reason", "a"), ("x-reason", "b")], "", Drop),
        ("the text as it came", 503, &[], "busy now", Suspend),
        ("true alone is true", 503, &[], r#"{"odd":"true"}"#, Retry),
        ("and nothing else", 503, &[], r#"{"odd":true}"#, Drop),
        ("a rule that fails does not decide", 404, &[], "[]", Suspend),
    ] {
        assert_eq!(judge(&rules, status, headers, body).outcome, outcome, "{rule}");
    }
    let bytes = Response { status: 503, headers: &[], body: b"busy \xff" };
    assert_eq!(rules.judge(&bytes, NOW).outcome, Suspend, "text may be anything");
}

#[test]
fn a_rule_may_say_how_loud_it_is() {
    let rule = OutcomeRule { when: "true".to_owned(), then: Outcome::Drop, log: Some(LogLevel::Warn) };
    let rules = OutcomeRules::compile(&[rule]).expect("a rule that compiles");
    assert_eq!(judge(&rules, 200, &[], "").log, Some(LogLevel::Warn));
}

#[test]
fn a_rule_that_does_not_compile_is_named() {
    let good = OutcomeRule { when: "true".to_owned(), then: Outcome::Drop, log: None };
    let bad = OutcomeRule { when: "$record".to_owned(), ..good.clone() };
    let (index, error) = OutcomeRules::compile(&[good, bad]).expect_err("there is no record here");
    assert_eq!((index, error.message.as_str()), (1, "the variable `$record` is not defined"));
}

#[test]
fn retry_after_counts_for_retries_alone() {
    let none = rules(&[]);
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for (rule, status, value, wait) in [
        ("seconds", 503, "7", seconds(7)),
        ("a date, 40 seconds from now", 429, "Tue, 14 Nov 2023 22:14:00 GMT", seconds(40)),
        ("a date in the old format", 429, "Tuesday, 14-Nov-23 22:14:00 GMT", seconds(40)),
        ("a date that has passed", 503, "Tue, 14 Nov 2023 22:00:00 GMT", seconds(0)),
        ("at most an hour", 503, "86400", seconds(3600)),
        ("however many digits", 503, "99999999999999999999999999", seconds(3600)),
        ("a date far away", 503, "Mon, 14 Nov 2033 22:00:00 GMT", seconds(3600)),
        ("nonsense", 503, "soon", None),
        ("no negative seconds", 503, "-1", None),
        ("nothing", 503, "", None),
        ("not where nothing is tried again", 400, "7", None),
        ("nor where it was accepted", 200, "7", None),
    ] {
        assert_eq!(judge(&none, status, &[("retry-After", value)], "").retry_after, wait, "{rule}");
    }
}

#[test]
fn the_detail_is_one_short_line() {
    let none = rules(&[]);
    assert_eq!(judge(&none, 500, &[], " a\r\nb\u{1b} \n").detail, "a  b");
    assert_eq!(judge(&none, 500, &[], &"ä".repeat(5000)).detail, format!("{}…", "ä".repeat(200)));
    assert_eq!(judge(&none, 200, &[], "").detail, "");
}

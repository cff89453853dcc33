//! Lives of alerts as timelines: what breaks when, and which notice goes when. Seconds after the start; a poll every
//! 30 s; the channel waits 30 s for a group, 5 min between changes, and repeats after 4 h.

use std::time::Duration;

use super::metric::Observed;
use super::notice::Reason::{First, New, Repeat, Resolved};
use super::rule::{Condition, LabelGlob, NoData, Rule, Severity};
use super::test_support::{channel, rule};
use super::test_world::{START, Takes, World};
use super::{AlertState, DocumentKind, built_in};
use crate::logic::moment::Timestamp;
use crate::logic::rfc3339;
use crate::logic::sorted_set::SortedSet;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const ORDERS: &[(&str, &str)] = &[("cluster", "default"), ("group", "omp"), ("topic", "orders")];
const EVENTS: &[(&str, &str)] = &[("cluster", "default"), ("group", "omp"), ("topic", "event")];

/// A rule on group_lag above 1000.
fn lag_rule() -> Rule {
    Rule { condition: Condition::Above(1000.0), clear_at: 1000.0, ..rule("lag", "group_lag") }
}

fn world() -> World {
    World::new(vec![lag_rule()], vec![channel("ops")])
}

#[test]
fn an_alert_is_told_repeated_and_ended() {
    let mut world = world();
    world.sees("group_lag", &[(ORDERS, 1500.0)]).poll().until(29);
    world.expect("it waits for others", &[]);
    world.until(4 * HOUR);
    world.expect("one notice", &[(30, First, &["lag"], &[])]);
    world.until(5 * HOUR);
    world.expect("repeated after four hours", &[(4 * HOUR + 30, Repeat, &["lag"], &[])]);
    world.sees("group_lag", &[(ORDERS, 20.0)]).poll().until(6 * HOUR);
    let end = world.sent.first().expect("an end").clone();
    world.expect("one end", &[(5 * HOUR + 30, Resolved, &[], &["lag"])]);
    let end = end.resolved.first().expect("an end");
    assert_eq!(end.told_in, Some(u64::try_from(START + 30_000).expect("an id")), "the id of the first notice");
    assert_eq!((end.since, end.ended), (START, Some(START + 5 * 3_600_000)));
    assert_eq!(end.value_text, "20");
    assert!(end.summary.contains("1,500 (above 1,000)"), "{}", end.summary);
    world.until(48 * HOUR);
    world.expect("and nothing more", &[]);
    assert_eq!(world.reports, ["lag firing", "lag resolved"]);
    assert!(world.disk.keys().all(|(kind, _)| *kind == DocumentKind::Channel), "{:?}", world.disk);
}

#[test]
fn what_holds_for_a_while_is_pending_first() {
    let mut world = World::new(vec![Rule { hold: Duration::from_mins(2), ..lag_rule() }], vec![channel("ops")]);
    world.sees("group_lag", &[(ORDERS, 1500.0)]).poll().until(100);
    assert_eq!(world.engine.views(world.now())[0].state, AlertState::Pending);
    world.sees("group_lag", &[(ORDERS, 15.0)]).until(HOUR);
    world.expect("what did not last is never told", &[]);
    assert_eq!(world.reports, ["lag pending", "lag withdrawn"]);
    assert!(world.disk.is_empty());
    world.sees("group_lag", &[(ORDERS, 1500.0)]).until(HOUR + 10 * MINUTE);
    world.expect("what lasts is", &[(HOUR + 30 + 120 + 30, First, &["lag"], &[])]);
}

#[test]
fn what_is_over_before_it_was_told_is_never_told() {
    let mut world = world();
    world.sees("group_lag", &[(ORDERS, 1500.0)]).poll().until(20);
    world.sees("group_lag", &[(ORDERS, 0.0)]).until(HOUR);
    world.expect("nothing", &[]);
}

#[test]
fn what_comes_together_goes_together() {
    let mut world = World::new(vec![lag_rule(), rule("stall", "group_status")], vec![channel("ops")]);
    world.sees("group_lag", &[(ORDERS, 1500.0)]).poll().until(10);
    world.sees("group_status", &[(ORDERS, 2.0)]).poll().until(200);
    world.expect("two rules, one notice", &[(30, First, &["lag", "stall"], &[])]);
    world.sees("group_lag", &[(ORDERS, 1500.0), (EVENTS, 2000.0)]).poll().until(HOUR);
    world.expect(
        "another one keeps its distance, and comes with the rest",
        &[(330, New, &["lag", "lag", "stall"], &[])],
    );
    world.sees("group_lag", &[(ORDERS, 0.0), (EVENTS, 2000.0)]).poll().until(2 * HOUR);
    world.expect("a part is over, and the oldest is first", &[(HOUR + 30, Resolved, &["stall", "lag"], &["lag"])]);
    world.sees("group_lag", &[]).sees("group_status", &[]).poll().until(3 * HOUR);
    world.expect("series that are gone are over", &[(2 * HOUR + 30, Resolved, &[], &["lag", "stall"])]);
}

#[test]
fn what_comes_and_goes_is_told_at_most_every_group_interval() {
    for seconds in [45, 100, 200, 290] {
        let mut world = world();
        for round in 0..60 {
            world.sees("group_lag", &[(ORDERS, if round % 2 == 0 { 1500.0 } else { 0.0 })]).until(round * seconds + 1);
        }
        let at = |notice: &super::Notice| notice.at;
        let told: Vec<_> = world.sent.iter().filter(|notice| !notice.firing.is_empty()).map(at).collect();
        assert!(!told.is_empty() && told.windows(2).all(|pair| pair[1] - pair[0] >= 300_000), "{seconds}: {told:?}");
        let ends: Vec<_> = world.sent.iter().filter(|notice| !notice.resolved.is_empty()).map(at).collect();
        assert!(ends.windows(2).all(|pair| pair[1] - pair[0] >= 300_000), "{seconds}: {ends:?}");
    }
}

#[test]
fn hysteresis_keeps_an_alert_until_it_is_clear() {
    let rule = Rule { clear_at: 500.0, ..lag_rule() };
    let mut world = World::new(vec![rule], vec![channel("ops")]);
    world.sees("group_lag", &[(ORDERS, 700.0)]).poll().until(HOUR);
    world.expect("between the two nothing begins", &[]);
    world.sees("group_lag", &[(ORDERS, 1001.0)]).poll().until(HOUR + MINUTE);
    world.sees("group_lag", &[(ORDERS, 501.0)]).until(2 * HOUR);
    world.expect("and nothing ends", &[(HOUR + 30, First, &["lag"], &[])]);
    world.sees("group_lag", &[(ORDERS, 500.0)]).poll().until(3 * HOUR);
    world.expect("clear_at is clear", &[(2 * HOUR + 30, Resolved, &[], &["lag"])]);
}

#[test]
fn figures_that_cannot_be_read() {
    for (no_data, resolved) in [(NoData::Keep, false), (NoData::Fire, false), (NoData::Resolve, true)] {
        let mut world = World::new(vec![Rule { no_data, ..lag_rule() }], vec![channel("ops")]);
        world.sees("group_lag", &[(ORDERS, 1500.0)]).poll().until(MINUTE);
        world.sees_nothing_of("group_lag", ORDERS).until(HOUR);
        world.sees_all("group_lag", Observed::default()).until(2 * HOUR);
        let ends = world.sent.iter().filter(|notice| !notice.resolved.is_empty()).count();
        assert_eq!(ends, usize::from(resolved), "{no_data:?}");
    }
    let mut world = World::new(vec![Rule { no_data: NoData::Fire, ..lag_rule() }], vec![channel("ops")]);
    world.sees_nothing_of("group_lag", ORDERS).poll().until(MINUTE);
    assert!(world.sent[0].firing[0].summary.starts_with("No figure for group_lag"));
    world.expect("no figure can be an alert", &[(30, First, &["lag"], &[])]);
}

#[test]
fn a_restart_tells_nothing_twice_and_forgets_no_end() {
    for restart_at in [0, 10, 30, 40, 300, 4 * HOUR, 5 * HOUR, 5 * HOUR + 10, 5 * HOUR + 30, 6 * HOUR] {
        let mut world = world();
        world.sees("group_lag", &[(ORDERS, 1500.0)]).poll();
        for at in SortedSet::from_iter([restart_at, 5 * HOUR, 7 * HOUR]) {
            world.until(at);
            if world.seconds == 5 * HOUR {
                world.sees("group_lag", &[(ORDERS, 20.0)]).poll();
            }
            if at == restart_at {
                world.restart(2);
            }
        }
        let told: Vec<_> = world.sent.iter().map(|notice| notice.reason).collect();
        assert_eq!(told, [First, Repeat, Resolved], "restart at {restart_at}");
        assert_eq!(world.sent[2].resolved[0].told_in, Some(world.sent[0].id), "restart at {restart_at}");
        assert!(world.sent[0].at <= START + 62_000, "restart at {restart_at}");
    }
}

#[test]
fn a_pending_alert_survives_a_restart() {
    let mut world = World::new(vec![Rule { hold: Duration::from_mins(10), ..lag_rule() }], vec![channel("ops")]);
    world.sees("group_lag", &[(ORDERS, 1500.0)]).poll().until(5 * MINUTE).restart(20).until(HOUR);
    world.expect("as if nothing had been", &[(10 * MINUTE + 30, First, &["lag"], &[])]);
}

#[test]
fn what_a_channel_has_not_taken_goes_again_after_a_restart_and_the_rest_gathers() {
    let mut world = world();
    world.takes = Takes::Nothing;
    world.sees("group_lag", &[(ORDERS, 1500.0)]).poll().until(HOUR);
    world.sees("group_lag", &[(EVENTS, 1500.0)]).until(40 * HOUR);
    world.expect("one notice waits, whatever happens", &[(30, First, &["lag"], &[])]);
    world.takes = Takes::Everything;
    world.restart(MINUTE).until(41 * HOUR);
    assert_eq!(world.sent[0].id, u64::try_from(START + 30_000).expect("an id"), "the same notice");
    let second = 40 * HOUR + MINUTE;
    world.expect(
        "then all that happened meanwhile, at once",
        &[(30, First, &["lag"], &[]), (second, New, &["lag"], &["lag"])],
    );
}

#[test]
fn a_wrong_clock_fires_and_ends_nothing() {
    let held = Rule { hold: Duration::from_mins(10), ..lag_rule() };
    let to_1970 = -START + 5_000;
    for (before, after) in [(0, to_1970), (to_1970, 0), (to_1970, to_1970), (0, -86_400_000), (0, 3_000_000)] {
        let mut world = World::new(vec![held.clone(), rule("stall", "group_status")], vec![channel("ops")]);
        world.wrong_by = before;
        world.sees("group_lag", &[(ORDERS, 1500.0)]).sees("group_status", &[(ORDERS, 2.0)]).poll().until(MINUTE);
        world.expect("the one without hold", &[(30, First, &["stall"], &[])]);
        world.engine.silence("nothing*", Duration::from_hours(1), world.now()).expect("a silence");
        world.act();
        world.wrong_by = after;
        world.until(2 * MINUTE);
        world.expect("a jump means nothing while the process lives", &[]);
        world.restart(1);
        world.until(4 * MINUTE);
        // Only a clock that is later than it was, and plausible, can say that time passed.
        let told = world.sent.iter().filter(|notice| notice.reason == New).count();
        assert_eq!(told, usize::from(after == 3_000_000), "{before} {after}");
        assert_eq!(world.engine.views(world.now()).len(), 2, "nothing ended");
        assert_eq!(world.engine.silences(world.now()).len(), 1, "the silence lasts");
    }
}

#[test]
fn people_see_the_right_time_when_the_clock_is_set_later() {
    let mut world = world();
    world.wrong_by = -START;
    world.sees("group_lag", &[(ORDERS, 1500.0)]).poll().until(MINUTE);
    world.wrong_by = 0;
    world.until(2 * MINUTE);
    assert_eq!(world.engine.views(world.now())[0].since, rfc3339::format(Timestamp(START)));
    world.restart(1);
    assert_eq!(
        world.engine.views(world.now())[0].since,
        rfc3339::format(Timestamp(START)),
        "it was written down again"
    );
}

#[test]
fn a_silence_keeps_quiet_and_an_end_is_told_all_the_same() {
    let mut world = world();
    world.engine.silence("la*", Duration::from_hours(1), world.now()).expect("a silence");
    world.sees("group_lag", &[(ORDERS, 1500.0)]).poll().until(30 * MINUTE);
    assert_eq!(world.reports, ["lag firing", "lag silenced"]);
    let until = rfc3339::format(Timestamp(START + 3_600_000));
    assert_eq!(world.engine.views(world.now())[0].silenced_until, Some(until));
    world.restart(5).until(HOUR - 1);
    world.expect("not told, nor after a restart", &[]);
    world.until(2 * HOUR);
    world.expect("told when the silence is over", &[(HOUR, First, &["lag"], &[])]);
    world.engine.silence("lag", Duration::from_hours(12), world.now()).expect("a silence");
    world.until(7 * HOUR);
    world.expect("not repeated", &[]);
    world.sees("group_lag", &[(ORDERS, 0.0)]).poll().until(8 * HOUR);
    world.expect("who was told is told the end", &[(7 * HOUR + 30, Resolved, &[], &["lag"])]);
    assert!(world.engine.unsilence("lag", world.now()));
    assert!(!world.engine.unsilence("lag", world.now()));
    world.act();
    assert!(world.disk.keys().all(|(kind, _)| *kind != DocumentKind::Silence));
}

#[test]
fn an_alert_that_was_silenced_after_it_was_told_is_repeated_when_the_silence_ends() {
    let mut world = world();
    world.sees("group_lag", &[(ORDERS, 1500.0)]).poll().until(MINUTE);
    world.engine.silence("lag", Duration::from_hours(6), world.now()).expect("a silence");
    world.until(7 * HOUR);
    world.expect("not new, but due", &[(30, First, &["lag"], &[]), (6 * HOUR + MINUTE, Repeat, &["lag"], &[])]);
    assert!(world.reports.contains(&"lag silenced".to_owned()));
}

#[test]
fn silences_that_cannot_be_meant_are_refused() {
    let mut world = world();
    let now = world.now();
    assert!(world.engine.silence("", Duration::from_mins(1), now).is_err());
    assert!(world.engine.silence(&"x".repeat(251), Duration::from_mins(1), now).is_err());
    assert!(world.engine.silence("x", Duration::ZERO, now).is_err());
    assert!(world.engine.silence("x", Duration::MAX, now).is_err());
    for number in 0..1000 {
        assert!(world.engine.silence(&number.to_string(), Duration::from_mins(1), now).is_ok());
    }
    assert!(world.engine.silence("1000", Duration::from_mins(1), now).is_err());
    assert!(world.engine.silence("7", Duration::from_mins(1), now).is_ok());
}

#[test]
fn each_channel_is_told_what_is_for_it() {
    let critical = Rule { severity: Severity::Critical, ..rule("offline", "partitions_offline") };
    let both = vec!["ops".to_owned(), "night".to_owned()];
    let rules = vec![
        Rule { notify: both.clone(), ..lag_rule() },
        Rule { notify: both, ..critical },
        rule("stall", "group_status"),
    ];
    let night =
        super::ChannelSettings { group_wait: Duration::ZERO, min_severity: Severity::Critical, ..channel("night") };
    let mut world = World::new(rules, vec![channel("ops"), night]);
    let topic: &[(&str, &str)] = &[("cluster", "default"), ("topic", "event")];
    world.sees("group_lag", &[(ORDERS, 1500.0)]).sees("partitions_offline", &[(topic, 2.0)]);
    world.sees("group_status", &[(ORDERS, 2.0)]).poll().until(HOUR);
    assert_eq!(world.sent.iter().map(|notice| notice.channel.as_str()).collect::<Vec<_>>(), ["night", "ops"]);
    world.expect("the worst first", &[(0, First, &["offline"], &[]), (30, First, &["offline", "lag", "stall"], &[])]);
}

#[test]
fn a_rule_looks_only_at_its_labels() {
    let labels = vec![LabelGlob { label: "topic".to_owned(), glob: "ev*".to_owned() }];
    let mut world = World::new(vec![Rule { labels, ..lag_rule() }], vec![channel("ops")]);
    world.sees("group_lag", &[(ORDERS, 1500.0), (EVENTS, 1500.0)]).poll();
    assert_eq!(world.engine.views(world.now()).len(), 1);
}

#[test]
fn a_new_configuration_keeps_what_still_applies_and_ends_the_rest() {
    let mut world = World::new(vec![lag_rule(), rule("stall", "group_status")], vec![channel("ops"), channel("old")]);
    world.rules[0].notify = vec!["ops".to_owned(), "old".to_owned()];
    world.restart(0);
    world.sees("group_lag", &[(ORDERS, 1500.0), (EVENTS, 1500.0)]).sees("group_status", &[(ORDERS, 2.0)]).poll();
    world.until(HOUR);
    world.sent.clear();
    let labels = vec![LabelGlob { label: "topic".to_owned(), glob: "event".to_owned() }];
    world.rules = vec![Rule { labels, ..lag_rule() }];
    world.channels = vec![channel("ops")];
    world.engine.reconfigure(world.rules.clone(), world.channels.clone(), world.now());
    world.act();
    world.until(2 * HOUR);
    world.expect("two ends", &[(HOUR + 30, Resolved, &["lag"], &["lag", "stall"])]);
    assert!(world.disk.keys().all(|(kind, key)| (*kind, key.as_str()) != (DocumentKind::Channel, "old")));
    world.rules = vec![];
    world.restart(5).until(3 * HOUR);
    world.expect("a rule that is gone after a restart", &[(2 * HOUR + 35, Resolved, &[], &["lag"])]);
    world.until(9 * HOUR).restart(1);
    assert_eq!(world.engine.views(world.now()), []);
}

#[test]
fn a_cluster_that_is_not_watched_any_more_has_no_alerts() {
    let mut world = world();
    world.sees("group_lag", &[(ORDERS, 1500.0)]).poll().until(MINUTE);
    world.engine.keep_clusters(&["default".to_owned()].into_iter().collect(), world.now());
    assert_eq!(world.engine.views(world.now()).len(), 1);
    world.engine.keep_clusters(&["other".to_owned()].into_iter().collect(), world.now());
    assert_eq!(world.engine.views(world.now()).len(), 0);
}

#[test]
fn figures_of_one_cluster_say_nothing_of_another() {
    let mut world = world();
    world.sees("group_lag", &[(ORDERS, 1500.0)]).poll();
    let nothing = [("group_lag", super::test_support::observed(&[]))].into_iter().collect();
    world.engine.evaluate(super::Scope::Cluster("other"), &nothing, world.now());
    assert_eq!(world.engine.views(world.now()).len(), 1);
    world.engine.evaluate(super::Scope::Cluster("default"), &nothing, world.now());
    assert_eq!(world.engine.views(world.now()).len(), 0);
}

#[test]
fn a_channel_that_fails_is_told_of_over_the_others() {
    let names = ["mail".to_owned(), "hook".to_owned()];
    let mut world = World::new(built_in(&[], &names), vec![channel("hook"), channel("mail")]);
    for _ in 0..3 {
        assert_eq!(world.engine.views(world.now()).len(), 0);
        world.engine.failed("mail", "535 <wrong>\npassword", world.now());
        world.act();
    }
    world.until(HOUR);
    assert_eq!(world.sent[0].channel, "hook");
    assert_eq!(world.sent[0].firing[0].summary, "Notices over channel mail do not arrive: 535 <wrong>\\npassword");
    world.expect("over the other one alone", &[(30, First, &["channel-failing"], &[])]);
    world.restart(5);
    assert_eq!(world.engine.views(world.now()).len(), 1, "nobody knows better yet");
    world.engine.taken(1, "mail", world.now());
    world.act();
    world.until(2 * HOUR);
    world.expect("it works again", &[(HOUR + 35, Resolved, &[], &["channel-failing"])]);
}

#[test]
fn a_channel_that_fails_for_five_minutes_fails() {
    let mut world = World::new(built_in(&[], &["mail".to_owned()]), vec![channel("mail")]);
    world.engine.failed("mail", "timeout", world.now());
    world.until(5 * MINUTE - 1);
    assert_eq!(world.engine.views(world.now()).len(), 0);
    world.until(5 * MINUTE);
    assert_eq!(world.engine.views(world.now()).len(), 1);
}

#[test]
fn what_cannot_be_understood_is_dropped_and_said() {
    let mut world = world();
    world.sees("group_lag", &[(ORDERS, 1500.0)]).poll().until(MINUTE);
    for kind in DocumentKind::ALL {
        for (number, json) in ["", "{}", "null", "[1", "{\"name\":1}", "\u{0}"].into_iter().enumerate() {
            world.disk.insert((kind, format!("bad {number}")), json.to_owned());
        }
        for ((of, _), json) in &mut world.disk {
            if *of == kind && kind != DocumentKind::Alert && json.len() > 10 {
                *json = json.chars().take(json.len() / 2).collect();
            }
        }
    }
    world.restart(1).until(2 * MINUTE);
    assert!(world.disk.keys().all(|(_, key)| !key.starts_with("bad")), "{:?}", world.disk.keys());
    assert!(world.reports.iter().filter(|report| report.contains("is dropped")).count() >= 24);
    assert_eq!(world.engine.views(world.now()).len(), 1, "what can be understood stays");
    world.sees("group_lag", &[]).until(HOUR);
    let second = world.sent.last().map(|notice| notice.resolved.len());
    assert_eq!(second, Some(1), "and its end is told");
}

#[test]
fn too_many_alerts_are_left_out_and_a_notice_is_bounded() {
    let mut world = world();
    let names: Vec<_> = (0..10_100).map(|number| format!("group-{number}")).collect();
    let pairs: Vec<_> = names.iter().map(|name| [("cluster", "default"), ("group", name), ("topic", "t")]).collect();
    let series: Vec<(&[(&str, &str)], f64)> = pairs.iter().map(|pairs| (&pairs[..], 5000.0)).collect();
    world.sees("group_lag", &series).poll().until(MINUTE);
    assert_eq!(world.engine.views(world.now()).len(), 10_000);
    let too_many = |world: &World| world.reports.iter().filter(|report| report.contains("left out")).count();
    assert_eq!(too_many(&world), 1, "said once");
    assert_eq!((world.sent[0].firing.len(), world.sent[0].more), (200, 9800));
    world.sees("group_lag", &[(ORDERS, 5000.0)]).until(10 * MINUTE);
    assert_eq!((world.sent[1].firing.len(), world.sent[1].resolved.len(), world.sent[1].more), (0, 200, 9800));
    assert_eq!(world.engine.views(world.now()).len(), 1, "then there is room again");
    world.sees("group_lag", &series).poll();
    assert_eq!(too_many(&world), 2, "said again");
}

#[test]
fn a_notice_of_long_names_fits_into_the_state_and_the_worst_are_in_it() {
    const DOCUMENT: usize = 256 * 1024;
    let critical = Rule { severity: Severity::Critical, ..rule("stall", "group_status") };
    let mut world = World::new(vec![lag_rule(), critical], vec![channel("ops")]);
    // As JSON each of these is six bytes long.
    let names: Vec<_> = (0..40).map(|number| format!("{number}{}", "\u{1}".repeat(3900))).collect();
    let pairs: Vec<_> = names.iter().map(|name| [("cluster", "default"), ("group", name), ("topic", "t")]).collect();
    let series: Vec<(&[(&str, &str)], f64)> = pairs.iter().map(|pairs| (&pairs[..], 5000.0)).collect();
    world.sees("group_lag", &series).sees("group_status", &[(ORDERS, 2.0)]).poll().until(MINUTE);
    world.sees("group_lag", &[]).until(10 * MINUTE);
    world.sees("group_lag", &series).sees("group_status", &[]).until(20 * MINUTE);
    let counts: Vec<_> = world.sent.iter().map(|notice| (notice.firing.len(), notice.resolved.len())).collect();
    assert_eq!(counts, [(6, 0), (1, 5), (5, 1)]);
    assert_eq!(world.sent[0].firing[0].name, "stall");
    for notice in &world.sent {
        assert!(serde_json::to_string(notice).expect("JSON").len() < DOCUMENT, "{counts:?}");
    }
    assert_eq!(world.sent[0].more, 41 - 6, "what is left out is counted");
    assert_eq!(world.sent[1].more, 40 - 5, "and its end is told");
    assert!(world.disk.values().all(|document| document.len() < DOCUMENT));
}

#[test]
fn labels_that_are_huge_make_no_alert() {
    let mut world = world();
    let huge = "x".repeat(5000);
    world.sees("group_lag", &[(&[("cluster", "default"), ("group", &huge)], 5000.0)]).poll();
    assert_eq!(world.engine.views(world.now()).len(), 0);
}

#[test]
fn a_test_notice_says_so() {
    let mut world = world();
    let notice = world.engine.test_notice("ops", world.now()).expect("a notice");
    let next = world.engine.test_notice("ops", world.now()).expect("a notice");
    assert!(next.id > notice.id);
    assert_eq!((notice.reason, notice.firing.len()), (super::Reason::Test, 1));
    assert_eq!(world.engine.test_notice("nobody", world.now()), None);
}

#[test]
fn views_can_be_written_and_read() {
    let mut world = world();
    world.sees("group_lag", &[(ORDERS, 1500.0)]).poll();
    world.engine.silence("*", Duration::from_mins(1), world.now()).expect("a silence");
    let views = world.engine.views(world.now());
    let json = serde_json::to_string(&views).expect("JSON");
    assert!(json.contains(r#""since":"2026-11-21T07:00:00.000Z""#) && json.contains("07:01:00"), "{json}");
    assert_eq!(crate::logic::from_json::read(json.as_bytes()), Ok(views));
}

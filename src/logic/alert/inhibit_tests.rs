//! Causes and consequences as timelines, in every order. As in engine_tests: seconds, a poll every 30 s.

use std::time::Duration;

use super::notice::Reason::{First, New, Resolved};
use super::rule::{Condition, Rule};
use super::test_support::{channel, rule};
use super::test_world::World;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const CLUSTER: &[(&str, &str)] = &[("cluster", "default")];
const BROKER: &[(&str, &str)] = &[("broker", "3"), ("cluster", "default")];
const OTHER_BROKER: &[(&str, &str)] = &[("broker", "4"), ("cluster", "default")];
const TOPIC: &[(&str, &str)] = &[("cluster", "default"), ("topic", "event")];
const ELSEWHERE: &[(&str, &str)] = &[("cluster", "other"), ("topic", "event")];

fn rules() -> Vec<Rule> {
    let down = |name: &str, metric: &str, minutes| Rule {
        condition: Condition::Below(1.0),
        clear_at: 1.0,
        hold: Duration::from_mins(minutes),
        ..rule(name, metric)
    };
    vec![
        down("cluster-down", "cluster_up", 1),
        down("broker-down", "broker_up", 1),
        rule("latency", "broker_latency_seconds"),
        rule("lag", "group_lag"),
        rule("under-replicated", "partitions_under_replicated"),
        rule("offline", "partitions_offline"),
    ]
}

fn world() -> World {
    World::new(rules(), vec![channel("ops")])
}

#[test]
fn a_dead_broker_explains_what_broke_with_it() {
    let mut world = world();
    world.sees("broker_up", &[(BROKER, 0.0)]).sees("partitions_under_replicated", &[(TOPIC, 3.0)]);
    world.sees("broker_latency_seconds", &[(BROKER, 9.0), (OTHER_BROKER, 9.0)]).sees("group_lag", &[(TOPIC, 1.0)]);
    world.poll().until(HOUR);
    let views = world.engine.views(world.now());
    let explained = views.iter().filter(|view| view.explained_by.as_deref() == Some("broker-down")).count();
    assert_eq!((views.len(), explained), (5, 2), "shown, with the cause");
    world.expect(
        "the broker, and what it does not explain",
        &[(30, First, &["lag", "latency"], &[]), (330, New, &["broker-down", "lag", "latency"], &[])],
    );
    world.sees("broker_up", &[(BROKER, 1.0)]).sees("partitions_under_replicated", &[(TOPIC, 0.0)]);
    world.sees("broker_latency_seconds", &[(OTHER_BROKER, 9.0)]).poll().until(2 * HOUR);
    world.expect("what was never told has no end", &[(HOUR + 30, Resolved, &["lag", "latency"], &["broker-down"])]);
}

#[test]
fn a_broker_that_is_down_for_hours_explains_what_misses_it_and_nothing_else() {
    let mut world = world();
    world.sees("broker_up", &[(BROKER, 0.0)]).sees_because("partitions_under_replicated", TOPIC, 3.0, &["3"]);
    world.poll().until(3 * HOUR);
    world.expect("the broker alone", &[(90, First, &["broker-down"], &[])]);
    world.sees_because("partitions_offline", TOPIC, 1.0, &["1", "2"]).poll().until(3 * HOUR + 20 * MINUTE);
    world.expect("what others hold", &[(3 * HOUR + 30, New, &["offline", "broker-down"], &[])]);
    world.sees("partitions_offline", &[(TOPIC, 0.0)]).poll().until(3 * HOUR + 30 * MINUTE);
    world.expect("and its end", &[(3 * HOUR + 20 * MINUTE + 30, Resolved, &["broker-down"], &["offline"])]);
    world.sees_because("partitions_under_replicated", TOPIC, 4.0, &["1", "3"]).until(4 * HOUR - MINUTE);
    let second = 3 * HOUR + 32 * MINUTE;
    world.expect("more is missing than it explains", &[(second, New, &["under-replicated", "broker-down"], &[])]);
}

#[test]
fn two_dead_brokers_explain_together_what_none_of_them_does_alone() {
    let mut world = world();
    world.sees("broker_up", &[(BROKER, 0.0)]).sees_because("partitions_offline", TOPIC, 2.0, &["3", "4"]);
    world.poll().until(10 * MINUTE);
    world.expect("one of two", &[(30, First, &["offline"], &[]), (330, New, &["broker-down", "offline"], &[])]);
    let mut world = self::world();
    world.sees("broker_up", &[(BROKER, 0.0), (OTHER_BROKER, 0.0)]);
    world.sees_because("partitions_offline", TOPIC, 2.0, &["3", "4"]).poll().until(HOUR);
    world.expect("both", &[(90, First, &["broker-down", "broker-down"], &[])]);
    world.sees("broker_up", &[(BROKER, 0.0), (OTHER_BROKER, 1.0)]).until(2 * HOUR - MINUTE);
    let told = world.sent.iter().filter(|notice| notice.firing.iter().any(|alert| alert.name == "offline")).count();
    assert_eq!(told, 1, "one is back, and that did not help");
}

#[test]
fn what_is_not_the_fault_of_brokers_is_told() {
    let mut world = world();
    world.sees("broker_up", &[(BROKER, 0.0)]).sees_because("partitions_under_replicated", TOPIC, 3.0, &[]);
    world.poll().until(MINUTE);
    world.expect("no broker's absence explains it", &[(30, First, &["under-replicated"], &[])]);
}

#[test]
fn after_a_restart_a_dead_broker_explains_until_the_first_poll_says_more() {
    let mut world = world();
    world.sees("broker_up", &[(BROKER, 0.0)]).sees_because("partitions_offline", TOPIC, 1.0, &["3"]);
    world.poll().until(HOUR);
    world.sent.clear();
    world.restart(10);
    assert!(world.engine.views(world.now()).iter().any(|view| view.explained_by.is_some()));
    world.sees_because("partitions_offline", TOPIC, 1.0, &["1"]).until(HOUR + 10 * MINUTE);
    world.expect("another broker's", &[(HOUR + 2 * MINUTE, New, &["offline", "broker-down"], &[])]);
}

#[test]
fn a_consequence_that_breaks_before_its_cause_fires_waits_while_the_cause_is_pending() {
    let mut world = world();
    world.sees("partitions_under_replicated", &[(TOPIC, 3.0)]).poll().until(20);
    world.sees("broker_up", &[(BROKER, 0.0)]).poll().until(HOUR);
    world.expect("the cause alone", &[(110 + 10, First, &["broker-down"], &[])]);
}

#[test]
fn a_consequence_whose_cause_does_not_fire_is_told() {
    let mut world = world();
    world.sees("partitions_under_replicated", &[(TOPIC, 3.0)]).sees("broker_up", &[(BROKER, 0.0)]).poll().until(50);
    world.sees("broker_up", &[(BROKER, 1.0)]).until(HOUR);
    world.expect("a minute later, and the time for others", &[(150, First, &["under-replicated"], &[])]);
}

#[test]
fn a_cause_that_cannot_be_read_any_more_is_not_waited_for_for_ever() {
    let mut world = world();
    world.sees("partitions_under_replicated", &[(TOPIC, 3.0)]).sees("broker_up", &[(BROKER, 0.0)]).poll();
    world.sees_nothing_of("broker_up", BROKER).until(HOUR);
    world.expect("its hold, a poll, and the aftermath", &[(3 * MINUTE + 30, First, &["under-replicated"], &[])]);
}

#[test]
fn a_cause_that_fires_later_ends_nothing_that_was_told() {
    let mut world = world();
    world.sees("partitions_under_replicated", &[(TOPIC, 3.0)]).poll().until(10 * MINUTE);
    world.sees("broker_up", &[(BROKER, 0.0)]).until(2 * HOUR);
    world.expect(
        "the consequence is told, and then the cause",
        &[(30, First, &["under-replicated"], &[]), (12 * MINUTE, New, &["broker-down"], &[])],
    );
    world.sees("partitions_under_replicated", &[]).poll().until(3 * HOUR);
    world.expect("its end is told", &[(2 * HOUR + 30, Resolved, &["broker-down"], &["under-replicated"])]);
}

#[test]
fn a_consequence_that_outlives_its_cause_is_told_after_a_while() {
    let mut world = world();
    world.sees("partitions_under_replicated", &[(TOPIC, 3.0)]).sees("broker_up", &[(BROKER, 0.0)]).poll().until(HOUR);
    world.sent.clear();
    world.sees("broker_up", &[(BROKER, 1.0)]).poll().until(2 * HOUR);
    world.expect(
        "a minute after the cause",
        &[(HOUR + 30, Resolved, &[], &["broker-down"]), (HOUR + 90, First, &["under-replicated"], &[])],
    );
}

#[test]
fn a_consequence_that_ends_soon_after_its_cause_is_never_told() {
    let mut world = world();
    world.sees("partitions_under_replicated", &[(TOPIC, 3.0)]).sees("broker_up", &[(BROKER, 0.0)]).poll().until(HOUR);
    world.sent.clear();
    world.sees("broker_up", &[(BROKER, 1.0)]).poll().until(HOUR + 40);
    world.sees("partitions_under_replicated", &[(TOPIC, 0.0)]).poll().until(2 * HOUR);
    world.expect("replicas catch up", &[(HOUR + 30, Resolved, &[], &["broker-down"])]);
}

#[test]
fn a_dead_cluster_explains_everything_of_it_and_nothing_else() {
    let mut world = world();
    world.sees("cluster_up", &[(CLUSTER, 0.0)]).sees("broker_up", &[(BROKER, 0.0)]);
    world.sees("group_lag", &[(TOPIC, 1.0), (ELSEWHERE, 1.0)]).poll().until(HOUR);
    world.expect(
        "the other cluster, and the dead one",
        &[(30, First, &["lag"], &[]), (330, New, &["cluster-down", "lag"], &[])],
    );
    assert!(world.engine.views(world.now()).iter().any(|view| view.explained_by.as_deref() == Some("cluster-down")));
}

#[test]
fn a_channel_that_is_not_told_the_cause_is_told_the_consequence() {
    let mut rules = rules();
    rules[1].notify = vec!["night".to_owned()];
    let mut world = World::new(rules, vec![channel("ops"), channel("night")]);
    world.sees("partitions_under_replicated", &[(TOPIC, 3.0)]).sees("broker_up", &[(BROKER, 0.0)]).poll().until(HOUR);
    let by_channel: Vec<_> =
        world.sent.iter().map(|notice| (notice.channel.as_str(), notice.firing[0].name.as_str())).collect();
    assert_eq!(by_channel, [("ops", "under-replicated"), ("night", "broker-down")]);
}

#[test]
fn a_cause_that_is_silenced_explains_nothing() {
    let mut world = world();
    world.engine.silence("broker-down", Duration::from_hours(2), world.now()).expect("a silence");
    world.sees("partitions_under_replicated", &[(TOPIC, 3.0)]).sees("broker_up", &[(BROKER, 0.0)]).poll().until(HOUR);
    world.expect("a silence hides what it names", &[(30, First, &["under-replicated"], &[])]);
}

#[test]
fn two_rules_on_the_same_broker_do_not_explain_each_other() {
    let mut rules = rules();
    rules.push(Rule { name: "broker-gone".to_owned(), ..rules[1].clone() });
    let mut world = World::new(rules, vec![channel("ops")]);
    world.sees("broker_up", &[(BROKER, 0.0)]).poll().until(HOUR);
    world.expect("both are told", &[(90, First, &["broker-down", "broker-gone"], &[])]);
}

//! Who is asked for what, when, and within how much room.

use std::time::Duration;

use super::pace::Failure;
use super::plan::Turns;
use super::topics::Topics;
use super::topics::tests::{answer, patterns, topic};
use crate::logic::moment::Moment;
use crate::logic::offset_tracker::Position;
use crate::logic::record::TopicPartition;

const NOW: Moment = Moment::after_start(Duration::from_secs(1));
const ROOM: usize = 1 << 20;

/// Partitions 0 to 3 of "event", led by brokers 1, 2, 1 and none.
fn topics() -> Topics {
    let mut topics = Topics::new(patterns(&["event"]));
    topics.learn(&answer(&[("event", topic(1, None, &[(1, 0), (2, 0), (1, 0), (-1, 0)]))]));
    topics
}

fn partition(number: i32) -> TopicPartition {
    TopicPartition::new("event", number)
}

fn wanted(partitions: &[i32]) -> Vec<(TopicPartition, Position)> {
    partitions.iter().map(|&number| (partition(number), Position(7))).collect()
}

fn later(millis: u64) -> Moment {
    NOW + Duration::from_millis(millis)
}

/// Which fetches come of this? Each as broker, partitions in their order, room.
#[track_caller]
fn check(rule: &str, turns: &Turns, partitions: &[i32], room: usize, now: Moment, expected: &[(i32, &[i32], usize)]) {
    let (plans, _) = turns.plan(&wanted(partitions), &topics(), room, now);
    let numbers = |plan: &super::plan::Plan| -> Vec<i32> {
        plan.partitions.iter().map(|wanted| wanted.topic_partition.partition).collect()
    };
    let planned: Vec<_> = plans.iter().map(|plan| (plan.broker, numbers(plan), plan.room)).collect();
    let expected: Vec<_> = expected.iter().map(|&(broker, list, room)| (broker, list.to_vec(), room)).collect();
    assert_eq!(planned, expected, "{rule}");
}

fn send(turns: &mut Turns, partitions: &[i32], room: usize) {
    let (plans, _) = turns.plan(&wanted(partitions), &topics(), room, NOW);
    plans.iter().for_each(|plan| turns.sent(plan));
}

#[test]
fn each_leader_is_asked_for_its_own_partitions_within_its_share() {
    let idle = Turns::default();
    let half = ROOM / 2;
    check("two leaders", &idle, &[0, 1, 2], ROOM, NOW, &[(1, &[0, 2], half), (2, &[1], half)]);
    check("one has nothing that is wanted", &idle, &[1], ROOM, NOW, &[(2, &[1], ROOM)]);
    check("nobody leads it", &idle, &[3], ROOM, NOW, &[]);
    check("unknown", &idle, &[9], ROOM, NOW, &[]);
    check("nothing wanted", &idle, &[], ROOM, NOW, &[]);
    check("hardly any room", &idle, &[0, 1], 16 << 10, NOW, &[(1, &[0], 16 << 10)]);
    check("none", &idle, &[0, 1], (16 << 10) - 1, NOW, &[]);
    let mut busy = Turns::default();
    send(&mut busy, &[0, 2], ROOM / 4);
    check("a fetch under way is waited for, and keeps its room", &busy, &[0, 1, 2], half, NOW, &[(2, &[1], half / 2)]);
    busy.broker_answered(1);
    check("and is over", &busy, &[0, 2], ROOM, NOW, &[(1, &[0, 2], ROOM)]);
}

#[test]
fn where_there_is_not_room_for_all_brokers_take_turns() {
    let mut turns = Turns::default();
    let little = 20 << 10;
    for rule in ["once", "again"] {
        check(rule, &turns, &[0, 1], little, NOW, &[(1, &[0], 16 << 10)]);
        send(&mut turns, &[0, 1], little);
        turns.broker_answered(1);
        check(rule, &turns, &[0, 1], little, NOW, &[(2, &[1], 16 << 10)]);
        send(&mut turns, &[0, 1], little);
        turns.broker_answered(2);
    }
}

#[test]
fn planning_is_worth_while_only_with_an_idle_leader_and_room() {
    let mut turns = Turns::default();
    assert!(turns.could_fetch(&topics(), ROOM));
    assert!(!turns.could_fetch(&topics(), 1000));
    assert!(!turns.could_fetch(&Topics::new(Vec::new()), ROOM), "nothing is known yet");
    send(&mut turns, &[0, 1], ROOM);
    assert!(!turns.could_fetch(&topics(), 2 * ROOM), "both are busy");
}

#[test]
fn who_got_records_goes_to_the_end_of_the_line() {
    let mut turns = Turns::default();
    check("as wanted, at first", &turns, &[2, 0], ROOM, NOW, &[(1, &[2, 0], ROOM)]);
    turns.partition_answered(&partition(2), true);
    check("the other one's turn", &turns, &[2, 0], ROOM, NOW, &[(1, &[0, 2], ROOM)]);
    turns.partition_answered(&partition(0), false);
    check("still, as it got nothing", &turns, &[2, 0], ROOM, NOW, &[(1, &[0, 2], ROOM)]);
    turns.partition_answered(&partition(0), true);
    check("and back", &turns, &[2, 0], ROOM, NOW, &[(1, &[2, 0], ROOM)]);
}

#[test]
fn a_broker_that_failed_is_left_alone_and_the_others_are_not() {
    let mut turns = Turns::default();
    send(&mut turns, &[0], ROOM);
    turns.broker_failed(1, Failure::Passing, NOW);
    check("the other goes on", &turns, &[0, 1], ROOM, later(199), &[(2, &[1], ROOM / 2)]);
    let (_, pause_ends) = turns.plan(&wanted(&[0, 1]), &topics(), ROOM, NOW);
    assert_eq!(pause_ends, Some(later(200)));
    check("again after 200 ms", &turns, &[0], ROOM, later(200), &[(1, &[0], ROOM)]);
    for _ in 0..20 {
        turns.broker_failed(1, Failure::Passing, NOW);
    }
    check("every 5 s at least", &turns, &[0], ROOM, later(5000), &[(1, &[0], ROOM)]);
    turns.broker_failed(1, Failure::Refused, NOW);
    check("a wrong password is not hammered", &turns, &[0], ROOM, later(29_999), &[]);
}

#[test]
fn a_partition_that_failed_is_left_alone_until_its_pause_ends_or_another_position_is_wanted() {
    let mut turns = Turns::default();
    let fail = |turns: &mut Turns| {
        turns.partition_failed(&partition(0), Position(7), Failure::Passing, Duration::from_secs(2), NOW)
    };
    assert_eq!((fail(&mut turns), fail(&mut turns)), (1, 2), "failures in a row are counted");
    check("its neighbour goes on", &turns, &[0, 2], ROOM, later(399), &[(1, &[2], ROOM)]);
    let (plans, pause_ends) = turns.plan(&wanted(&[0]), &topics(), ROOM, NOW);
    assert_eq!((plans.len(), pause_ends), (0, Some(later(400))), "nobody is asked for nothing");
    check("its pause has ended", &turns, &[0], ROOM, later(400), &[(1, &[0], ROOM)]);
    let elsewhere = [(partition(0), Position(8))];
    assert_eq!(turns.plan(&elsewhere, &topics(), ROOM, NOW).0.len(), 1, "another position may be better");
    turns.partition_answered(&partition(0), false);
    assert_eq!(fail(&mut turns), 1, "an answer ends the row");
}

#[test]
fn what_is_gone_is_forgotten_but_a_fetch_under_way_is_not() {
    let mut turns = Turns::default();
    send(&mut turns, &[1], ROOM);
    let mut topics = topics();
    topics.learn(&answer(&[("event", topic(1, None, &[(1, 1), (1, 1), (1, 1), (1, 1)]))]));
    turns.forget_strangers(&topics);
    let (plans, _) = turns.plan(&wanted(&[1]), &topics, 2 * ROOM, NOW);
    assert_eq!(plans[0].room, ROOM, "its room is still taken");
    turns.broker_answered(2);
    turns.forget_strangers(&topics);
    let (plans, _) = turns.plan(&wanted(&[1]), &topics, 2 * ROOM, NOW);
    assert_eq!(plans[0].room, 2 * ROOM);
}

//! Sending, and what an answer means for the event, its lane and the endpoint. Settling happens here and nowhere else.

use std::time::Duration;

use super::event::{Event, EventName, Origin, Stage};
use super::gate::{Change, Gate, Permission};
use super::lanes::EventId;
use super::{Action, Letter, Report, Request, Route};
use crate::logic::moment::Moment;
use crate::logic::outcome::{Answer, Outcome};
use crate::logic::record::TopicPartition;
use crate::logic::retry::{Refusals, RetryVerdict};

/// A dead letter that could not be kept is offered again after this long.
const BURY_AGAIN: Duration = Duration::from_secs(2);

impl Route {
    pub(super) fn send(&mut self, now: Moment) {
        if !self.may_send_at_all() {
            return;
        }
        while self.has_free_sender() {
            let permission = self.gate.permission(now);
            let next = match permission {
                Permission::Any => self.lanes.next(now),
                Permission::Probe => self.lanes.next_probe(),
                Permission::OldestProbe => self.lanes.take_oldest(),
                Permission::Nothing => None,
            };
            let Some(id) = next else { return };
            if self.discard_if_abandoned(id) {
                continue;
            }
            let Some(event) = self.events.get_mut(&id) else { continue };
            let Some(body) = event.bodies.get(event.accepted).cloned() else { continue };
            event.stage = Stage::InFlight;
            event.attempts = event.attempts.saturating_add(1);
            if event.refused_in_a_row > 0 && matches!(event.origin, Origin::Partition { .. }) {
                self.counters.retries += 1;
            }
            self.in_flight += 1;
            self.gate.probing(id);
            self.actions.push(Action::Send(Request { id, body, idempotency_key: event.request_key() }));
        }
    }

    fn may_send_at_all(&self) -> bool {
        !(self.paused || self.draining || self.stopped.is_some() || self.cannot_bury.is_some() || self.storing.fails())
    }

    fn has_free_sender(&self) -> bool {
        self.in_flight + self.storing.slots_held() < self.settings.max_in_flight
    }

    /// When something may be sent that may not be sent now, for want of time alone.
    pub(super) fn next_send_at(&self) -> Option<Moment> {
        if !self.may_send_at_all() || !self.has_free_sender() {
            return None;
        }
        match self.gate {
            Gate::Open { .. } => self.lanes.next_attempt(),
            Gate::Down { .. } | Gate::Suspended { .. } if self.lanes.is_idle() => None,
            Gate::Down { .. } | Gate::Suspended { .. } => self.gate.opens_at(),
        }
    }

    /// A sender is done with a request.
    pub fn answered(&mut self, id: EventId, answer: Answer, now: Moment) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if self.events.get(&id).is_some_and(|event| event.abandoned) {
            self.gate.probe_withdrawn(id);
            self.remove(id);
            return;
        }
        match answer.outcome {
            Outcome::Retry => self.refused(id, &answer, now),
            Outcome::Suspend => self.suspended(id, &answer, now),
            Outcome::Delivered | Outcome::DeadLetter | Outcome::Drop => {
                let held_back = self.gate.holds_back();
                let change = self.gate.decided(id);
                self.report_change(change, &answer);
                // Where others were sent meanwhile, those still refused were so for reasons of their own.
                if change == Change::Reopened && held_back {
                    self.endpoint_is_back(now);
                }
                match answer.outcome {
                    Outcome::DeadLetter => {
                        let status = answer.status.unwrap_or_default();
                        self.reject(id, format!("refused for good with status {status}"), answer, now);
                    }
                    Outcome::Drop => self.dropped(id, answer, now),
                    _ => self.accepted(id, answer, now),
                }
            }
        }
    }

    fn accepted(&mut self, id: EventId, answer: Answer, now: Moment) {
        self.last_accepted = Some(now);
        let Some(event) = self.events.get_mut(&id) else { return };
        event.accepted += 1;
        event.refused_in_a_row = 0;
        event.refusals = None;
        if event.accepted < event.bodies.len() {
            event.stage = Stage::InLane;
            self.lanes.put_back(id);
            return;
        }
        let Some(event) = self.remove(id) else { return };
        if let Origin::Partition { .. } = event.origin {
            self.counters.delivered += 1;
        }
        self.settle(&event, None, now);
        self.actions.push(Action::Report(Report::Delivered { name: event.name, attempts: event.attempts, answer }));
    }

    fn dropped(&mut self, id: EventId, answer: Answer, now: Moment) {
        let Some(event) = self.remove(id) else { return };
        if let Origin::Partition { .. } = event.origin {
            self.counters.dropped += 1;
        }
        self.settle(&event, None, now);
        self.actions.push(Action::Report(Report::Dropped { name: event.name, answer }));
    }

    /// The event is kept aside after an answer. It leaves its lane: the others need not wait for the disk.
    fn reject(&mut self, id: EventId, reason: String, answer: Answer, now: Moment) {
        if self.fail_replay(id, &reason, &answer, now) {
            return;
        }
        self.leave_lane(id);
        let name = self.events.get(&id).map(|event| event.name.clone());
        if let Some(name) = name {
            let report = Report::Rejected { name, reason: reason.clone(), answer: answer.clone() };
            self.actions.push(Action::Report(report));
        }
        self.bury(id, reason, answer.status, answer.detail, now);
    }

    fn refused(&mut self, id: EventId, answer: &Answer, now: Moment) {
        let retry_after = answer.retry_after.unwrap_or_default();
        let jitter = self.random.f64();
        let change = self.gate.refused(id, retry_after, &self.settings.retry, jitter, now);
        self.report_change(change, answer);
        if self.fail_replay(id, "refused for now", answer, now) {
            return;
        }
        let others_accepted = self.last_accepted;
        let Some(event) = self.events.get_mut(&id) else { return };
        let first_refusal = Refusals { first: now, since_endpoint_works: now, others_accepted };
        let refusals = Refusals { others_accepted, ..event.refusals.unwrap_or(first_refusal) };
        event.refusals = Some(refusals);
        event.refused_in_a_row = event.refused_in_a_row.saturating_add(1);
        event.stage = Stage::InLane;
        let wait = self.settings.retry.wait(event.refused_in_a_row, jitter).max(retry_after);
        event.not_before = now + retry_after;
        let report =
            Report::Refused { name: event.name.clone(), attempts: event.attempts, wait, answer: answer.clone() };
        match self.settings.retry.verdict(&refusals, now) {
            RetryVerdict::TryAgain => {
                self.lanes.wait(id, now + wait);
                self.actions.push(Action::Report(report));
            }
            RetryVerdict::GiveUp => {
                self.reject(id, "given up: refused for give_up_after".to_owned(), answer.clone(), now);
            }
            RetryVerdict::Poison => {
                let reason = "poisonous: refused for poison_after while others were accepted".to_owned();
                self.reject(id, reason, answer.clone(), now);
            }
        }
    }

    fn suspended(&mut self, id: EventId, answer: &Answer, now: Moment) {
        let reason = match answer.status {
            Some(status) => format!("the endpoint refuses everything: status {status}: {}", answer.detail),
            None => format!("the endpoint refuses everything: {}", answer.detail),
        };
        let change = self.gate.suspend(&reason, &self.settings.retry, now);
        self.report_change(change, answer);
        if self.fail_replay(id, "the endpoint refuses everything", answer, now) {
            return;
        }
        let Some(event) = self.events.get_mut(&id) else { return };
        event.stage = Stage::InLane;
        event.refused_in_a_row = event.refused_in_a_row.saturating_add(1);
        self.lanes.wait(id, now);
    }

    /// The endpoint works again: those it refused meanwhile need not wait any longer, and the outage is not held
    /// against them.
    fn endpoint_is_back(&mut self, now: Moment) {
        for event in self.events.values_mut() {
            if let Some(refusals) = &mut event.refusals {
                refusals.since_endpoint_works = now;
            }
        }
        let events = &self.events;
        self.lanes.wake_all(|id| events.get(&id).is_some_and(|event| event.not_before > now));
    }

    fn report_change(&mut self, change: Change, answer: &Answer) {
        let report = match change {
            Change::None => return,
            Change::WentDown => Report::EndpointDown { answer: answer.clone() },
            Change::Suspended => Report::Suspended { answer: answer.clone() },
            Change::Reopened => Report::EndpointBack,
        };
        self.actions.push(Action::Report(report));
    }

    /// A replay gets one attempt: what became of it is told, and the dead letter stays.
    fn fail_replay(&mut self, id: EventId, reason: &str, answer: &Answer, now: Moment) -> bool {
        if !self.events.get(&id).is_some_and(|event| matches!(event.origin, Origin::Replay { .. })) {
            return false;
        }
        if let Some(event) = self.remove(id) {
            self.settle(&event, Some(format!("{reason}: {}", answer.detail)), now);
        }
        true
    }

    pub(super) fn filtered(&mut self, origin: Origin, now: Moment) {
        match origin {
            Origin::Partition { .. } => {
                if self.settle_origin(origin, now) {
                    self.counters.filtered += 1;
                }
            }
            Origin::Replay { id, .. } => self.end_replay(id, Some("the filter does not let it pass now".to_owned())),
        }
    }

    pub(super) fn skipped(&mut self, origin: Origin, name: EventName, reason: String, now: Moment) {
        match origin {
            Origin::Partition { .. } => {
                if self.settle_origin(origin, now) {
                    self.counters.skipped += 1;
                    self.actions.push(Action::Report(Report::Skipped { name, reason }));
                }
            }
            Origin::Replay { id, .. } => self.end_replay(id, Some(format!("still invalid: {reason}"))),
        }
    }

    /// Offers the event to the dead letters. It has left its lane: the others need not wait for the disk.
    pub(super) fn bury(&mut self, id: EventId, reason: String, status: Option<u16>, response: String, now: Moment) {
        let answer_of_steps =
            Answer { outcome: Outcome::DeadLetter, status, detail: reason.clone(), retry_after: None, log: None };
        if self.fail_replay(id, "still not deliverable", &answer_of_steps, now) {
            return;
        }
        let Some(event) = self.events.get_mut(&id) else { return };
        event.stage = Stage::Burying;
        let first_failed_at = event.refusals.map_or(now, |refusals| refusals.first);
        let letter = Letter {
            name: event.name.clone(),
            record: event.record.clone(),
            reason,
            attempts: event.attempts,
            status,
            response,
            first_failed_at,
            idempotency_key: event.idempotency_key.clone(),
            recreated: match event.origin {
                Origin::Partition { index, .. } => {
                    self.partitions.get(index).map_or(0, |partition| partition.identity.recreated)
                }
                Origin::Replay { recreated, .. } => recreated,
            },
        };
        self.actions.push(Action::Bury(id, letter));
    }

    /// The dead letter is durable: only now its record needs no more work.
    pub fn buried(&mut self, id: EventId, now: Moment) {
        self.cannot_bury = None;
        let Some(event) = self.remove(id) else { return };
        if event.abandoned {
            return;
        }
        self.counters.dead_lettered += 1;
        self.settle(&event, None, now);
    }

    /// The dead letter could not be kept; `reason` is for people. Nothing is sent until one can be.
    pub fn not_buried(&mut self, id: EventId, letter: Letter, reason: String, now: Moment) {
        if self.cannot_bury.as_ref() != Some(&reason) {
            self.actions.push(Action::Report(Report::Stalled { reason: reason.clone() }));
        }
        self.cannot_bury = Some(reason);
        self.unburied.insert(id, (now + BURY_AGAIN, letter));
    }

    pub(super) fn bury_again(&mut self, now: Moment) {
        if self.unburied.is_empty() && self.cannot_bury.is_none() {
            return;
        }
        let due: Vec<EventId> =
            self.unburied.iter().filter(|(_, (moment, _))| *moment <= now).map(|(id, _)| *id).collect();
        for id in due {
            let Some((_, letter)) = self.unburied.remove(&id) else { continue };
            if self.discard_if_abandoned(id) {
                continue;
            }
            self.actions.push(Action::Bury(id, letter));
        }
        let buries = self.events.values().any(|event| event.stage == Stage::Burying);
        if !buries {
            self.cannot_bury = None;
        }
    }

    fn leave_lane(&mut self, id: EventId) {
        let lane = self.events.get_mut(&id).and_then(|event| event.lane.take());
        if let Some(lane) = lane {
            self.lanes.release(&lane);
        }
    }

    /// Takes an event out for good, and lets the next one of its lane go.
    fn remove(&mut self, id: EventId) -> Option<Event> {
        self.leave_lane(id);
        let event = self.events.remove(&id)?;
        self.held = self.held.saturating_sub(event.held_bytes);
        Some(event)
    }

    fn settle(&mut self, event: &Event, refused: Option<String>, now: Moment) {
        match event.origin {
            Origin::Partition { .. } => {
                self.settle_origin(event.origin, now);
                if event.attempts > 0 {
                    self.storing.sent_and_settled(self.settings.commit_interval);
                }
            }
            Origin::Replay { id, .. } => self.end_replay(id, refused),
        }
    }

    fn settle_origin(&mut self, origin: Origin, now: Moment) -> bool {
        let Origin::Partition { index, ticket } = origin else { return false };
        let settled = self.partitions.get_mut(index).is_some_and(|partition| partition.tracker.settled(ticket));
        if settled {
            self.touch(index, now);
        }
        settled
    }

    fn end_replay(&mut self, id: u64, refused: Option<String>) {
        self.replaying.remove(&id);
        self.actions.push(Action::EndReplay { id, refused });
    }

    /// Whether a record is still ours: its partition was not reset or taken away since it was read.
    pub(super) fn owns(&self, origin: Origin) -> bool {
        match origin {
            Origin::Partition { index, ticket } => {
                self.partitions.get(index).is_some_and(|partition| !partition.gone && partition.tracker.issued(ticket))
            }
            Origin::Replay { id, .. } => self.replaying.contains_key(&id),
        }
    }

    pub(super) fn source(&self, origin: Origin) -> Option<(TopicPartition, u32)> {
        match origin {
            Origin::Partition { index, .. } => {
                self.partitions.get(index).map(|partition| (partition.name.clone(), partition.identity.recreated))
            }
            Origin::Replay { id, recreated } => self.replaying.get(&id).map(|name| (name.clone(), recreated)),
        }
    }

    /// What a partition has pending is not ours any more. Events that are out or queued go when they come up.
    pub(super) fn abandon(&mut self, abandoned: usize) {
        let Some(partition) = self.partitions.get_mut(abandoned) else { return };
        if partition.gone {
            return;
        }
        self.counters.consumed = self.counters.consumed.saturating_sub(partition.tracker.pending());
        let dropped: usize = partition.unprepared.drain(..).map(|waiting| waiting.record.held_bytes()).sum();
        self.held = self.held.saturating_sub(dropped);
        self.held_unprepared = self.held_unprepared.saturating_sub(dropped);
        for event in self.events.values_mut() {
            if matches!(event.origin, Origin::Partition { index, .. } if index == abandoned) {
                event.abandoned = true;
            }
        }
        let events = &self.events;
        self.lanes.wake_all(|id| events.get(&id).is_some_and(|event| !event.abandoned));
    }

    fn discard_if_abandoned(&mut self, id: EventId) -> bool {
        let abandoned = self.events.get(&id).is_none_or(|event| event.abandoned);
        if abandoned {
            self.remove(id);
        }
        abandoned
    }
}

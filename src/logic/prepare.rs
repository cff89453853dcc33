//! The steps between a record and its requests: JSON, filter, required members, transform, order value.
//!
//! A pure function of the record and the configuration: the same record always becomes the same requests, which is
//! what makes a retry, a replay and a restart harmless. Knows nothing of where records come from or requests go.

use std::fmt;

use jaq_json::Num;

use super::jq::{JqError, Limits, Path, Program, Val, json, short_line};
use super::record::{Record, TopicPartition};
use super::record_json::jq_without_value;

/// The steps as the configuration gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepSettings {
    /// jq that names an event in log lines; none: topic/partition/offset.
    pub event_id: Option<String>,
    /// jq: true lets the event pass, false or null filters it out.
    pub filter: Option<String>,
    /// Names or paths that must be there and not be empty.
    pub required: Vec<String>,
    /// jq: each output is a request body; none: the value as it is.
    pub transform: Option<String>,
    /// What must be delivered one after another.
    pub order: Order,
}

/// What must be delivered one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// All records of a partition.
    #[default]
    Partition,
    /// Records with the same key; one without a key waits for no other.
    Key,
    /// Nothing waits for anything.
    None,
    /// Records for which this jq program gives the same value; null waits for no other.
    Expression(String),
}

/// The order value of one record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OrderValue {
    /// Waits for the records of its partition.
    Partition,
    /// Waits for the records with the same bytes here: a key, or the JSON text that the expression gave.
    Value(Vec<u8>),
    /// Waits for no other.
    Free,
}

/// What the steps made of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// Not for us.
    Filtered,
    /// It cannot be delivered; the reason, cut to a short line.
    Invalid(String),
    /// The request bodies, at least one, in the order in which they must be accepted.
    Ready {
        /// JSON texts (RFC 8259), or the value's own bytes where there is no transform.
        bodies: Vec<Vec<u8>>,
        /// What it must wait for.
        order: OrderValue,
    },
}

/// A record after the steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedEvent {
    /// What `event_id` gives, for log lines: at most 200 characters, none of them a control character. None where
    /// there is no such program, it gave nothing, or the event is not for us.
    pub event_id: Option<String>,
    /// What is to be done with it.
    pub prepared: Prepared,
}

/// A step that does not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepError {
    /// The key of the configuration: event_id, filter, required, transform or order_key.
    pub key: &'static str,
    /// Which of several, from 0; 0 where there is only one.
    pub index: usize,
    /// What is wrong with it.
    pub error: JqError,
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.error)
    }
}

impl std::error::Error for StepError {}

/// The steps, compiled. They can be shared between threads.
#[derive(Debug)]
pub struct Steps {
    event_id: Option<Program>,
    filter: Option<Program>,
    /// Each with its name in the configuration.
    required: Vec<(String, Path)>,
    transform: Option<Program>,
    order: OrderStep,
    limits: Limits,
}

#[derive(Debug)]
enum OrderStep {
    Partition,
    Key,
    Free,
    Expression(Program),
}

/// The variable that all programs of the steps may read.
const RECORD: &str = "$record";

/// Reasons are cut to this many characters.
const REASON_LENGTH: usize = 300;

/// Event ids are cut to this many characters.
const EVENT_ID_LENGTH: usize = 200;

impl Steps {
    /// Compiles the steps.
    ///
    /// # Errors
    ///
    /// The first program or path that is refused.
    pub fn compile(settings: &StepSettings, limits: Limits) -> Result<Self, StepError> {
        let program = |key, source: &Option<String>| match source {
            Some(source) => compile(key, source).map(Some),
            None => Ok(None),
        };
        let required = settings.required.iter().enumerate().map(|(index, name)| match Path::parse(name) {
            Ok(path) => Ok((name.clone(), path)),
            Err(error) => Err(StepError { key: "required", index, error }),
        });
        Ok(Self {
            event_id: program("event_id", &settings.event_id)?,
            filter: program("filter", &settings.filter)?,
            required: required.collect::<Result<_, _>>()?,
            transform: program("transform", &settings.transform)?,
            order: match &settings.order {
                Order::Partition => OrderStep::Partition,
                Order::Key => OrderStep::Key,
                Order::None => OrderStep::Free,
                Order::Expression(source) => OrderStep::Expression(compile("order_key", source)?),
            },
            limits,
        })
    }

    /// Takes a record of `source` through the steps.
    pub fn prepare(&self, source: &TopicPartition, record: &Record) -> PreparedEvent {
        let mut event_id = None;
        let prepared = self.run(source, record, &mut event_id);
        let prepared = prepared.unwrap_or_else(|Invalid(reason)| Prepared::Invalid(short_line(&reason, REASON_LENGTH)));
        PreparedEvent { event_id, prepared }
    }

    fn run(
        &self,
        source: &TopicPartition,
        record: &Record,
        event_id: &mut Option<String>,
    ) -> Result<Prepared, Invalid> {
        if let Some(size) = record.truncated_from {
            return Err(Invalid(format!("larger than max_record_size: {size} bytes")));
        }
        let event = match &record.value {
            Some(value) => json::parse(value).map_err(|error| Invalid(format!("not JSON: {error}")))?,
            None if self.filter.is_none() => return Ok(Prepared::Filtered),
            None => Val::Null,
        };
        let event = Event { value: event, record: self.record_value(source, record) };

        // What a filter lets pass or fails on gets a name; what is not for us needs none, and there may be much of it.
        let passes = self.passes(&event);
        if let Ok(false) = passes {
            return Ok(Prepared::Filtered);
        }
        *event_id = self.event_id.as_ref().and_then(|program| self.name(program, &event));
        passes?;
        self.check_required(&event.value)?;
        let bodies = self.bodies(record, &event)?;
        if bodies.is_empty() {
            return Ok(Prepared::Filtered);
        }
        Ok(Prepared::Ready { bodies, order: self.order_value(record, &event)? })
    }

    /// `$record`, or null where no program reads it.
    fn record_value(&self, source: &TopicPartition, record: &Record) -> Val {
        let order = match &self.order {
            OrderStep::Expression(program) => Some(program),
            _ => None,
        };
        let programs = [self.event_id.as_ref(), self.filter.as_ref(), self.transform.as_ref(), order];
        if programs.into_iter().flatten().any(Program::reads_variable) {
            jq_without_value(source, record)
        } else {
            Val::Null
        }
    }

    fn outputs(&self, step: &str, program: &Program, event: &Event) -> Result<Vec<Val>, Invalid> {
        let outputs = program.run(event.value.clone(), event.record.clone(), &self.limits);
        outputs.map_err(|error| Invalid(format!("{step} failed: {error}")))
    }

    fn passes(&self, event: &Event) -> Result<bool, Invalid> {
        let Some(filter) = &self.filter else { return Ok(true) };
        match self.outputs("filter", filter, event)?.as_slice() {
            [Val::Bool(true)] => Ok(true),
            [Val::Bool(false) | Val::Null] => Ok(false),
            [other] => Err(Invalid(format!("filter gave neither true nor false: {}", short_line(other, 100)))),
            [] => Err(Invalid("filter gave nothing, neither true nor false".to_owned())),
            outputs => Err(Invalid(format!("filter gave {} outputs instead of one", outputs.len()))),
        }
    }

    fn name(&self, program: &Program, event: &Event) -> Option<String> {
        let name = self.outputs("event_id", program, event).ok()?.into_iter().next()?;
        let text = match &name {
            Val::Null => return None,
            Val::TStr(text) => String::from_utf8_lossy(text),
            other => return Some(short_line(other, EVENT_ID_LENGTH)),
        };
        Some(short_line(&text, EVENT_ID_LENGTH)).filter(|name| !name.is_empty())
    }

    fn check_required(&self, event: &Val) -> Result<(), Invalid> {
        let missing = self.required.iter().filter(|(_, path)| path.find(event).is_none_or(is_empty));
        let missing: Vec<&str> = missing.map(|(name, _)| name.as_str()).collect();
        if missing.is_empty() { Ok(()) } else { Err(Invalid(format!("missing or empty: {}", missing.join(", ")))) }
    }

    fn bodies(&self, record: &Record, event: &Event) -> Result<Vec<Vec<u8>>, Invalid> {
        let Some(transform) = &self.transform else {
            // A tombstone that the filter let pass.
            return Ok(vec![record.value.clone().unwrap_or_else(|| b"null".to_vec())]);
        };
        let mut left = self.limits.output_bytes;
        let outputs = self.outputs("transform", transform, event)?.into_iter();
        let bodies = outputs.map(|output| {
            let body = json::write(&output, left).map_err(|error| Invalid(format!("transform failed: {error}")))?;
            left = left.saturating_sub(body.len());
            Ok(body)
        });
        bodies.collect()
    }

    fn order_value(&self, record: &Record, event: &Event) -> Result<OrderValue, Invalid> {
        match &self.order {
            OrderStep::Partition => Ok(OrderValue::Partition),
            OrderStep::Free => Ok(OrderValue::Free),
            OrderStep::Key => Ok(record.key.clone().map_or(OrderValue::Free, OrderValue::Value)),
            OrderStep::Expression(program) => match self.outputs("order_key", program, event)?.as_slice() {
                [] | [Val::Null] => Ok(OrderValue::Free),
                [value] => {
                    let text = json::write(value, self.limits.output_bytes);
                    text.map(OrderValue::Value).map_err(|error| Invalid(format!("order_key failed: {error}")))
                }
                outputs => Err(Invalid(format!("order_key gave {} outputs instead of one", outputs.len()))),
            },
        }
    }
}

fn compile(key: &'static str, source: &str) -> Result<Program, StepError> {
    Program::compile(source, Some(RECORD)).map_err(|error| StepError { key, index: 0, error })
}

/// Why a record cannot be delivered.
struct Invalid(String);

/// What the programs see.
struct Event {
    value: Val,
    record: Val,
}

/// What `required` does not take for a value.
fn is_empty(value: &Val) -> bool {
    match value {
        Val::Null => true,
        Val::Bool(value) => !value,
        Val::Num(number) => *number == Num::Int(0),
        Val::TStr(text) | Val::BStr(text) => text.is_empty(),
        Val::Arr(items) => items.is_empty(),
        Val::Obj(members) => members.is_empty(),
    }
}

#[cfg(test)]
mod tests;

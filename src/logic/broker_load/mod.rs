//! How loaded a broker is by its own account: which of its figures to read, what two readings mean together, and what
//! looks wrong when they are compared. Pure: who reads them, and how, is the business of `jmx/`.
//!
//! One set of figures from three sources: a JVM's JMX port, Jolokia's JSON, the JMX exporter's text.

use litemap::LiteMap;

use crate::logic::moment::Moment;

pub mod beans;
pub mod checks;
pub mod jolokia;
pub mod prometheus;

mod figures;
#[cfg(test)]
mod tests;
mod window;

pub use beans::Quantity;
pub use figures::{Basis, BrokerFigures, RequestTime};
pub use window::SampleWindow;

/// What was read from one broker at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// When.
    pub taken_at: Moment,
    /// What.
    pub readings: Readings,
}

/// Numbers by what they are of and by the attribute that they were read from. What the broker does not have is missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings {
    values: LiteMap<(Quantity, &'static str), f64>,
    requests: Option<f64>,
}

impl Readings {
    /// Keeps a number, if it is one of those that [`beans::BEANS`] names; a broker's NaN is no number.
    pub fn add(&mut self, quantity: Quantity, attribute: &str, value: f64) {
        let kept = beans::bean_of(quantity).and_then(|bean| bean.keeps().find(|kept| *kept == attribute));
        if let Some(attribute) = kept.filter(|_| value.is_finite()) {
            self.values.insert((quantity, attribute), value);
        }
    }

    /// Adds the count of one kind of request, in one of its versions. A fetch counts under `Fetch` alone: the broker
    /// counts it under `FetchConsumer` or `FetchFollower` as well.
    pub fn add_requests(&mut self, request: &str, count: f64) {
        if !matches!(request, "FetchConsumer" | "FetchFollower") && count.is_finite() {
            self.requests = Some(self.requests.unwrap_or(0.0) + count);
        }
    }

    /// The number, where it was read.
    pub fn get(&self, quantity: Quantity, attribute: &str) -> Option<f64> {
        // The key's lifetime is that of the map's own keys, hence the comparison.
        self.values.get_by(|key| key.cmp(&(quantity, attribute))).copied()
    }

    /// Requests since the broker's start, of all kinds.
    pub fn requests(&self) -> Option<f64> {
        self.requests
    }

    /// Whether nothing of a Kafka broker is in it: it is some other JVM, or nothing of Kafka is shown.
    pub fn is_no_broker(&self) -> bool {
        let of_the_jvm = |quantity| matches!(quantity, Quantity::Heap | Quantity::System | Quantity::Runtime);
        self.values.keys().all(|(quantity, _)| of_the_jvm(*quantity)) && self.requests.is_none()
    }
}

//! The steps between a record and its requests: JSON, filter, required members, transform, order value.

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

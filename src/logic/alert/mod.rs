//! From figures to messages: which series break a rule, what becomes of an alert over time, whom to tell and when.
//!
//! Pure: figures and the time come in, changes to store and notices to send leave as values. Knows no Kafka, no SMTP, no
//! file. The words of a notice are in `document` and `text`.

pub mod document;
pub mod engine;
pub mod figure_text;
pub mod html;
pub mod metric;
pub mod notice;
pub mod robots;
pub mod rule;
pub mod status;
pub mod text;

mod action;
mod book;
mod built_in;
mod channel;
mod condition;
#[cfg(test)]
mod engine_tests;
mod grouping;
mod inhibit;
#[cfg(test)]
mod inhibit_tests;
mod live;
mod routing;
mod sentence;
mod silences;
#[cfg(test)]
mod simulation_tests;
mod stored;
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod test_world;
mod time;

pub use action::{Action, AlertReport, Change, DocumentKind};
pub use book::Scope;
pub use built_in::built_in;
pub use engine::Engine;
pub use metric::{Figure, Labels, METRICS, Metric, Observed, Series, Source, Unit};
pub use notice::{ChannelSettings, Notice, NoticeAlert, Reason};
pub use rule::{Condition, LabelGlob, NoData, Rule, Severity};
pub use silences::SilenceError;
pub use status::{AlertState, AlertView, SilenceView};
pub use time::Now;

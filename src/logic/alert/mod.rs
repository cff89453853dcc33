//! From figures to messages: which series break a rule, what becomes of an alert over time, whom to tell and when.
//!
//! Pure: figures and the time come in, changes to store and notices to send leave as values. Knows no Kafka, no SMTP, no
//! file. The words of a notice are in `document` and `text`.

pub mod document;
pub mod html;
pub mod metric;
pub mod notice;
pub mod robots;
pub mod rule;
pub mod text;

pub use metric::{Figure, Labels, METRICS, Metric, Observed, Series, Source, Unit};
pub use notice::{ChannelSettings, Notice, NoticeAlert, Reason};
pub use rule::{Condition, LabelGlob, NoData, Rule, Severity};

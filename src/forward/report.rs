//! Turns what a route reports into log lines: one a happening, with the event's id, never with its content.

use tracing::{debug, error, info, warn};

use crate::logic::outcome::{Answer, LogLevel};
use crate::logic::route::{EventName, Report};

/// Writes the log line for `report` of the forward `forward`.
pub(super) fn log(forward: &str, report: &Report) {
    match report {
        Report::Delivered { name, attempts, answer } => {
            let level = answer.log.unwrap_or(LogLevel::Debug);
            event(level, forward, name, "delivered", &format!("attempt {attempts}"), answer);
        }
        Report::Refused { name, attempts, wait, answer } => {
            // An event that is refused for hours is told of at growing distances, like its attempts.
            let level = if attempts.is_power_of_two() { LogLevel::Warn } else { LogLevel::Debug };
            let detail = format!("attempt {attempts}, next in {:.1} s", wait.as_secs_f64());
            event(answer.log.unwrap_or(level), forward, name, "refused for now", &detail, answer);
        }
        Report::Rejected { name, reason, answer } => {
            let level = answer.log.unwrap_or(LogLevel::Error);
            event(level, forward, name, "kept as a dead letter", reason, answer);
        }
        Report::Dropped { name, answer } => {
            event(answer.log.unwrap_or(LogLevel::Info), forward, name, "dropped", "as its outcome says", answer);
        }
        Report::Invalid { name, reason } => {
            warn!(forward, event = %name, reason, "invalid event, kept as a dead letter");
        }
        Report::Skipped { name, reason } => warn!(forward, event = %name, reason, "invalid event, skipped"),
        Report::EndpointDown { answer } => {
            warn!(forward, status = answer.status, response = answer.detail, "the endpoint seems to be down");
        }
        Report::Suspended { answer } => error!(
            forward,
            status = answer.status,
            response = answer.detail,
            "the endpoint refuses everything: suspended, with a probe from time to time"
        ),
        Report::EndpointBack => info!(forward, "the endpoint accepts events again"),
        Report::Stalled { reason } => error!(forward, reason, "stalled: nothing is sent until this is mended"),
        Report::StoresAgain => info!(forward, "offsets can be stored again"),
        Report::Stopped { reason } => error!(forward, reason, "stopped until a restart"),
        Report::OffsetOutOfRange { topic_partition, wanted, position } => warn!(
            forward,
            partition = %topic_partition,
            wanted,
            position,
            "the log no longer holds the next offset: reading goes on elsewhere"
        ),
    }
}

fn event(level: LogLevel, forward: &str, name: &EventName, what: &str, detail: &str, answer: &Answer) {
    let EventName { topic_partition, offset, .. } = name;
    let (status, response) = (answer.status, answer.detail.as_str());
    macro_rules! at {
        ($level:ident) => {
            $level!(forward, event = %name, partition = %topic_partition, offset, status, response, detail, "{what}")
        };
    }
    match level {
        LogLevel::Error => at!(error),
        LogLevel::Warn => at!(warn),
        LogLevel::Info => at!(info),
        LogLevel::Debug => at!(debug),
    }
}

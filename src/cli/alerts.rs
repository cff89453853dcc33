//! `barnabas alerts`: list, test, silence, unsilence. Only a running daemon has alerts.

use std::time::Duration;

use super::ask::{self, Source};
use super::configuration;
use super::definitions::{Alerts, AlertsCommand, AlertsSilence};
use super::failure::Failure;
use super::output::{Output, remark};
use super::status;
use super::table::{Column, Table};
use crate::clock;
use crate::config::parse_duration;
use crate::control::ControlRequest;
use crate::logic::moment::Timestamp;
use crate::logic::printable::printable;
use crate::status::{AlertStatus, Status};

/// A silence is for a while: a rule that nobody wants to hear of belongs out of the configuration.
const LONGEST_SILENCE: Duration = Duration::from_secs(366 * 24 * 3600);

pub(super) fn alerts(command: Alerts, output: &mut Output<'_>) -> Result<(), Failure> {
    match command.command {
        AlertsCommand::List(list) => {
            let config = configuration::settings(list.config.as_deref())?;
            let status = status::fetch(&config)?;
            if list.json {
                return output.json(&status.alerts);
            }
            output.table(&table(&status.alerts, clock::wall_clock()))?;
            // What was listed comes before what is said of it.
            output.flush()?;
            remarks(&status).iter().for_each(|text| remark(&printable(text)));
            Ok(())
        }
        AlertsCommand::Test(test) => {
            let config = configuration::settings(test.config.as_deref())?;
            ask::done(&config, &ControlRequest::AlertsTest { channel: test.channel }, Source::Daemon)
        }
        AlertsCommand::Silence(silence) => {
            let for_seconds = seconds(&silence)?;
            let config = configuration::settings(silence.config.as_deref())?;
            ask::done(&config, &ControlRequest::AlertsSilence { name: silence.name, for_seconds }, Source::Daemon)
        }
        AlertsCommand::Unsilence(unsilence) => {
            let config = configuration::settings(unsilence.config.as_deref())?;
            ask::done(&config, &ControlRequest::AlertsUnsilence { name: unsilence.name }, Source::Daemon)
        }
    }
}

fn seconds(silence: &AlertsSilence) -> Result<u64, Failure> {
    let Some(duration) = &silence.duration else {
        return Err(Failure::Usage("for how long? Say --for 2h".to_owned()));
    };
    let duration = parse_duration(duration).map_err(|error| Failure::Usage(format!("--for: {error}")))?;
    if duration < Duration::from_secs(1) || duration > LONGEST_SILENCE {
        return Err(Failure::Usage("--for: from 1s to 366d".to_owned()));
    }
    Ok(duration.as_secs())
}

/// A row an alert.
fn table(alerts: &[AlertStatus], now: Timestamp) -> Table {
    let mut table = Table::new(&[
        Column::Left("ALERT"),
        Column::Left("STATE"),
        Column::Left("SEVERITY"),
        Column::Right("FOR"),
        Column::Right("VALUE"),
        Column::Left("TOLD"),
        Column::Left("SUMMARY"),
    ]);
    for alert in alerts {
        let told = match (&alert.silenced_until, &alert.explained_by) {
            (Some(_), _) => "silenced".to_owned(),
            (None, Some(cause)) => format!("explained by {cause}"),
            (None, None) if alert.told.is_empty() => "-".to_owned(),
            (None, None) => alert.told.join(","),
        };
        table.row([
            alert.name.clone(),
            alert.state.name().to_owned(),
            alert.severity.name().to_owned(),
            status::age_of(&alert.since, now),
            alert.value_text.clone(),
            told,
            alert.summary.clone(),
        ]);
    }
    table
}

/// What the list cannot show.
fn remarks(status: &Status) -> Vec<String> {
    let mut remarks = Vec::new();
    if status.alerts.is_empty() {
        remarks.push("nothing is pending or fires".to_owned());
    }
    if status.alerts_left_out > 0 {
        remarks.push(format!("{} more are not listed", status.alerts_left_out));
    }
    remarks
        .extend(status.silences.iter().map(|silence| format!("{} is silenced until {}", silence.name, silence.until)));
    let failing = status.channels.iter().filter(|channel| channel.failing);
    remarks.extend(failing.map(|channel| {
        let error = channel.error.as_deref().unwrap_or("its last notice was not taken");
        format!("channel {} is failing: {error}; {} notices wait", channel.name, channel.waiting)
    }));
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::made_up;

    #[test]
    fn the_list_says_who_was_told_and_why_not() {
        let now = Timestamp(1_795_244_400_000);
        let mut alerts = made_up::alerts().alerts;
        alerts.sort_by(AlertStatus::worst_first);
        let text = table(&alerts, now).separated();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines.get(1..3),
            Some(
                &[
                    "broker-down\tfiring\tcritical\t5min\tno\tops\tBroker 3 does not answer",
                    "topic-backlog\tfiring\twarning\t19min\t12,480\tops\tGroup billing is 12,480 messages behind in \
                     orders, above 1,000",
                ][..]
            )
        );
        assert!(text.contains("\texplained by broker-down\t") && text.contains("\tsilenced\t"), "{text}");
    }

    #[test]
    fn what_the_list_cannot_show_is_remarked() {
        let published = made_up::alerts();
        let status = Status { silences: published.silences, channels: published.channels, ..Status::default() };
        assert_eq!(
            remarks(&status),
            [
                "nothing is pending or fires",
                "leader-skew is silenced until 2026-11-21T09:00:00.000Z",
                "channel hook is failing: 503 from hook.example.com; 2 notices wait",
            ]
        );
    }

    #[test]
    fn a_silence_has_an_end() {
        let seconds = |duration: Option<&str>| {
            let duration = duration.map(str::to_owned);
            seconds(&AlertsSilence { name: "a".into(), duration, config: None })
                .map_err(|failure| failure.exit_status())
        };
        assert_eq!(seconds(Some("2h")), Ok(7200));
        for wrong in [None, Some("0s"), Some("367d"), Some("soon")] {
            assert_eq!(seconds(wrong), Err(2), "{wrong:?}");
        }
    }
}

//! Alerts, silences and channels in /metrics.

use litemap::LiteMap;

use super::exposition::Exposition;
use crate::status::{AlertState, AlertsPublication};

/// All families about alerts.
pub(super) fn render(text: &mut Exposition, alerts: &AlertsPublication) {
    for (family, help, state) in [
        ("barnabas_alerts_firing", "Alerts of the rule that fire, also silenced ones.", AlertState::Firing),
        ("barnabas_alerts_pending", "Alerts of the rule that do not fire yet.", AlertState::Pending),
    ] {
        let mut counts: LiteMap<(&str, &str), usize> = LiteMap::new();
        for alert in alerts.alerts.iter().filter(|alert| alert.state == state) {
            *counts.entry((&alert.name, alert.severity.name())).or_default() += 1;
        }
        text.family(family, "gauge", help);
        for ((name, severity), count) in counts {
            text.sample(&[("name", &name), ("severity", &severity)], count);
        }
    }
    text.family("barnabas_silences", "gauge", "Rules of which nobody is told at present.");
    text.sample(&[], alerts.silences.len());
    text.family("barnabas_channel_failing", "gauge", "1 where the channel does not take what it is told.");
    for channel in &alerts.channels {
        text.sample(&[("channel", &channel.name)], u8::from(channel.failing));
    }
    text.family("barnabas_channel_notices_waiting", "gauge", "Notices that the channel has not taken yet.");
    for channel in &alerts.channels {
        text.sample(&[("channel", &channel.name)], channel.waiting);
    }
}

//! The rules that exist without a word in the configuration: what stops progress must reach somebody. A rule of the
//! same name in the configuration replaces one. Pure.
//!
//! Dead letters are not among them: for many endpoints an event that nobody wants is everyday life, and a store of them
//! that is full stalls its forward, which is here.

use std::time::Duration;

use super::metric::Metric;
use super::rule::{Condition, NoData, Rule, Severity};

/// Name, metric, condition, hold.
const RULES: [(&str, &str, Condition, Duration); 4] = [
    ("cluster-unreachable", "cluster_up", Condition::Below(1.0), Duration::from_mins(1)),
    ("forward-suspended", "forward_suspended", Condition::Above(0.0), Duration::from_mins(5)),
    ("forward-stalled", "forward_stalled", Condition::Above(0.0), Duration::from_mins(1)),
    ("channel-failing", "channel_failing", Condition::Above(0.0), Duration::ZERO),
];

/// The built-in rules whose names `user_rules` leaves free. All are critical and told over all `channels`; that a
/// channel fails is never told over that channel.
pub fn built_in(user_rules: &[Rule], channels: &[String]) -> Vec<Rule> {
    RULES
        .into_iter()
        .filter(|(name, ..)| user_rules.iter().all(|rule| rule.name != *name))
        .filter_map(|(name, metric, condition, hold)| {
            Some(Rule {
                name: name.to_owned(),
                metric: Metric::named(metric)?,
                labels: Vec::new(),
                condition,
                clear_at: condition.threshold(),
                hold,
                no_data: NoData::Keep,
                severity: Severity::Critical,
                summary: None,
                runbook: None,
                notify: channels.to_vec(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::alert::test_support::rule;

    #[test]
    fn every_built_in_rule_is_about_a_metric_that_exists() {
        let rules = built_in(&[], &["ops".to_owned()]);
        assert_eq!(rules.len(), RULES.len());
        assert!(rules.iter().all(|rule| rule.notify == ["ops"]));
    }

    #[test]
    fn a_rule_of_the_same_name_replaces_a_built_in_one() {
        let rules = built_in(&[rule("forward-stalled", "forward_stalled")], &[]);
        assert!(rules.iter().all(|rule| rule.name != "forward-stalled"));
        assert_eq!(rules.len(), RULES.len() - 1);
    }
}

//! What one figure means for one rule. A threshold on an age is decided by the exact verdict where there is one; the
//! estimate is for people. Pure; knows no alert, and nothing of what was before.

use std::time::Duration;

use super::metric::Figure;
use super::rule::{Condition, Rule};
use crate::logic::sorted_set::SortedSet;

/// What a figure means for a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It breaks the rule.
    Broken,
    /// It does not break the rule, and is not on the good side of `clear_at` either, as far as we know.
    Between,
    /// It is on the good side of `clear_at`.
    Good,
    /// There is no telling.
    Unknown,
    /// The series does not exist any more.
    Gone,
}

/// A verdict with the figure that people should see.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reading {
    pub(super) verdict: Verdict,
    pub(super) value: Option<f64>,
    pub(super) precision: Precision,
}

/// How well a figure is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    /// As it was measured or estimated.
    Measured,
    /// It is more than this: the estimate says less than what is certain, or there is none.
    LowerBound,
}

impl Reading {
    /// A figure that could not be read.
    pub(super) const UNKNOWN: Self = Self { verdict: Verdict::Unknown, value: None, precision: Precision::Measured };
    /// Yes, of something that should not be.
    pub(super) const FAILING: Self =
        Self { verdict: Verdict::Broken, value: Some(1.0), precision: Precision::Measured };
    /// A series that is not there any more.
    pub(super) const GONE: Self = Self { verdict: Verdict::Gone, value: None, precision: Precision::Measured };
}

/// What `figure` means for `rule`.
pub(super) fn judge(rule: &Rule, figure: &Figure) -> Reading {
    match figure {
        Figure::Value(value) if value.is_nan() => Reading::UNKNOWN,
        Figure::Value(value) => {
            let is_met = |threshold| Some(rule.condition.with_threshold(threshold).is_met(*value));
            Reading {
                verdict: verdict(is_met(rule.condition.threshold()), is_met(rule.clear_at)),
                value: Some(*value),
                precision: Precision::Measured,
            }
        }
        Figure::Age { seconds, error, older_than } => {
            let estimate = seconds.map(|seconds| Estimate { seconds, error: *error });
            judge_age(rule, estimate.filter(|age| !age.seconds.is_nan()), older_than)
        }
        Figure::Unknown => Reading::UNKNOWN,
    }
}

/// An age in seconds, and by how much it may be wrong.
#[derive(Clone, Copy)]
struct Estimate {
    seconds: f64,
    error: f64,
}

impl Estimate {
    /// Whether it meets the condition wherever in its range the truth lies; none: that depends.
    fn meets(self, condition: Condition) -> Option<bool> {
        let least = if self.error.is_finite() { (self.seconds - self.error).max(0.0) } else { self.seconds };
        let met = condition.is_met(least);
        (met == condition.is_met(self.seconds + self.error)).then_some(met)
    }

    fn precision(self) -> Precision {
        if self.error.is_finite() { Precision::Measured } else { Precision::LowerBound }
    }
}

fn judge_age(rule: &Rule, estimate: Option<Estimate>, older_than: &[(Duration, Option<bool>)]) -> Reading {
    let is_older = |threshold: f64| {
        let age = age_of(threshold)?;
        older_than.iter().find(|(asked, _)| *asked == age)?.1
    };
    let is_met = |threshold: f64| match (is_older(threshold), rule.condition) {
        (Some(older), Condition::Above(_) | Condition::AtLeast(_)) => Some(older),
        (Some(older), Condition::Below(_)) => Some(!older),
        (None, condition) => estimate?.meets(condition.with_threshold(threshold)),
    };
    let threshold = rule.condition.threshold();
    let verdict = verdict(is_met(threshold), is_met(rule.clear_at));
    // "9 min (above 10 min)" would make people doubt what is certain.
    let certain = is_older(threshold) == Some(true) && estimate.is_none_or(|age| age.seconds <= threshold);
    if certain {
        return Reading { verdict, value: Some(threshold), precision: Precision::LowerBound };
    }
    Reading {
        verdict,
        value: estimate.map(|age| age.seconds),
        precision: estimate.map_or(Precision::Measured, Estimate::precision),
    }
}

/// From whether the figure breaks the rule, and whether it would break it with `clear_at` as the threshold.
fn verdict(broken: Option<bool>, not_clear: Option<bool>) -> Verdict {
    match (broken, not_clear) {
        (Some(true), _) => Verdict::Broken,
        (Some(false), Some(true) | None) => Verdict::Between,
        // What is on the good side of `clear_at` does not break the rule.
        (Some(false) | None, Some(false)) => Verdict::Good,
        (None, Some(true) | None) => Verdict::Unknown,
    }
}

/// The ages that have to be asked about for exact verdicts on these rules.
pub(super) fn ages_wanted<'a>(rules: impl Iterator<Item = &'a Rule>) -> SortedSet<Duration> {
    rules
        .filter(|rule| rule.metric.name == "group_lag_seconds")
        .flat_map(|rule| [rule.condition.threshold(), rule.clear_at])
        .filter_map(age_of)
        .collect()
}

/// None: no age is like that. What is asked and what is looked up goes through here, so that they are equal.
fn age_of(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::alert::test_support::rule;

    const MINUTE: Duration = Duration::from_mins(1);

    #[track_caller]
    fn check(why: &str, condition: Condition, clear_at: f64, figure: Figure, expected: Verdict) {
        let rule = Rule { condition, clear_at, ..rule("r", "group_lag_seconds") };
        assert_eq!(judge(&rule, &figure).verdict, expected, "{why}");
    }

    #[test]
    fn figures() {
        use Condition::{Above, AtLeast, Below};
        use Verdict::{Between, Broken, Good, Unknown};
        let value = Figure::Value;
        check("above means above", Above(80.0), 80.0, value(80.0), Good);
        check("and this is above", Above(80.0), 80.0, value(80.1), Broken);
        check("hysteresis: not broken, not over", Above(80.0), 70.0, value(75.0), Between);
        check("clear_at itself is the good side", Above(80.0), 70.0, value(70.0), Good);
        check("below means below", Below(1.0), 1.0, value(1.0), Good);
        check("and this is below", Below(1.0), 1.0, value(0.0), Broken);
        check("hysteresis upwards", Below(10.0), 20.0, value(15.0), Between);
        check("over, upwards", Below(10.0), 20.0, value(20.0), Good);
        check("at least includes", AtLeast(2.0), 2.0, value(2.0), Broken);
        check("at least, hysteresis", AtLeast(2.0), 1.0, value(1.0), Between);
        check("no number is no figure", Above(1.0), 1.0, value(f64::NAN), Unknown);
        check("infinity is a figure", Above(1.0), 1.0, value(f64::INFINITY), Broken);
        check("a clear_at on the wrong side clears nothing that is broken", Above(80.0), 90.0, value(85.0), Broken);
        check("unknown", Above(1.0), 1.0, Figure::Unknown, Unknown);
    }

    #[test]
    fn ages() {
        use Condition::{Above, Below};
        use Verdict::{Between, Broken, Good, Unknown};
        let age = |seconds, older: &[(u32, Option<bool>)]| Figure::Age {
            seconds,
            error: 0.0,
            older_than: older.iter().map(|(minutes, older)| (MINUTE * *minutes, *older)).collect(),
        };
        let ten = Above(600.0);
        check("the exact verdict decides", ten, 600.0, age(Some(1.0), &[(10, Some(true))]), Broken);
        check("also for the good", ten, 600.0, age(Some(999.0), &[(10, Some(false))]), Good);
        check("the estimate where it is missing", ten, 600.0, age(Some(999.0), &[(10, None)]), Broken);
        check("or was never asked for", ten, 600.0, age(Some(999.0), &[]), Broken);
        check("no verdict and no estimate", ten, 600.0, age(None, &[(10, None)]), Unknown);
        check("clear_at by its own age", ten, 300.0, age(None, &[(10, Some(false)), (5, Some(true))]), Between);
        check("good by both", ten, 300.0, age(None, &[(10, Some(false)), (5, Some(false))]), Good);
        check("good by clear_at alone", ten, 300.0, age(None, &[(5, Some(false))]), Good);
        check("older than clear_at, and who knows", ten, 300.0, age(None, &[(5, Some(true))]), Unknown);
        check("not broken, and who knows whether over", ten, 300.0, age(None, &[(10, Some(false))]), Between);
        check("below is not older", Below(600.0), 600.0, age(None, &[(10, Some(false))]), Broken);
        let about = |seconds, error| Figure::Age { seconds: Some(seconds), error, older_than: Vec::new() };
        check("an estimate that may be wrong by less than matters", ten, 600.0, about(500.0, 50.0), Good);
        check("one that may be wrong by more", ten, 600.0, about(580.0, 50.0), Unknown);
        check("a lower bound proves that it is old", ten, 600.0, about(700.0, f64::INFINITY), Broken);
        check("and never that it is not", ten, 600.0, about(5.0, f64::INFINITY), Unknown);
        check("no age is negative", Above(-1.0), -1.0, age(Some(0.0), &[]), Broken);
    }

    #[test]
    fn what_is_shown_does_not_contradict_what_is_certain() {
        let rule = Rule { condition: Condition::Above(600.0), clear_at: 600.0, ..rule("r", "group_lag_seconds") };
        let shown = |seconds| {
            let reading =
                judge(&rule, &Figure::Age { seconds, error: 0.0, older_than: vec![(MINUTE * 10, Some(true))] });
            (reading.value, reading.precision)
        };
        assert_eq!(shown(Some(540.0)), (Some(600.0), Precision::LowerBound));
        assert_eq!(shown(None), (Some(600.0), Precision::LowerBound));
        assert_eq!(shown(Some(700.0)), (Some(700.0), Precision::Measured));
    }

    #[test]
    fn only_rules_on_the_age_of_records_want_ages() {
        let one = Rule { condition: Condition::Above(600.0), clear_at: 300.0, ..rule("one", "group_lag_seconds") };
        let other = Rule { condition: Condition::Above(60.0), clear_at: 60.0, ..rule("other", "group_lag") };
        let wrong = Rule { condition: Condition::Above(-1.0), clear_at: f64::NAN, ..rule("x", "group_lag_seconds") };
        assert_eq!(ages_wanted([&one, &other, &wrong].into_iter()), SortedSet::from_iter([MINUTE * 5, MINUTE * 10]));
    }
}

//! Figures as people read them: "1,234", "80.5 %", "3 h 5 min", "1.2 GiB", "stall". Pure; knows no rule.

use super::metric::Unit;
use crate::logic::watch::view::GroupStatus;

/// What stands for a figure that could not be read.
pub const UNKNOWN: &str = "unknown";

/// `value` in `unit`.
pub fn figure(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Count => number(value),
        Unit::Seconds => span(value),
        Unit::Percent => format!("{} %", number(value)),
        Unit::Bytes => bytes(value),
        Unit::BytesPerSecond => format!("{}/s", bytes(value)),
        Unit::PerSecond => format!("{}/s", number(value)),
        Unit::Boolean if value == 1.0 => "yes".to_owned(),
        Unit::Boolean if value == 0.0 => "no".to_owned(),
        Unit::Boolean => number(value),
        Unit::GroupStatus => GroupStatus::ALL
            .into_iter()
            .find(|status| f64::from(status.number()) == value)
            .map_or_else(|| number(value), |status| status.name().to_owned()),
    }
}

/// A number with thousands separators and at most one decimal place; small ones with three.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() { UNKNOWN.to_owned() } else { "infinite".to_owned() };
    }
    let size = value.abs();
    if size >= 1e15 {
        return format!("{value:.3e}");
    }
    let digits = if size < 1.0 { format!("{size:.3}") } else { format!("{size:.1}") };
    let (whole, decimals) = digits.split_once('.').unwrap_or((&digits, ""));
    let mut text = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    let decimals = decimals.trim_end_matches('0');
    if !decimals.is_empty() {
        text.push('.');
        text.push_str(decimals);
    }
    if value < 0.0 && text != "0" {
        text.insert(0, '-');
    }
    text
}

fn bytes(value: f64) -> String {
    let mut size = value;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        // 1,023.95 would be rounded to 1,024.
        if size.abs() < 1023.95 || !size.is_finite() {
            return format!("{} {unit}", number(size));
        }
        size /= 1024.0;
    }
    format!("{} PiB", number(size))
}

/// A duration in its two largest units, the second only where it is not zero.
fn span(seconds: f64) -> String {
    if !seconds.is_finite() || seconds.abs() >= 1e12 {
        return number(seconds);
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let length = seconds.abs();
    if length == 0.0 {
        return "0 s".to_owned();
    }
    if length < 0.9995 {
        return format!("{sign}{} ms", number((length * 1000.0).round().max(1.0)));
    }
    if length < 9.95 {
        return format!("{sign}{} s", number(length));
    }
    let whole = |length: f64| length.round() as u64;
    let (seconds, minutes, hours) = (whole(length), whole(length / 60.0), whole(length / 3600.0));
    let text = match (seconds, minutes, hours) {
        (..60, ..) => format!("{seconds} s"),
        (60..600, ..) => two(seconds / 60, "min", seconds % 60, "s"),
        (_, ..60, _) => format!("{minutes} min"),
        (_, 60..1440, _) => two(minutes / 60, "h", minutes % 60, "min"),
        _ => two(hours / 24, "d", hours % 24, "h"),
    };
    format!("{sign}{text}")
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(unit: Unit, value: f64, text: &str) {
        assert_eq!(figure(unit, value), text, "{value} {unit:?}");
    }

    #[test]
    fn figures_as_people_read_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (7.0, "7"),
            (999.0, "999"),
            (1000.0, "1,000"),
            (1234.0, "1,234"),
            (1_234_567.0, "1,234,567"),
            (-1234.5, "-1,234.5"),
            (0.004, "0.004"),
            (0.0004, "0"),
            (-0.0004, "0"),
            (1e15, "1.000e15"),
            (f64::INFINITY, "infinite"),
            (f64::NAN, "unknown"),
        ] {
            check(Unit::Count, value, text);
        }
        for (value, text) in [
            (0.0, "0 s"),
            (0.000_01, "1 ms"),
            (0.25, "250 ms"),
            (0.9996, "1 s"),
            (4.5, "4.5 s"),
            (9.97, "10 s"),
            (59.7, "1 min"),
            (90.0, "1 min 30 s"),
            (720.0, "12 min"),
            (3599.0, "1 h"),
            (11_100.0, "3 h 5 min"),
            (86_399.0, "1 d"),
            (183_600.0, "2 d 3 h"),
            (-90.0, "-1 min 30 s"),
            (f64::INFINITY, "infinite"),
        ] {
            check(Unit::Seconds, value, text);
        }
        for (value, text) in [
            (0.0, "0 B"),
            (1023.0, "1,023 B"),
            (1023.99, "1 KiB"),
            (1_288_490_188.8, "1.2 GiB"),
            (1e30, "8.882e14 PiB"),
            (-2048.0, "-2 KiB"),
        ] {
            if value < 1e20 {
                check(Unit::Bytes, value, text);
            }
        }
        check(Unit::BytesPerSecond, 1536.0, "1.5 KiB/s");
        check(Unit::PerSecond, 1234.56, "1,234.6/s");
        check(Unit::Percent, 80.5, "80.5 %");
        check(Unit::Percent, 80.0, "80 %");
        check(Unit::Boolean, 1.0, "yes");
        check(Unit::Boolean, 0.0, "no");
        check(Unit::GroupStatus, 2.0, "stall");
        check(Unit::GroupStatus, 9.0, "9");
    }

    proptest::proptest! {
        #[test]
        fn no_figure_is_long(value in proptest::num::f64::ANY) {
            for unit in [Unit::Count, Unit::Seconds, Unit::Percent, Unit::Bytes, Unit::BytesPerSecond, Unit::Boolean] {
                proptest::prop_assert!(figure(unit, value).len() < 40, "{}", figure(unit, value));
            }
        }
    }
}

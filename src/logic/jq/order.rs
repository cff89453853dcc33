//! The order of jq values for sorting. jaq's own is not a total order (an integer beyond 2^53 equals a float that
//! equals its neighbour; NaN is less than itself), and the standard library's sort may panic on such a one: an event
//! with the right numbers would end the process.

use std::cmp::Ordering;

use jaq_json::{Num, Val};
use jaq_std::ValT as _;

/// A value that sorts: null, booleans, numbers, strings, arrays, objects.
pub(super) struct Ordered(pub(super) Val);

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

fn compare(left: &Val, right: &Val) -> Ordering {
    match (left, right) {
        (Val::Bool(left), Val::Bool(right)) => left.cmp(right),
        (Val::Num(_), Val::Num(_)) => compare_numbers(left, right),
        (Val::TStr(left) | Val::BStr(left), Val::TStr(right) | Val::BStr(right)) => left.cmp(right),
        (Val::Arr(left), Val::Arr(right)) => {
            let pairs = left.iter().zip(right.iter()).map(|(left, right)| compare(left, right));
            pairs.into_iter().find(|order| order.is_ne()).unwrap_or_else(|| left.len().cmp(&right.len()))
        }
        (Val::Obj(left), Val::Obj(right)) => {
            let (left, right) = (members(left), members(right));
            let names = |members: &[(Ordered, &Val)], other: &[(Ordered, &Val)]| {
                members.iter().map(|(name, _)| name).cmp(other.iter().map(|(name, _)| name))
            };
            names(&left, &right).then_with(|| {
                let values = left.iter().zip(&right).map(|((_, left), (_, right))| compare(left, right));
                values.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
            })
        }
        _ => rank(left).cmp(&rank(right)),
    }
}

/// The members of an object, sorted by name.
fn members(object: &jaq_json::Map) -> Vec<(Ordered, &Val)> {
    let mut members: Vec<_> = object.iter().map(|(name, value)| (Ordered(name.clone()), value)).collect();
    members.sort_by(|(left, _), (right, _)| left.cmp(right));
    members
}

fn rank(value: &Val) -> u8 {
    match value {
        Val::Null => 0,
        Val::Bool(_) => 1,
        Val::Num(_) => 2,
        Val::TStr(_) | Val::BStr(_) => 3,
        Val::Arr(_) => 4,
        Val::Obj(_) => 5,
    }
}

/// By the nearest f64 first, NaN before all. Where that cannot tell integers apart, floats come first, then the
/// integers by their digits: each step compares a fixed property of the number, hence the order is total.
fn compare_numbers(left: &Val, right: &Val) -> Ordering {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let near = |value: &Val| match value.as_f64() {
        Some(float) if !float.is_nan() => (1, float + 0.0),
        _ => (0, 0.0),
    };
    let ((left_rank, left_float), (right_rank, right_float)) = (near(left), near(right));
    let order = left_rank.cmp(&right_rank).then(left_float.total_cmp(&right_float));
    if order.is_ne() || left_float.abs() < EXACT {
        return order;
    }
    match (left, right) {
        (Val::Num(left @ (Num::Int(_) | Num::BigInt(_))), Val::Num(right @ (Num::Int(_) | Num::BigInt(_)))) => {
            left.cmp(right)
        }
        _ => left.is_int().cmp(&right.is_int()),
    }
}

//! "Did you mean": the known word nearest to one that was mistyped. Knows words only.

/// The word of `known` that `word` is most likely meant to be; none where all are too far away.
///
/// Capitals, `-` and `_` make no difference; a missing, wrong, additional or swapped letter costs one, and one in
/// three may be wrong. A word that begins another ("order", "warning") is as good as one wrong letter.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = letters(word);
    let allowed = (word.len() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (cost(&word, &letters(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// What to say of a word that is none of `known`: which one may be meant, or which there are; none: there are none.
pub(super) fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>, plural: &str) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    match closest(word, known.iter().copied()) {
        Some(meant) => Some(format!("did you mean \"{meant}\"?")),
        None if known.is_empty() => None,
        None => Some(format!("known {plural}: {}", known.join(", "))),
    }
}

fn cost(word: &[char], candidate: &[char]) -> usize {
    let begins = |short: &[char], long: &[char]| short.len() > 2 && long.starts_with(short);
    let distance = distance(word, candidate);
    if begins(word, candidate) || begins(candidate, word) { distance.min(1) } else { distance }
}

fn letters(word: &str) -> Vec<char> {
    word.chars().flat_map(char::to_lowercase).map(|letter| if letter == '-' { '_' } else { letter }).take(64).collect()
}

/// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    let mut left_before = None;
    for (row, &a) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        let mut right_before = None;
        for (column, &b) in right.iter().enumerate() {
            let cost = |cells: &[usize], index: usize| cells.get(index).copied().unwrap_or(usize::MAX - 1);
            let substituted = cost(&last, column) + usize::from(a != b);
            let mut best = substituted.min(cost(&last, column + 1) + 1).min(cost(&current, column) + 1);
            if left_before == Some(b) && right_before == Some(a) {
                best = best.min(cost(&before_last, column - 1) + 1);
            }
            current.push(best);
            right_before = Some(b);
        }
        before_last = std::mem::replace(&mut last, current);
        left_before = Some(a);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_nearest_known_word_is_found() {
        let known = ["max_in_flight", "max_record_size", "name", "topics", "order_by", "order_key", "then"];
        for (rule, word, expected) in [
            ("a letter is missing", "max_inflight", Some("max_in_flight")),
            ("a letter too many", "topicss", Some("topics")),
            ("neighbours swapped", "nmae", Some("name")),
            ("hyphens and capitals", "Order-By", Some("order_by")),
            ("a wrong letter", "order_kez", Some("order_key")),
            ("the beginning of one", "order", Some("order_by")),
            ("more than one", "topics_of_kafka", Some("topics")),
            ("another word", "brokers", None),
            ("a short word is not turned into another", "at", None),
            ("nothing", "", None),
        ] {
            assert_eq!(closest(word, known), expected, "{rule}");
        }
    }

    #[test]
    fn distances() {
        let of = |a: &str, b: &str| distance(&letters(a), &letters(b));
        assert_eq!(of("", "abc"), 3);
        assert_eq!(of("abc", ""), 3);
        assert_eq!(of("kitten", "sitting"), 3);
        assert_eq!(of("ab", "ba"), 1);
        assert_eq!(of("same", "same"), 0);
    }

    proptest! {
        #[test]
        fn a_distance_is_symmetric_and_at_most_the_longer_word(a in "[a-d]{0,8}", b in "[a-d]{0,8}") {
            let (a, b) = (letters(&a), letters(&b));
            prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            prop_assert!(distance(&a, &b) <= a.len().max(b.len()));
        }
    }
}

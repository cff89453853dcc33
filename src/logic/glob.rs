//! Texts in which `*` stands for any characters and `?` for one: topics, groups, labels of rules, names of silences. Pure,
//! and in bounded time whatever the text: both may come from outside.

/// Whether the whole `text` matches `glob`. By characters, not bytes.
///
/// In time that grows with the product of the lengths at most: a star that matched too little takes one more character,
/// and only the last star ever has to.
pub fn glob_matches(glob: &str, text: &str) -> bool {
    let (mut glob_rest, mut text_rest) = (glob.chars(), text.chars());
    let mut last_star = None;
    loop {
        let (mut after_glob, mut after_text) = (glob_rest.clone(), text_rest.clone());
        match (after_glob.next(), after_text.next()) {
            (Some('*'), _) => {
                last_star = Some((after_glob.clone(), text_rest.clone()));
                glob_rest = after_glob;
            }
            (None, None) => return true,
            (Some(wanted), Some(character)) if wanted == '?' || wanted == character => {
                glob_rest = after_glob;
                text_rest = after_text;
            }
            _ => {
                let Some((after_star, mut taken)) = last_star.take() else { return false };
                if taken.next().is_none() {
                    return false;
                }
                glob_rest = after_star.clone();
                text_rest = taken.clone();
                last_star = Some((after_star, taken));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: &str, glob: &str, text: &str, expected: bool) {
        assert_eq!(glob_matches(glob, text), expected, "{rule}");
    }

    #[test]
    fn globs() {
        check("a text is itself", "broker-down", "broker-down", true);
        check("and nothing else", "broker-down", "broker-down-2", false);
        check("a star is any characters", "broker-*", "broker-down", true);
        check("or none", "broker*", "broker", true);
        check("a star may have to take more than the next match", "*-b", "a-b-b", true);
        check("two stars", "*a*", "xay", true);
        check("two stars, and no a", "*a*", "xyz", false);
        check("a question mark is one character, of any size", "?", "告", true);
        check("never none", "a?", "a", false);
        check("nothing matches nothing", "", "", true);
        check("nothing matches nothing else", "", "a", false);
        check("a star alone matches nothing, too", "*", "", true);
        check("the end must fit", "a*b", "abc", false);
    }

    #[test]
    fn many_stars_end_soon() {
        assert!(!glob_matches(&"*a".repeat(100), &"a".repeat(99)));
        assert!(!glob_matches(&"a*".repeat(100), &format!("{}b", "a".repeat(99))));
    }
}

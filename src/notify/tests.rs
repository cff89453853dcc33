//! Tests of what all channels share.
use super::*;

#[test]
fn what_was_said_in_confidence_is_not_repeated() {
    let secrets = ["s3cret".to_owned(), "x".to_owned(), String::new()];
    assert_eq!(without_secrets("501 bad s3cret x\r\nmore", &secrets), "501 bad *** x  more");
}

#[test]
fn a_name_is_a_token() {
    for (name, token) in [("ops", "ops"), ("ops_2-b", "ops_2-b"), ("a b@c", "a+20b+40c"), ("é", "+c3+a9")] {
        assert_eq!(name_token(name), token);
    }
}

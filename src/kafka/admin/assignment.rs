//! The assignment that a classic group's leader hands to a consumer: opaque to the broker, written by the clients.
//!
//! Anybody can write anything here, so nothing is reserved from a length that was read. Pure.

use std::sync::Arc;

use crate::logic::record::TopicPartition;

/// The partitions of an assignment of protocol type "consumer"; none where it is something else or broken. What follows
/// them (user data) is left alone.
pub(in crate::kafka) fn partitions(assignment: &[u8]) -> Option<Vec<TopicPartition>> {
    if assignment.is_empty() {
        // A member that waits for the end of a rebalance.
        return Some(Vec::new());
    }
    let mut rest = assignment;
    let _version = take::<2>(&mut rest)?;
    let mut found = Vec::new();
    for _ in 0..u32::from_be_bytes(take::<4>(&mut rest)?) {
        let length = usize::from(u16::from_be_bytes(take::<2>(&mut rest)?));
        let (name, after) = rest.split_at_checked(length)?;
        rest = after;
        let topic: Arc<str> = Arc::from(std::str::from_utf8(name).ok()?);
        for _ in 0..u32::from_be_bytes(take::<4>(&mut rest)?) {
            let partition = i32::from_be_bytes(take::<4>(&mut rest)?);
            found.push(TopicPartition { topic: Arc::clone(&topic), partition });
        }
    }
    Some(found)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(topics: &[(&str, &[i32])]) -> Vec<u8> {
        let mut bytes = vec![0, 1];
        bytes.extend((topics.len() as u32).to_be_bytes());
        for (name, partitions) in topics {
            bytes.extend((name.len() as u16).to_be_bytes());
            bytes.extend(name.as_bytes());
            bytes.extend((partitions.len() as u32).to_be_bytes());
            bytes.extend(partitions.iter().flat_map(|partition| partition.to_be_bytes()));
        }
        bytes.extend((-1_i32).to_be_bytes());
        bytes
    }

    #[test]
    fn assignments_as_clients_write_them() {
        let expected = [("audit", 2), ("event", 0), ("event", 1)].map(|(topic, n)| TopicPartition::new(topic, n));
        assert_eq!(partitions(&written(&[("audit", &[2]), ("event", &[0, 1])])), Some(expected.to_vec()));
        assert_eq!(partitions(&written(&[])), Some(Vec::new()));
        assert_eq!(partitions(&[]), Some(Vec::new()), "a member in a rebalance has none yet");
    }

    #[test]
    fn what_is_cut_or_lies_about_its_length_is_none() {
        let whole = written(&[("event", &[0, 1])]);
        for length in 1..whole.len() - 4 {
            assert_eq!(partitions(&whole[..length]), None, "cut to {length}");
        }
        assert_eq!(partitions(&[0, 0, 0xff, 0xff, 0xff, 0xff]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _any = partitions(&bytes);
        }
    }
}

//! Which partition a key belongs to, as Java's client decides it: what we produce must meet what others produced with
//! the same key. Pure.
//!
//! Source: `BuiltInPartitioner.partitionForKey` and `Utils.murmur2` of the Java client.

/// The partition of `key` in a topic of `partitions` partitions; none where there is no partition.
pub fn partition_for_key(key: &[u8], partitions: i32) -> Option<i32> {
    // Java clears the sign bit instead of taking the absolute value.
    (murmur2(key) & i32::MAX).checked_rem(partitions)
}

/// MurmurHash2 (Austin Appleby) with the seed that Java's client has, as the signed number that Java sees.
pub fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    // Java's length is an int; a longer key does not exist there.
    let mut hash = SEED ^ (data.len() as u32);
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut mixed = u32::from_le_bytes(*word).wrapping_mul(M);
        mixed ^= mixed >> R;
        hash = hash.wrapping_mul(M) ^ mixed.wrapping_mul(M);
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| (tail << 8) | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    (hash ^ (hash >> 15)).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_java() {
        // UtilsTest.testMurmur2 of the Java client.
        let cases = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (key, hash) in cases {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
        }
    }

    #[test]
    fn a_key_keeps_its_partition_and_a_negative_hash_has_one_too() {
        let cases = [
            ("positive", "abc", 10, Some(7)),
            ("negative: the sign bit is cleared", "21", 10, Some((-973_932_308 & i32::MAX) % 10)),
            ("one partition", "foobar", 1, Some(0)),
            ("no partition", "abc", 0, None),
        ];
        for (case, key, partitions, expected) in cases {
            assert_eq!(partition_for_key(key.as_bytes(), partitions), expected, "{case}");
        }
    }
}

//! What a Fetch response may hold, and what must come of it.

use std::io::{Read, Write};

use proptest::prelude::*;

use super::encode::{Batch, Content, compress, message, record, varint, xerial};
use super::*;
use crate::logic::record::Header;

const ALL: [Option<Codec>; 5] = [None, Some(Codec::Gzip), Some(Codec::Snappy), Some(Codec::Lz4), Some(Codec::Zstd)];
const WIDE: Limits = Limits { max_record_size: 4 << 20, room: 64 << 20 };

fn read(response: &[u8], from: i64) -> Parsed {
    parse(response, from, &[], &WIDE).unwrap()
}

fn fault(response: &[u8]) -> Fault {
    parse(response, 0, &[], &WIDE).unwrap_err().fault
}

fn offsets(parsed: &Parsed) -> Vec<i64> {
    parsed.records.iter().map(|record| record.offset).collect()
}

/// A response, asked from `from`: which offsets come out, and where does the next fetch begin?
#[track_caller]
fn check(rule: &str, batches: &[Vec<u8>], from: i64, aborted: &[(i64, i64)], expected: &[i64], next: i64) {
    let aborted: Vec<_> =
        aborted.iter().map(|&(producer_id, first_offset)| AbortedTransaction { producer_id, first_offset }).collect();
    let parsed = parse(&batches.concat(), from, &aborted, &WIDE).expect(rule);
    assert_eq!((offsets(&parsed).as_slice(), parsed.next), (expected, next), "{rule}");
}

fn two(base_offset: i64) -> Batch {
    Batch::of_values(base_offset, &[b"a", b"b"])
}

#[test]
fn which_records_come_out_and_where_the_next_fetch_begins() {
    let cut = two(2).write();
    let gaps = Batch::of(10, &[Content::new(1, b"a"), Content::new(4, b"b")]);
    let tail = Batch { last_offset_delta: 9, ..gaps.clone() };
    let emptied = Batch { last_offset_delta: 4, ..Batch::of(20, &[]) };
    check("nothing", &[], 7, &[], &[], 7);
    check("two batches", &[two(0).write(), two(2).write()], 0, &[], &[0, 1, 2, 3], 4);
    check("records below the position asked for are skipped", &[two(0).write()], 1, &[], &[1], 2);
    check("whole batches below it, too, and nothing moves back", &[two(0).write()], 5, &[], &[], 5);
    check("a batch cut at the end is normal", &[two(0).write(), cut[..70].to_vec()], 0, &[], &[0, 1], 2);
    check("cut in its header", &[two(0).write(), cut[..9].to_vec()], 0, &[], &[0, 1], 2);
    check("compaction leaves gaps", &[gaps.write()], 10, &[], &[11, 14], 15);
    check("and takes records off the end of a batch", &[tail.write()], 10, &[], &[11, 14], 20);
    check("and leaves batches without records", &[emptied.write()], 20, &[], &[], 25);
    check("a control batch alone moves on", &[Batch::marker(3, 1, 1).write()], 3, &[], &[], 4);
}

#[test]
fn aborted_transactions_are_not_seen_and_all_others_are() {
    let log = [
        two(0).in_transaction(1).write(),
        two(2).in_transaction(2).write(),
        two(4).write(),
        Batch::marker(6, 1, 0).write(),
        Batch::marker(7, 2, 1).write(),
        two(8).in_transaction(1).write(),
        Batch::marker(10, 1, 1).write(),
    ];
    check("all committed, as far as the list says", &log, 0, &[], &[0, 1, 2, 3, 4, 5, 8, 9], 11);
    check("one aborted, its producer's next one committed", &log, 0, &[(1, 0)], &[2, 3, 4, 5, 8, 9], 11);
    check("both aborted, the list in no order", &log, 0, &[(1, 8), (2, 2), (1, 0)], &[4, 5], 11);
    check("the marker lies behind the response", &log[..3], 0, &[(1, 0)], &[2, 3, 4, 5], 6);
    check("asked from the middle of an aborted one", &log, 1, &[(1, 0)], &[2, 3, 4, 5, 8, 9], 11);
    check("records of the producer outside a transaction", &[two(0).write()], 0, &[(-1, 0)], &[0, 1], 2);
}

#[test]
fn a_record_comes_out_as_it_was_written() {
    let content = Content {
        offset_delta: 0,
        timestamp_delta: -5,
        key: None,
        value: Some(Vec::new()),
        headers: vec![
            (b"trace".to_vec(), Some(b"1".to_vec())),
            (b"trace".to_vec(), None),
            (Vec::new(), Some(Vec::new())),
        ],
    };
    let tombstone = Content { offset_delta: 1, key: Some(b"k".to_vec()), ..Content::default() };
    let header = |key: &[u8], value: Option<&[u8]>| Header { key: key.to_vec(), value: value.map(<[u8]>::to_vec) };
    for codec in ALL {
        let batch = Batch::of(7, &[content.clone(), tombstone.clone()]).codec(codec).write();
        let parsed = read(&batch, 0);
        let [first, second] = parsed.records.as_slice() else { panic!("{codec:?}: {parsed:?}") };
        assert_eq!((first.offset, first.timestamp, first.truncated_from), (7, 995, None), "{codec:?}");
        assert_eq!((&first.key, &first.value), (&None, &Some(Vec::new())), "null is not empty");
        let headers = [header(b"trace", Some(b"1")), header(b"trace", None), header(b"", Some(b""))];
        assert_eq!(first.headers, headers, "duplicates stay, in order; a value may be null");
        assert_eq!((&second.key, &second.value), (&Some(b"k".to_vec()), &None), "a tombstone");
    }
}

#[test]
fn with_log_append_time_all_records_have_the_batchs_greatest_timestamp() {
    let batch = Batch { flags: 1 << 3, ..two(0) };
    let timestamps: Vec<_> = read(&batch.write(), 0).records.iter().map(|record| record.timestamp).collect();
    assert_eq!(timestamps, [9000, 9000]);
}

#[test]
fn a_bad_batch_takes_nothing_with_it_that_came_before() {
    let mut bad = two(2).write();
    bad[60] ^= 1;
    let parsed = read(&[two(0).write(), bad.clone()].concat(), 0);
    assert_eq!((offsets(&parsed), parsed.next), (vec![0, 1], 2), "first what is good");
    let error = parse(&bad, 2, &[], &WIDE).unwrap_err();
    assert_eq!(error.offset, 2, "then the error, at each attempt");
    assert!(matches!(error.fault, Fault::Checksum { .. }), "{error}");
    let behind_a_marker = [Batch::marker(1, 9, 1).write(), bad].concat();
    assert_eq!(read(&behind_a_marker, 1).next, 2, "a control batch is progress");
    let half_bad = Batch { record_count: 3, ..two(2) };
    let parsed = read(&[two(0).write(), half_bad.write()].concat(), 0);
    assert_eq!((offsets(&parsed), parsed.next), (vec![0, 1], 2), "nothing of a batch that turns out bad at its end");
}

/// One batch whose bytes contradict each other although its checksum is right.
#[track_caller]
fn check_structure(rule: &str, batch: &Batch) {
    assert!(matches!(fault(&batch.write()), Fault::Structure(_)), "{rule}: {:?}", fault(&batch.write()));
}

#[test]
fn contradictions_are_errors() {
    let good = two(0);
    let with = |content: Vec<u8>| Batch { content, ..good.clone() };
    let mut longer = record(&Content::new(0, b"a"));
    longer[0] += 2;
    longer.push(0);
    let mut many_headers = record(&Content::new(0, b"a"));
    *many_headers.last_mut().unwrap() = 0x7e;
    let no_length = [1];
    let mut huge = Vec::new();
    varint(&mut huge, i64::from(i32::MAX));
    check_structure("fewer records than announced", &Batch { record_count: 3, ..good.clone() });
    check_structure("more records than announced", &Batch { record_count: 1, ..good.clone() });
    check_structure("a negative number of records", &Batch { record_count: -1, ..good.clone() });
    check_structure("a record beyond the batch's last offset", &Batch { last_offset_delta: 0, ..good.clone() });
    check_structure("a negative last offset", &Batch { last_offset_delta: -1, ..good.clone() });
    check_structure("a negative base offset", &Batch { base_offset: -5, ..good.clone() });
    check_structure("offsets that overflow", &Batch { base_offset: i64::MAX - 1, ..good.clone() });
    check_structure("a record that its fields do not fill", &with(longer));
    check_structure("more headers than the record has bytes", &with(many_headers));
    check_structure("a record of negative length", &with(no_length.to_vec()));
    check_structure("a record of 2 GB in a batch of 70 bytes", &with(huge));
    check_structure("the same offset twice", &Batch::of(0, &[Content::new(0, b"a"), Content::new(0, b"b")]));
    assert_eq!(fault(&Batch { flags: 5, ..good.clone() }.write()), Fault::UnknownCodec(5));
    let mut later = good.write();
    later[MAGIC_AT] = 3;
    assert_eq!(fault(&later), Fault::Format(3));
    let mut short = good.write();
    short[8..12].copy_from_slice(&20_i32.to_be_bytes());
    assert!(matches!(fault(&short), Fault::Structure(_)), "a length that ends in the header");
    short[8..12].copy_from_slice(&(-1_i32).to_be_bytes());
    assert!(matches!(fault(&short), Fault::Structure(_)), "a negative length");
    short[8..12].copy_from_slice(&i32::MAX.to_be_bytes());
    assert_eq!(read(&short, 0).cut_batch, Some(12 + 0x7fff_ffff), "a batch whose end never comes");
}

#[test]
fn room_ends_a_batch_in_its_middle_and_the_next_fetch_goes_on_there() {
    let values: Vec<Vec<u8>> = (0_u8..40).map(|n| vec![n; 3000]).collect();
    let slices: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    for codec in ALL {
        let response = Batch::of_values(100, &slices).codec(codec).write();
        let limits = Limits { max_record_size: 4 << 20, room: 10_000 };
        let (mut next, mut all, mut fetches) = (100, Vec::new(), 0);
        while next < 140 {
            let parsed = parse(&response, next, &[], &limits).unwrap();
            let held: usize = parsed.records.iter().map(Record::held_bytes).sum();
            assert!(held <= limits.room && !parsed.records.is_empty(), "{codec:?}: {held} bytes");
            next = parsed.next;
            all.extend(parsed.records.into_iter().map(|record| record.value.unwrap()));
            fetches += 1;
        }
        assert_eq!(all, values, "{codec:?}: each record once");
        assert_eq!(fetches, 14, "{codec:?}: three records fit at a time");
    }
}

#[test]
fn without_room_one_record_comes_nevertheless() {
    let parsed = parse(&two(0).write(), 0, &[], &Limits { room: 0, ..WIDE }).unwrap();
    assert_eq!((offsets(&parsed), parsed.next), (vec![0], 1));
}

#[test]
fn a_record_beyond_the_limit_is_cut_and_those_beside_it_are_whole() {
    let limits = Limits { max_record_size: 200_000, ..WIDE };
    let large = vec![b'x'; 300_000];
    let exact = vec![b'y'; 199_990];
    for codec in ALL {
        let response = Batch::of_values(0, &[b"before", &large, &exact, b"after"]).codec(codec).write();
        let parsed = parse(&response, 0, &[], &limits).unwrap();
        assert_eq!(offsets(&parsed), [0, 1, 2, 3], "{codec:?}");
        let cut = &parsed.records[1];
        assert_eq!(cut.value.as_ref().map(Vec::len), Some(64 << 10), "{codec:?}: its beginning is kept");
        let whole = cut.truncated_from.unwrap();
        assert!((300_000..300_020).contains(&whole), "{codec:?}: {whole}");
        assert_eq!(parsed.records[2].truncated_from, None, "{codec:?}: at the limit is not beyond it");
        assert_eq!(parsed.records[3].value.as_deref(), Some(b"after".as_slice()), "{codec:?}");
    }
}

#[test]
fn a_record_whose_headers_cost_too_much_is_cut_though_it_is_small() {
    let headers = vec![(Vec::new(), None); 100_000];
    let record = Content { headers, ..Content::new(0, b"value") };
    let limits = Limits { max_record_size: 1 << 20, ..WIDE };
    let parsed = parse(&Batch::of(0, &[record]).write(), 0, &[], &limits).unwrap();
    let [record] = parsed.records.as_slice() else { panic!("{} records", parsed.records.len()) };
    assert!(record.truncated_from.is_some() && record.held_bytes() < 2 << 20, "{}", record.held_bytes());
    assert_eq!(record.value.as_deref(), Some(b"value".as_slice()));
}

#[test]
fn a_record_of_a_gigabyte_in_a_megabyte_costs_time_but_no_memory() {
    const SIZE: usize = 1 << 30;
    let mut head = Vec::new();
    varint(&mut head, SIZE as i64 + 10);
    head.extend([0, 0, 0, 1]);
    varint(&mut head, SIZE as i64);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&head).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..1024 {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.write_all(&[0]).unwrap();
    let batch = Batch { record_count: 1, ..Batch::of(0, &[]).codec(Codec::Gzip) };
    let response = batch.write_with(&encoder.finish().unwrap());
    let parsed = read(&response, 0);
    let record = &parsed.records[0];
    assert_eq!((record.truncated_from, parsed.next), (Some(SIZE + 10), 1));
    assert!(record.value.as_ref().unwrap().capacity() <= 64 << 10);
}

#[test]
fn snappy_is_read_bare_and_in_xerials_framing() {
    let values: Vec<Vec<u8>> = (0_u8..50).map(|n| vec![n; 1000]).collect();
    let slices: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    let batch = Batch::of_values(0, &slices).codec(Codec::Snappy);
    let framed = xerial(&batch.content, 700);
    let (front, back) = batch.content.split_at(30_000);
    let joined = [xerial(front, 1 << 15), xerial(back, 1 << 15)].concat();
    for compressed in [framed, joined, compress(Codec::Snappy, &batch.content)] {
        assert_eq!(read(&batch.write_with(&compressed), 0).records.len(), 50);
    }
}

#[test]
fn a_snappy_block_that_promises_too_much_is_refused_before_it_is_given_memory() {
    let batch = two(0).codec(Codec::Snappy);
    let promise = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, b'x'];
    let framed = [b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x07".as_slice(), &promise].concat();
    for compressed in [promise.to_vec(), framed] {
        let fault = fault(&batch.write_with(&compressed));
        assert!(matches!(fault, Fault::Decompression { .. }), "{fault}");
    }
}

#[test]
fn lz4_is_read_with_linked_blocks_all_checksums_and_the_wrong_header_checksum_of_old_producers() {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    let values: Vec<Vec<u8>> = (0_u8..200).map(|n| (0_u8..250).map(|m| n ^ m).cycle().take(2000).collect()).collect();
    let slices: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    let batch = Batch::of_values(0, &slices).codec(Codec::Lz4);
    for mode in [BlockMode::Independent, BlockMode::Linked] {
        for size in [BlockSize::Max64KB, BlockSize::Max4MB] {
            let info = FrameInfo::new()
                .block_mode(mode)
                .block_size(size)
                .block_checksums(true)
                .content_checksum(true)
                .content_size(Some(batch.content.len() as u64));
            let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(&batch.content).unwrap();
            let mut frame = encoder.finish().unwrap();
            frame[14] ^= 0xff;
            let parsed = read(&batch.write_with(&frame), 0);
            let read: Vec<_> = parsed.records.into_iter().filter_map(|record| record.value).collect();
            assert!(read == values);
        }
    }
}

#[test]
fn a_zstd_frame_that_announces_a_huge_window_is_read_in_a_small_one() {
    let values: Vec<Vec<u8>> = (0_u8..50).map(|n| vec![n; 1000]).collect();
    let slices: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    let batch = Batch::of_values(0, &slices).codec(Codec::Zstd);
    let frame = compress(Codec::Zstd, &batch.content);
    assert_eq!(frame[4] & 1 << 5, 0, "the encoder writes a window descriptor");
    for descriptor in [17 << 3, 0xff] {
        let mut frame = frame.clone();
        frame[5] = descriptor;
        assert_eq!(read(&batch.write_with(&frame), 0).records.len(), 50, "level 22, and the greatest there is");
    }
    let several = [frame.clone(), compress(Codec::Zstd, &record(&Content::new(50, b"x")))].concat();
    let longer = Batch { record_count: 51, last_offset_delta: 50, ..batch };
    assert_eq!(read(&longer.write_with(&several), 0).records.len(), 51, "several frames");
}

#[test]
fn a_zstd_frame_of_one_segment_beyond_the_window_is_read_in_a_small_one() {
    const BLOCK: usize = 128 << 10;
    let value = vec![7_u8; 80 * BLOCK - 20];
    let batch = Batch::of_values(0, &[&value]).codec(Codec::Zstd);
    let mut frame = 0xFD2F_B528_u32.to_le_bytes().to_vec();
    frame.push(2 << 6 | 1 << 5);
    frame.extend((batch.content.len() as u32).to_le_bytes());
    let blocks = batch.content.chunks(BLOCK).count();
    for (index, block) in batch.content.chunks(BLOCK).enumerate() {
        let last = u32::from(index + 1 == blocks);
        frame.extend(&((block.len() as u32) << 3 | last).to_le_bytes()[..3]);
        frame.extend(block);
    }
    let limits = Limits { max_record_size: 32 << 20, ..WIDE };
    let parsed = parse(&batch.write_with(&frame), 0, &[], &limits).unwrap();
    assert!(parsed.records[0].value.as_ref() == Some(&value));
}

#[test]
fn messages_of_the_old_formats() {
    let old = |offset, value: &[u8]| message(offset, 0, None, Some(value));
    let one = |offset, timestamp| message(offset, 0, Some(timestamp), Some(b"v"));
    let parsed = read(&[old(3, b"a"), one(4, 77), message(5, 0, Some(78), None)].concat(), 3);
    let seen: Vec<_> = parsed.records.iter().map(|r| (r.offset, r.timestamp, r.value.is_some())).collect();
    assert_eq!(seen, [(3, -1, true), (4, 77, true), (5, 78, false)], "format 0 has no timestamps");
    assert_eq!(parsed.next, 6);
    check("they share a log with batches of format 2", &[old(0, b"a"), two(1).write()], 0, &[], &[0, 1, 2], 3);
    let mut bad = old(0, b"a");
    *bad.last_mut().unwrap() ^= 1;
    assert!(matches!(fault(&bad), Fault::Checksum { .. }));
    assert_eq!(read(&old(0, b"a")[..20], 0).cut_batch, Some(27));
}

#[test]
fn compressed_messages_of_the_old_formats() {
    let inner = |offsets: [i64; 3], timestamp: Option<i64>| {
        offsets.map(|offset| message(offset, 0, timestamp, Some(b"value"))).concat()
    };
    for (number, codec) in [(1, Codec::Gzip), (2, Codec::Snappy), (3, Codec::Lz4)] {
        let absolute = compress(codec, &inner([10, 11, 14], None));
        let relative = compress(codec, &inner([0, 1, 4], Some(50)));
        let old = message(14, number, None, Some(&absolute));
        check("format 0 has its own offsets inside", std::slice::from_ref(&old), 0, &[], &[10, 11, 14], 15);
        check("asked from the middle", &[old], 11, &[], &[11, 14], 15);
        let one = message(14, number, Some(99), Some(&relative));
        check("format 1 counts from the first", std::slice::from_ref(&one), 0, &[], &[10, 11, 14], 15);
        assert_eq!(read(&one, 0).records[0].timestamp, 50);
        let stamped = message(14, number | 1 << 3, Some(99), Some(&relative));
        assert_eq!(read(&stamped, 0).records[0].timestamp, 99, "LogAppendTime is the outer message's");
        let some = parse(&one, 0, &[], &Limits { room: 300, ..WIDE }).unwrap();
        assert_eq!((offsets(&some), some.next), (vec![10], 11), "room ends inside");
    }
    let framed = xerial(&inner([0, 1, 2], Some(50)), 40);
    check("snappy as Java writes it", &[message(2, 2, Some(1), Some(&framed))], 0, &[], &[0, 1, 2], 3);
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4] {
        let nested = compress(codec, &message(0, 1, Some(1), Some(b"x")));
        let number = if codec == Codec::Gzip {
            1
        } else if codec == Codec::Snappy {
            2
        } else {
            3
        };
        assert!(matches!(fault(&message(0, number, Some(1), Some(&nested))), Fault::Structure(_)), "nested");
    }
    assert!(matches!(fault(&message(0, 1, Some(1), None)), Fault::Structure(_)), "nothing inside");
    assert!(matches!(fault(&message(0, 4, Some(1), Some(b"x"))), Fault::Structure(_)), "zstd came later");
}

/// Our own encoder may share an error with the reader; this one is somebody else's.
#[test]
fn what_kafka_protocol_writes_is_read() {
    use kafka_protocol::records::{
        Compression, Record as Written, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
    };
    let written = |offset: i64| Written {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 3,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset,
        sequence: -1,
        timestamp: 1000 + offset,
        key: (offset % 2 == 0).then(|| "key".into()),
        value: Some(format!("value {offset}").into()),
        headers: Default::default(),
    };
    let mut response = bytes::BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    let records: Vec<_> = (40..300).map(written).collect();
    RecordBatchEncoder::encode(&mut response, &records, &options).unwrap();
    let parsed = read(&response, 41);
    assert_eq!((offsets(&parsed), parsed.next), ((41..300).collect(), 300));
    let last = parsed.records.last().unwrap();
    assert_eq!((last.timestamp, last.key.is_none()), (1299, true));
    assert_eq!(last.value.as_deref(), Some(b"value 299".as_slice()));
}

fn content() -> impl Strategy<Value = Vec<Content>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..200);
    let headers = prop::collection::vec((bytes(), prop::option::of(bytes())), 0..4);
    let record = (1..5_i32, any::<i32>(), prop::option::of(bytes()), prop::option::of(bytes()), headers);
    prop::collection::vec(record, 0..40).prop_map(|records| {
        let mut offset_delta = -1;
        records
            .into_iter()
            .map(|(gap, timestamp, key, value, headers)| {
                offset_delta += gap;
                Content { offset_delta, timestamp_delta: timestamp.into(), key, value, headers }
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_is_read(contents in content(), codec in 0..5_usize, base in 0..1_i64 << 40) {
        let batch = Batch::of(base, &contents).codec(ALL[codec]);
        let parsed = read(&batch.write(), base);
        let expected: Vec<_> = contents
            .iter()
            .map(|content| Record {
                offset: base + i64::from(content.offset_delta),
                timestamp: 1000 + content.timestamp_delta,
                key: content.key.clone(),
                value: content.value.clone(),
                headers: content
                    .headers
                    .iter()
                    .map(|(key, value)| Header { key: key.clone(), value: value.clone() })
                    .collect(),
                truncated_from: None,
            })
            .collect();
        prop_assert_eq!(parsed.records, expected);
        prop_assert_eq!(parsed.next, base + i64::from(batch.last_offset_delta) + 1);
    }

    /// The checksum would hide what damage does further in, so it is made to fit.
    #[test]
    fn damaged_content_with_a_right_checksum_never_panics_and_stays_in_its_limits(
        contents in content(),
        codec in 0..5_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        count in prop::option::of(any::<i32>()),
    ) {
        let batch = Batch::of(0, &contents).codec(ALL[codec]);
        let mut compressed = ALL[codec].map_or_else(|| batch.content.clone(), |codec| compress(codec, &batch.content));
        for (at, byte) in damage {
            if !compressed.is_empty() {
                let at = at.index(compressed.len());
                compressed[at] = byte;
            }
        }
        let batch = Batch { record_count: count.unwrap_or(batch.record_count), ..batch };
        let limits = Limits { max_record_size: 300, room: 2000 };
        if let Ok(parsed) = parse(&batch.write_with(&compressed), 0, &[], &limits) {
            let held: usize = parsed.records.iter().map(Record::held_bytes).sum();
            prop_assert!(held <= limits.room || parsed.records.len() == 1, "{} bytes", held);
        }
    }

    #[test]
    fn damaged_compressed_messages_never_panic(
        codec in 1..4_i8,
        version in any::<bool>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let timestamp = version.then_some(5);
        let inner: Vec<u8> = (0..5).flat_map(|offset| message(offset, 0, timestamp, Some(b"some value"))).collect();
        let mut compressed = compress(ALL[codec as usize].unwrap(), &inner);
        for (at, byte) in damage {
            let at = at.index(compressed.len());
            compressed[at] = byte;
        }
        let _ = parse(&message(4, codec, timestamp, Some(&compressed)), 0, &[], &WIDE);
    }

    #[test]
    fn damaged_responses_never_panic_and_never_move_back(
        contents in content(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        from in 0..60_i64,
    ) {
        let mut response = [Batch::of(0, &contents).write(), message(90, 0, Some(1), Some(b"v"))].concat();
        for (at, byte) in damage {
            let at = at.index(response.len());
            response[at] = byte;
        }
        response.truncate(cut.index(response.len()) + 1);
        if let Ok(parsed) = parse(&response, from, &[], &WIDE) {
            prop_assert!(parsed.next >= from);
        }
    }

    #[test]
    fn random_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300), magic in 0..4_u8) {
        if let Some(byte) = bytes.get_mut(MAGIC_AT) {
            *byte = magic;
        }
        let _ = parse(&bytes, 0, &[], &WIDE);
        for codec in ALL.into_iter().flatten() {
            let _ = std::io::copy(&mut codec.open(&bytes).take(1 << 20), &mut std::io::sink());
        }
    }
}

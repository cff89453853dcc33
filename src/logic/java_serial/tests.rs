//! The reader against answers of a real JVM (Java 17, Kafka 4.3), cut, changed, and made up.

use std::rc::Rc;

use proptest::prelude::*;

use super::views::{self, Attribute, Transport};
use super::*;

const LOOKUP: &[u8] = include_bytes!("answers/lookup.bin");
const LOOKUP_TLS: &[u8] = include_bytes!("answers/lookup_tls.bin");
const NEW_CLIENT: &[u8] = include_bytes!("answers/new_client.bin");
const GET_ATTRIBUTE: &[u8] = include_bytes!("answers/get_attribute.bin");
const GET_ATTRIBUTES: &[u8] = include_bytes!("answers/get_attributes.bin");
const HEAP: &[u8] = include_bytes!("answers/heap.bin");
const QUERY_NAMES: &[u8] = include_bytes!("answers/query_names.bin");
const NO_SUCH_OBJECT: &[u8] = include_bytes!("answers/no_such_object.bin");
const NOT_BOUND: &[u8] = include_bytes!("answers/not_bound.bin");
const ALL: [&[u8]; 9] =
    [LOOKUP, LOOKUP_TLS, NEW_CLIENT, GET_ATTRIBUTE, GET_ATTRIBUTES, HEAP, QUERY_NAMES, NO_SUCH_OBJECT, NOT_BOUND];

/// An answer: the byte 0x51, then a stream of a block and a value.
fn read_answer(bytes: &[u8]) -> Result<Read, SerialError> {
    read(bytes.get(1..).unwrap_or_default(), |contents| contents.len() >= 2)
}

#[track_caller]
fn value(bytes: &[u8]) -> Value {
    let read = read_answer(bytes).expect("an answer");
    assert_eq!(read.length + 1, bytes.len(), "nothing is left over");
    match read.contents.into_iter().nth(1) {
        Some(Content::Value(value)) => value,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_registry_names_the_object_its_port_and_whether_it_wants_tls() {
    let plain = views::remote_object(&value(LOOKUP)).expect("a stub");
    assert_eq!((plain.host.as_str(), plain.transport), ("kafka.invalid", Transport::Plain));
    assert!(plain.port > 1024 && plain.id != [0; 22]);
    assert_eq!(views::remote_object(&value(LOOKUP_TLS)).expect("a stub").transport, Transport::Tls);
    let connection = views::remote_object(&value(NEW_CLIENT)).expect("a stub");
    assert_eq!(connection.port, plain.port);
    assert_ne!(connection.id, plain.id);
}

#[test]
fn attributes_are_numbers_and_composites_of_numbers() {
    assert!(views::number(&value(GET_ATTRIBUTE)).expect("a number") > 1e9);
    let attributes = views::attributes(&value(GET_ATTRIBUTES)).expect("attributes");
    let names: Vec<&str> = attributes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Count", "OneMinuteRate", "MeanRate"]);
    assert!(matches!(attributes[2].1, Attribute::Number(mean) if (0.5..1.1).contains(&mean)), "{attributes:?}");
    let heap = views::attributes(&value(HEAP)).expect("attributes");
    let (name, Attribute::Composite(items)) = &heap[0] else { panic!("{heap:?}") };
    assert_eq!(name, "HeapMemoryUsage");
    let items: Vec<&str> = items.iter().map(|(item, _)| item.as_str()).collect();
    assert_eq!(items, ["committed", "init", "max", "used"]);
}

#[test]
fn a_query_gives_names() {
    let names = views::object_names(&value(QUERY_NAMES)).expect("names");
    assert!(
        names.iter().all(|name| name.starts_with("kafka.network:type=RequestMetrics,name=RequestsPerSec,request="))
    );
    assert!(names.len() > 3, "{names:?}");
}

#[test]
fn exceptions_have_a_class_a_message_and_causes() {
    let missing = views::exception(&value(NO_SUCH_OBJECT)).expect("an exception");
    assert_eq!(missing.class, "javax.management.InstanceNotFoundException");
    assert_eq!(missing.message, "kafka.server:type=Nothing");
    let unbound = views::exception(&value(NOT_BOUND)).expect("an exception");
    assert_eq!(unbound.class, "java.rmi.NotBoundException");
    assert_eq!(unbound.message, "Not bound: \"nothing\" (only bound name is \"jmxrmi\")");
}

#[test]
fn what_belongs_elsewhere_is_refused_by_name() {
    for (rule, refusal, class) in [
        ("a list is no number", views::number(&value(HEAP)).err(), "javax.management.AttributeList"),
        ("a number is no list", views::attributes(&value(GET_ATTRIBUTE)).err(), "java.lang.Long"),
        ("an exception is no stub", views::remote_object(&value(NOT_BOUND)).err(), "java.rmi.NotBoundException"),
        ("a set is no exception", views::exception(&value(QUERY_NAMES)).err(), "java.util.HashSet"),
    ] {
        let refusal = refusal.expect(rule);
        assert!(refusal.to_string().contains(class), "{rule}: {refusal}");
    }
}

#[test]
fn what_is_cut_anywhere_is_incomplete_and_nothing_else() {
    for bytes in ALL {
        for length in 1..bytes.len() {
            assert_eq!(
                read_answer(&bytes[..length]).err(),
                Some(SerialError::Incomplete),
                "{length} of {}",
                bytes.len()
            );
        }
    }
}

#[test]
fn what_would_take_all_memory_or_stack_is_refused() {
    let stream = |body: &[u8]| [&[0xac, 0xed, 0, 5][..], body].concat();
    let one = |contents: &[Content]| !contents.is_empty();
    let class = |name: &str, flags: u8| {
        let mut bytes = vec![0x72, 0, u8::try_from(name.len()).unwrap()];
        bytes.extend(name.as_bytes());
        bytes.extend([0; 8]);
        bytes.extend([flags, 0, 0, 0x78, 0x70]);
        bytes
    };
    let limit = |rule: &str, body: Vec<u8>| {
        let result = read(&stream(&body), one);
        assert!(matches!(result, Err(SerialError::Limit(_))), "{rule}: {result:?}");
    };
    limit("a string of 8 EB", [&[0x7c][..], &[0x7f; 8]].concat());
    limit("a block of 2 GB", vec![0x7a, 0x7f, 0xff, 0xff, 0xff]);
    limit("numbers of 16 GB", [&[0x75][..], &class("[J", 2), &[0x7f, 0xff, 0xff, 0xff]].concat());
    // An object in an object in an object…: each begins with the class of the first, and has a method of its own.
    let mut nested = [&[0x73][..], &class("A", 3)].concat();
    for _ in 0..10_000 {
        nested.extend([0x73, 0x71, 0, 0x7e, 0, 0]);
    }
    limit("10,000 levels", nested);
    // The same by references: each object holds the one before it, side by side in the stream.
    let mut chain = [&[0x73][..], &class("A", 3)].concat();
    for handle in 1..20_000_u32 {
        chain.extend([0x73, 0x71, 0, 0x7e, 0, 0]);
        if handle > 1 {
            chain.push(0x71);
            chain.extend((0x7e_0000 + handle).to_be_bytes());
        }
        chain.push(0x78);
    }
    limit("20,000 levels by references", chain);
    // Many small objects of a class with many ancestors are more than their bytes.
    limit("an array of a million nothings", {
        let mut bytes = [&[0x75][..], &class("[LA;", 2), &1_000_000_u32.to_be_bytes()].concat();
        bytes.extend(vec![0x70; 1_000_000]);
        bytes
    });
    let refused = read(&stream(&[0x7b]), one);
    assert_eq!(refused.err(), Some(SerialError::Malformed("an unknown tag")), "an aborted stream");
    assert_eq!(read(b"HTTP/1.1", one).err(), Some(SerialError::Malformed("no stream header")));
}

#[test]
fn arguments_are_what_java_writes() {
    let mut call = Vec::new();
    write_arguments(&mut call, &[Argument::ObjectName("a:b=c"), Argument::Text("é\0\u{1f600}"), Argument::Null]);
    let object_name = b"\x73\x72\x00\x1bjavax.management.ObjectName\x0f\x03\xa7\x1b\xebm\x15\xcf\x03\0\0\x70\x78\x70\x74\0\x05a:b=c\x78";
    let text = b"\x74\0\x0a\xc3\xa9\xc0\x80\xed\xa0\xbd\xed\xb8\x80";
    assert_eq!(call, [&object_name[..], text, b"\x70"].concat());
    let mut call = vec![0xac, 0xed, 0, 5];
    let long = "x".repeat(70_000);
    write_arguments(&mut call, &[Argument::Texts(&["user", &long])]);
    let array = read(&call, |contents| !contents.is_empty()).expect("an array").contents;
    let [Content::Value(Value::Array(array))] = array.as_slice() else { panic!("{array:?}") };
    assert_eq!(array.elements, [Value::Text(Rc::from("user")), Value::Text(Rc::from("x".repeat(65_535)))]);
}

/// All that is ever done with an answer.
fn view(bytes: &[u8]) {
    if let Ok(read) = read_answer(bytes) {
        for content in &read.contents {
            if let Content::Value(value) = content {
                let _ = views::number(value);
                let _ = views::attribute(value);
                let _ = views::attributes(value);
                let _ = views::object_names(value);
                let _ = views::remote_object(value);
                let _ = views::exception(value);
            }
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        view(&[&[0x51, 0xac, 0xed, 0, 5][..], &bytes].concat());
    }

    #[test]
    fn bytes_of_the_grammar_do_no_harm(bytes in proptest::collection::vec(prop_oneof![0x70_u8..0x80, 0_u8..4, any::<u8>()], 0..400)) {
        view(&[&[0x51, 0xac, 0xed, 0, 5][..], &bytes].concat());
    }

    #[test]
    fn changed_answers_do_no_harm(
        which in 0..ALL.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        twice in any::<prop::sample::Index>(),
    ) {
        let mut bytes = ALL[which].to_vec();
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        view(&bytes);
        let middle = twice.index(bytes.len());
        view(&[&bytes[..middle], &bytes[middle / 2..]].concat());
        bytes.truncate(cut.index(bytes.len()));
        view(&bytes);
    }
}

//! What programs give, what is refused at load, and what a hostile event can do: fail, and nothing else.

use proptest::prelude::*;

use super::*;

/// Little work, because an unoptimised build does it slowly.
fn limits() -> Limits {
    Limits { outputs: 1000, output_bytes: 4 << 20, work: 32 << 20 }
}

/// The outputs of `program` on the JSON text `event`, as JSON texts.
fn run(program: &str, event: &str) -> Result<Vec<String>, String> {
    let program = Program::compile(program, None).map_err(|error| format!("refused: {error}"))?;
    let event = json::parse(event.as_bytes())?;
    let outputs = program.run(event, Val::Null, &limits())?;
    outputs.iter().map(|output| Ok(String::from_utf8(json::write(output, 1 << 24)?).expect("UTF-8"))).collect()
}

#[track_caller]
fn gives(program: &str, event: &str, outputs: &[&str]) {
    let given = run(program, event);
    assert_eq!(given.as_deref(), Ok(&*outputs.iter().map(|&text| text.to_owned()).collect::<Vec<_>>()), "{program}");
}

#[test]
fn json_comes_out_as_it_went_in() {
    for (rule, event) in [
        ("members keep their order", r#"{"b":1,"a":{"d":2,"c":3}}"#),
        ("64-bit integers are exact", "[9223372036854775807,-9223372036854775808,18446744073709551615]"),
        ("larger integers, too", "123456789012345678901234567890"),
        ("decimals keep their digits", "[0.1,1.10,3.14159265358979323846264338327950288]"),
        ("beyond what an f64 holds", "[1e400,-1E-400]"),
        ("no fraction is no reason to lose the point", "1.0"),
        ("text beyond ASCII", r#""主机 ü 😀""#),
        ("control characters are escaped", r#""\u0000\u001f\n\"\\""#),
        ("empty ones", r#"[{},[],"",null,true,false]"#),
    ] {
        assert_eq!(run(".", event), Ok(vec![event.to_owned()]), "{rule}");
    }
    gives(".", r#"{"a":1,"b":2,"a":3}"#, &[r#"{"a":3,"b":2}"#]);
    gives(".", r#""\ud83d\ude00""#, &["\"😀\""]);
}

#[test]
fn what_is_not_one_json_value_is_refused() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(run("length", &deep(128)), Ok(vec!["1".to_owned()]), "128 levels are allowed");
    for (rule, event) in [
        ("nothing", ""),
        ("two values", "1 2"),
        ("rubbish behind", "{} x"),
        ("a comment", "# x\n1"),
        ("NaN", "[NaN]"),
        ("Infinity", "-Infinity"),
        ("a plus sign", "+1"),
        ("zeros in front", "01"),
        ("a comma too many", "[1,]"),
        ("names without quotes", "{a:1}"),
        ("names that are no strings", "{1:1}"),
        ("jaq's byte strings", r#"b"x""#),
        ("a control character in a string", "\"\u{1}\""),
        ("half of a surrogate pair", r#""\ud800""#),
        ("the other half", r#""\udc00x""#),
        ("a byte order mark", "\u{feff}1"),
        ("129 levels", &deep(129)),
        ("100,000 levels", &deep(100_000)),
        ("100,000 levels that do not end", &r#"{"a":"#.repeat(100_000)),
        ("an integer that takes seconds to read", &"9".repeat(1_000_000)),
    ] {
        assert!(json::parse(event.as_bytes()).is_err(), "{rule}");
    }
    assert_eq!(json::parse(b"\"\xff\""), Err("not UTF-8 at byte 1".to_owned()));
    assert!(json::parse(format!("[\"{}\", 1]", "9".repeat(4_000)).as_bytes()).is_ok(), "digits in a string are text");
}

#[test]
fn programs_do_what_jq_does() {
    for (program, event, outputs) in [
        (".a, .b", r#"{"a":1,"b":2}"#, &["1", "2"][..]),
        (
            "map(type)|join(\" \")",
            r#"[null,true,1,1e400,"",[],{}]"#,
            &[r#""null boolean number number string array object""#],
        ),
        ("map(isboolean)", r#"[null,true,1,"",[],{}]"#, &["[false,true,false,false,false,false]"]),
        ("map(isnumber or isstring)", r#"[null,true,1,"",[],{}]"#, &["[false,false,true,true,false,false]"]),
        ("map(isarray or isobject)", r#"[null,true,1,"",[],{}]"#, &["[false,false,false,false,true,true]"]),
        ("map(not), true, false", r#"[null,false,true,0,""]"#, &["[true,true,false,false,false]", "true", "false"]),
        ("{a: 1, b: 2, a: 3}", "null", &[r#"{"a":3,"b":2}"#]),
        ("{a: (1, 2), b: (3, 4)} | [.a, .b]", "null", &["[1,3]", "[1,4]", "[2,3]", "[2,4]"]),
        ("try {a: error(1), b: error(2)} catch .", "null", &["1"]),
        ("{}", "null", &["{}"]),
        (".a / 1000 | floor", r#"{"a":1732160000999}"#, &["1732160000"]),
        (".a / 1000", r#"{"a":1732160000000}"#, &["1732160000"]),
        ("\"\\(.a / 1000)\"", r#"{"a":1732160000000}"#, &["\"1732160000\""]),
        ("tostring, tojson, @json", r#"{"a":[1,"x"]}"#, &[r#""{\"a\":[1,\"x\"]}""#; 3]),
        (".x // \"none\"", "{}", &["\"none\""]),
        ("[.[] | select(. > 1)] | add", "[1,2,3]", &["5"]),
        ("reduce .[] as $x (0; . + $x)", "[1,2,3]", &["6"]),
        ("[foreach .[] as $x (0; . + $x; [$x, .])]", "[1,2]", &["[[1,1],[2,3]]"]),
        (".a *= 3 | .b -= 1 | .c /= 2", r#"{"a":2,"b":2,"c":2}"#, &[r#"{"a":6,"b":1,"c":1}"#]),
        (".a * .b, .c - .d", r#"{"a":"ab","b":2,"c":[1,2,3],"d":[2]}"#, &["\"abab\"", "[1,3]"]),
        (".[] |= . + 1", "[1,2]", &["[2,3]"]),
        ("walk(if type == \"number\" then . + 1 else . end)", "[1,[2]]", &["[2,[3]]"]),
        ("to_entries | from_entries", r#"{"a":1}"#, &[r#"{"a":1}"#]),
        ("with_entries(.value += 1)", r#"{"a":1}"#, &[r#"{"a":2}"#]),
        ("[paths]", r#"{"a":[1]}"#, &[r#"[["a"],["a",0]]"#]),
        ("setpath([\"a\", \"b\"]; 1) | getpath([\"a\", \"b\"])", r#"{"a":{}}"#, &["1"]),
        ("del(.a)", r#"{"a":1,"b":2}"#, &[r#"{"b":2}"#]),
        ("[..]", "[[1]]", &["[[[1]],[1],1]"]),
        (
            "sort, sort_by(-.), group_by(. % 2), unique, min, max",
            "[3,1,2,1]",
            &["[1,1,2,3]", "[3,2,1,1]", "[[2],[3,1,1]]", "[1,2,3]", "1", "3"],
        ),
        ("[limit(2; .[])], first(.[]), last", "[1,2,3]", &["[1,2]", "1", "3"]),
        ("[range(3)], [range(1; 7; 2)]", "null", &["[0,1,2]", "[1,3,5]"]),
        (
            "test(\"^a\"), [match(\"(?<x>b)\"; \"g\").captures[0].name], sub(\"a\"; \"z\"), gsub(\"b\"; \"_\")",
            "\"abb\"",
            &["true", "[\"x\",\"x\"]", "\"zbb\"", "\"a__\""],
        ),
        ("capture(\"(?<n>[0-9]+)\"), [splits(\", *\")]", "\"a1, b2\"", &[r#"{"n":"1"}"#, r#"["a1","b2"]"#]),
        ("[match(\"ü|x\"; \"g\") | .offset, .length]", "\"aüüx\"", &["[1,1,2,1,3,1]"]),
        ("fromjson", r#""{\"a\":1}""#, &[r#"{"a":1}"#]),
        ("try fromjson catch \"no\"", r#""{\"a\":""#, &["\"no\""]),
        ("tonumber", "\"12\"", &["12"]),
        ("try error(\"x\") catch .", "null", &["\"x\""]),
        ("label $out | .[] | if . > 1 then ., break $out else . end", "[1,2,3]", &["1", "2"]),
        ("def twice(f): f | f; twice(. + 1)", "1", &["3"]),
        ("def f: 1; def g: f; g", "null", &["1"]),
        (". as {a: $x, b: [$y]} | $x + $y", r#"{"a":1,"b":[2]}"#, &["3"]),
        ("[recurse(.c[]?) | .n]", r#"{"n":1,"c":[{"n":2}]}"#, &["[1,2]"]),
        ("todate, (todate | fromdate)", "1732160000", &["\"2024-11-21T03:33:20Z\"", "1732160000"]),
        (
            "@base64, (@base64 | @base64d), @uri, @html",
            "\"<ä>\"",
            &["\"PMOkPg==\"", "\"<ä>\"", "\"%3C%C3%A4%3E\"", "\"&lt;ä&gt;\""],
        ),
        ("\"/w==\" | @base64d", "null", &["\"\u{fffd}\""]),
        ("ascii_downcase, ltrimstr(\"A\"), length, explode[0]", "\"AB\"", &["\"ab\"", "\"B\"", "2", "65"]),
        ("-(.a), (.a | -1 - .)", r#"{"a":2}"#, &["-2", "-3"]),
        ("{a, b: .c, \"d e\": 1, \"f\\u0041\": 2}", r#"{"a":1,"c":2}"#, &[r#"{"a":1,"b":2,"d e":1,"fA":2}"#]),
        (
            "3 as $x | {$x, y: (1, 2), z: (., 5)}",
            "4",
            &[r#"{"x":3,"y":1,"z":4}"#, r#"{"x":3,"y":1,"z":5}"#, r#"{"x":3,"y":2,"z":4}"#, r#"{"x":3,"y":2,"z":5}"#],
        ),
        ("{a: 1, b: empty}, {a: 1, a: 2, b: {c: 3, d: {}}}", "4", &[r#"{"a":2,"b":{"c":3,"d":{}}}"#]),
        (
            "{(\"a\", \"b\"): 1, c: 2}, {a: 1} + {b: 2, c: 3}",
            "4",
            &[r#"{"a":1,"c":2}"#, r#"{"b":1,"c":2}"#, r#"{"a":1,"b":2,"c":3}"#],
        ),
        ("empty", "1", &[]),
    ] {
        gives(program, event, outputs);
    }
}

#[test]
fn what_may_not_end_or_reaches_out_is_refused_at_load() {
    for (program, message) in [
        ("repeat(.)", "`repeat` is refused"),
        ("1 | [while(true; .)]", "`while` is refused"),
        ("[limit(3; until(false; .))]", "`until` is refused"),
        ("def f: f; f", "a definition that calls itself may not end"),
        ("def f: def g: f; g; f", "calls itself"),
        ("def f(x): [x | f(x)]; f(.)", "calls itself"),
        ("range(.n)", "its bounds must be numbers in the program"),
        ("[range(0; length)]", "its bounds"),
        ("range(1e9)", "at most 1000000 values"),
        ("range(0; 1; 0)", "at most 1000000 values"),
        ("range(0; -1e9; -1)", "at most 1000000 values"),
        ("recurse(.)", "unless its argument descends"),
        ("recurse(.parent)", "unless its argument descends"),
        ("recurse(. + 1; . < 10)", "unless its argument descends"),
        ("combinations", "`combinations` is refused"),
        ("halt", "it would end the process"),
        ("halt_error(3)", "it would end the process"),
        ("env.HOME", "sees the event alone"),
        ("$ENV.HOME", "`$ENV` is refused"),
        ("input", "one event at a time"),
        ("[inputs]", "one event at a time"),
        ("debug", "writes nothing but its outputs"),
        ("stderr", "writes nothing but its outputs"),
        ("input_filename", "sees the event alone"),
        ("import \"x\" as x; .", "`import` is not available"),
        ("include \"x\"; .", "`include` is not available"),
        (".a | nosuch(1)", "the filter `nosuch/1` is not defined"),
        ("$nosuch", "the variable `$nosuch` is not defined"),
        ("$record.key", "the variable `$record` is not defined"),
        (".a |", "expected term, found the end"),
        (".a ]", "found `]`"),
        ("\"abc", "expected closing quote"),
        ("barnabas_entry", "is not defined"),
        ("", "found the end"),
    ] {
        let error = Program::compile(program, None).expect_err(program);
        assert!(error.to_string().contains(message), "{program}: {error} has no {message:?}");
    }
    let error = Program::compile(".a | halt", None).expect_err("refused");
    assert_eq!(error.offset, Some(5), "the place in the program is known");
    assert!(
        Program::compile("def env: 1; def repeat(f): f; env, repeat(2)", None).is_ok(),
        "its own may have any name"
    );
}

#[test]
fn the_variable_is_there_where_it_is_given_and_read_only_if_mentioned() {
    let program = Program::compile("def f: $record.n; f + 1", Some("$record")).expect("jq");
    assert!(program.reads_variable());
    let record = json::parse(br#"{"n":2}"#).expect("JSON");
    let outputs = program.run(Val::Null, record, &limits()).expect("no error");
    assert_eq!(outputs, [Val::from(3_isize)]);
    assert!(!Program::compile(".record", Some("$record")).expect("jq").reads_variable());
}

/// As in the thread that runs programs.
fn on_a_large_stack(test: fn()) {
    let thread = std::thread::Builder::new().stack_size(STACK_SIZE).spawn(test).expect("a thread");
    thread.join().expect("the test passes");
}

#[test]
fn a_hostile_event_makes_the_program_fail_and_nothing_else() {
    on_a_large_stack(hostile_events);
}

fn hostile_events() {
    let list = |item: &str, count: usize| format!("[{}]", vec![item; count].join(","));
    let many = list("1", 300_000);
    for (rule, program, event, message) in [
        ("a text repeated 10^18 times", ".a * .b", r#"{"a":"x","b":1000000000000000000}"#, "more work"),
        ("or more", ".a *= .b", r#"{"a":"x","b":1000000000000000000000}"#, "more work"),
        ("and no error to catch", "try (.a * .b) catch 1", r#"{"a":"xxxx","b":999999999}"#, "more work"),
        ("every pair of two long lists", ". as $l | [$l[] as $x | $l[] | [$x]]", &many, "more work"),
        ("pairs that are never kept", ". as $l | first($l[] as $x | $l[] | select($x != .))", &many, "more work"),
        ("a text that doubles", "reduce .[] as $x (\"a\"; . + .)", &many, "more work"),
        ("a list that doubles", "reduce .[] as $x ([1]; . + .)", &many, "more work"),
        ("a number that doubles its digits", "reduce .[] as $x (12345678901234567890; . * .)", &many, "more work"),
        ("a value nested as deep as a list is long", "reduce .[] as $x (1; [.])", &many, "more work"),
        ("a path as long as a list", "(reduce .[] as $x (.; .)) |= 1", &many, "more work"),
        ("as many matches as letters", "gsub(\"a\"; \"b\")", &format!("\"{}\"", "a".repeat(2_000_000)), "more work"),
        ("as many parts as commas", ". / \",\"", &format!("\"{}\"", ",".repeat(4_000_000)), "more work"),
        ("more outputs than requests make sense", ".[]", &many, "more than 1000 outputs"),
        ("deep JSON in a string", "fromjson", &format!("\"{}\"", "[".repeat(100_000)), "cannot parse as JSON"),
        ("a list index far away", ".[1000000000000] = 1", "[1]", "out of bounds"),
        ("an error that holds the event", "error", &many, "[1,1,1,1"),
        ("a name that is no string", "{(.): 1}", "5", "the name of a member must be a string"),
        ("a division by zero", ".a / .b", r#"{"a":1,"b":0}"#, "NaN or infinity"),
        ("NaN in text", "\"\\(.a / .b)\"", r#"{"a":0,"b":0}"#, "NaN or infinity"),
    ] {
        let given = run(program, event);
        assert!(matches!(&given, Err(error) if error.contains(message)), "{rule}: {:?}", given.map(|_| "it passed"));
    }
}

#[test]
fn numbers_that_jaq_cannot_order_are_sorted_all_the_same() {
    // jaq's own order is not transitive here, and the standard library panics on some of these.
    let near: Vec<String> = (0..200)
        .map(|i| match i * 7 % 4 {
            0 => "9007199254740993".to_owned(),
            1 => "9007199254740992.0".to_owned(),
            2 => "9007199254740992".to_owned(),
            _ => format!("{}", 9_007_199_254_740_990_i64 + i),
        })
        .collect();
    let event = format!("[{}]", near.join(","));
    for program in
        ["sort", "sort_by(.)", "group_by(.)", "unique", "[{k: .[]}] | sort", ". - [.[0]]", "map([., (0/0)]) | sort"]
    {
        let program = format!("{program} | length");
        assert!(run(&program, &event).is_ok(), "{program}: {:?}", run(&program, &event));
    }
    gives("sort", "[9007199254740993,9007199254740992,1,1.0,0.5]", &["[0.5,1,1.0,9007199254740992,9007199254740993]"]);
    gives("[.[] / 0 | isnan] | any, ([0/0, 1, 0/0] | sort | .[2])", "[0,1]", &["true", "1"]);
}

#[test]
fn groups_that_match_before_one_another_do_not_end_the_process() {
    gives("[match(\"(?:(b)|(a))*\").captures[].offset]", "\"ab\"", &["[1,0]"]);
}

#[test]
fn a_short_line_has_no_control_characters_and_an_end() {
    assert_eq!(short_line(&"a\nb\u{1b}[31m\u{202e}c", 300), "a b [31m c");
    assert_eq!(short_line(&"äöü", 2), "äö…");
    assert_eq!(short_line(&"äöü", 3), "äöü");
}

#[test]
fn paths_find_what_jq_would() {
    let event = json::parse(r#"{"a":{"b c":[1,{"d":2}]},".x":3,"a.b":4}"#.as_bytes()).expect("JSON");
    for (path, found) in [
        ("a", true),
        (".a[\"b c\"][1].d", true),
        (".a.\"b c\"[-1].d", true),
        (".a[\"b c\"][2]", false),
        (".a[\"b c\"][-3]", false),
        ("a.b", true),
        (".a.b", false),
        (".a.x.y", false),
        (".[\".x\"]", true),
    ] {
        assert_eq!(Path::parse(path).expect(path).find(&event).is_some(), found, "{path}");
    }
    for path in [".", ".[]", ".a | .b", ".a[.b]", ".a[1:2]", "..", ".a."] {
        assert!(Path::parse(path).is_err(), "{path}");
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_comes_out_equal(event in any_json()) {
        let text = event.to_string();
        let given = run(".", &text).expect("the identity");
        prop_assert_eq!(&given[0], &text);
        let given = run("tojson | fromjson", &text).expect("there and back");
        prop_assert_eq!(&given[0], &text);
    }

    #[test]
    fn any_text_is_json_for_us_only_if_it_is_for_serde_json(text in "[\\[\\]{}:,\"0-9eE.+\\-ntrufalse\\\\ ]{0,24}") {
        if json::parse(text.as_bytes()).is_ok() {
            prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok());
        }
        if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
            prop_assert!(json::parse(text.as_bytes()).is_ok(), "{}", text);
        }
    }

    #[test]
    fn any_text_as_a_program_is_compiled_or_refused(text in "[.a-c|,()\\[\\]{}:;$\"\\\\ 0-9*+/?-]{0,30}") {
        let _ = Program::compile(&text, Some("$record"));
    }
}

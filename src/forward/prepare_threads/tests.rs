//! Order, bounds, and a program that does not end in time.

use super::*;
use crate::logic::jq::Limits;
use crate::logic::prepare::StepSettings;

/// Two numbers of records of a list are compared by jq: a few seconds, or many, for a long one.
const SLOW: &str = "if type == \"array\" then first(. as $l | $l[] as $x | $l[] | select($x != .)) else . end";

fn threads(transform: &str, threads: usize, deadline: Duration) -> PrepareThreads<u32> {
    let settings = StepSettings { transform: Some(transform.to_owned()), ..StepSettings::default() };
    // No limit but the deadline.
    let limits = Limits { outputs: 10, output_bytes: 1 << 20, work: u64::MAX / 2 };
    let steps = Steps::compile(&settings, limits).expect("steps that compile");
    PrepareThreads::start(Arc::new(steps), threads, deadline).expect("threads")
}

fn job(partition: i32, records: &[(u32, &str)]) -> PrepareJob<u32> {
    let record = |&(ticket, value): &(u32, &str)| {
        let value = Some(value.as_bytes().to_vec());
        (
            ticket,
            Record {
                offset: i64::from(ticket),
                timestamp: 0,
                key: None,
                value,
                headers: Vec::new(),
                truncated_from: None,
            },
        )
    };
    PrepareJob {
        partition: TopicPartition::new("t", partition),
        records: records.iter().map(record).map(|(ticket, record)| (ticket, Arc::new(record))).collect(),
    }
}

fn bodies(answer: &PrepareAnswer<u32>) -> Vec<(u32, String)> {
    let body = |(ticket, record, event): &(u32, Arc<Record>, PreparedEvent)| {
        assert_eq!(record.offset, i64::from(*ticket), "the record belongs to its ticket");
        let text = match &event.prepared {
            Prepared::Ready { bodies, .. } => String::from_utf8_lossy(&bodies[0]).into_owned(),
            other => format!("{other:?}"),
        };
        (*ticket, text)
    };
    answer.events.iter().map(body).collect()
}

/// The next event, within a time that only a fault exceeds.
fn next(runtime: &tokio::runtime::Runtime, threads: &mut PrepareThreads<u32>) -> PrepareEvent<u32> {
    let event = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), threads.next()).await });
    event.expect("an event within a minute")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

#[test]
fn a_partition_comes_back_in_order_whatever_the_others_do() {
    let runtime = runtime();
    let mut threads = threads(". + 1", 3, DEADLINE);
    let (mut sent, mut received) = ([0_u32; 6], [0_u32; 6]);
    while received.iter().sum::<u32>() < 600 {
        for (partition, sent) in sent.iter_mut().enumerate().filter(|(_, sent)| **sent < 100) {
            let value = sent.to_string();
            let partition = i32::try_from(partition).expect("small");
            let records = [(*sent, value.as_str()), (*sent + 1, "7")];
            if threads.submit(job(partition, &records)).is_ok() {
                *sent += 2;
            }
        }
        let PrepareEvent::Answered(answer) = next(&runtime, &mut threads) else { panic!("an answer") };
        let received = &mut received[usize::try_from(answer.partition.partition).expect("small")];
        let expected = vec![(*received, (*received + 1).to_string()), (*received + 1, "8".to_owned())];
        assert_eq!(bodies(&answer), expected);
        *received += 2;
    }
    assert!(!threads.is_busy());
}

#[test]
fn a_thread_takes_a_few_jobs_and_refuses_more() {
    let runtime = runtime();
    let mut threads = threads(".", 1, DEADLINE);
    for ticket in 0..4 {
        assert!(threads.submit(job(0, &[(ticket, "1")])).is_ok());
    }
    let refused = threads.submit(job(0, &[(4, "1")])).expect_err("four are out");
    assert_eq!(refused.records[0].0, 4, "the job comes back");
    assert!(matches!(next(&runtime, &mut threads), PrepareEvent::Answered(_)));
    assert!(threads.submit(refused).is_ok(), "an answer makes room");
    assert!(threads.submit(job(0, &[])).is_err());
}

#[test]
fn a_job_without_records_is_answered_too() {
    let runtime = runtime();
    let mut threads = threads(".", 1, DEADLINE);
    assert!(threads.submit(job(0, &[])).is_ok());
    assert!(matches!(next(&runtime, &mut threads), PrepareEvent::Answered(answer) if answer.events.is_empty()));
}

#[test]
fn a_record_that_takes_too_long_is_invalid_and_the_others_come_in_order() {
    let runtime = runtime();
    let mut threads = threads(SLOW, 1, Duration::from_secs(1));
    let long = format!("[{}]", vec!["1"; 6_000].join(","));
    let jobs = [
        job(0, &[(0, "10")]),
        job(1, &[(1, "11"), (2, &long), (3, "13")]),
        job(2, &[(4, "14"), (5, &long)]),
        job(3, &[(6, "16")]),
    ];
    for job in jobs {
        assert!(threads.submit(job).is_ok());
    }

    let (mut overrun, mut answered) = (Vec::new(), Vec::new());
    while answered.len() < 7 {
        match next(&runtime, &mut threads) {
            PrepareEvent::Answered(answer) => answered.extend(bodies(&answer)),
            PrepareEvent::Overran { partition, ticket, times } => overrun.push((partition.partition, ticket, times)),
            PrepareEvent::NoThread(error) => panic!("no thread: {error}"),
        }
    }
    assert_eq!(overrun, [(1, 2, 1), (2, 5, 2)]);
    let late = "Invalid(\"the jq program did not end within 1 s\")";
    let expected = ["10", "11", late, "13", "14", late, "16"];
    assert_eq!(answered, (0..).zip(expected.map(str::to_owned)).collect::<Vec<_>>());

    assert!(threads.submit(job(0, &[(7, "17")])).is_ok());
    assert!(matches!(next(&runtime, &mut threads), PrepareEvent::Answered(answer) if bodies(&answer)[0].1 == "17"));
}

#[test]
fn waiting_can_be_given_up_without_losing_an_answer() {
    let runtime = runtime();
    let mut threads = threads(".", 2, DEADLINE);
    for ticket in 0..4 {
        assert!(threads.submit(job(0, &[(ticket, "1")])).is_ok());
    }
    let mut answers = 0;
    while answers < 4 {
        let event = runtime.block_on(async {
            tokio::select! {
                biased;
                event = threads.next() => Some(event),
                () = tokio::task::yield_now() => None,
            }
        });
        answers += u32::from(matches!(event, Some(PrepareEvent::Answered(_))));
    }
    assert!(!threads.is_busy());
}

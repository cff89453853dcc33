//! Sends the same body to a webhook as fast as barnabas' own senders can, and prints the rate and what it cost: the
//! upper bound of what a forward can reach on this machine.
//!
//!     cargo run --profile quick --example webhook-load -- http://127.0.0.1:8080/ 100000 16 1024

use std::sync::Arc;
use std::time::Duration;

use barnabas::clock;
use barnabas::config::schema::{Secret, TlsSettings, WebhookSettings};
use barnabas::forward::senders::{DeliveryRequest, Senders};
use barnabas::http_client::Response;
use barnabas::logic::outcome::{Answer, Outcome};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: webhook-load URL [REQUESTS [IN_FLIGHT [BYTES]]]")?;
    let requests: u64 = arguments.next().as_deref().unwrap_or("100000").parse()?;
    let in_flight: u16 = arguments.next().as_deref().unwrap_or("16").parse()?;
    let bytes: usize = arguments.next().as_deref().unwrap_or("1024").parse()?;

    let senders = Senders::start(&settings(&url), in_flight, None, Arc::new(judge))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (started, cpu_before) = (clock::now(), cpu_seconds());
    let failed = runtime.block_on(send_all(senders, requests, in_flight, &vec![b'x'; bytes]));
    let elapsed = clock::now().since(started).as_secs_f64();
    let cpu = cpu_seconds() - cpu_before;
    println!(
        "{requests} requests of {bytes} bytes, {in_flight} in flight: {:.0} a second, {:.2} CPU s for 100,000, {failed} failed",
        requests as f64 / elapsed,
        cpu * 100_000.0 / requests as f64,
    );
    Ok(())
}

async fn send_all(mut senders: Senders, requests: u64, in_flight: u16, body: &[u8]) -> u64 {
    let mut submitted = 0;
    let mut failed = 0;
    for answered in 0..requests {
        while submitted < requests && submitted - answered < u64::from(in_flight) {
            let idempotency_key = format!("load/event/0/{submitted}");
            senders.submit(DeliveryRequest {
                id: submitted,
                body: bytes::Bytes::copy_from_slice(body),
                idempotency_key,
            });
            submitted += 1;
        }
        let delivery = senders.next_answer().await;
        if delivery.answer.outcome != Outcome::Delivered {
            failed += 1;
            eprintln!("{}: {}", delivery.id, delivery.answer.detail);
        }
    }
    failed
}

fn judge(response: &Response) -> Answer {
    let outcome = if response.status == 200 { Outcome::Delivered } else { Outcome::Retry };
    let detail = String::from_utf8_lossy(&response.body).into_owned();
    Answer { outcome, status: Some(response.status), detail, retry_after: None, log: None }
}

fn settings(url: &str) -> WebhookSettings {
    WebhookSettings {
        url: Secret::new(url),
        display_url: url.to_owned(),
        method: "POST".to_owned(),
        headers: vec![("Content-Type".to_owned(), Secret::new("application/json"))],
        tls: TlsSettings::default(),
        timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(5),
        max_response_size: 64 * 1024,
        idempotency_header: Some("Idempotency-Key".to_owned()),
        outcomes: vec![],
    }
}

/// User and system time of this process so far; Linux counts in hundredths of a second (proc(5), fields 14 and 15).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

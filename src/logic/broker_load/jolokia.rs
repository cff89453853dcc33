//! Jolokia's bulk request for all figures, and its answer. Knows no HTTP.

use serde_json::{Value, json};

use super::Readings;
use super::beans::{BEANS, Bean, REQUESTS_PATTERN, request_of};
use crate::logic::printable::{cut, printable};

/// The body of the one POST that asks for everything.
pub fn bulk_request() -> Vec<u8> {
    let read = |mbean: &str, attributes: Value| json!({"type": "read", "mbean": mbean, "attribute": attributes});
    let mut requests: Vec<Value> = BEANS.iter().map(|bean| read(&bean.object_name(), json!(bean.attributes))).collect();
    requests.push(read(REQUESTS_PATTERN, json!(["Count"])));
    Value::Array(requests).to_string().into_bytes()
}

/// What the answer to [`bulk_request`] says. What a broker does not have is missing.
///
/// # Errors
/// It is no such answer, or Jolokia refused all of it; a sentence.
pub fn readings(body: &[u8]) -> Result<Readings, String> {
    let answer: Value = serde_json::from_slice(body).map_err(|error| format!("the answer is no JSON: {error}"))?;
    let Value::Array(answers) = answer else {
        return Err(format!("Jolokia answered with an error: {}", error_of(&answer)));
    };
    if answers.len() != BEANS.len() + 1 {
        return Err(format!("Jolokia answered {} of {} questions", answers.len(), BEANS.len() + 1));
    }
    let mut readings = Readings::default();
    let mut refusal = None;
    for (index, answer) in answers.iter().enumerate() {
        match (answer.get("status").and_then(Value::as_u64), answer.get("value")) {
            (Some(200), Some(value)) => match BEANS.get(index) {
                Some(bean) => read_bean(&mut readings, bean, value),
                None => read_requests(&mut readings, value),
            },
            // This version of Kafka does not have it.
            (Some(404), _) => {}
            _ => refusal = Some(answer),
        }
    }
    match refusal {
        Some(refusal) if readings == Readings::default() => {
            Err(format!("Jolokia refuses to tell: {}", error_of(refusal)))
        }
        _ => Ok(readings),
    }
}

fn error_of(answer: &Value) -> String {
    let text = answer.get("error").and_then(Value::as_str).unwrap_or("it does not say which");
    printable(&cut(text, 200)).into_owned()
}

fn read_bean(readings: &mut Readings, bean: &Bean, value: &Value) {
    for name in bean.keeps() {
        // A composite's item is `attribute.item`.
        let found = match name.split_once('.') {
            Some((attribute, item)) => value.get(attribute).and_then(|composite| composite.get(item)),
            None => value.get(name),
        };
        if let Some(number) = found.and_then(Value::as_f64) {
            readings.add(bean.quantity, name, number);
        }
    }
}

fn read_requests(readings: &mut Readings, value: &Value) {
    for (object_name, attributes) in value.as_object().into_iter().flatten() {
        if let (Some(request), Some(count)) = (request_of(object_name), attributes.get("Count").and_then(Value::as_f64))
        {
            readings.add_requests(request, count);
        }
    }
}

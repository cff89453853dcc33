//! What the robots of DingTalk, WeCom and Feishu are sent, how it is signed, and what their answers mean: all of them
//! answer 200 to what they refuse, and say so in the body. Pure; knows no URL.
//!
//! Their Markdown has no escapes, and some of it calls people (`<at id=all>`): marks in names become full-width ones.
//!
//! <https://open.dingtalk.com/document/orgapp/custom-robot-access>,
//! <https://developer.work.weixin.qq.com/document/path/91770>,
//! <https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

use super::notice::Notice;
use super::rule::Severity;
use super::text::{Entry, Words};
use crate::logic::jq::short_line;
use crate::logic::moment::Timestamp;

/// Bytes of text for DingTalk, which takes 20,000 with the JSON around it.
const DINGTALK_SIZE: usize = 16_000;

/// Bytes of text for WeCom, by its documentation.
const WECOM_SIZE: usize = 4096;

/// Bytes of text for Feishu, which takes 20 KB with the JSON around it.
const FEISHU_SIZE: usize = 14_000;

/// Codes that mean "not now": too many messages, or the service is busy (DingTalk -1, 130101; WeCom -1, 45009; Feishu
/// 9499, 11232).
const BUSY: [i64; 5] = [-1, 130_101, 45_009, 9499, 11_232];

/// Why a robot did not take a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its code and what it says, in one short line.
    pub text: String,
    /// It may take it later.
    pub temporary: bool,
}

/// The message for DingTalk.
pub fn dingtalk(notice: &Notice) -> Value {
    let words = Words::new(notice);
    let title = unmarked(&words.subject);
    // A line ends where an empty one follows.
    let text = format!("### {title}\n\n{}", markdown(&words, "\n\n", DINGTALK_SIZE.saturating_sub(title.len() + 8)));
    json!({"msgtype": "markdown", "markdown": {"title": title, "text": text}})
}

/// What is added to the query of DingTalk's URL for a robot with a secret: the milliseconds, and the HMAC of them and
/// the secret under the secret.
pub fn dingtalk_query(secret: &str, now: Timestamp) -> String {
    let signature = sign(secret.as_bytes(), format!("{}\n{secret}", now.0).as_bytes());
    // Of base64 only these three mean something in a query.
    let signature = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!("timestamp={}&sign={signature}", now.0)
}

/// The message for WeCom.
pub fn wecom(notice: &Notice) -> Value {
    let words = Words::new(notice);
    let title = format!("**{}**\n", unmarked(&words.subject));
    let rest = markdown(&words, "\n", WECOM_SIZE.saturating_sub(title.len()));
    json!({"msgtype": "markdown", "markdown": {"content": beginning(&format!("{title}{rest}"), WECOM_SIZE)}})
}

/// The message for Feishu; `signed`: the robot's secret and the time. It is the seconds and the secret that are the key
/// of its signature, of an empty message.
pub fn feishu(notice: &Notice, signed: Option<(&str, Timestamp)>) -> Value {
    let words = Words::new(notice);
    let colour = match words.worst {
        Some(Severity::Critical) => "red",
        Some(Severity::Warning) => "orange",
        Some(Severity::Info) => "blue",
        None => "green",
    };
    let mut message = json!({
        "msg_type": "interactive",
        "card": {
            "config": {"wide_screen_mode": true},
            "header": {"template": colour, "title": {"tag": "plain_text", "content": unmarked(&words.subject)}},
            "elements": [{"tag": "markdown", "content": markdown(&words, "\n", FEISHU_SIZE)}],
        },
    });
    if let (Some((secret, now)), Some(members)) = (signed, message.as_object_mut()) {
        let seconds = now.0.div_euclid(1000);
        members.insert("timestamp".to_owned(), Value::from(seconds.to_string()));
        members.insert("sign".to_owned(), Value::from(sign(format!("{seconds}\n{secret}").as_bytes(), b"")));
    }
    message
}

/// What the body of a robot's answer with status 200 says.
///
/// # Errors
/// It did not take the message, or this is no robot's answer.
pub fn taken(body: &[u8]) -> Result<(), Refusal> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    // DingTalk and WeCom: errcode, errmsg. Feishu: code, msg; of old: StatusCode, StatusMessage.
    let member = |names: [&str; 3]| names.into_iter().find_map(|name| answer.get(name));
    let says = member(["errmsg", "msg", "StatusMessage"]).and_then(Value::as_str).unwrap_or_default();
    match member(["errcode", "code", "StatusCode"]).and_then(Value::as_i64) {
        Some(0) => Ok(()),
        Some(code) => {
            let text = short_line(&format_args!("error {code}: {says}"), 200);
            Err(Refusal { text, temporary: BUSY.contains(&code) })
        }
        None => {
            let answer = String::from_utf8_lossy(body.get(..800).unwrap_or(body));
            let text = short_line(&format_args!("this is not a robot's answer: {answer}"), 200);
            Err(Refusal { text, temporary: false })
        }
    }
}

fn sign(key: &[u8], message: &[u8]) -> String {
    STANDARD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message))
}

/// The sections and the footer in the Markdown that all three understand, in at most `size` bytes: alerts as long as
/// they fit, then how many more there are.
fn markdown(words: &Words, line_end: &str, size: usize) -> String {
    let footer = unmarked(&words.footer);
    let room = size.saturating_sub(footer.len()).saturating_sub(50);
    let mut text = String::new();
    let mut left_out = 0_usize;
    for section in &words.sections {
        let heading = format!("**{}**{line_end}", section.heading);
        let mut heading = Some(heading);
        left_out = left_out.saturating_add(section.more);
        for entry in &section.entries {
            let part = format!("{}{}", heading.as_deref().unwrap_or_default(), entry_markdown(entry, line_end));
            // The first is told in any case, as much of it as there is room for.
            if text.is_empty() || text.len().saturating_add(part.len()) <= room {
                text.push_str(beginning(&part, room));
                heading = None;
            } else {
                left_out = left_out.saturating_add(1);
            }
        }
    }
    if left_out > 0 {
        text.push_str(&format!("… and {left_out} more{line_end}"));
    }
    text.push_str(&footer);
    beginning(&text, size).to_owned()
}

fn entry_markdown(entry: &Entry, line_end: &str) -> String {
    let mut lines = vec![format!("**{}**: {}", entry.word(), unmarked(&entry.summary))];
    lines.extend(entry.facts.iter().map(|(name, value)| format!("{name}: {}", unmarked(value))));
    match &entry.runbook {
        Some(link) if is_plain_link(link) => lines.push(format!("[What to do]({link})")),
        Some(text) => lines.push(format!("What to do: {}", unmarked(text))),
        None => {}
    }
    lines.push(String::new());
    let text = lines.join(line_end);
    if line_end == "\n" { format!("{text}\n") } else { text }
}

/// A web address that cannot end a Markdown link before its end.
fn is_plain_link(link: &str) -> bool {
    (link.starts_with("https://") || link.starts_with("http://"))
        && link.chars().all(|character| character.is_ascii_graphic() && !"()<>[]\"`*".contains(character))
}

/// `text` with what Markdown and these robots take for marks replaced by full-width ones.
fn unmarked(text: &str) -> String {
    let replace = |character| match character {
        '<' => '＜',
        '>' => '＞',
        '[' => '［',
        ']' => '］',
        '*' => '＊',
        '`' => '｀',
        '~' => '～',
        other => other,
    };
    text.chars().map(replace).collect()
}

/// At most `size` bytes of `text`, cut between characters.
fn beginning(text: &str, size: usize) -> &str {
    let mut end = size.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
#[path = "robots_tests.rs"]
mod tests;

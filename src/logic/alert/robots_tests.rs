//! Robots' messages: what is in them, how long they may get, and signatures beside those that Python's hmac gives.

use super::super::text::examples::{alert, notice, over};
use super::*;

const SECRET: &str = "this is secret";
const NOW: Timestamp = Timestamp(1_599_360_473_000);

#[test]
fn signatures_are_those_of_others() {
    // RFC 4231, test case 2.
    assert_eq!(sign(b"Jefe", b"what do ya want for nothing?"), "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
    // base64.b64encode(hmac.new(secret, f"{ms}\n{secret}", sha256).digest()) by urllib.parse.quote_plus.
    assert_eq!(
        dingtalk_query(SECRET, NOW),
        "timestamp=1599360473000&sign=hXZTWifRGHclNuZSKxoXc%2F%2Fsh51SWfVfRIhcdeKs63I%3D"
    );
    // base64.b64encode(hmac.new(f"{s}\n{secret}", b"", sha256).digest())
    let message = feishu(&notice(vec![alert("a", &[])], vec![]), Some((SECRET, NOW)));
    assert_eq!(
        (&message["timestamp"], &message["sign"]),
        (&json!("1599360473"), &json!("/eYKrXQBzTjUZJ3s6NX16VxGbTwmK7AEs8/FnvC1CSw="))
    );
    let message = feishu(&notice(vec![alert("a", &[])], vec![]), None);
    assert_eq!((message.get("timestamp"), message.get("sign")), (None, None), "none without a secret");
}

#[test]
fn all_say_what_the_mail_says() {
    let notice = notice(vec![alert("broker-load", &[("topic", "a_b_c")])], vec![over("积压", 60_000)]);
    let (dingtalk, wecom, feishu) = (dingtalk(&notice), wecom(&notice), feishu(&notice, None));
    let texts =
        [&dingtalk["markdown"]["text"], &wecom["markdown"]["content"], &feishu["card"]["elements"][0]["content"]];
    for text in texts.map(|text| text.as_str().expect("a text")) {
        for part in [
            "**Firing: 1**",
            "**warning**: summary of broker-load",
            "Value: 85.5 %",
            "Labels: topic=a_b_c",
            "[What to do](https://wiki.example.com/broker-load)",
            "**Over: 1**",
            "**over**: summary of 积压",
            "Lasted: 1 min",
            "channel ops",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
    assert_eq!(dingtalk["msgtype"], "markdown");
    assert_eq!(dingtalk["markdown"]["title"], "［WARNING］ summary of broker-load (1 over)");
    assert_eq!(wecom["msgtype"], "markdown");
    assert_eq!(feishu["msg_type"], "interactive");
    assert_eq!(feishu["card"]["header"]["template"], "orange");
}

#[test]
fn a_message_fits() {
    let mut huge = alert("a", &[("group", &"组".repeat(10_000)), ("topic", &"题".repeat(10_000))]);
    huge.summary = "很".repeat(10_000);
    huge.value_text = "多".repeat(10_000);
    huge.threshold_text = "大".repeat(10_000);
    for alerts in [vec![huge.clone()], vec![huge; 300], (0..300).map(|n| alert(&n.to_string(), &[])).collect()] {
        let count = alerts.len();
        let notice = notice(alerts, vec![]);
        let content = wecom(&notice)["markdown"]["content"].as_str().expect("a text").to_owned();
        assert!(content.len() <= WECOM_SIZE, "{}", content.len());
        assert!(count == 1 || content.contains(" more\n"), "{content}");
        assert!(content.contains("channel ops"), "{content}");
        assert!(dingtalk(&notice).to_string().len() <= 20_000);
        assert!(feishu(&notice, Some((SECRET, NOW))).to_string().len() <= 20_000);
    }
}

#[test]
fn no_name_calls_people_or_forges_a_link() {
    let mut evil = alert("x", &[("group", "<at id=all></at> [free](http://evil) **bold** `code`")]);
    evil.runbook = Some("https://wiki/a)[b](http://evil".to_owned());
    let content = wecom(&notice(vec![evil], vec![]))["markdown"]["content"].as_str().expect("a text").to_owned();
    assert!(!content.contains("<at") && !content.contains("](http"), "{content}");
    assert!(content.contains("＜at id=all＞＜/at＞ ［free］"), "{content}");
}

#[test]
fn an_answer_of_200_may_be_a_refusal() {
    let refusal = |text: &str, temporary| Err(Refusal { text: text.to_owned(), temporary });
    for (rule, body, expected) in [
        ("DingTalk and WeCom take it", r#"{"errcode":0,"errmsg":"ok"}"#, Ok(())),
        ("Feishu takes it", r#"{"code":0,"data":{},"msg":"success"}"#, Ok(())),
        ("Feishu of old", r#"{"Extra":null,"StatusCode":0,"StatusMessage":"success"}"#, Ok(())),
        (
            "a wrong signature",
            r#"{"errcode":310000,"errmsg":"sign not match"}"#,
            refusal("error 310000: sign not match", false),
        ),
        (
            "a wrong secret at Feishu",
            r#"{"code":19021,"msg":"sign match fail"}"#,
            refusal("error 19021: sign match fail", false),
        ),
        (
            "too many at WeCom",
            r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#,
            refusal("error 45009: api freq out of limit", true),
        ),
        ("a portal's page", "<html>\nlogin", refusal("this is not a robot's answer: <html> login", false)),
        ("JSON of something else", r#"{"ok":true}"#, refusal(r#"this is not a robot's answer: {"ok":true}"#, false)),
        ("nothing", "", refusal("this is not a robot's answer: ", false)),
    ] {
        assert_eq!(taken(body.as_bytes()), expected, "{rule}");
    }
}

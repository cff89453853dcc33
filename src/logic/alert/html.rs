//! A notice as an HTML mail: the same words as the plain text, readable on a phone and in the dark, nothing fetched from
//! anywhere. Mail programs drop style sheets, so every element carries its own style. Pure.

use std::fmt::Write;

use super::rule::Severity;
use super::text::{Entry, Section, Words};

/// The whole document.
pub fn page(words: &Words) -> String {
    // Writing to a String cannot fail.
    let mut html = String::new();
    let _ = write!(
        html,
        "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n</head>\n\
         <body style=\"margin:0;padding:12px;font:15px/1.45 -apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif\">\n\
         <div style=\"max-width:640px;margin:0 auto;overflow-wrap:anywhere\">\n",
        escaped(&words.subject)
    );
    for section in &words.sections {
        write_section(&mut html, section);
    }
    let _ = write!(
        html,
        "<p style=\"font-size:12px;opacity:.7;margin:16px 0 0\">{}</p>\n</div>\n</body>\n</html>\n",
        escaped(&words.footer)
    );
    html
}

fn write_section(html: &mut String, section: &Section) {
    let _ = writeln!(html, "<h2 style=\"font-size:17px;margin:16px 0 8px\">{}</h2>", escaped(&section.heading));
    for entry in &section.entries {
        write_entry(html, entry);
    }
    if section.more > 0 {
        let _ = writeln!(html, "<p>… and {} more</p>", section.more);
    }
}

fn write_entry(html: &mut String, entry: &Entry) {
    let colour = colour(entry);
    let _ = write!(
        html,
        "<div style=\"border-left:4px solid {colour};padding:2px 0 2px 10px;margin:0 0 14px\">\n\
         <div><b style=\"color:{colour}\">{}</b>: <b>{}</b></div>\n\
         <table role=\"presentation\" style=\"border-collapse:collapse;font-size:14px\">\n",
        entry.word(),
        escaped(&entry.summary)
    );
    for (name, value) in &entry.facts {
        write_row(html, name, &escaped(value));
    }
    if let Some(runbook) = &entry.runbook {
        let text = escaped(runbook);
        // Anything else than a web address (javascript:, file:) is shown, not linked.
        if runbook.starts_with("https://") || runbook.starts_with("http://") {
            write_row(html, "What to do", &format!("<a href=\"{text}\">{text}</a>"));
        } else {
            write_row(html, "What to do", &text);
        }
    }
    html.push_str("</table>\n</div>\n");
}

fn write_row(html: &mut String, name: &str, value: &str) {
    let _ = writeln!(
        html,
        "<tr><td style=\"padding:1px 12px 1px 0;opacity:.7;vertical-align:top;white-space:nowrap\">{name}</td>\
         <td style=\"padding:1px 0\">{value}</td></tr>"
    );
}

/// Dark enough on white, light enough on black.
fn colour(entry: &Entry) -> &'static str {
    match (entry.over, entry.severity) {
        (true, _) => "#2e9e5b",
        (false, Severity::Critical) => "#d93a3a",
        (false, Severity::Warning) => "#c77700",
        (false, Severity::Info) => "#3b7dd8",
    }
}

/// For text and for values of attributes in double quotes.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::super::text::examples::{alert, notice, over};
    use super::*;

    #[test]
    fn it_says_what_the_text_says() {
        let words = Words::new(&notice(vec![alert("Last", &[("group", "组")])], vec![over("Rückstand", 60_000)]));
        let html = page(&words);
        let sections = words.sections.iter();
        for entry in sections.inspect(|section| assert!(html.contains(&section.heading))).flat_map(|s| &s.entries) {
            assert!(html.contains(&entry.summary), "{html}");
            assert!(entry.facts.iter().all(|(name, value)| html.contains(name) && html.contains(value)), "{html}");
        }
        assert!(html.contains("<a href=\"https://wiki.example.com/Last\">"), "{html}");
        assert!(html.contains("组") && html.contains("Rückstand") && html.contains("1 min"), "{html}");
        assert!(html.contains(&words.footer), "{html}");
    }

    #[test]
    fn no_name_can_become_markup() {
        let evil = "<img src=x onerror=\"a()\"> '&";
        let mut worst = alert(evil, &[("group", evil)]);
        worst.runbook = Some("javascript:alert(1)".to_owned());
        worst.value_text = evil.to_owned();
        let html = page(&Words::new(&notice(vec![worst], vec![])));
        assert!(!html.contains("<img") && !html.contains("<a "), "{html}");
        assert!(html.contains("&lt;img src=x onerror=&quot;a()&quot;&gt; &#39;&amp;"), "{html}");
    }

    #[test]
    fn nothing_is_fetched() {
        let mut plain = alert("a", &[]);
        plain.runbook = None;
        let html = page(&Words::new(&notice(vec![plain], vec![])));
        for fetched in ["http", "src=", "url(", "<link", "<script"] {
            assert!(!html.contains(fetched), "{fetched}: {html}");
        }
    }
}

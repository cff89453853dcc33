//! Mail addresses as people write them: `a@example.com`, `Name <a@example.com>`, `"Name, First" <a@example.com>`. What
//! could end a header field or an SMTP command early is refused. Sends nothing and knows no file; a message never repeats
//! the text it is about.

use std::fmt;

/// The longest address and the longest part before its `@`, in bytes (RFC 5321 section 4.5.3.1).
const LONGEST_ADDRESS: usize = 254;
const LONGEST_LOCAL_PART: usize = 64;
/// The longest name, in bytes.
const LONGEST_NAME: usize = 200;

/// A checked address, perhaps with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Any script; no control characters, no quotes, no angle brackets.
    pub name: Option<String>,
    /// ASCII: `local@domain`.
    pub address: String,
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            // RFC 5322 section 3.2.3: these stand for themselves in quotes only.
            Some(name) if name.contains(['(', ')', '[', ']', ':', ';', '@', ',', '.']) => {
                write!(f, "\"{name}\" <{}>", self.address)
            }
            Some(name) => write!(f, "{name} <{}>", self.address),
            None => f.write_str(&self.address),
        }
    }
}

/// Reads one address. What it displays as reads back the same.
///
/// # Errors
/// Anything else, with the reason.
pub fn parse_mailbox(text: &str) -> Result<Mailbox, String> {
    if text.chars().any(char::is_control) {
        return Err("a mail address has no control characters, such as line breaks".to_owned());
    }
    let text = text.trim();
    let Some((name, rest)) = text.rsplit_once('<') else {
        return Ok(Mailbox { name: None, address: check_address(text)? });
    };
    let address = rest.strip_suffix('>').ok_or("the address ends with `>`, as in \"Name <a@example.com>\"")?;
    let name = name.trim();
    let name = match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.trim(),
        None if name.contains([',', ';', '@']) => {
            return Err("write one address an entry; a name with a comma stands in double quotes".to_owned());
        }
        None => name,
    };
    if name.len() > LONGEST_NAME || name.contains(['"', '\\', '<', '>']) {
        return Err(format!(
            "the name before an address has at most {LONGEST_NAME} bytes, and no quotes, backslashes or angle brackets"
        ));
    }
    let name = (!name.is_empty()).then(|| name.to_owned());
    Ok(Mailbox { name, address: check_address(address)? })
}

fn check_address(address: &str) -> Result<String, String> {
    const FORM: &str = "it must be a mail address, as in \"oncall@example.com\" or \"On call <oncall@example.com>\"";
    if address.contains([',', ';']) || address.matches('@').count() > 1 {
        return Err("write one address an entry; several are several entries".to_owned());
    }
    let (local, domain) = address.split_once('@').ok_or(FORM)?;
    if !address.is_ascii() {
        return Err(
            "an address has ASCII characters only (names may have others); write the domain as xn--…".to_owned()
        );
    }
    let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let atoms = |text: &str| text.split('.').all(|part| !part.is_empty() && part.chars().all(atom));
    let label = |part: &str| {
        let inside = part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        inside && !part.is_empty() && !part.starts_with('-') && !part.ends_with('-')
    };
    let long = address.len() > LONGEST_ADDRESS || local.len() > LONGEST_LOCAL_PART;
    if long || !atoms(local) || !domain.split('.').all(label) {
        return Err(FORM.to_owned());
    }
    Ok(address.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_with_and_without_names() {
        for (text, name, address) in [
            ("a@example.com", None, "a@example.com"),
            (" a@example.com ", None, "a@example.com"),
            ("<a@example.com>", None, "a@example.com"),
            ("On call <a.b+c@x-1.example.com>", Some("On call"), "a.b+c@x-1.example.com"),
            ("\"Meier, Eva\" <eva@example.com>", Some("Meier, Eva"), "eva@example.com"),
            ("值班 <oncall@xn--fsq.example>", Some("值班"), "oncall@xn--fsq.example"),
            ("root@localhost", None, "root@localhost"),
        ] {
            let parsed = parse_mailbox(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((parsed.name.as_deref(), parsed.address.as_str()), (name, address), "{text}");
        }
    }

    #[test]
    fn a_name_with_a_comma_is_displayed_in_quotes() {
        for text in ["\"Meier, Eva\" <eva@example.com>", "\"Dr. No\" <no@example.com>", "On call <a@example.com>"] {
            assert_eq!(parse_mailbox(text).map(|mailbox| mailbox.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_no_single_address_is_refused() {
        for (rule, text) in [
            ("nothing", ""),
            ("no @", "oncall"),
            ("nothing before the @", "@example.com"),
            ("nothing after the @", "oncall@"),
            ("two @", "a@b@c"),
            ("two addresses", "a@example.com, b@example.com"),
            ("two addresses, the second with a name", "a@example.com, B <b@example.com>"),
            ("a line break that would begin a header field", "A\nBcc: x <a@example.com>"),
            ("a carriage return in the address", "a\r@example.com"),
            ("an open bracket", "A <a@example.com"),
            ("something after the bracket", "A <a@example.com> x"),
            ("a bracket in the name", "A <b> <a@example.com>"),
            ("a space in the address", "a b@example.com"),
            ("two dots", "a..b@example.com"),
            ("a quoted local part", "\"a b\"@example.com"),
            ("an empty label", "a@example..com"),
            ("an underscore in the domain", "a@exa_mple.com"),
            ("letters that need SMTPUTF8", "müller@example.com"),
            ("a port", "a@example.com:25"),
            ("too long before the @", &format!("{}@example.com", "a".repeat(65))),
            ("a name without end", &format!("{} <a@example.com>", "a".repeat(201))),
        ] {
            assert!(parse_mailbox(text).is_err(), "{rule}: {text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_displayed_reads_back_the_same(text in "[a-z ,\"<>@.\\n]{0,24}") {
            if let Ok(mailbox) = parse_mailbox(&text) {
                let shown = mailbox.to_string();
                prop_assert!(!shown.contains('\n'));
                prop_assert_eq!(parse_mailbox(&shown), Ok(mailbox));
            }
        }
    }
}

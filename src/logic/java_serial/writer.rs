//! The arguments that a JMX client sends: strings, object names, arrays of strings. Knows no call.

/// An argument of a remote call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument<'a> {
    /// `null`.
    Null,
    /// A `java.lang.String`.
    Text(&'a str),
    /// A `String[]`.
    Texts(&'a [&'a str]),
    /// A `javax.management.ObjectName`.
    ObjectName(&'a str),
}

/// Appends `arguments` to `call`, which ends with the block data of the call. Texts are cut at 65,535 bytes.
pub fn write_arguments(call: &mut Vec<u8>, arguments: &[Argument<'_>]) {
    for argument in arguments {
        match argument {
            Argument::Null => call.push(0x70),
            Argument::Text(text) => write_string(call, text),
            Argument::Texts(texts) => {
                call.push(0x75);
                write_class(call, "[Ljava.lang.String;", 0xadd2_56e7_e91d_7b47, 2);
                call.extend(u32::try_from(texts.len()).unwrap_or(0).to_be_bytes());
                for text in *texts {
                    write_string(call, text);
                }
            }
            Argument::ObjectName(name) => {
                call.push(0x73);
                write_class(call, "javax.management.ObjectName", 0x0f03_a71b_eb6d_15cf, 3);
                write_string(call, name);
                call.push(0x78);
            }
        }
    }
}

/// A class without fields and ancestors, and without a place to load it from.
fn write_class(call: &mut Vec<u8>, name: &str, serial_version: u64, flags: u8) {
    call.push(0x72);
    write_text(call, name);
    call.extend(serial_version.to_be_bytes());
    call.push(flags);
    call.extend([0, 0, 0x70, 0x78, 0x70]);
}

fn write_string(call: &mut Vec<u8>, text: &str) {
    call.push(0x74);
    write_text(call, text);
}

/// Java's own UTF-8, with its length.
fn write_text(call: &mut Vec<u8>, text: &str) {
    let mut bytes: Vec<u8> = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        let [high, low] = unit.to_be_bytes();
        let encoded: &[u8] = match unit {
            0x01..=0x7f => &[low],
            0x00 | 0x80..=0x7ff => &[0xc0 | (high << 2) | (low >> 6), 0x80 | (low & 0x3f)],
            _ => &[0xe0 | (high >> 4), 0x80 | ((high & 0x0f) << 2) | (low >> 6), 0x80 | (low & 0x3f)],
        };
        if bytes.len() + encoded.len() > usize::from(u16::MAX) {
            break;
        }
        bytes.extend(encoded);
    }
    call.extend(u16::try_from(bytes.len()).unwrap_or(0).to_be_bytes());
    call.extend(bytes);
}

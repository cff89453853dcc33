//! The Prometheus text format (version 0.0.4) as it is written: families, samples, escaping, and the limit on series.
//! Knows no figure.

use std::fmt::{self, Display, Write};

/// The labels of a sample, in the order in which they are written.
pub(super) type Labels<'a> = &'a [(&'a str, &'a dyn Display)];

/// The text as it grows.
pub(super) struct Exposition {
    text: String,
    /// The family that samples belong to.
    family: String,
    /// Samples that it has, or would have.
    samples: usize,
    /// Samples of one family at most.
    max_series: usize,
    /// Families with more, and by how much.
    left_out: Vec<(String, usize)>,
}

impl Exposition {
    /// An empty text with room for `capacity` bytes, and a limit on the samples of a family.
    pub(super) fn new(capacity: usize, max_series: usize) -> Self {
        Self {
            text: String::with_capacity(capacity),
            family: String::new(),
            samples: 0,
            max_series,
            left_out: Vec::new(),
        }
    }

    /// What follows belongs to this family. Its name and help are ours, and need no escaping.
    pub(super) fn family(&mut self, name: impl Into<String>, kind: &str, help: &str) {
        self.end_family();
        self.family = name.into();
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}", name = self.family);
    }

    /// A sample of the present family, unless it has as many as it may.
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.samples += 1;
        if self.samples > self.max_series {
            return;
        }
        self.text.push_str(&self.family);
        for (index, (label, value)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            self.text.push_str(label);
            self.text.push_str("=\"");
            let _ = write!(Escaping(&mut self.text), "{value}");
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    fn end_family(&mut self) {
        if let Some(more @ 1..) = self.samples.checked_sub(self.max_series) {
            self.left_out.push((self.family.clone(), more));
        }
        self.samples = 0;
    }

    /// The whole text, with the number of series that were left out of each family where that happened.
    pub(super) fn finish(mut self) -> String {
        self.end_family();
        let left_out = std::mem::take(&mut self.left_out);
        if !left_out.is_empty() {
            self.max_series = self.max_series.max(left_out.len());
            self.family(
                "barnabas_series_left_out",
                "gauge",
                "Series of this metric that monitor.max_series leaves out of this answer.",
            );
            for (metric, count) in &left_out {
                self.sample(&[("metric", metric)], count);
            }
        }
        self.text
    }
}

/// Writes a label's value so that it cannot end, nor begin a line.
struct Escaping<'a>(&'a mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(['\\', '"', '\n']) {
            let (plain, special) = rest.split_at(at);
            self.0.push_str(plain);
            self.0.push_str(match special.as_bytes().first() {
                Some(b'\n') => "\\n",
                Some(b'"') => "\\\"",
                _ => "\\\\",
            });
            rest = special.get(1..).unwrap_or_default();
        }
        self.0.push_str(rest);
        Ok(())
    }
}

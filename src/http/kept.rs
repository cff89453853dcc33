//! Answers that are large and dear to put together, kept for a moment: whoever asks again meanwhile gets the same bytes,
//! and who reads slowly holds no copy of his own. Knows no board, no page and no clock.

use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;

use crate::logic::moment::Moment;

/// An answer is put together at most once in this time.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// Smaller ones cost next to nothing, and are those of this moment: all connections together hold 16 MiB of them.
const LARGE: usize = 256 * 1024;
/// While slow readers hold more than this of earlier answers, nobody gets a newer one.
const MOST_HELD: usize = 48 * 1024 * 1024;

/// What a page or a document is, without what every answer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
}

/// The large documents of the last second, and those that somebody still reads; the newest last.
#[derive(Debug, Default)]
pub(super) struct Kept {
    documents: Vec<KeptDocument>,
}

#[derive(Debug)]
struct KeptDocument {
    /// The path and the query that it answers.
    target: String,
    rendered_at: Moment,
    document: Document,
}

impl Kept {
    /// The document for `target`: the last one while it is fresh, or while too much is held to put another together;
    /// else what `render` gives. None: there is none of it, and too much is held.
    pub(super) fn get(&mut self, target: &str, now: Moment, render: impl FnOnce() -> Document) -> Option<Document> {
        self.documents.retain(|kept| kept.is_fresh(now) || !kept.document.body.is_unique());
        let last = self.documents.iter().rfind(|kept| kept.target == target);
        if let Some(last) = last.filter(|last| last.is_fresh(now) || self.held() > MOST_HELD) {
            return Some(last.document.clone());
        }
        if self.held() > MOST_HELD {
            return None;
        }
        let document = render();
        if document.body.len() >= LARGE {
            let (target, document) = (target.to_owned(), document.clone());
            self.documents.push(KeptDocument { target, rendered_at: now, document });
        }
        Some(document)
    }

    /// Bytes of all that is kept.
    fn held(&self) -> usize {
        self.documents.iter().map(|kept| kept.document.body.len()).sum()
    }
}

impl KeptDocument {
    fn is_fresh(&self, now: Moment) -> bool {
        now.since(self.rendered_at) < FRESH_FOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn at(milliseconds: u64) -> Moment {
        Moment::after_start(Duration::from_millis(milliseconds))
    }

    /// A document of this size, whose first byte tells when it was put together.
    fn document(size: usize, mark: u8) -> Document {
        Document { status: StatusCode::OK, content_type: "text/plain", body: vec![mark; size].into() }
    }

    /// The mark of what somebody gets who asks at this time, and who goes on to hold it.
    fn ask(kept: &mut Kept, size: usize, milliseconds: u64, mark: u8) -> (Option<u8>, Option<Document>) {
        let document = kept.get("/metrics", at(milliseconds), || document(size, mark));
        (document.as_ref().map(|document| document.body[0]), document)
    }

    #[test]
    fn a_large_document_is_put_together_once_a_second_and_shared() {
        let mut kept = Kept::default();
        let (first, one) = ask(&mut kept, MIB, 0, 1);
        let (second, other) = ask(&mut kept, MIB, 999, 2);
        assert_eq!((first, second), (Some(1), Some(1)));
        assert_eq!(one.unwrap().body.as_ptr(), other.unwrap().body.as_ptr(), "one copy");
        assert_eq!(ask(&mut kept, MIB, 1_000, 3).0, Some(3), "its second is over");
        assert_eq!(kept.documents.len(), 1, "what nobody reads any more is gone");
    }

    #[test]
    fn a_small_document_is_that_of_the_moment() {
        let mut kept = Kept::default();
        assert_eq!((ask(&mut kept, 1_000, 0, 1).0, ask(&mut kept, 1_000, 0, 2).0), (Some(1), Some(2)));
        assert!(kept.documents.is_empty());
    }

    #[test]
    fn slow_readers_hold_a_bounded_number_of_bytes() {
        let mut kept = Kept::default();
        let mut readers: Vec<_> =
            (0..60).map(|second| ask(&mut kept, 18 * MIB, second * 1_000, second as u8).1).collect();
        assert!(kept.held() <= MOST_HELD + 18 * MIB, "{} bytes", kept.held());
        assert_eq!(ask(&mut kept, 18 * MIB, 60_000, 60).0, Some(2), "the newest that there is");
        assert_eq!(kept.get("/other", at(60_000), || document(MIB, 1)), None, "another would come on top");
        readers.clear();
        assert_eq!(ask(&mut kept, 18 * MIB, 60_000, 61).0, Some(61), "they are gone");
        assert_eq!(kept.documents.len(), 1);
    }
}

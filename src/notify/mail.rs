//! Mail: from a notice to a message as RFC 5322 wants it, and over to the mail server. Knows no SMTP (that is `smtp`),
//! and chooses no words (that is logic/alert).

use std::borrow::Cow;

use mail_send::mail_builder::MessageBuilder;
use mail_send::mail_builder::headers::address::Address;
use mail_send::mail_builder::headers::date::Date;
use mail_send::mail_builder::headers::message_id::MessageId;
use mail_send::mail_builder::headers::raw::Raw;

use crate::config::Mailbox;
use crate::config::schema::EmailSettings;
use crate::logic::alert::Notice;
use crate::logic::alert::html;
use crate::logic::alert::text::Words;

use super::smtp::{Server, Unserved};
use super::{SendError, SendErrorKind, name_token};

/// Earlier mails that one answers, at most: the header is one line to many programs.
const MAX_PARENTS: usize = 20;

/// A channel's mail.
#[derive(Debug)]
pub(super) struct Mail {
    channel: String,
    from: Mailbox,
    to: Vec<Mailbox>,
    server: Server,
}

/// What became of a mail that some of its recipients have, of this attempt or of an earlier one.
#[derive(Debug)]
pub(super) struct Sent {
    /// Who will never get it: a text for each.
    pub(super) refused: Vec<String>,
    /// Who may get it later.
    pub(super) deferred: Option<SendError>,
}

impl Mail {
    pub(super) fn new(channel: &str, settings: &EmailSettings) -> Result<Self, String> {
        let (from, to) = (settings.from.clone(), settings.to.clone());
        Ok(Self { channel: channel.to_owned(), from, to, server: Server::new(settings)? })
    }

    /// Sends it to all recipients, or to these `only`, because the others have it already.
    pub(super) async fn send(&self, notice: &Notice, only: Option<&[String]>) -> Result<Sent, SendError> {
        let mut recipients: Vec<String> = self.to.iter().map(|to| to.address.clone()).collect();
        recipients.retain(|recipient| only.is_none_or(|only| only.contains(recipient)));
        recipients.sort();
        recipients.dedup();
        let message = self.message(notice);
        let unserved = self.server.deliver(&self.from.address, &recipients, &message).await?;
        if only.is_none() && unserved.len() == recipients.len() {
            return Err(self.server.all_refused(&unserved));
        }
        let is_deferred = |unserved: &Unserved| unserved.kind() == SendErrorKind::Temporary;
        let (deferred, refused): (Vec<_>, Vec<_>) = unserved.into_iter().partition(is_deferred);
        Ok(Sent {
            refused: refused.iter().map(|refused| self.server.explain(refused)).collect(),
            deferred: (!deferred.is_empty()).then(|| self.server.deferred(&deferred)),
        })
    }

    pub(super) async fn check(&self) -> Result<String, SendError> {
        self.server.check().await
    }

    /// The whole message, with CRLF.
    fn message(&self, notice: &Notice) -> Vec<u8> {
        let words = Words::new(notice);
        let mut message = MessageBuilder::new()
            .from(header(&self.from))
            .to(Address::new_list(self.to.iter().map(header).collect()))
            .date(Date::new(notice.at.div_euclid(1000)))
            .message_id(self.message_id(notice.id));
        let parents = parents(notice);
        if let Some(first) = parents.first() {
            let all = parents.iter().map(|id| self.message_id(*id));
            message = message
                .in_reply_to(MessageId::new_list(all))
                // A list here is read as a line of descent, so several parents would become each other's answers.
                .references(MessageId::new(self.message_id(*first)));
        }
        // RFC 3834, and what Exchange heeds instead: no out-of-office answers.
        let message = message
            .header("Auto-Submitted", Raw::new("auto-generated"))
            .header("X-Auto-Response-Suppress", Raw::new("All"))
            .subject(Cow::from(words.subject.as_str()))
            .text_body(words.plain())
            .html_body(html::page(&words));
        let mut bytes = Vec::new();
        message.serialize(&mut bytes);
        bytes
    }

    /// What a notice's mail is called, without the angle brackets; the same for each attempt.
    fn message_id(&self, notice: u64) -> String {
        let domain = self.from.address.rsplit('@').next().unwrap_or_default();
        format!("{notice}.{}@{domain}", name_token(&self.channel))
    }
}

fn header(mailbox: &Mailbox) -> Address<'_> {
    Address::new_address(mailbox.name.as_deref(), mailbox.address.as_str())
}

/// The notices that first told of what this one tells of: of the ends, or, without any, of what still fires. In their
/// order, so that the worst alert's thread is the one that programs show it in.
fn parents(notice: &Notice) -> Vec<u64> {
    let alerts = if notice.resolved.is_empty() { &notice.firing } else { &notice.resolved };
    let mut parents = Vec::new();
    for id in alerts.iter().filter_map(|alert| alert.told_in) {
        if id != notice.id && !parents.contains(&id) && parents.len() < MAX_PARENTS {
            parents.push(id);
        }
    }
    parents
}

#[cfg(test)]
#[path = "mail_tests.rs"]
mod tests;

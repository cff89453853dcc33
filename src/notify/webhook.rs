//! Webhooks: a notice as Alertmanager's document, as a robot's message or as what a jq program makes of it, posted once,
//! and what the answer means. The request is ureq's, which blocks: it has a thread of its own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::clock;
use crate::config::schema::{NotifyBody, NotifyWebhookSettings, Secret, WebhookSettings};
use crate::http_client::{Client, Endpoint, Response};
use crate::logic::alert::document::Document;
use crate::logic::alert::{Notice, robots};
use crate::logic::jq::{self, Limits, Program};
use crate::logic::moment::Timestamp;
use crate::logic::outcome::{self, Outcome, OutcomeRules};
use crate::tls;

use super::{SendError, name_token, without_secrets};

/// What the thread may take beyond the request's own time limit: the look-up of a name, jq.
const BEYOND_TIMEOUT: Duration = Duration::from_secs(10);

/// A program may make more of the document than it is.
const JQ_LIMITS: usize = 1 << 20;

/// A channel's webhook.
pub(super) struct Webhook {
    settings: WebhookSettings,
    tls: Option<Arc<ClientConfig>>,
    outcomes: OutcomeRules,
    body: Body,
    /// Scheme and host: what comes after may hold a token.
    place: String,
}

enum Body {
    Alertmanager,
    DingTalk(Option<Secret>),
    WeCom,
    Feishu(Option<Secret>),
    Jq(Box<Program>),
}

impl Webhook {
    /// Reads the TLS files and compiles the programs; connects to nothing.
    pub(super) fn new(settings: &NotifyWebhookSettings) -> Result<Self, String> {
        let webhook = settings.webhook.clone();
        let tls = match webhook.url.reveal().starts_with("https:") {
            true => Some(tls::client_config(&webhook.tls).map_err(|error| error.to_string())?),
            false => None,
        };
        // It is made anew for every notice; here for its errors.
        Endpoint::new(&webhook, tls.clone()).map_err(|error| error.to_string())?;
        let outcomes = OutcomeRules::compile(&webhook.outcomes)
            .map_err(|(index, error)| format!("outcome {}: when: {error}", index + 1))?;
        let body = match &settings.body {
            NotifyBody::Alertmanager => Body::Alertmanager,
            NotifyBody::DingTalk(secret) => Body::DingTalk(secret.clone()),
            NotifyBody::WeCom => Body::WeCom,
            NotifyBody::Feishu(secret) => Body::Feishu(secret.clone()),
            NotifyBody::Jq(program) => {
                let program = Program::compile(program, None).map_err(|error| format!("body: {error}"))?;
                Body::Jq(Box::new(program))
            }
        };
        Ok(Self { place: place(&webhook.display_url), settings: webhook, tls, outcomes, body })
    }

    /// Posts the notice, and gives what came of it.
    pub(super) async fn send(self: Arc<Self>, notice: &Notice) -> Result<(), SendError> {
        let notice = notice.clone();
        self.on_a_thread(move |webhook| webhook.post(&notice, clock::wall_clock())).await
    }

    /// Connects, with TLS where the URL says so, and asks for nothing.
    pub(super) async fn check(self: Arc<Self>) -> Result<String, SendError> {
        self.on_a_thread(|webhook| {
            let endpoint = webhook.endpoint(None)?;
            endpoint.try_connect().map_err(|error| SendError::temporary(format!("{}: {error}", webhook.place)))?;
            Ok(format!("{} can be reached; nothing was sent", webhook.place))
        })
        .await
    }

    /// Runs `work` where it may block, and needs as much stack as jq does.
    async fn on_a_thread<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, SendError> + Send + 'static,
    ) -> Result<T, SendError> {
        let (limit, place) = (self.settings.timeout.saturating_add(BEYOND_TIMEOUT), self.place.clone());
        let (report, done) = oneshot::channel();
        let run = move || {
            // Nobody listens any more once the time limit has passed.
            let _ = report.send(work(&self));
        };
        std::thread::Builder::new()
            .name("notice".to_owned())
            .stack_size(jq::STACK_SIZE)
            .spawn(run)
            .map_err(|error| SendError::temporary(format!("{place}: cannot start a thread: {error}")))?;
        match timeout(limit, done).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(SendError::temporary(format!("{place}: the thread that sends ended"))),
            Err(_) => Err(SendError::temporary(format!("{place}: no answer within {limit:?}"))),
        }
    }

    fn post(&self, notice: &Notice, now: Timestamp) -> Result<(), SendError> {
        let Some(body) = self.body(notice, now)? else {
            return Ok(());
        };
        let query = match &self.body {
            Body::DingTalk(Some(secret)) => Some(robots::dingtalk_query(secret.reveal(), now)),
            _ => None,
        };
        let mut client = Client::new(Arc::new(self.endpoint(query.as_deref())?));
        let key = format!("{}/{}", notice.id, name_token(&notice.channel));
        match client.send(&body, &key) {
            Ok(response) => self.judge(&response, now),
            Err(error) => {
                let error = self.clean(&error.to_string());
                Err(SendError::temporary(format!("{}: {error}", self.place)).saying(error))
            }
        }
    }

    /// None: the program says that there is nothing to tell.
    fn body(&self, notice: &Notice, now: Timestamp) -> Result<Option<Vec<u8>>, SendError> {
        let signed = |secret: &'_ Option<Secret>| secret.as_ref().map(|secret| secret.reveal().to_owned());
        Ok(Some(match &self.body {
            Body::Alertmanager => Document::new(notice).to_json(),
            Body::DingTalk(_) => robots::dingtalk(notice).to_string().into_bytes(),
            Body::WeCom => robots::wecom(notice).to_string().into_bytes(),
            Body::Feishu(secret) => {
                let secret = signed(secret);
                robots::feishu(notice, secret.as_deref().map(|secret| (secret, now))).to_string().into_bytes()
            }
            Body::Jq(program) => return self.made_by_jq(program, notice),
        }))
    }

    fn made_by_jq(&self, program: &Program, notice: &Notice) -> Result<Option<Vec<u8>>, SendError> {
        let failed = |error: String| {
            SendError::permanent(format!("{}: the jq program `body` fails on this notice: {error}", self.place))
        };
        let document = Document::new(notice).to_json();
        let limits = Limits::for_records_of(document.len().max(JQ_LIMITS));
        let input = jq::json::parse(&document).map_err(failed)?;
        let outputs = program.run(input, jq::Val::Null, &limits).map_err(failed)?;
        match outputs.as_slice() {
            [] => Ok(None),
            [output] => jq::json::write(output, limits.output_bytes).map(Some).map_err(failed),
            outputs => Err(failed(format!("it gives {} outputs; a notice is one request", outputs.len()))),
        }
    }

    fn endpoint(&self, query: Option<&str>) -> Result<Endpoint, SendError> {
        let mut settings = self.settings.clone();
        if let Some(query) = query {
            let url = settings.url.reveal();
            let separator = if url.contains('?') { '&' } else { '?' };
            settings.url = Secret::new(format!("{url}{separator}{query}"));
        }
        let endpoint = Endpoint::new(&settings, self.tls.clone());
        endpoint.map_err(|error| SendError::permanent(format!("{}: {error}", self.place)))
    }

    /// The rules of the configuration and the defaults as for events; and where there are no rules, a robot's 200 means
    /// what its body says.
    fn judge(&self, response: &Response, now: Timestamp) -> Result<(), SendError> {
        let seen = outcome::Response { status: response.status, headers: &response.headers, body: &response.body };
        let answer = self.outcomes.judge(&seen, now);
        let said = self.clean(&answer.detail);
        let is_robot = !matches!(self.body, Body::Alertmanager | Body::Jq(_));
        let refused = |hint: &str| {
            let colon = if said.is_empty() { "" } else { ": " };
            format!("{} answered {}{colon}{said}{hint}", self.place, response.status)
        };
        match answer.outcome {
            Outcome::Delivered if is_robot && self.settings.outcomes.is_empty() => self.judge_robot(&response.body),
            Outcome::Delivered | Outcome::Drop => Ok(()),
            Outcome::Retry => {
                let error = SendError::temporary(refused("")).saying(said.clone());
                Err(SendError { retry_after: answer.retry_after, ..error })
            }
            Outcome::DeadLetter | Outcome::Suspend => {
                Err(SendError::permanent(refused("; check the channel's url, headers and format")).saying(said.clone()))
            }
        }
    }

    fn judge_robot(&self, body: &[u8]) -> Result<(), SendError> {
        robots::taken(body).map_err(|refusal| {
            let said = self.clean(&refusal.text);
            let text = format!("{}: the robot did not take it: {said}", self.place);
            if refusal.temporary {
                SendError::temporary(text).saying(said)
            } else {
                let hint = "; check its url, robot_secret and security settings";
                SendError::permanent(format!("{text}{hint}")).saying(said)
            }
        })
    }

    /// What an endpoint said, without what it was told in confidence.
    fn clean(&self, text: &str) -> String {
        let url = self.settings.url.reveal();
        let mut secrets = vec![url.to_owned()];
        // All that follows the host, and the query alone.
        secrets.extend(url.splitn(4, '/').nth(3).filter(|path| path.len() > 8).map(str::to_owned));
        secrets.extend(url.split_once('?').map(|(_, query)| query.to_owned()));
        if let Body::DingTalk(Some(secret)) | Body::Feishu(Some(secret)) = &self.body {
            secrets.push(secret.reveal().to_owned());
        }
        let headers = self.settings.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        secrets.extend(headers.map(|(_, value)| value.reveal().to_owned()));
        without_secrets(text, &secrets)
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("place", &self.place).finish_non_exhaustive()
    }
}

/// `https://host:port` of a URL.
fn place(url: &str) -> String {
    let end = url.match_indices('/').nth(2).map_or(url.len(), |(end, _)| end);
    url.get(..end).unwrap_or(url).to_owned()
}

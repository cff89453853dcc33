//! Many groups at once: who coordinates each, and a question to every coordinator about its own groups.
//!
//! A coordinator that moves or is still reading its log is asked again until the request's time limit is over. What is
//! asked is not known here.

use std::future::Future;
use std::pin::Pin;

use kafka_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;
use litemap::LiteMap;

use crate::kafka::at_once::all_at_once;
use crate::kafka::groups::{SEVERAL_KEYS, passes};
use crate::kafka::wire::{Client, Error, ErrorKind};
use crate::logic::sorted_set::SortedSet;

/// Groups in one request: as many as a coordinator answers without keeping others waiting.
const AT_ONCE: usize = 100;

/// What each group came to.
pub type PerGroup<T> = LiteMap<String, Result<T, Error>>;

/// Asks a coordinator about some of its groups.
pub(super) type Ask<T> = for<'a> fn(&'a Client, i32, &'a [String]) -> Answers<'a, T>;

/// What a coordinator says about some groups, once it does.
pub(super) type Answers<'a, T> = Pin<Box<dyn Future<Output = PerGroup<T>> + Send + 'a>>;

/// The same error for all of `groups`.
pub(super) fn all_failed<T>(groups: &[String], error: &Error) -> PerGroup<T> {
    groups.iter().map(|group| (group.clone(), Err(error.clone()))).collect()
}

impl Client {
    /// Asks the coordinators of `groups`, each about its own, by `request` (for error texts); an answer or an error for
    /// every group.
    pub(super) async fn each_group<T>(&self, request: &'static str, groups: &[String], ask: Ask<T>) -> PerGroup<T> {
        let mut patience = self.patience();
        let mut results = PerGroup::new();
        let mut wanted: SortedSet<String> = groups.iter().cloned().collect();
        loop {
            let (questions, lost) = self.by_coordinator(std::mem::take(&mut wanted)).await;
            let asked = questions.iter().map(|(coordinator, groups)| ask(self, *coordinator, groups));
            let asked: Vec<Answers<'_, T>> = asked.collect();
            let mut answers: PerGroup<T> = lost.into_iter().map(|(group, error)| (group, Err(error))).collect();
            for some in all_at_once(asked).await {
                answers.extend(some);
            }
            for (coordinator, groups) in questions {
                for group in groups {
                    answers.entry(group).or_insert_with(|| Err(self.group_left_out(coordinator, request)));
                }
            }
            let mut passing = None;
            for (group, result) in &answers {
                if let Err(error) = result {
                    self.known().coordinators.remove(group);
                    if passes(&error.kind) {
                        passing = Some(error.clone());
                        wanted.insert(group.clone());
                    }
                }
            }
            results.extend(answers);
            let Some(error) = passing else { return results };
            if patience.again_after(error).await.is_err() {
                return results;
            }
        }
    }

    /// Who is to be asked about which of `groups`, and why nobody can be about the others.
    async fn by_coordinator(&self, groups: SortedSet<String>) -> (Vec<(i32, Vec<String>)>, Vec<(String, Error)>) {
        let mut by_coordinator: LiteMap<i32, Vec<String>> = LiteMap::new();
        let mut lost = Vec::new();
        for (group, coordinator) in self.find_coordinators(groups).await {
            match coordinator {
                Ok(coordinator) => by_coordinator.entry(coordinator).or_default().push(group),
                Err(error) => lost.push((group, error)),
            }
        }
        let questions = by_coordinator
            .iter()
            .flat_map(|(coordinator, groups)| groups.chunks(AT_ONCE).map(|some| (*coordinator, some.to_vec())));
        (questions.collect(), lost)
    }

    /// The coordinator of each group, from memory where it is known.
    async fn find_coordinators(&self, groups: SortedSet<String>) -> PerGroup<i32> {
        let mut found: PerGroup<i32> = LiteMap::new();
        let mut strangers = Vec::new();
        {
            let known = self.known();
            for group in groups {
                match known.coordinators.get(&group) {
                    Some(coordinator) => {
                        found.insert(group, Ok(*coordinator));
                    }
                    None => strangers.push(group),
                }
            }
        }
        for some in strangers.chunks(AT_ONCE) {
            self.find_some_coordinators(some, &mut found).await;
        }
        found
    }

    /// Brokers before 2.8 take one group a request: those after the first are then asked for one by one.
    async fn find_some_coordinators(&self, groups: &[String], found: &mut PerGroup<i32>) {
        let answer = self.ask_any(&|version| request(groups, version)).await;
        match answer {
            Ok((version, answer)) if version >= SEVERAL_KEYS => self.learn_coordinators(answer, found),
            Ok(_) => {
                for group in groups {
                    found.insert(group.clone(), self.find_coordinator_once(group).await);
                }
            }
            Err(error) => found.extend(all_failed(groups, &error)),
        }
        for group in groups {
            let left_out = || Err(self.no_coordinator(ErrorKind::Protocol("a group was left out".to_owned())));
            found.entry(group.clone()).or_insert_with(left_out);
        }
    }

    fn learn_coordinators(&self, answer: FindCoordinatorResponse, found: &mut PerGroup<i32>) {
        for it in answer.coordinators {
            let error = ErrorKind::from_code(it.error_code, it.error_message.as_deref());
            let coordinator = self.learn_coordinator(&it.key, error, it.node_id.0, &it.host, it.port);
            found.insert(it.key.to_string(), coordinator);
        }
    }

    fn group_left_out(&self, coordinator: i32, request: &'static str) -> Error {
        let kind = ErrorKind::Protocol("it left the group out of its answer".to_owned());
        self.error_at(coordinator, request, kind)
    }
}

fn request(groups: &[String], version: i16) -> FindCoordinatorRequest {
    let mut keys = groups.iter().map(|group| StrBytes::from_string(group.clone()));
    let request = FindCoordinatorRequest::default().with_key_type(0);
    if version >= SEVERAL_KEYS {
        request.with_coordinator_keys(keys.collect())
    } else {
        request.with_key(keys.next().unwrap_or_default())
    }
}

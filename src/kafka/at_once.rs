//! Several questions at once, within the task that wants the answers. A task for each would gain nothing, since the
//! program has one thread for all of them, and its code would be compiled for each kind of question.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Waits for all of `questions`; returns what they came to in the order in which they ended. When it is dropped, so
/// are the questions that are not answered yet. Meant for tens of them: one that moves on has all of them looked at.
pub(super) async fn all_at_once<F: Future>(questions: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut open: Vec<Pin<Box<F>>> = questions.into_iter().map(Box::pin).collect();
    let mut answers = Vec::with_capacity(open.len());
    poll_fn(|context| {
        open.retain_mut(|question| match question.as_mut().poll(context) {
            Poll::Ready(answer) => {
                answers.push(answer);
                false
            }
            Poll::Pending => true,
        });
        if open.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn each_ends_in_its_own_time_and_none_is_waited_for_by_another() {
        let (send_first, first) = oneshot::channel();
        let (send_second, second) = oneshot::channel();
        // The first is answered by the second, and the third needs nobody.
        let questions: [Pin<Box<dyn Future<Output = i32>>>; 3] = [
            Box::pin(async { first.await.expect("the second is there") }),
            Box::pin(async {
                let _there = send_first.send(1);
                second.await.expect("the third is there")
            }),
            Box::pin(async {
                let _there = send_second.send(2);
                3
            }),
        ];
        assert_eq!(all_at_once(questions).await, [3, 1, 2]);
        assert_eq!(all_at_once(std::iter::empty::<std::future::Ready<()>>()).await, []);
    }
}

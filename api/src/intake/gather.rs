//! Answers many requests by one call: while one call runs, the next one's questions gather. Nobody waits for
//! others to come, so a lone question is asked at once, and a flood of them in few calls.

use tokio::sync::{mpsc, oneshot};

/// What knows the answers.
pub(crate) trait Source: Send + 'static {
    /// The most questions that wait for the next call; more wait for a place.
    const MAX_WAITING: usize;
    /// The most questions of one call.
    const MAX_QUESTIONS: usize;

    type Question: Send + Sync + 'static;
    type Answer: Send + 'static;

    /// An answer for each question, in their order. It must end at some time, for the next questions wait for it.
    fn answer(&mut self, questions: &[Self::Question]) -> impl Future<Output = Vec<Self::Answer>> + Send;
}

/// Where to ask. The task behind it ends with it.
pub(crate) struct Gather<S: Source>(mpsc::Sender<Asked<S>>);

/// A question, and where somebody waits for the answer.
struct Asked<S: Source> {
    question: S::Question,
    answer: oneshot::Sender<S::Answer>,
}

impl<S: Source> Gather<S> {
    /// Starts answering, on the runtime that this is called on.
    pub(crate) fn start(source: S) -> Self {
        let (sender, waiting) = mpsc::channel(S::MAX_WAITING);
        tokio::spawn(work(source, waiting));
        Self(sender)
    }

    /// The answer; `None` if the source left the question out.
    pub(crate) async fn ask(&self, question: S::Question) -> Option<S::Answer> {
        let (answer, told) = oneshot::channel();
        self.0.send(Asked { question, answer }).await.ok()?;
        told.await.ok()
    }
}

async fn work<S: Source>(mut source: S, mut waiting: mpsc::Receiver<Asked<S>>) {
    let mut asked = Vec::with_capacity(S::MAX_QUESTIONS);
    while waiting.recv_many(&mut asked, S::MAX_QUESTIONS).await > 0 {
        // Who has gone needs no answer, nor has who goes during the call.
        let (questions, askers): (Vec<_>, Vec<_>) = asked
            .drain(..)
            .filter(|asked| !asked.answer.is_closed())
            .map(|Asked { question, answer }| (question, answer))
            .unzip();
        if questions.is_empty() {
            continue;
        }
        for (asker, answer) in askers.into_iter().zip(source.answer(&questions).await) {
            let _ = asker.send(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use futures_util::future::join_all;
    use tokio::sync::Semaphore;
    use tokio::time::timeout;

    use super::*;

    /// Doubles numbers, and leaves out all from the first odd one on. Each call needs a permit, and is noted.
    struct Doubler {
        permits: Arc<Semaphore>,
        calls: mpsc::UnboundedSender<Vec<u32>>,
    }

    impl Source for Doubler {
        const MAX_WAITING: usize = 8;
        const MAX_QUESTIONS: usize = 4;
        type Question = u32;
        type Answer = u32;

        async fn answer(&mut self, questions: &[u32]) -> Vec<u32> {
            self.calls.send(questions.to_vec()).unwrap();
            self.permits.acquire().await.unwrap().forget();
            questions.iter().take_while(|number| number.is_multiple_of(2)).map(|number| number * 2).collect()
        }
    }

    fn doubler() -> (Gather<Doubler>, Arc<Semaphore>, mpsc::UnboundedReceiver<Vec<u32>>) {
        let (permits, (calls, called)) = (Arc::new(Semaphore::new(0)), mpsc::unbounded_channel());
        (Gather::start(Doubler { permits: permits.clone(), calls }), permits, called)
    }

    #[tokio::test]
    async fn what_gathers_during_a_call_is_asked_together_and_each_is_told_its_own() {
        let (gather, permits, mut called) = doubler();
        let asking = join_all([2, 4, 6, 8, 10, 12].map(|number| gather.ask(number)));
        let answering = async {
            assert_eq!(called.recv().await.unwrap().len(), Doubler::MAX_QUESTIONS, "its bound");
            permits.add_permits(2);
            assert_eq!(called.recv().await.unwrap(), [10, 12]);
        };
        let (answers, ()) = tokio::join!(asking, answering);
        assert_eq!(answers, [4, 8, 12, 16, 20, 24].map(Some));
    }

    #[tokio::test]
    async fn who_leaves_is_not_asked_for_and_disturbs_nobody() {
        let (gather, permits, mut called) = doubler();
        let mut leaves_during_the_call = Box::pin(gather.ask(2));
        assert!(leaves_during_the_call.as_mut().now_or_never().is_none());
        assert_eq!(called.recv().await.unwrap(), [2]);

        let mut leaves_before_the_call = Box::pin(gather.ask(4));
        assert!(leaves_before_the_call.as_mut().now_or_never().is_none());
        let mut stays = Box::pin(gather.ask(6));
        assert!(stays.as_mut().now_or_never().is_none());
        drop((leaves_during_the_call, leaves_before_the_call));
        permits.add_permits(2);
        assert_eq!(stays.await, Some(12));
        assert_eq!(called.recv().await.unwrap(), [6]);
    }

    #[tokio::test]
    async fn a_question_that_was_left_out_ends_without_an_answer() {
        let (gather, permits, _called) = doubler();
        permits.add_permits(2);
        assert_eq!(join_all([2, 3, 4].map(|number| gather.ask(number))).await, [Some(4), None, None]);
        assert_eq!(gather.ask(8).await, Some(16), "it goes on");
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_the_one_who_can_ask() {
        let (gather, _permits, mut called) = doubler();
        drop(gather);
        assert_eq!(timeout(Duration::from_secs(1), called.recv()).await, Ok(None));
    }
}

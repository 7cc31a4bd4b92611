//! Questions on their way: the picture is made ready, then one question after another is asked.

use std::path::PathBuf;
use std::sync::Arc;

use plumb_engine::attention::AskAttention;
use plumb_engine::look::Look;
use plumb_engine::{AskOutcome, Event, EventKind, JobId, Outcome, Request};

use super::geometry::{self, Fact};
use super::marks::{Mark, expand};
use super::setup::Setup;
use super::{Source, Step, burn, pixels, scene, steps};
use crate::cx::Cx;
use crate::library::Loaded;
use crate::task::Task;

/// Answers that are kept.
const KEPT: usize = 100;
/// Bytes of attention that are kept, that of the latest answer whatever its size.
const KEPT_ATTENTION: usize = 256 << 20;

/// A question and what was answered.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Its place in a row of questions and how many there are, where there are several.
    pub(crate) step: Option<(usize, usize)>,
    /// With the answers of earlier steps, before marks are put into words.
    pub(crate) question: String,
    /// As it was sent.
    pub(crate) sent: String,
    pub(crate) options: String,
    pub(crate) source: Option<Source>,
    pub(crate) marks: Vec<Mark>,
    /// What has come of the answer.
    pub(crate) text: String,
    pub(crate) outcome: Option<Box<AskOutcome>>,
    /// What it was read from, where that was asked for and is still kept.
    pub(crate) attention: Option<Arc<AskAttention>>,
    pub(crate) error: Option<String>,
    /// What the scene says of the marks.
    pub(crate) facts: Vec<Fact>,
    job: Option<JobId>,
    /// The job that answered it.
    pub(crate) answered: Option<JobId>,
}

impl Turn {
    pub(crate) fn is_going(&self) -> bool {
        self.job.is_some()
    }
}

/// The picture for the model, which reads files.
enum Picture {
    /// As it is, or none.
    Ready(Option<PathBuf>),
    Wanted(Look),
    Making(Task<Result<PathBuf, String>>),
}

/// Questions one after another.
struct Chain {
    steps: Vec<Step>,
    answers: Vec<String>,
    source: Option<Source>,
    marks: Vec<Mark>,
    setup: Setup,
    attention: bool,
    picture: Picture,
    /// A copy of ours that is taken away at the end.
    copy: Option<PathBuf>,
    facts: Vec<Fact>,
}

/// All of it.
#[derive(Default)]
pub(crate) struct Chat {
    /// Oldest first.
    pub(crate) turns: Vec<Turn>,
    chain: Option<Chain>,
    /// Why the picture could not be made ready.
    pub(crate) failed: Option<String>,
}

impl Chat {
    /// Whether an answer is on its way.
    pub(crate) fn is_busy(&self) -> bool {
        self.chain.is_some()
    }

    /// Whether the picture is being made ready.
    pub(crate) fn is_preparing(&self) -> bool {
        self.chain.as_ref().is_some_and(|chain| !matches!(chain.picture, Picture::Ready(_)))
    }

    /// Asks the questions one after another.
    pub(crate) fn begin(
        &mut self,
        steps: Vec<Step>,
        source: Option<Source>,
        marks: Vec<Mark>,
        setup: Setup,
        attention: bool,
        cx: &mut Cx<'_>,
    ) {
        let picture = match &source {
            None => Picture::Ready(None),
            Some(Source::File { path }) if marks.is_empty() => Picture::Ready(Some(path.clone())),
            // A marked picture is a copy; where the file of a scene's picture is, the window does not know.
            Some(other) => Picture::Wanted(other.look()),
        };
        let seen = source.as_ref().map(|source| cx.look(&source.look()));
        let facts = match seen.as_ref().and_then(|seen| scene(seen.ready()?)) {
            Some(scene) => geometry::facts(scene, &marks),
            None => Vec::new(),
        };
        self.failed = None;
        let marks = if source.is_some() { marks } else { Vec::new() };
        let (answers, copy) = (Vec::new(), None);
        self.chain = Some(Chain { steps, answers, source, marks, setup, attention, picture, copy, facts });
        self.ask_next(cx);
    }

    /// Goes on with the picture.
    pub(crate) fn tick(&mut self, ctx: &egui::Context, cx: &mut Cx<'_>) {
        let Some(chain) = &mut self.chain else { return };
        match &chain.picture {
            Picture::Ready(_) => return,
            Picture::Wanted(look) => match cx.look(look) {
                Loaded::Waiting => return,
                Loaded::Failed(error) => return self.fail(error),
                Loaded::Ready(seen) => {
                    let marks = chain.marks.clone();
                    let started = Task::start(ctx, "plumb-marks", move || match pixels(&seen) {
                        Some(pixels) => burn::write(pixels, &marks),
                        None => Err("The scene has no picture".to_owned()),
                    });
                    match started {
                        Ok(task) => chain.picture = Picture::Making(task),
                        Err(error) => return self.fail(error),
                    }
                }
            },
            Picture::Making(task) => match task.poll() {
                None => return,
                Some(Err(error) | Ok(Err(error))) => return self.fail(error),
                Some(Ok(Ok(path))) => {
                    chain.copy = Some(path.clone());
                    chain.picture = Picture::Ready(Some(path));
                }
            },
        }
        self.ask_next(cx);
    }

    fn fail(&mut self, why: String) {
        self.failed = Some(why);
        self.end();
    }

    fn end(&mut self) {
        if let Some(copy) = self.chain.take().and_then(|chain| chain.copy) {
            burn::forget(&copy);
        }
    }

    /// Asks the next question once picture and earlier answers are there.
    fn ask_next(&mut self, cx: &mut Cx<'_>) {
        if self.turns.last().is_some_and(Turn::is_going) {
            return;
        }
        let Some(chain) = &self.chain else { return };
        let Picture::Ready(image) = &chain.picture else { return };
        let (at, all) = (chain.answers.len(), chain.steps.len());
        let Some(step) = chain.steps.get(at) else { return self.end() };
        let question = match steps::fill(&step.question, &chain.answers) {
            Ok(question) => question,
            Err(why) => return self.fail(why),
        };
        let sent = expand(&question, &chain.marks);
        let request = Request::Ask {
            model: chain.setup.model(),
            image: image.clone(),
            question: sent.clone(),
            options: step.listed(),
            preset: chain.setup.preset,
            sampling: chain.setup.sampling(),
            max_tokens: chain.setup.max_tokens,
            attention: chain.attention,
        };
        let Some(job) = cx.start(title(&question), request) else { return self.end() };
        self.turns.push(Turn {
            step: (all > 1).then_some((at + 1, all)),
            question,
            sent,
            options: step.options.clone(),
            source: chain.source.clone(),
            marks: chain.marks.clone(),
            text: String::new(),
            outcome: None,
            attention: None,
            error: None,
            facts: chain.facts.clone(),
            job: Some(job),
            answered: None,
        });
        if self.turns.len() > KEPT {
            self.turns.remove(0);
        }
    }

    /// Hears of a job.
    pub(crate) fn hear(&mut self, event: &Event, cx: &mut Cx<'_>) {
        let Some(turn) = self.turns.iter_mut().rev().find(|turn| turn.job == Some(event.job)) else { return };
        match &event.kind {
            EventKind::Text { text } => turn.text.push_str(text),
            EventKind::Finished { outcome } => {
                turn.answered = turn.job.take();
                if let Outcome::Ask(outcome) = outcome {
                    turn.text.clone_from(&outcome.answer);
                    if let Some(chain) = &mut self.chain {
                        chain.answers.push(outcome.answer.clone());
                    }
                    let mut outcome = outcome.clone();
                    turn.attention = outcome.attention.take().map(Arc::from);
                    turn.outcome = Some(outcome);
                    self.forget_attention();
                    return self.ask_next(cx);
                }
                self.end();
            }
            EventKind::Failed { error } => {
                (turn.job, turn.error) = (None, Some(error.clone()));
                self.end();
            }
            EventKind::Cancelled => {
                (turn.job, turn.error) = (None, Some("It was stopped".to_owned()));
                self.end();
            }
            _ => {}
        }
    }

    /// Lets go of the attention of older answers once there is too much of it.
    fn forget_attention(&mut self) {
        let mut bytes = 0usize;
        for turn in self.turns.iter_mut().rev() {
            let own = turn.attention.as_ref().map_or(0, |attention| attention.probabilities.len);
            if bytes > 0 && bytes.saturating_add(own) > KEPT_ATTENTION {
                turn.attention = None;
            } else {
                bytes = bytes.saturating_add(own);
            }
        }
    }

    /// Stops what is on its way.
    pub(crate) fn stop(&mut self, cx: &mut Cx<'_>) {
        match self.turns.last().and_then(|turn| turn.job) {
            // The chain ends when the engine says that it has stopped.
            Some(job) => cx.link.cancel(job),
            None => self.end(),
        }
    }
}

/// The question as a job's title.
fn title(question: &str) -> String {
    const MOST: usize = 48;
    let line = question.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MOST {
        return format!("Asking: {line}");
    }
    format!("Asking: {}…", line.chars().take(MOST).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cx::Wish;
    use crate::jobs::Jobs;
    use crate::library::Library;
    use crate::link::Link;

    #[derive(Default)]
    struct Fake {
        sent: Vec<Request>,
        cancelled: Vec<JobId>,
    }

    impl Link for Fake {
        fn submit(&mut self, request: Request) -> Result<JobId, String> {
            self.sent.push(request);
            Ok(self.sent.len() as JobId)
        }

        fn cancel(&mut self, job: JobId) {
            self.cancelled.push(job);
        }

        fn pause(&mut self, _: JobId) {}
        fn resume(&mut self, _: JobId) {}
        fn events(&mut self) -> Vec<Event> {
            Vec::new()
        }
    }

    #[derive(Default)]
    struct Window {
        link: Fake,
        library: Library,
        jobs: Jobs,
        wishes: Vec<Wish>,
    }

    impl Window {
        fn cx(&mut self) -> Cx<'_> {
            let Self { link, library, jobs, wishes } = self;
            Cx {
                link,
                library,
                jobs,
                now: 0.0,
                reduced_motion: false,
                runs: PathBuf::new(),
                graphics: None,
                wishes,
            }
        }

        fn asked(&self) -> Vec<(String, Option<PathBuf>)> {
            let asks = self.link.sent.iter().filter_map(|request| match request {
                Request::Ask { question, image, .. } => Some((question.clone(), image.clone())),
                _ => None,
            });
            asks.collect()
        }
    }

    fn answered(job: JobId, answer: &str) -> Event {
        let outcome = serde_json::json!({
            "kind": "ask", "answer": answer, "options": [], "prompt": "p", "prompt_tokens": 1, "answer_tokens": 1,
            "frames": 0, "seconds": {"vision": 0.0, "prompt": 0.0, "answer": 0.0},
            "fingerprint": {"model": "m", "model_sha256": "", "adapter_sha256": null, "dtype": "f32", "backend": "cpu",
                "device": "d", "longest_edge": 1, "image_pipeline": "", "version": ""},
        });
        Event { job, kind: EventKind::Finished { outcome: serde_json::from_value(outcome).unwrap() } }
    }

    fn step(question: &str) -> Step {
        Step { question: question.to_owned(), options: String::new() }
    }

    #[test]
    fn steps_are_asked_one_after_another() {
        let (mut window, mut chat) = (Window::default(), Chat::default());
        let steps = vec![step("What is it?"), step("How tall is {1}?")];
        chat.begin(steps, None, Vec::new(), Setup::default(), false, &mut window.cx());
        assert_eq!(window.asked().len(), 1);
        chat.hear(&Event { job: 1, kind: EventKind::Text { text: "a ch".to_owned() } }, &mut window.cx());
        assert_eq!(chat.turns[0].text, "a ch");
        chat.hear(&answered(1, "a chair."), &mut window.cx());
        assert_eq!(window.asked()[1].0, "How tall is a chair?");
        assert!(chat.is_busy());
        chat.hear(&answered(2, "1 m"), &mut window.cx());
        assert!(!chat.is_busy());
        assert_eq!(chat.turns[1].step, Some((2, 2)));
    }

    #[test]
    fn a_failure_ends_the_row() {
        let (mut window, mut chat) = (Window::default(), Chat::default());
        chat.begin(vec![step("a"), step("b")], None, Vec::new(), Setup::default(), false, &mut window.cx());
        chat.hear(&Event { job: 1, kind: EventKind::Failed { error: "no".to_owned() } }, &mut window.cx());
        assert!(!chat.is_busy() && window.asked().len() == 1);
        assert_eq!(chat.turns[0].error.as_deref(), Some("no"));
    }

    #[test]
    fn a_file_without_marks_is_sent_as_it_is_and_one_with_marks_waits_for_its_copy() {
        let (mut window, mut chat) = (Window::default(), Chat::default());
        let source = Some(Source::File { path: "/a.png".into() });
        chat.begin(vec![step("a")], source.clone(), Vec::new(), Setup::default(), false, &mut window.cx());
        assert_eq!(window.asked()[0].1, Some("/a.png".into()));
        chat.stop(&mut window.cx());
        assert_eq!(window.link.cancelled.len(), 1);
        let mut chat = Chat::default();
        let marks = vec![Mark { shape: super::super::marks::Shape::Point([1.0, 1.0]), name: None }];
        chat.begin(vec![step("b")], source, marks, Setup::default(), false, &mut window.cx());
        assert_eq!(window.asked().len(), 1);
        assert!(chat.is_preparing());
        chat.stop(&mut window.cx());
        assert!(!chat.is_busy());
    }
}

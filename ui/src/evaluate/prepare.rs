//! What has been read, joined: rows, what the facets leave of them, and their order. Made anew where something changed.

use std::path::PathBuf;
use std::sync::Arc;

use egui::Context;
use plumb_engine::JobId;
use plumb_engine::look::{Look, RunSeen};

use super::data::{Bench, Data, Given, Run, Verdict, prior};
use super::facets::{Filter, find};
use super::{Evaluate, export, place, table};
use crate::cx::Cx;
use crate::library::Loaded;

/// How often the rows follow a job, in seconds.
const LIVE_SECS: f64 = 0.2;

/// What the rows were made of.
#[derive(Clone)]
pub(super) struct MadeOf {
    bench: Bench,
    run: Option<Run>,
    other: Option<Run>,
    live: Option<(JobId, u64)>,
    noted: u64,
}

impl MadeOf {
    fn is(&self, new: &Self) -> bool {
        let same = |a: &Option<Run>, b: &Option<Run>| match (a, b) {
            (Some(a), Some(b)) => a.is(b),
            (None, None) => true,
            _ => false,
        };
        self.bench.same(&new.bench)
            && same(&self.run, &new.run)
            && same(&self.other, &new.other)
            && self.live == new.live
            && self.noted == new.noted
    }

    /// Whether the same job has only said more.
    fn grew(&self, new: &Self) -> bool {
        match (self.live, new.live) {
            (Some((a, said)), Some((b, _))) => {
                a == b && said > 0 && self.is(&Self { live: self.live, ..new.clone() })
            }
            _ => false,
        }
    }
}

impl Evaluate {
    /// Takes what has been read and makes anew what hangs on it.
    pub(super) fn prepare(&mut self, ctx: &Context, cx: &mut Cx<'_>) {
        self.now.pictures.pump(ctx, cx);
        export::pump(self, cx);
        self.take_earlier(cx);
        let following = self.followed().is_some();
        let run = match self.take_run(cx) {
            _ if following => None,
            Taken::Run(run) => Some(run),
            Taken::None => None,
            // Until it has been read, what was there stays.
            Taken::Waiting => return self.find(),
        };
        // The rows of a run that cannot be read are still those of the benchmark that is set up.
        let bench = match (&run, self.followed()) {
            (Some(run), _) => run.get().manifest.bench.clone(),
            (None, Some(live)) => live.bench.clone(),
            _ => self.setup.bench(),
        };
        let Some(bench) = self.take_bench(bench, run.as_ref(), cx) else {
            if run.is_some() || self.now.bench_failed.is_some() {
                self.now.data = None;
                self.now.made_of = None;
            }
            return self.find();
        };
        let other = match (&run, &self.b) {
            (Some(run), Some(b)) => match cx.look(&Look::Run { folder: b.clone() }) {
                Loaded::Ready(seen) => Run::new(&seen)
                    .filter(|b| b.get().manifest.bench_sha256 == run.get().manifest.bench_sha256),
                _ => None,
            },
            _ => None,
        };
        let live = self.followed().map(|live| (live.job, live.version));
        let made_of = MadeOf { bench, run, other, live, noted: self.now.noted };
        let old = self.now.made_of.as_ref();
        if !old.is_some_and(|old| old.is(&made_of)) {
            // Answers can come faster than anyone reads them.
            let since = cx.now - self.now.made_at;
            if old.is_some_and(|old| old.grew(&made_of)) && (0.0..LIVE_SECS).contains(&since) {
                ctx.request_repaint_after(std::time::Duration::from_secs_f64(LIVE_SECS - since));
            } else {
                self.make(&made_of);
                self.now.made_of = Some(made_of);
                self.now.made_at = cx.now;
            }
        }
        self.find();
    }

    fn make(&mut self, of: &MadeOf) {
        // The same file by another name keeps what the person chose.
        let same = |old: &MadeOf| old.bench.get().sha256 == of.bench.get().sha256;
        let fresh = !self.now.made_of.as_ref().is_some_and(same);
        let given = |run: &RunSeen| -> Vec<Given> { run.answers.iter().map(Given::from).collect() };
        let (answers, covered) = match (&of.run, self.followed()) {
            (Some(run), _) => (given(run.get()), Some(run.get().manifest.samples)),
            (None, Some(live)) => {
                let covered = (live.total > 0).then_some(live.total);
                (live.answers.values().cloned().collect(), covered)
            }
            _ => (Vec::new(), None),
        };
        let other = of.other.as_ref().map(|other| given(other.get()));
        let place = place(of.run.as_ref().map(Run::get), &of.bench);
        let notes = &self.notes;
        let data =
            Data::build(of.bench.clone(), of.run.clone(), &answers, covered, other.as_deref(), |sample| {
                notes.mark(&place, sample)
            });
        if fresh {
            self.now.filter = Filter::default();
            self.now.selected = None;
        }
        if self.now.selected.is_none_or(|row| row >= data.rows.len()) {
            self.now.selected = (!data.rows.is_empty()).then_some(0);
        }
        if self.now.prior.as_ref().is_none_or(|(bench, _)| !bench.same(&of.bench)) {
            self.now.prior = Some((of.bench.clone(), Arc::new(prior(of.bench.get()))));
        }
        self.now.data = Some(Arc::new(data));
        self.now.version += 1;
    }

    fn find(&mut self) {
        let now = &mut self.now;
        let Some(data) = &now.data else {
            now.found = Arc::default();
            now.order = Arc::default();
            now.found_of = None;
            now.order_of = None;
            return;
        };
        let key = (now.version, now.filter.clone());
        if now.found_of.as_ref() != Some(&key) {
            let right = |at: usize| data.rows.get(at).is_some_and(|row| row.verdict == Verdict::Right);
            now.found = Arc::new(find(&data.columns, &data.words, right, &now.filter));
            now.found_of = Some(key.clone());
        }
        let key = (key.0, key.1, now.sort);
        if now.order_of.as_ref() != Some(&key) {
            now.order = Arc::new(table::order(data, &now.found.rows, now.sort));
            now.order_of = Some(key);
        }
    }

    /// A job that goes on with a run does not say again what is there.
    fn take_earlier(&mut self, cx: &mut Cx<'_>) {
        for live in self.now.live.iter_mut().filter(|live| live.wants_earlier()) {
            if let Loaded::Ready(seen) = cx.look(&Look::Run { folder: live.folder.clone() })
                && let Some(run) = Run::new(&seen)
            {
                live.before(run.get().answers.iter().map(Given::from));
            }
        }
    }

    fn take_run(&mut self, cx: &mut Cx<'_>) -> Taken {
        let Some(folder) = self.a.clone() else { return Taken::None };
        match cx.look(&Look::Run { folder }) {
            Loaded::Ready(seen) => {
                self.now.run_failed = None;
                Run::new(&seen).map_or(Taken::None, Taken::Run)
            }
            Loaded::Failed(error) => {
                self.now.run_failed = Some(error);
                Taken::None
            }
            Loaded::Waiting => Taken::Waiting,
        }
    }

    fn take_bench(&mut self, path: PathBuf, run: Option<&Run>, cx: &mut Cx<'_>) -> Option<Bench> {
        if path.as_os_str().is_empty() {
            self.now.bench_failed = Some("No benchmark is chosen".to_owned());
            return None;
        }
        let mut answer = cx.look(&Look::Bench { path });
        // The run's benchmark has moved: the one that is set up may be the same.
        if let (Loaded::Failed(_), Some(run)) = (&answer, run)
            && let Loaded::Ready(seen) = cx.look(&Look::Bench { path: self.setup.bench() })
            && Bench::new(&seen).is_some_and(|b| b.get().sha256 == run.get().manifest.bench_sha256)
        {
            answer = Loaded::Ready(seen);
        }
        match answer {
            Loaded::Ready(seen) => {
                self.now.bench_failed = None;
                Bench::new(&seen)
            }
            Loaded::Failed(error) => {
                self.now.bench_failed = Some(error);
                None
            }
            Loaded::Waiting => {
                self.now.bench_failed = None;
                None
            }
        }
    }
}

/// How far the run on show is.
enum Taken {
    None,
    Waiting,
    Run(Run),
}

//! What is known of a training: its curves, answers and checkpoints, from events while it goes and from its log after.

use std::path::PathBuf;

use plumb_train::checkpoint::{EvalMetrics, MetricLine, SampleAnswer, StepMetrics};
use plumb_train::run::TrainEvent;

/// A quantity over the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    Loss,
    HeldOut,
    Right,
    Rate,
    Gradient,
    Speed,
    Memory,
}

const CURVES: usize = 7;

/// A saved checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Saved {
    pub(crate) step: u64,
    pub(crate) folder: PathBuf,
    pub(crate) bytes: u64,
}

/// One training.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    curves: [Vec<[f64; 2]>; CURVES],
    pub(crate) last: Option<StepMetrics>,
    pub(crate) total: Option<u64>,
    pub(crate) eta: Option<f64>,
    pub(crate) evals: Vec<EvalMetrics>,
    pub(crate) answers: Vec<SampleAnswer>,
    pub(crate) saved: Vec<Saved>,
}

impl Record {
    /// What a log holds.
    pub(crate) fn of(lines: &[MetricLine]) -> Self {
        let mut record = Self::default();
        for line in lines {
            match line {
                MetricLine::Step(step) => record.step(step),
                MetricLine::Eval(eval) => record.eval(eval),
                MetricLine::Sample(answer) => record.answer(answer),
            }
        }
        record
    }

    pub(crate) fn curve(&self, curve: Curve) -> &[[f64; 2]] {
        &self.curves[curve as usize]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.last.is_none() && self.evals.is_empty() && self.answers.is_empty()
    }

    /// The most memory that was measured, in bytes.
    pub(crate) fn peak(&self) -> Option<u64> {
        let most = self.curve(Curve::Memory).iter().map(|p| p[1]).fold(0.0, f64::max);
        (most > 0.0).then_some(most as u64)
    }

    /// Takes what the training said.
    pub(crate) fn hear(&mut self, event: &TrainEvent) {
        match event {
            TrainEvent::Plan(plan) => self.total = Some(plan.steps),
            TrainEvent::Step { metrics, total, eta_seconds } => {
                self.step(metrics);
                self.total = Some(*total);
                self.eta = Some(*eta_seconds).filter(|eta| eta.is_finite());
            }
            TrainEvent::Eval(eval) => self.eval(eval),
            TrainEvent::Answer(answer) => self.answer(answer),
            TrainEvent::Saved { step, folder, bytes } => {
                self.saved.retain(|saved| saved.step < *step);
                self.saved.push(Saved { step: *step, folder: folder.clone(), bytes: *bytes });
            }
            TrainEvent::Resumed { step, .. } => self.forget_after(*step),
            TrainEvent::Note { .. } | TrainEvent::Evaluating { .. } => {}
        }
    }

    /// What follows the checkpoint will be made again.
    fn forget_after(&mut self, step: u64) {
        for curve in &mut self.curves {
            curve.truncate(curve.partition_point(|p| p[0] <= step as f64));
        }
        self.last = self.last.take().filter(|last| last.step <= step);
        self.evals.retain(|eval| eval.step <= step);
        self.answers.retain(|answer| answer.step <= step);
        self.saved.retain(|saved| saved.step <= step);
    }

    fn point(&mut self, curve: Curve, step: u64, value: Option<f64>) {
        let Some(value) = value.filter(|v| v.is_finite()) else { return };
        let points = &mut self.curves[curve as usize];
        let x = step as f64;
        points.truncate(points.partition_point(|p| p[0] < x));
        points.push([x, value]);
    }

    fn step(&mut self, metrics: &StepMetrics) {
        let step = metrics.step;
        self.point(Curve::Loss, step, metrics.loss.map(f64::from));
        self.point(Curve::Rate, step, metrics.lr.map(f64::from));
        self.point(Curve::Gradient, step, metrics.grad_norm.map(f64::from));
        self.point(Curve::Speed, step, metrics.tokens_per_s.map(f64::from));
        self.point(Curve::Memory, step, metrics.memory_bytes.map(|bytes| bytes as f64));
        self.last = Some(metrics.clone());
    }

    fn eval(&mut self, eval: &EvalMetrics) {
        self.point(Curve::HeldOut, eval.step, eval.loss.map(f64::from));
        self.point(Curve::Right, eval.step, eval.accuracy.map(f64::from));
        self.evals.retain(|old| old.step < eval.step);
        self.evals.push(eval.clone());
    }

    fn answer(&mut self, answer: &SampleAnswer) {
        self.answers
            .retain(|old| old.step < answer.step || (old.step == answer.step && old.sample != answer.sample));
        self.answers.push(answer.clone());
    }

    /// The held-out samples in the order in which they were first answered, each with its answers by step.
    pub(crate) fn samples(&self) -> Vec<(&SampleAnswer, Vec<&SampleAnswer>)> {
        let mut samples: Vec<(&SampleAnswer, Vec<&SampleAnswer>)> = Vec::new();
        for answer in &self.answers {
            match samples.iter_mut().find(|(first, _)| first.sample == answer.sample) {
                Some((_, all)) => all.push(answer),
                None => samples.push((answer, vec![answer])),
            }
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64, loss: f32) -> TrainEvent {
        let metrics =
            StepMetrics { step, loss: Some(loss), memory_bytes: Some(step * 10), ..StepMetrics::default() };
        TrainEvent::Step { metrics: Box::new(metrics), total: 9, eta_seconds: f64::NAN }
    }

    #[test]
    fn a_resumed_training_doubles_nothing() {
        let mut record = Record::default();
        for i in 1..=6 {
            record.hear(&step(i, i as f32));
        }
        record.hear(&TrainEvent::Resumed { step: 4, skipped: Vec::new() });
        assert_eq!(record.curve(Curve::Loss).len(), 4);
        record.hear(&step(5, 50.0));
        record.hear(&step(5, 51.0));
        assert_eq!(record.curve(Curve::Loss).last(), Some(&[5.0, 51.0]));
        assert_eq!((record.peak(), record.total, record.eta), (Some(50), Some(9), None));
    }

    #[test]
    fn answers_are_grouped_by_sample() {
        let answer =
            |step, sample: &str| SampleAnswer { step, sample: sample.to_owned(), ..SampleAnswer::default() };
        let lines = [(0, "a"), (0, "b"), (5, "a"), (5, "b"), (5, "b")];
        let record = Record::of(&lines.map(|(at, sample)| MetricLine::Sample(answer(at, sample))));
        let samples = record.samples();
        assert_eq!(
            samples.iter().map(|(first, all)| (&*first.sample, all.len())).collect::<Vec<_>>(),
            [("a", 2), ("b", 2)]
        );
    }
}

//! What is minimised.

use std::collections::BTreeMap;

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{DType, Tensor, TensorData};

use crate::backprop::GradientSums;
use crate::batch::Target;

/// Logits of a teacher at the labels of a batch.
pub struct Teacher {
    /// `[labels, vocab]`
    pub logits: Tensor<2>,
    /// The weight of the labels; the rest is the teacher's.
    pub alpha: f64,
    /// The temperature `T`.
    pub temperature: f64,
}

/// A wrong answer beside the right one at a label, for the margin loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contrast {
    /// Which label of the batch.
    pub label: usize,
    /// The token that must be less likely than the label by the margin.
    pub wrong: u32,
    /// What of one answer this pair counts for: an answer with several wrong ones shares itself among them.
    pub share: f64,
}

/// The margin between right and wrong answers: `Σ share · softplus(margin − (log p⁺ − log p⁻)) / answers`, added with a
/// weight.
#[derive(Clone, Debug)]
pub struct Margin {
    pub pairs: Vec<Contrast>,
    /// Answers of the whole optimiser step that have a wrong one beside them: the divisor.
    pub answers: usize,
    pub margin: f64,
    pub weight: f64,
}

/// What one pass minimises: `Σ cross entropy / labels`, mixed with a teacher's distribution, plus a margin.
pub struct Objective<'a> {
    /// Labels of the whole optimiser step: the divisor, so that accumulation does not change the gradient.
    pub labels: usize,
    pub teacher: Option<&'a Teacher>,
    pub margin: Option<&'a Margin>,
    pub depth: Option<&'a crate::depth::DepthTask>,
    pub features: Option<&'a crate::feature::FeatureTask>,
}

/// The loss of some rows.
pub(crate) struct Loss {
    /// `[rows]`
    pub(crate) nll: Tensor<1>,
    /// `[1]`
    pub(crate) value: Tensor<1>,
}

/// What auxiliary heads add.
#[derive(Default)]
pub(crate) struct Extra {
    pub(crate) value: Option<Tensor<1>>,
    /// By text block: the gradient of its output.
    pub(crate) gradients: BTreeMap<usize, Tensor<2>>,
}

/// Rows of logits at once: a vocabulary of 49 280 in f32 is 50 MiB then.
pub(crate) const ROWS_AT_ONCE: usize = 256;

impl Objective<'_> {
    /// Cross entropy alone, over `labels` labels.
    #[must_use]
    pub fn cross_entropy(labels: usize) -> Self {
        Self { labels, teacher: None, margin: None, depth: None, features: None }
    }

    pub(crate) fn taps(&self, block: usize) -> bool {
        self.depth.is_some_and(|depth| depth.block == block)
    }

    /// The loss of the rows `first..` with these targets.
    pub(crate) fn loss(&self, logits: &Tensor<2>, targets: &[Target], first: usize) -> Loss {
        let [n, vocab] = logits.dims();
        let device = logits.device().without_autodiff();
        let ids: Vec<i32> = targets.iter().map(|t| t.token as i32).collect();
        let ids =
            Tensor::<2, burn::tensor::Int>::from_data(TensorData::new(ids, [n, 1]), (&device, DType::I32));
        let log_p = log_softmax(logits.clone(), 1);
        let nll = -log_p.clone().gather(1, ids).reshape([n]);
        let divisor = self.labels.max(1) as f64;
        let mut value = nll.clone().sum() / divisor;
        if let Some(teacher) = self.teacher {
            let theirs = teacher.logits.clone().slice([first..first + n, 0..vocab]);
            value = value * teacher.alpha
                + divergence(logits, theirs, teacher.temperature) * ((1.0 - teacher.alpha) / divisor);
        }
        if let Some(margin) = self.margin {
            let (mut rows, mut wrong, mut share) = (Vec::new(), Vec::new(), Vec::new());
            for pair in &margin.pairs {
                if let Some(row) = pair.label.checked_sub(first).filter(|row| *row < n) {
                    rows.push(row as i32);
                    wrong.push(pair.wrong as i32);
                    share.push(pair.share as f32);
                }
            }
            let pairs = rows.len();
            if pairs > 0 {
                let ints = |values: Vec<i32>| {
                    Tensor::<1, burn::tensor::Int>::from_data(
                        TensorData::new(values, [pairs]),
                        (&device, DType::I32),
                    )
                };
                let rows = ints(rows);
                let wrong = ints(wrong).reshape([pairs, 1]);
                let share = Tensor::<1>::from_data(TensorData::new(share, [pairs]), (&device, DType::F32));
                let theirs = log_p.select(0, rows.clone()).gather(1, wrong).reshape([pairs]);
                let short = nll.clone().select(0, rows) + theirs + margin.margin;
                let count = margin.answers.max(1) as f64;
                value = value + (softplus(short) * share).sum() * (margin.weight / count);
            }
        }
        Loss { nll, value }
    }

    pub(crate) fn at_taps(&self, taps: &[(usize, Tensor<2>)], scale: f64, sums: &mut GradientSums) -> Extra {
        match (self.depth, taps.first()) {
            (Some(depth), Some((block, hidden))) => depth.pass(*block, hidden, scale, sums),
            _ => Extra::default(),
        }
    }

    /// What the image features add: a value, and its gradient by the features.
    pub(crate) fn at_features(
        &self,
        features: Option<&Tensor<2>>,
        scale: f64,
        sums: &mut GradientSums,
    ) -> Option<(Tensor<1>, Tensor<2>)> {
        self.features.zip(features).map(|(task, features)| task.pass(features, scale, sums))
    }
}

/// `T² Σ KL(softmax(t / T) ‖ softmax(s / T))` over the rows (Hinton et al. 2015, arXiv 1503.02531).
///
/// # Shapes
/// - `student`, `teacher` `[n, vocab]` → `[1]`
#[must_use]
pub fn divergence(student: &Tensor<2>, teacher: Tensor<2>, temperature: f64) -> Tensor<1> {
    let scaled = teacher / temperature;
    let p = softmax(scaled.clone(), 1);
    let log_p = log_softmax(scaled, 1);
    let log_q = log_softmax(student.clone() / temperature, 1);
    (p * (log_p - log_q)).sum() * (temperature * temperature)
}

/// `ln(1 + eˣ)` without overflow: `max(x, 0) + ln(1 + e^(−|x|))`.
///
/// The maximum is written as `(x + |x|) / 2`, whose derivative at 0 is a half as that of the whole is.
#[must_use]
pub fn softplus<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let size = x.clone().abs();
    (x + size.clone()) * 0.5 + (-size).exp().log1p()
}

//! Looking at the model while it learns: the loss on held-out samples, and what it says aloud.

use std::time::Instant;

use plumb_vlm::Prefix;
use serde_json::Value;

use super::{Control, TrainEvent, Trainer};
use crate::backprop;
use crate::checkpoint::{BestMetric, EvalMetrics, MetricLine, SampleAnswer};
use crate::encode::{self, collate, messages};
use crate::error::Result;

/// How an evaluation ended.
pub(super) enum Looked {
    Whole(Control),
    /// Nothing of it was noted: it is to be made again.
    BrokenOff(Control),
}

impl Trainer {
    pub(super) async fn evaluate(&mut self, listen: &mut dyn FnMut(TrainEvent) -> Control) -> Result<Looked> {
        let begun = Instant::now();
        let chosen: Vec<(usize, u32)> = spread(&self.held_out, self.config.evaluate.samples);
        if chosen.is_empty() {
            return Ok(Looked::Whole(Control::Go));
        }
        let (mut nll, mut labels, mut right, mut asked) = (0.0, 0usize, 0u64, 0u64);
        // Right and asked, by data set.
        let mut by_source = vec![(0u64, 0u64); self.data.sources.len()];
        for group in chosen.chunks(self.config.batch.samples.max(1)) {
            let mut samples = Vec::with_capacity(group.len());
            for (source, sample) in group {
                let prepared = self.data.plain(*source, *sample)?;
                samples.push(encode::encode(&self.processor, &prepared)?);
            }
            let batch = collate(self.learner.model(), &self.processor, samples, self.cache.as_mut())?;
            let found = backprop::evaluate(self.learner.model(), &batch).await?;
            let mut correct = vec![true; batch.ids.len()];
            for (target, (loss, hit)) in batch.targets.iter().zip(found) {
                nll += f64::from(loss);
                labels += 1;
                correct[target.sample] &= hit;
            }
            right += correct.iter().filter(|c| **c).count() as u64;
            for ((source, _), correct) in group.iter().zip(correct) {
                by_source[*source].0 += u64::from(correct);
                by_source[*source].1 += 1;
            }
            asked += group.len() as u64;
            let event =
                TrainEvent::Evaluating { step: self.state.step, done: asked, total: chosen.len() as u64 };
            let control = listen(event);
            if control != Control::Go {
                return Ok(Looked::BrokenOff(control));
            }
        }
        let loss = nll / labels.max(1) as f64;
        let samples = chosen.len() as u64;
        let best = self.state.best.as_ref().is_none_or(|b| loss < b.value);
        if best && loss.is_finite() {
            self.state.best = Some(BestMetric {
                name: "held-out loss".into(),
                value: loss,
                step: self.state.step,
                higher_is_better: false,
            });
            self.state.evals_without_gain = 0;
        } else {
            self.state.evals_without_gain += 1;
        }
        let metrics = EvalMetrics {
            step: self.state.step,
            loss: Some(loss as f32),
            accuracy: Some(right as f32 / samples.max(1) as f32),
            samples,
            seconds: Some(begun.elapsed().as_secs_f32()),
            best,
            extra: by_source
                .iter()
                .enumerate()
                .filter(|(_, (_, asked))| *asked > 0 && by_source.len() > 1)
                .map(|(i, (right, asked))| {
                    (format!("accuracy of data set {}", i + 1), Value::from(*right as f64 / *asked as f64))
                })
                .collect(),
        };
        self.log.append(&MetricLine::Eval(metrics.clone()))?;
        let mut control = listen(TrainEvent::Eval(Box::new(metrics)));
        for (source, sample) in spread(&self.held_out, self.config.evaluate.answers) {
            let answer = self.answer(source, sample).await?;
            self.log.append(&MetricLine::Sample(answer.clone()))?;
            if listen(TrainEvent::Answer(answer)) == Control::Stop {
                control = Control::Stop;
            }
        }
        Ok(Looked::Whole(control))
    }

    /// What the model says now to the last question of a held-out sample.
    async fn answer(&self, source: usize, sample: u32) -> Result<SampleAnswer> {
        /// More than any answer of these data has.
        const MOST_TOKENS: usize = 48;
        let prepared = self.data.plain(source, sample)?;
        let mut dialogue = messages(&prepared);
        dialogue.pop();
        let prompt = self.processor.prompt(&dialogue, &prepared.images, prepared.prefill.as_deref())?;
        let model = self.learner.model();
        let frames: usize = prompt.images.iter().map(|t| t.frames.len()).sum();
        let side = prompt.images.first().and_then(|t| t.frames.first()).map_or(0, |f| f.width() as usize);
        let features = match frames {
            0 => None,
            _ => {
                let pixels: Vec<f32> =
                    prompt.images.iter().flat_map(|t| self.processor.images().normalise(t)).collect();
                Some(model.image_features(&pixels, frames, side, side)?)
            }
        };
        let embeddings = model.embed(&prompt.ids, features.as_ref())?;
        let mut prefix = Prefix::new(model, embeddings, MOST_TOKENS).await?;
        let mut continuation = prefix.continuation(model);
        let mut said = Vec::new();
        while said.len() < MOST_TOKENS {
            let token = plumb_vlm::generate::argmax(continuation.logits());
            if self.processor.stop_ids().contains(&token) || token == self.processor.image_token_id() {
                break;
            }
            said.push(token);
            continuation.push(token).await?;
        }
        let answer = self.processor.decode(&said, true)?.trim().to_owned();
        let (question, expected) = prepared.turns.last().cloned().unwrap_or_default();
        Ok(SampleAnswer {
            step: self.state.step,
            sample: prepared.id,
            question,
            correct: Some(answer == expected.trim()),
            expected,
            answer,
        })
    }
}

/// Up to `n` of a list, spread over it.
fn spread<T: Copy>(list: &[T], n: usize) -> Vec<T> {
    let n = n.min(list.len());
    (0..n).filter_map(|i| list.get(i * list.len() / n.max(1)).copied()).collect()
}

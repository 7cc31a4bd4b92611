//! The vision tower and the connector, forward and backward.

use std::collections::BTreeSet;

use burn::tensor::Tensor;
use plumb_nn::{LayerNorm, Parameters, Visitor};
use plumb_vlm::SmolVlm;
use plumb_vlm::vision::{Block, Connector, Grid};

use super::{GradientSums, Held, PassOptions, Plan, record};
use crate::batch::Frames;
use crate::error::Result;

/// What the backward pass needs of the forward pass.
pub(super) struct TowerPass {
    patches: Tensor<2>,
    grid: Grid,
    /// The output of the last block.
    hidden: Tensor<2>,
    /// Of the blocks from the first that learns on.
    held: Vec<Held>,
}

/// The image tokens of `frames`, and what it takes to go back where something of the tower or the connector learns.
pub(super) fn forward(
    model: &SmolVlm,
    learn: &BTreeSet<String>,
    plan: &Plan,
    frames: &Frames,
    options: PassOptions,
) -> Result<(Option<Tensor<2>>, Option<TowerPass>)> {
    let (pixels, frames, height, width) = match frames {
        Frames::None => return Ok((None, None)),
        Frames::Features(features) => return Ok((Some(features.clone()), None)),
        Frames::Pixels { pixels, frames, height, width } => (pixels, *frames, *height, *width),
    };
    if !plan.features() {
        return Ok((Some(model.image_features(pixels, frames, height, width)?), None));
    }
    let vision = model.vision();
    let layout = vision.layout();
    let (patches, grid) = vision.patches(pixels, frames, height, width);
    let run = |block: &Block, x| block.forward(x, grid.frames, layout);
    let mut held = Vec::new();
    let mut x = vision.embedding().forward(patches.clone(), grid);
    for (i, block) in vision.blocks().iter().enumerate() {
        let active = plan.vision[i] || plan.below_vision(i);
        if active && !options.recompute {
            let graph = record(block, learn, x, plan.below_vision(i), run);
            x = graph.output.clone().inner();
            held.push(Held::Graph(graph));
        } else {
            held.extend(active.then(|| Held::Input(x.clone())));
            x = run(block, x);
        }
    }
    let features = model.connector().forward(vision.norm().forward(x.clone()), grid);
    Ok((Some(features), Some(TowerPass { patches, grid, hidden: x, held })))
}

/// Pulls the gradient of the image tokens back to everything that learns.
pub(super) fn backward(
    model: &SmolVlm,
    learn: &BTreeSet<String>,
    plan: &Plan,
    pass: TowerPass,
    gradient: Tensor<2>,
    sums: &mut GradientSums,
) {
    let TowerPass { patches, grid, hidden, mut held } = pass;
    let vision = model.vision();
    let layout = vision.layout();
    let end = TowerEnd { norm: vision.norm().clone(), connector: model.connector().clone() };
    let through = plan.below_vision(plan.vision.len());
    let graph = record(&end, learn, hidden, through, |m, x| m.connector.forward(m.norm.forward(x), grid));
    let mut gradient = graph.pull(gradient, sums);
    for (i, block) in vision.blocks().iter().enumerate().rev() {
        let (Some(after), Some(held)) = (gradient, held.pop()) else { return };
        let graph = match held {
            Held::Graph(graph) => graph,
            Held::Input(input) => {
                record(block, learn, input, plan.below_vision(i), |b, x| b.forward(x, grid.frames, layout))
            }
        };
        gradient = graph.pull(after, sums);
    }
    if let (Some(gradient), true) = (gradient, plan.patch) {
        record(vision.embedding(), learn, patches, false, |m, x| m.forward(x, grid)).pull(gradient, sums);
    }
}

/// The last norm and the connector.
#[derive(Clone)]
struct TowerEnd {
    norm: LayerNorm,
    connector: Connector,
}

impl Parameters for TowerEnd {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        self.norm.visit(visitor);
        self.connector.visit(visitor);
    }
}

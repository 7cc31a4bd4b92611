//! Image features drawn to a teacher's: the mean squared error between what the two connectors give, through a linear map
//! that learns where the widths differ (FitNets, Romero et al. 2015, arXiv 1412.6550).

use std::collections::BTreeSet;

use burn::tensor::Tensor;
use plumb_nn::{Activation, Parameters, Visitor, ops};

use crate::backprop::{GradientSums, differentiate};

const WEIGHT: &str = "distil_projection.weight";

/// The map from the model's image features to the teacher's.
#[derive(Clone)]
pub struct Projection {
    /// `[teacher's h, h]`; `None` where the widths are equal and features are compared as they are.
    pub weight: Option<Tensor<2>>,
}

impl Projection {
    /// The names of the map's tensors.
    #[must_use]
    pub fn names() -> BTreeSet<String> {
        BTreeSet::from([WEIGHT.to_owned()])
    }

    /// `[rows, h]` → `[rows, teacher's h]`
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.weight {
            Some(weight) => ops::linear(x, weight, None, Activation::Identity, None),
            None => x,
        }
    }
}

impl Parameters for Projection {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        if let Some(weight) = &mut self.weight {
            visitor.tensor(WEIGHT, weight);
        }
    }
}

/// The teacher's features of one batch.
pub struct FeatureTask {
    /// `[image rows, teacher's h]`
    pub teacher: Tensor<2>,
    pub projection: Projection,
    pub weight: f64,
    /// Image rows of the whole optimiser step: the divisor.
    pub rows: usize,
}

impl FeatureTask {
    /// The value and its gradient by `features` `[image rows, h]`.
    pub(crate) fn pass(
        &self,
        features: &Tensor<2>,
        scale: f64,
        sums: &mut GradientSums,
    ) -> (Tensor<1>, Tensor<2>) {
        let [_, width] = self.teacher.dims();
        let weight = self.weight / (self.rows.max(1) * width.max(1)) as f64;
        let learn = Projection::names();
        differentiate(&self.projection, &learn, features.clone(), scale, sums, |map, x| {
            (map.forward(x) - self.teacher.clone()).square().sum() * weight
        })
    }
}

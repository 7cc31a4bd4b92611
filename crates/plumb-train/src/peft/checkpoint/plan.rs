//! What an adapter does to each tensor of its base.

use std::collections::BTreeMap;

use super::error::MergeError;
use super::{EMBEDDING, HEAD, Layout};
use crate::host::{HostTensor, TensorMap, elements};
use crate::peft::{
    Adapter, AdapterError, LoraFactors, LoraTensors, ResolvedAdapter, SavedTensors, merge_ia3, merge_lora,
};

/// What happens to one tensor.
#[derive(Debug)]
pub(super) enum Change {
    Lora(Box<LoraTensors>),
    /// (IA)³ of a weight, `[out, in]`.
    Ia3 {
        vector: HostTensor,
        feedforward: bool,
    },
    /// (IA)³ of the bias that goes with such a weight.
    Ia3Bias(HostTensor),
    /// Stored whole in the adapter.
    Replaced(HostTensor),
}

/// Every change by the name of its tensor.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) changes: BTreeMap<String, Change>,
    pub(super) merged: usize,
    pub(super) replaced: usize,
    /// The base's head is tied and has to get its own table.
    pub(super) untied: bool,
}

impl Plan {
    pub(super) fn new(adapter: &Adapter, layout: &Layout) -> Result<Self, MergeError> {
        let mut changes = BTreeMap::new();
        let (merged, saved) = match adapter.check(&layout.modules, layout.hidden, layout.layers)? {
            ResolvedAdapter::Lora { modules, saved } => {
                let merged = modules.len();
                for (path, lora) in modules {
                    changes.insert(format!("{path}.weight"), Change::Lora(Box::new(lora)));
                }
                (merged, saved)
            }
            ResolvedAdapter::Ia3 { modules, saved } => {
                let merged = modules.len();
                for (path, ia3) in modules {
                    let biased = layout.modules.iter().any(|module| module.path == path && module.bias);
                    if biased && !ia3.feedforward {
                        changes.insert(format!("{path}.bias"), Change::Ia3Bias(ia3.vector.clone()));
                    }
                    let (vector, feedforward) = (ia3.vector, ia3.feedforward);
                    changes.insert(format!("{path}.weight"), Change::Ia3 { vector, feedforward });
                }
                (merged, saved)
            }
            // `can_merge` comes first; an adapter with nothing to merge changes nothing.
            ResolvedAdapter::PromptTuning { .. } | ResolvedAdapter::Bottleneck { .. } => (0, BTreeMap::new()),
        };
        let replaced = saved.len();
        for (path, SavedTensors { weight, bias }) in saved {
            changes.insert(format!("{path}.weight"), Change::Replaced(weight));
            if let Some(bias) = bias {
                changes.insert(format!("{path}.bias"), Change::Replaced(bias));
            }
        }
        let head = changes.contains_key(&format!("{HEAD}.weight"));
        if layout.tied && !head && changes.contains_key(&format!("{EMBEDDING}.weight")) {
            return Err(MergeError::Tied { stored: EMBEDDING.to_owned() });
        }
        Ok(Self { changes, merged, replaced, untied: layout.tied && head })
    }
}

impl Plan {
    /// Replaces tensors by name.
    pub(super) fn replacing(weights: TensorMap, layout: &Layout) -> Result<Self, MergeError> {
        let replaced = weights.len();
        let mut changes = BTreeMap::new();
        for (name, tensor) in weights {
            let shape = layout.tensors.iter().find(|(known, _)| *known == name).map(|(_, shape)| shape);
            let fits = |shape: &&Vec<usize>| elements(shape) == Some(tensor.values.len());
            let Some(shape) = shape.filter(fits) else {
                let reason =
                    format!("the base has no tensor of this name with {} values", tensor.values.len());
                return Err(AdapterError::Merge { module: name, reason }.into());
            };
            // A convolution kernel is a matrix in the model and has four axes in files.
            let tensor = HostTensor { shape: shape.clone(), values: tensor.values };
            changes.insert(name, Change::Replaced(tensor));
        }
        Ok(Self { changes, merged: 0, replaced, untied: false })
    }
}

impl Change {
    /// Changes `values`, the tensor `name` of `shape`, in f32.
    pub(super) fn apply(
        &self,
        name: &str,
        shape: &[usize],
        values: &mut Vec<f32>,
    ) -> Result<(), AdapterError> {
        let (output, input) = match *shape {
            [output, input] => (output, input),
            [output] => (output, 1),
            _ => (0, 0),
        };
        match self {
            Self::Lora(lora) => {
                let LoraTensors { a, b, scale, magnitude, .. } = lora.as_ref();
                let factors = LoraFactors { a, b, scale: *scale, magnitude: magnitude.as_ref() };
                merge_lora(name, values, output, input, factors)
            }
            Self::Ia3 { vector, feedforward } => {
                merge_ia3(name, values, None, output, input, vector, *feedforward)
            }
            // A bias is scaled as a weight with one column would be.
            Self::Ia3Bias(vector) => merge_ia3(name, values, None, output, input, vector, false),
            Self::Replaced(tensor) => {
                if tensor.shape != shape {
                    let reason = format!("expected shape {shape:?}, found {:?}", tensor.shape);
                    return Err(AdapterError::Merge { module: name.to_owned(), reason });
                }
                values.clone_from(&tensor.values);
                Ok(())
            }
        }
    }
}

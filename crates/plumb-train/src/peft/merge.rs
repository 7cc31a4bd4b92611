//! Folding an adapter into the weights of one linear layer, in f32; the caller casts once.
//!
//! Source: `huggingface/peft: src/peft/tuners/lora/layer.py`, `lora/dora.py`, `ia3/layer.py`. As PEFT's safe merge,
//! nothing is written unless every value of the result is finite.

use crate::host::HostTensor;

use super::error::{AdapterError, Result};

/// The trained parts of one LoRA or DoRA module.
#[derive(Clone, Copy, Debug)]
pub struct LoraFactors<'a> {
    /// `[rank, in]`
    pub a: &'a HostTensor,
    /// `[out, rank]`
    pub b: &'a HostTensor,
    /// Factor of `B·A`.
    pub scale: f64,
    /// DoRA's magnitude `[out]`.
    pub magnitude: Option<&'a HostTensor>,
}

fn expect(module: &str, what: &str, tensor: &HostTensor, expected: &[usize]) -> Result<()> {
    let count = crate::host::elements(expected);
    if tensor.shape == expected && count == Some(tensor.values.len()) {
        return Ok(());
    }
    Err(AdapterError::Merge {
        module: module.to_owned(),
        reason: format!(
            "{what}: expected shape {expected:?}, found {:?} with {} values",
            tensor.shape,
            tensor.values.len()
        ),
    })
}

fn weight_size(module: &str, found: usize, output: usize, input: usize) -> Result<()> {
    if output.checked_mul(input) == Some(found) && found > 0 {
        return Ok(());
    }
    let reason = format!("weight: expected {output}x{input} values, found {found}");
    Err(AdapterError::Merge { module: module.to_owned(), reason })
}

fn finite(module: &str, values: &[f32], what: &str) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(AdapterError::Merge {
            module: module.to_owned(),
            reason: format!(
                "the merged {what} holds {} at element {index}; nothing was changed",
                values[index]
            ),
        }),
    }
}

/// Adds `scale·B·A` to `weight` (`[output, input]`, row-major); with a magnitude, DoRA: every row of the sum is brought
/// to that length.
///
/// # Errors
/// Factors that do not fit `weight`, or a result that is not finite; `weight` is then unchanged.
pub fn merge_lora(
    module: &str,
    weight: &mut [f32],
    output: usize,
    input: usize,
    factors: LoraFactors<'_>,
) -> Result<()> {
    weight_size(module, weight.len(), output, input)?;
    let rank = factors.a.shape.first().copied().unwrap_or(0);
    expect(module, "lora_A", factors.a, &[rank, input])?;
    expect(module, "lora_B", factors.b, &[output, rank])?;
    if let Some(magnitude) = factors.magnitude {
        expect(module, "lora_magnitude_vector", magnitude, &[output])?;
    }
    let scale = factors.scale as f32;
    let mut merged = weight.to_vec();
    let mut delta = vec![0.0f32; input];
    for (index, row) in merged.chunks_exact_mut(input).enumerate() {
        delta.fill(0.0);
        let coefficients = factors.b.values.iter().skip(index * rank).take(rank);
        for (&b, a) in coefficients.zip(factors.a.values.chunks_exact(input)) {
            for (sum, &a) in delta.iter_mut().zip(a) {
                *sum += b * a;
            }
        }
        for (value, &change) in row.iter_mut().zip(&delta) {
            *value += scale * change;
        }
        if let Some(magnitude) = factors.magnitude {
            let norm = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt() as f32;
            let factor = magnitude.values[index] / norm;
            for value in row {
                *value *= factor;
            }
        }
    }
    finite(module, &merged, "weight")?;
    weight.copy_from_slice(&merged);
    Ok(())
}

/// Multiplies columns (feed-forward, `vector` `[1, input]`) or rows (`[output, 1]`) of `weight` by the trained vector;
/// in the second case `bias` as well.
///
/// # Errors
/// A vector or bias that does not fit, or a result that is not finite; nothing is then changed.
pub fn merge_ia3(
    module: &str,
    weight: &mut [f32],
    bias: Option<&mut [f32]>,
    output: usize,
    input: usize,
    vector: &HostTensor,
    feedforward: bool,
) -> Result<()> {
    weight_size(module, weight.len(), output, input)?;
    expect(module, "ia3_l", vector, &if feedforward { [1, input] } else { [output, 1] })?;
    let mut merged = weight.to_vec();
    for (index, row) in merged.chunks_exact_mut(input).enumerate() {
        for (column, value) in row.iter_mut().enumerate() {
            *value *= vector.values[if feedforward { column } else { index }];
        }
    }
    finite(module, &merged, "weight")?;
    if let Some(bias) = bias.filter(|_| !feedforward) {
        if bias.len() != output {
            let reason = format!("bias: expected {output} values, found {}", bias.len());
            return Err(AdapterError::Merge { module: module.to_owned(), reason });
        }
        let scaled: Vec<f32> = bias.iter().zip(&vector.values).map(|(b, v)| b * v).collect();
        finite(module, &scaled, "bias")?;
        bias.copy_from_slice(&scaled);
    }
    weight.copy_from_slice(&merged);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize], values: &[f32]) -> HostTensor {
        HostTensor::new(shape.to_vec(), values.to_vec()).unwrap()
    }

    #[test]
    fn lora_adds_the_scaled_product() {
        let (a, b) = (tensor(&[2, 3], &[1., 2., 3., 0., 1., -1.]), tensor(&[2, 2], &[1., 0., 2., 4.]));
        let mut weight = [1.0f32, 1., 1., 0., 0., 0.];
        let factors = LoraFactors { a: &a, b: &b, scale: 0.5, magnitude: None };
        merge_lora("m", &mut weight, 2, 3, factors).unwrap();
        // B·A = [[1,2,3],[2,8,2]]
        assert_eq!(weight, [1.5, 2.0, 2.5, 1.0, 4.0, 1.0]);
    }

    #[test]
    fn dora_sets_the_length_of_every_row() {
        let (a, b) = (tensor(&[1, 2], &[1., 0.]), tensor(&[2, 1], &[2., 0.]));
        let magnitude = tensor(&[2], &[10., 1.]);
        let mut weight = [1.0f32, 4., 0., 2.];
        let factors = LoraFactors { a: &a, b: &b, scale: 1.0, magnitude: Some(&magnitude) };
        merge_lora("m", &mut weight, 2, 2, factors).unwrap();
        // Row 0: (3, 4) of length 5 becomes length 10; row 1: (0, 2) becomes length 1.
        assert_eq!(weight, [6.0, 8.0, 0.0, 1.0]);
    }

    #[test]
    fn a_magnitude_equal_to_the_row_norms_changes_nothing_at_the_start() {
        let weight: Vec<f32> = (0..12).map(|i| (i as f32 * 0.7).sin()).collect();
        let norms: Vec<f32> = weight.chunks(4).map(|r| r.iter().map(|v| v * v).sum::<f32>().sqrt()).collect();
        let (a, b) = (tensor(&[2, 4], &[0.3; 8]), tensor(&[3, 2], &[0.0; 6]));
        let magnitude = tensor(&[3], &norms);
        let mut merged = weight.clone();
        let factors = LoraFactors { a: &a, b: &b, scale: 2.0, magnitude: Some(&magnitude) };
        merge_lora("m", &mut merged, 3, 4, factors).unwrap();
        assert!(merged.iter().zip(&weight).all(|(m, w)| (m - w).abs() < 1e-6));
    }

    #[test]
    fn ia3_scales_rows_with_the_bias_or_columns_without() {
        let (mut weight, mut bias) = ([1.0f32, 2., 3., 4.], [1.0f32, 1.]);
        let rows = tensor(&[2, 1], &[2., 10.]);
        merge_ia3("m", &mut weight, Some(&mut bias), 2, 2, &rows, false).unwrap();
        assert_eq!((weight, bias), ([2., 4., 30., 40.], [2., 10.]));
        let columns = tensor(&[1, 2], &[0.5, 0.1]);
        merge_ia3("m", &mut weight, Some(&mut bias), 2, 2, &columns, true).unwrap();
        assert_eq!((weight, bias), ([1., 0.4, 15., 4.], [2., 10.]));
    }

    #[test]
    fn refuses_without_touching_the_weight() {
        let (a, b) = (tensor(&[1, 2], &[1., 1.]), tensor(&[2, 1], &[f32::MAX, f32::MAX]));
        let start = [f32::MAX, 0., 0., 0.];
        let mut weight = start;
        let factors = LoraFactors { a: &a, b: &b, scale: 1.0, magnitude: None };
        let error = merge_lora("layer.q", &mut weight, 2, 2, factors).unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot merge into layer.q: the merged weight holds inf at element 0; nothing was changed"
        );
        assert_eq!(weight, start);
        let small = LoraFactors { scale: 0.0, ..factors };
        let error = merge_lora("m", &mut weight, 2, 3, small).unwrap_err().to_string();
        assert!(error.contains("expected 2x3 values, found 4"), "{error}");
        let error = merge_lora("m", &mut weight, 1, 4, small).unwrap_err().to_string();
        assert!(error.contains("lora_A: expected shape [1, 4], found [1, 2]"), "{error}");
        // A row of zeros has no direction: DoRA divides by its length.
        let (zero, one) = (tensor(&[2, 1], &[0., 0.]), tensor(&[2], &[1., 1.]));
        let dora = LoraFactors { b: &zero, magnitude: Some(&one), ..factors };
        assert!(merge_lora("m", &mut [1., 1., 0., 0.], 2, 2, dora).is_err());
        let mut bias = [1.0f32; 3];
        let error = merge_ia3("m", &mut weight, Some(&mut bias), 2, 2, &zero, false).unwrap_err().to_string();
        assert!(error.contains("bias: expected 2 values, found 3"), "{error}");
        assert!(merge_lora("m", &mut [], usize::MAX, 2, small).is_err());
    }
}

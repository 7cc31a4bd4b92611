//! Whether option probabilities mean what they say.

use serde::{Deserialize, Serialize};

/// One bin of a reliability diagram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    pub n: usize,
    /// Mean probability of the chosen option.
    pub confidence: f64,
    /// Share of right choices.
    pub accuracy: f64,
}

/// Calibration of option probabilities normalised over each row's options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Rows with usable option scores.
    pub n: usize,
    /// Expected calibration error over bins of equal mass.
    pub ece: f64,
    /// Mean over rows of the squared distance between the probability vector and the truth, 0 to 2.
    pub brier: f64,
    /// Mean negative log-probability (nats) of the right option; it can be infinite, and is then absent.
    pub nll: Option<f64>,
    pub bins: Vec<ReliabilityBin>,
}

/// Summarises rows of (option probabilities, index of the right option). Rows whose gold has no probability are left
/// out; `None` when nothing remains.
pub fn calibrate(rows: &[(Vec<f64>, usize)], bins: usize) -> Option<Calibration> {
    let (mut brier, mut nll, mut confidence) = (0.0, 0.0, Vec::new());
    for (probabilities, gold) in rows {
        let Some(&right) = probabilities.get(*gold) else {
            continue;
        };
        brier += probabilities.iter().map(|p| p * p).sum::<f64>() - 2.0 * right + 1.0;
        nll -= right.ln();
        let mut best = (0, f64::NEG_INFINITY);
        for (i, &p) in probabilities.iter().enumerate() {
            if p > best.1 {
                best = (i, p);
            }
        }
        confidence.push((best.1, best.0 == *gold));
    }
    let n = confidence.len();
    if n == 0 {
        return None;
    }
    let (ece, bins) = ece_equal_mass(&confidence, bins);
    let nll = nll / n as f64;
    Some(Calibration { n, ece, brier: brier / n as f64, nll: nll.is_finite().then_some(nll), bins })
}

/// Expected calibration error of (confidence, right) pairs with `bins` bins of equal size: sorted by confidence and
/// cut so that sizes differ by at most one, the larger bins first (as `numpy.array_split` cuts). Empty bins are not
/// returned.
pub fn ece_equal_mass(rows: &[(f64, bool)], bins: usize) -> (f64, Vec<ReliabilityBin>) {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (bins, mut rest) = (bins.max(1), sorted.as_slice());
    let (size, larger) = (sorted.len() / bins, sorted.len() % bins);
    let (mut ece, mut out) = (0.0, Vec::new());
    for i in 0..bins {
        let (bin, after) = rest.split_at((size + usize::from(i < larger)).min(rest.len()));
        rest = after;
        if bin.is_empty() {
            break;
        }
        let n = bin.len() as f64;
        let confidence = bin.iter().map(|r| r.0).sum::<f64>() / n;
        let accuracy = bin.iter().filter(|r| r.1).count() as f64 / n;
        ece += n / sorted.len() as f64 * (confidence - accuracy).abs();
        out.push(ReliabilityBin { n: bin.len(), confidence, accuracy });
    }
    (ece, out)
}

/// Coverage (share of rows answered) and accuracy on them, when only answers of at least some confidence are given: from the
/// surest on, one point per distinct confidence, the last at coverage 1. Risk, in El-Yaniv & Wiener's risk-coverage curve
/// (JMLR 11, 2010), is 1 less this accuracy. Rows without a finite confidence are left out.
pub fn selective_accuracy(rows: &[(f64, bool)]) -> Vec<(f64, f64)> {
    let mut sorted: Vec<(f64, bool)> = rows.iter().copied().filter(|row| row.0.is_finite()).collect();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut right, mut out) = (0, Vec::new());
    for (i, row) in sorted.iter().enumerate() {
        right += usize::from(row.1);
        // Rows of one confidence cannot be told apart, so none of them is answered without the others.
        if sorted.get(i + 1).is_none_or(|next| next.0 < row.0) {
            let answered = (i + 1) as f64;
            out.push((answered / sorted.len() as f64, right as f64 / answered));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    // numpy.array_split of the sorted confidences into 15 bins gives 0.26625.
    #[test]
    fn ece_agrees_with_numpy() {
        let rows: Vec<(f64, bool)> =
            (0..40u32).map(|i| (0.5 + 0.5 * f64::from((i * 7) % 40) / 40.0, (i * 13) % 5 < 3)).collect();
        let (ece, bins) = ece_equal_mass(&rows, 15);
        assert!((ece - 0.266_25).abs() < 1e-12, "{ece}");
        assert_eq!(bins.len(), 15);
        assert_eq!(bins.iter().map(|b| b.n).sum::<usize>(), 40);
    }

    // scipy.special.softmax of [-1, -2, -0.5] and [-3, -0.1, -4] with gold 2 and 0.
    #[test]
    fn the_surest_answers_come_first() {
        let rows = [(0.6, false), (0.9, true), (0.6, true), (f64::NAN, true), (0.99, true)];
        let expected = [(0.25, 1.0), (0.5, 1.0), (1.0, 0.75)];
        assert_eq!(selective_accuracy(&rows), expected);
        assert!(selective_accuracy(&[]).is_empty());
    }

    #[test]
    fn brier_and_nll_agree_with_scipy() {
        let rows = [(vec![-1.0, -2.0, -0.5], 2), (vec![-3.0, -0.1, -4.0], 0)]
            .map(|(scores, gold)| (crate::Prediction::scores("x", scores).probabilities(3).unwrap(), gold));
        let c = calibrate(&rows, 15).unwrap();
        assert!((c.brier - 1.047_958_272_939_043_5).abs() < 1e-12, "{}", c.brier);
        assert!((c.nll.unwrap() - 1.788_348_935_231_372_8).abs() < 1e-12);
    }

    #[test]
    fn the_ends() {
        assert_eq!(calibrate(&[], 15), None);
        assert_eq!(calibrate(&[(vec![1.0], 3)], 15), None);
        let sure_and_wrong = calibrate(&[(vec![1.0, 0.0], 1)], 15).unwrap();
        assert_eq!((sure_and_wrong.nll, sure_and_wrong.ece, sure_and_wrong.brier), (None, 1.0, 2.0));
        assert_eq!(ece_equal_mass(&[], 0).0, 0.0);
    }
}

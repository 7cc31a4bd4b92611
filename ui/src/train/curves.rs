//! Curves made fit to be drawn: smoothed, thinned, on a logarithmic axis.

/// Most points of a curve that are drawn.
pub(crate) const MOST: usize = 2000;

/// The exponential moving average of the values with weight `keep` on what came before, freed of its bias towards zero as
/// Adam's moments are (Kingma and Ba 2015, section 3): divided by `1 - keepᵗ`. Points that are not finite are left out.
pub(crate) fn smooth(points: &[[f64; 2]], keep: f64) -> Vec<[f64; 2]> {
    let keep = if keep.is_finite() { keep.clamp(0.0, 0.9999) } else { 0.0 };
    let (mut mean, mut weight) = (0.0, 0.0);
    let finite = points.iter().filter(|p| p[0].is_finite() && p[1].is_finite());
    finite
        .map(|&[x, y]| {
            mean = keep * mean + (1.0 - keep) * y;
            // The same recurrence over ones is 1 - keepᵗ without a power.
            weight = keep * weight + (1.0 - keep);
            [x, mean / weight]
        })
        .collect()
}

/// At most `most` points that have the ends, and the lowest and highest of each stretch between them: a spike stays visible.
/// `x` never decreases and comes from `points`.
pub(crate) fn thin(points: &[[f64; 2]], most: usize) -> Vec<[f64; 2]> {
    let most = most.max(4);
    if points.len() <= most {
        return points.to_vec();
    }
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    let inner = &points[1..points.len() - 1];
    let buckets = (most - 2) / 2;
    let mut out = Vec::with_capacity(most);
    out.push(*first);
    for bucket in 0..buckets {
        let (from, to) = (bucket * inner.len() / buckets, (bucket + 1) * inner.len() / buckets);
        let part = &inner[from..to];
        let by = |a: &&[f64; 2], b: &&[f64; 2]| a[1].total_cmp(&b[1]);
        let (Some(low), Some(high)) = (part.iter().min_by(by), part.iter().max_by(by)) else { continue };
        let (a, b) = if low[0] <= high[0] { (low, high) } else { (high, low) };
        out.push(*a);
        if a != b {
            out.push(*b);
        }
    }
    out.push(*last);
    out
}

/// The part between `from` and `to` with one point more on each side, so that lines reach the border. `x` never decreases.
pub(crate) fn within(points: &[[f64; 2]], from: f64, to: f64) -> &[[f64; 2]] {
    let first = points.partition_point(|p| p[0] < from).saturating_sub(1);
    let last = (points.partition_point(|p| p[0] <= to) + 1).min(points.len());
    points.get(first..last.max(first)).unwrap_or_default()
}

/// Decadic logarithms; what has none is left out.
pub(crate) fn logarithms(points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    points.into_iter().filter(|p| p[1] > 0.0).map(|[x, y]| [x, y.log10()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ys(points: &[[f64; 2]]) -> Vec<f64> {
        points.iter().map(|p| p[1]).collect()
    }

    #[test]
    fn smoothing_has_no_bias_at_the_start() {
        let flat: Vec<[f64; 2]> = (0..50).map(|i| [f64::from(i), 3.0]).collect();
        for keep in [0.0, 0.5, 0.9, 0.99, 5.0, f64::NAN] {
            assert!(ys(&smooth(&flat, keep)).iter().all(|y| (y - 3.0).abs() < 1e-12), "{keep}");
        }
        // By hand, keep = 0.5: 4; (0.5·2 + 0.5·8)/0.75; (0.25·2 + 0.25·8 + 0.5·2)/0.875.
        let some = smooth(&[[0.0, 4.0], [1.0, 8.0], [2.0, 2.0]], 0.5);
        for (found, expected) in ys(&some).into_iter().zip([4.0, 5.0 / 0.75, 3.5 / 0.875]) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        let holes = smooth(&[[0.0, f64::NAN], [1.0, 2.0], [2.0, f64::INFINITY]], 0.9);
        assert_eq!(holes, [[1.0, 2.0]]);
    }

    #[test]
    fn thinning_keeps_ends_spikes_and_order() {
        let mut points: Vec<[f64; 2]> =
            (0..100_000).map(|i| [f64::from(i), (f64::from(i) * 0.01).sin()]).collect();
        points[54_321][1] = 99.0;
        points[77_777][1] = -99.0;
        let thinned = thin(&points, MOST);
        assert!(thinned.len() <= MOST && thinned.len() > MOST / 2, "{}", thinned.len());
        assert_eq!((thinned[0], *thinned.last().unwrap()), (points[0], points[99_999]));
        assert!(thinned.contains(&[54_321.0, 99.0]) && thinned.contains(&[77_777.0, -99.0]));
        assert!(thinned.windows(2).all(|w| w[0][0] <= w[1][0]));
        assert!(thinned.iter().all(|p| points[p[0] as usize] == *p));
        assert_eq!(thin(&points[..7], 10), &points[..7]);
        assert_eq!(thin(&[], 10), Vec::<[f64; 2]>::new());
        assert!(thin(&points[..9], 0).len() <= 4);
    }

    #[test]
    fn a_view_keeps_its_neighbours() {
        let points: Vec<[f64; 2]> = (0..10).map(|i| [f64::from(i), 0.0]).collect();
        let seen = |from, to| within(&points, from, to).iter().map(|p| p[0]).collect::<Vec<_>>();
        assert_eq!(seen(2.5, 4.5), [2.0, 3.0, 4.0, 5.0]);
        assert_eq!(seen(-5.0, 50.0).len(), 10);
        assert_eq!(seen(20.0, 30.0), [9.0]);
        assert_eq!(within(&[], 0.0, 1.0), Vec::<[f64; 2]>::new());
        assert!(within(&points, 5.0, 1.0).len() <= 2);
    }

    #[test]
    fn logarithms_leave_out_what_has_none() {
        assert_eq!(logarithms(vec![[0.0, 100.0], [1.0, 0.0], [2.0, -1.0]]), [[0.0, 2.0]]);
    }
}

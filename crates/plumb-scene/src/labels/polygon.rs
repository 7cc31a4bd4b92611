//! Filled polygons: the pixels whose centres are inside.

/// The most crossings of edges and pixel rows in one polygon: 60 edges over the full height of the tallest picture there is.
const MAX_CROSSINGS: u64 = 4_000_000;

/// Runs `(start, length)` along the rows of the pixels whose centre (column + 0.5, row + 0.5) the polygon winds around (nonzero rule). Points
/// are x, y in turns, in pixels from the corner of the picture; what is outside of it is cut. An error is a sentence.
pub(super) fn fill(points: &[f64], width: u32, height: u32) -> Result<Vec<(u32, u32)>, String> {
    if points.len() < 6 || points.len() % 2 == 1 {
        return Err(format!("a polygon of {} numbers, expected x and y of 3 points or more", points.len()));
    }
    let (w, h) = (f64::from(width), f64::from(height));
    for pair in points.chunks_exact(2) {
        let (x, y) = (pair[0], pair[1]);
        // Labels stick out by a little; one picture's size beside it is another picture's label.
        if !((-w..=2.0 * w).contains(&x) && (-h..=2.0 * h).contains(&y)) {
            return Err(format!(
                "a polygon point at ({x}, {y}), far outside of the {width}x{height} picture"
            ));
        }
    }
    let corner = |at: usize| (points[2 * at], points[2 * at + 1]);
    let count = points.len() / 2;
    let mut crossings: Vec<(u32, f64, i32)> = Vec::new();
    let mut budget = MAX_CROSSINGS;
    for at in 0..count {
        let ((x0, y0), (x1, y1)) = (corner(at), corner((at + 1) % count));
        let (low, high, turn) = if y0 < y1 { (y0, y1, 1) } else { (y1, y0, -1) };
        // Rows whose centre is in [low, high): a vertex on a centre belongs to one of its two edges.
        let first = (low - 0.5).ceil().clamp(0.0, h) as u32;
        let end = (high - 0.5).ceil().clamp(0.0, h) as u32;
        let rows = u64::from(end.saturating_sub(first));
        budget = budget.checked_sub(rows).ok_or_else(|| "a polygon too jagged to fill".to_owned())?;
        for row in first..end {
            let share = (f64::from(row) + 0.5 - y0) / (y1 - y0);
            crossings.push((row, x0 + share * (x1 - x0), turn));
        }
    }
    crossings.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut runs = Vec::new();
    let (mut winding, mut from) = (0i32, 0.0f64);
    for (row, x, turn) in crossings {
        // Each row's windings add up to 0: the polygon is closed.
        let before = winding;
        winding += turn;
        if before == 0 {
            from = x;
        } else if winding == 0 {
            let start = (from - 0.5).ceil().clamp(0.0, w) as u32;
            let end = (x - 0.5).ceil().clamp(0.0, w) as u32;
            if end > start {
                runs.push((row * width + start, end - start));
            }
        }
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mask(points: &[f64], width: u32, height: u32) -> Vec<bool> {
        let mut mask = vec![false; (width * height) as usize];
        for (start, length) in fill(points, width, height).unwrap() {
            mask[start as usize..(start + length) as usize].fill(true);
        }
        mask
    }

    /// Winding number by summed angles.
    fn winds(points: &[f64], x: f64, y: f64) -> bool {
        let corners: Vec<(f64, f64)> = points.chunks_exact(2).map(|p| (p[0] - x, p[1] - y)).collect();
        let angle: f64 = (0..corners.len())
            .map(|at| {
                let ((ax, ay), (bx, by)) = (corners[at], corners[(at + 1) % corners.len()]);
                (ax * by - ay * bx).atan2(ax * bx + ay * by)
            })
            .sum();
        (angle / std::f64::consts::TAU).round() != 0.0
    }

    /// Whether (x, y) lies on the line through an edge, where inside and outside are a matter of rounding.
    fn is_on_a_line(points: &[f64], x: f64, y: f64) -> bool {
        let corners: Vec<(f64, f64)> = points.chunks_exact(2).map(|p| (p[0], p[1])).collect();
        (0..corners.len()).any(|at| {
            let ((ax, ay), (bx, by)) = (corners[at], corners[(at + 1) % corners.len()]);
            ((bx - ax) * (y - ay) - (by - ay) * (x - ax)).abs() < 1e-6
        })
    }

    #[test]
    fn squares_and_bow_ties() {
        let square = mask(&[1.0, 1.0, 3.0, 1.0, 3.0, 3.0, 1.0, 3.0], 4, 4);
        assert_eq!(square.iter().filter(|&&p| p).count(), 4);
        assert!(square[5] && square[10] && !square[0] && !square[15]);
        // Outside on all sides: everything is covered.
        assert!(mask(&[-3.0, -3.0, 7.0, -3.0, 7.0, 7.0, -3.0, 7.0], 4, 4).iter().all(|&p| p));
        assert!(fill(&[0.0; 5], 4, 4).unwrap_err().contains("5 numbers"));
        assert!(fill(&[0.0, 0.0, 9.0, 1.0, 1.0, 1.0], 4, 4).unwrap_err().contains("far outside"));
        assert!(fill(&[0.0, 0.0, f64::NAN, 1.0, 1.0, 1.0], 4, 4).is_err());
        let jagged: Vec<f64> = (0..2000u32).flat_map(|at| [0.0, f64::from(at % 2) * 60_000.0]).collect();
        assert!(fill(&jagged, 8, 60_000).unwrap_err().contains("jagged"));
    }

    proptest! {
        #[test]
        fn polygons_equal_their_winding_number(
            corners in prop::collection::vec((-20i32..50, -20i32..50), 3..9),
        ) {
            let points: Vec<f64> = corners.iter()
                .flat_map(|&(x, y)| [f64::from(x) / 2.0 + 0.131, f64::from(y) / 2.0 + 0.217]).collect();
            let found = mask(&points.iter().map(|v| v.clamp(-16.0, 32.0)).collect::<Vec<_>>(), 16, 16);
            for row in 0..16u32 {
                for column in 0..16u32 {
                    let (x, y) = (f64::from(column) + 0.5, f64::from(row) + 0.5);
                    if is_on_a_line(&points, x, y) {
                        continue;
                    }
                    prop_assert_eq!(found[(row * 16 + column) as usize], winds(&points, x, y), "{} {}", column, row);
                }
            }
        }
    }
}

//! Where labels go: next to their anchor, inside the picture, never over each other.

/// A label that wants a place; pixels from the top left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelRequest {
    /// What it points at.
    pub anchor: [f32; 2],
    /// Its width and height.
    pub size: [f32; 2],
    /// Higher ones are placed first.
    pub priority: u8,
    /// Of equal priorities the nearer one is placed first; metres.
    pub depth: f32,
}

/// A rectangle in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Left and top.
    pub min: [f32; 2],
    /// Right and bottom.
    pub max: [f32; 2],
}

impl Place {
    fn overlaps(&self, other: &Self, gap: f32) -> bool {
        (0..2).all(|axis| self.min[axis] < other.max[axis] + gap && other.min[axis] < self.max[axis] + gap)
    }
}

/// Pixels between a label and its anchor, and between labels.
const GAP: f32 = 4.0;

/// Side of the anchor (in widths and heights) to try, best first: above, then beside, then below.
const SIDES: [[f32; 2]; 8] =
    [[0.0, -1.0], [1.0, 0.5], [-1.0, 0.5], [0.0, -2.6], [1.0, -0.5], [-1.0, -0.5], [0.0, 1.0], [0.0, 2.6]];

/// A place for each request in their order; `None` where every place is taken or outside. The same input gives the
/// same output, and a label keeps its side while the camera moves a little.
#[must_use]
pub fn layout_labels(requests: &[LabelRequest], picture: [f32; 2]) -> Vec<Option<Place>> {
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.sort_by(|&a, &b| {
        let (a_request, b_request) = (&requests[a], &requests[b]);
        b_request
            .priority
            .cmp(&a_request.priority)
            .then(a_request.depth.total_cmp(&b_request.depth))
            .then(a.cmp(&b))
    });
    let mut placed: Vec<Option<Place>> = vec![None; requests.len()];
    let mut taken: Vec<Place> = Vec::new();
    for index in order {
        let request = &requests[index];
        let fits = |place: &Place| {
            (0..2).all(|axis| place.min[axis] >= 0.0 && place.max[axis] <= picture[axis])
                && !taken.iter().any(|other| place.overlaps(other, GAP / 2.0))
        };
        let found = SIDES.iter().map(|side| beside(request, *side)).find(fits);
        taken.extend(found);
        placed[index] = found;
    }
    placed
}

fn beside(request: &LabelRequest, side: [f32; 2]) -> Place {
    let center: [f32; 2] =
        std::array::from_fn(|axis| request.anchor[axis] + side[axis] * (request.size[axis] / 2.0 + GAP));
    Place {
        min: std::array::from_fn(|axis| center[axis] - request.size[axis] / 2.0),
        max: std::array::from_fn(|axis| center[axis] + request.size[axis] / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(x: f32, y: f32) -> LabelRequest {
        LabelRequest { anchor: [x, y], size: [60.0, 16.0], priority: 0, depth: 1.0 }
    }

    proptest! {
        #[test]
        fn labels_never_overlap_or_leave(anchors in prop::collection::vec((0.0_f32..400.0, 0.0_f32..300.0), 0..60)) {
            let requests: Vec<_> = anchors.iter().map(|&(x, y)| request(x, y)).collect();
            let places = layout_labels(&requests, [400.0, 300.0]);
            prop_assert_eq!(&places, &layout_labels(&requests, [400.0, 300.0]));
            let places: Vec<_> = places.into_iter().flatten().collect();
            for (i, place) in places.iter().enumerate() {
                prop_assert!(place.min[0] >= 0.0 && place.max[0] <= 400.0);
                prop_assert!(place.min[1] >= 0.0 && place.max[1] <= 300.0);
                prop_assert!(places[i + 1..].iter().all(|other| !place.overlaps(other, 0.0)));
            }
        }
    }

    #[test]
    fn the_important_and_the_near_come_first() {
        let far = LabelRequest { depth: 9.0, ..request(100.0, 100.0) };
        let proof = LabelRequest { priority: 10, depth: 50.0, ..request(100.0, 100.0) };
        let places = layout_labels(&[far, request(100.0, 100.0), proof], [200.0, 200.0]);
        // Above the anchor is the best place.
        assert!(places[2].unwrap().max[1] < 100.0 && places[2].unwrap().min[0] == 70.0);
        assert!(places.iter().all(Option::is_some));
        assert_ne!(places[0], places[1]);
    }

    #[test]
    fn nothing_fits_into_nothing() {
        assert_eq!(layout_labels(&[request(1.0, 1.0)], [0.0, 0.0]), [None]);
        assert_eq!(layout_labels(&[request(f32::NAN, 1.0)], [500.0, 500.0]), [None]);
    }
}

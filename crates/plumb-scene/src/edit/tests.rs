use std::collections::BTreeSet;
use std::sync::OnceLock;

use plumb_geometry::DepthNoise;
use proptest::prelude::*;

use super::*;
use crate::export::{scene_from_json, scene_to_json};
use crate::lift::{LiftInput, LiftOptions, Lifted, lift};
use crate::procedural::{RenderOptions, Rendered, World, render};

/// A room with several things in it.
fn room() -> &'static Rendered {
    static ROOM: OnceLock<Rendered> = OnceLock::new();
    ROOM.get_or_init(|| {
        let options = RenderOptions { width: 320, height: 240, world: Some(World::Room), supersample: 1 };
        let mut rooms = (0..20).map(|index| render(11, index, &options).unwrap());
        let mut room = rooms.find(|room| room.scene.objects.len() >= 6).unwrap();
        // What whoever writes the picture fills in.
        room.scene.image.path = "image.png".to_owned();
        room
    })
}

fn observed(room: &Rendered) -> Observed<'_> {
    Observed::new(&room.image, room.depth.clone(), &room.instances).unwrap()
}

fn rename(object: u32, name: &str) -> Edit {
    Edit::Rename { object, name: name.to_owned(), attributes: None }
}

fn lifted(room: &Rendered, noise: DepthNoise, instances: &Instances) -> Lifted {
    let input = LiftInput {
        image: &room.image,
        depth: &room.depth,
        camera: &room.scene.camera,
        instances: Some(instances),
        instances_from: "masks",
        gravity: None,
        depth_from: "rendered",
    };
    let mut lifted = lift(&input, &LiftOptions::with_noise(noise)).unwrap();
    lifted.scene.image.path = "image.png".to_owned();
    lifted
}

/// What any scene after edits must be.
fn sound(before: &Scene, edited: &Edited) {
    let scene = &edited.scene;
    let ids: BTreeSet<u32> = scene.objects.iter().map(|object| object.id).collect();
    assert_eq!(ids.len(), scene.objects.len());
    let n = scene.objects.len();
    let whole = |pairs: usize, n: usize| pairs == n * n.saturating_sub(1) / 2;
    assert!(!whole(before.pairs.len(), before.objects.len()) || whole(scene.pairs.len(), n));
    assert!(scene.pairs.windows(2).all(|two| (two[0].a, two[0].b) < (two[1].a, two[1].b)));
    assert!(scene.pairs.iter().all(|pair| pair.a < pair.b && (pair.b as usize) < n));
    for object in &before.objects {
        let now = edited.numbers.of(object.id);
        assert!(now == 0 || ids.contains(&now), "{} became {now}", object.id);
        assert!(!ids.contains(&object.id) || now == object.id);
    }
    let text = scene_to_json(scene).unwrap();
    assert_eq!(&scene_from_json(text.as_bytes(), "a").unwrap(), scene);
}

#[test]
fn a_name_is_the_persons_and_nothing_measured_changes() {
    let room = room();
    let first = &room.scene.objects[0];
    let edited = apply(&room.scene, &[rename(first.id, "  bookshelf ")], None).unwrap();
    let now = &edited.scene.objects[0];
    assert_eq!(
        (now.name.as_str(), now.plural.as_str(), now.named_by),
        ("bookshelf", "bookshelves", NameSource::Person)
    );
    let old = Object {
        name: first.name.clone(),
        plural: first.plural.clone(),
        named_by: first.named_by,
        ..now.clone()
    };
    assert_eq!(&old, first);
    assert_eq!(edited.scene.pairs, room.scene.pairs);
    assert!(edited.scene.exhaustive, "everything visible is still listed");
    sound(&room.scene, &edited);

    let red = Attributes { colour: Some("red".to_owned()), ..Attributes::default() };
    let edit = Edit::Rename { object: first.id, name: first.name.clone(), attributes: Some(red.clone()) };
    let edited = apply(&room.scene, &[edit], None).unwrap();
    assert_eq!((&edited.scene.objects[0].attributes, &edited.scene.objects[0].plural), (&red, &first.plural));
}

#[test]
fn counting_ends_where_the_list_may_be_short() {
    let room = room();
    let Lifted { mut scene, .. } = lifted(room, DepthNoise::STRUCTURED_LIGHT, &room.instances);
    scene.exhaustive = true;
    let (id, other) = (scene.objects[0].id, scene.objects[1].name.clone());
    let counted = |edit: Edit| apply(&scene, &[edit], None).unwrap().scene.exhaustive;
    assert!(counted(rename(id, &other)), "a kind that the label file lists");
    assert!(!counted(rename(id, "teapot")), "nobody listed all teapots");
    assert!(!counted(Edit::Delete { object: id }));
}

#[test]
fn nothing_refers_to_what_was_deleted() {
    let room = room();
    let n = room.scene.objects.len();
    for at in [0, n / 2, n - 1] {
        let gone = room.scene.objects[at].id;
        let edited = apply(&room.scene, &[Edit::Delete { object: gone }], None).unwrap();
        assert!(edited.scene.index_of(gone).is_none() && !edited.scene.exhaustive);
        let mut ids = room.instances.ids().to_vec();
        edited.numbers.change(&mut ids);
        assert!(ids.iter().all(|id| u32::from(*id) != gone));
        // The others and their distances are those that they were.
        for (i, one) in edited.scene.objects.iter().enumerate() {
            let was = room.scene.index_of(one.id).unwrap();
            assert_eq!(one, &room.scene.objects[was]);
            for (j, other) in edited.scene.objects.iter().enumerate().skip(i + 1) {
                let (now, then) = (
                    edited.scene.pair(i, j).unwrap(),
                    room.scene.pair(was, room.scene.index_of(other.id).unwrap()).unwrap(),
                );
                assert_eq!((now.distance, now.point_a), (then.distance, then.point_a));
            }
        }
        sound(&room.scene, &edited);
    }
}

#[test]
fn a_union_of_exact_objects_is_exact() {
    let room = room();
    let [a, b] = [0, 3].map(|at| &room.scene.objects[at]);
    let edits = [Edit::Merge { into: a.id, others: vec![b.id] }];
    let edited = apply(&room.scene, &edits, Some(&observed(room))).unwrap();
    sound(&room.scene, &edited);
    let at = edited.scene.index_of(a.id).unwrap();
    let whole = &edited.scene.objects[at];
    assert_eq!((&whole.name, whole.named_by), (&a.name, a.named_by));
    for axis in 0..3 {
        assert_eq!(whole.aabb.min[axis], a.aabb.min[axis].min(b.aabb.min[axis]));
        assert_eq!(whole.aabb.max[axis], a.aabb.max[axis].max(b.aabb.max[axis]));
    }
    assert_eq!(whole.aabb.sigma_max, [0.0; 3]);
    // The box for people holds both.
    let (sin, cos) = whole.oriented.yaw.sin_cos();
    for corner in a.oriented.corners().into_iter().chain(b.oriented.corners()) {
        let off = corner - glam::DVec3::from_array(whole.oriented.centre);
        let own = [cos * off.x + sin * off.y, cos * off.y - sin * off.x, off.z];
        // Plain boxes are of the solids, which may be within the corners of turned boxes.
        let slack = if whole.oriented.yaw == 0.0 { f64::INFINITY } else { 1e-9 };
        assert!(own.iter().zip(whole.oriented.size).take(2).all(|(at, size)| at.abs() <= size / 2.0 + slack));
    }
    // What the mask says of it.
    let mut ids = room.instances.ids().to_vec();
    edited.numbers.change(&mut ids);
    let own: Vec<usize> = (0..ids.len()).filter(|at| u32::from(ids[*at]) == a.id).collect();
    assert_eq!(whole.pixels as usize, own.len());
    let columns = own.iter().map(|at| at % 320);
    assert_eq!(whole.rect[0] as usize, columns.clone().min().unwrap());
    assert_eq!(whole.rect[2] as usize, columns.clone().max().unwrap() + 1);
    let middle = columns.map(|c| c as f64 + 0.5).sum::<f64>() / own.len() as f64;
    assert!((f64::from(whole.pixel_centre[0]) - middle).abs() < 1e-2);
    let mut depths: Vec<f32> = own.iter().map(|at| room.depth.0.values()[*at]).collect();
    depths.sort_by(f32::total_cmp);
    assert!((whole.depth.median - f64::from(depths[depths.len() / 2])).abs() < 0.01);
    assert!(whole.depth.sigma < 0.001);
    let share = whole.visible.unwrap();
    assert!(share >= a.visible.unwrap().min(b.visible.unwrap()) - 1e-4 && share <= 1.0);
    // No distance of the union is that of neither part.
    for other in edited.scene.objects.iter().filter(|object| object.id != a.id) {
        let found = edited.scene.pair(at, edited.scene.index_of(other.id).unwrap()).unwrap();
        let was = room.scene.index_of(other.id).unwrap();
        let parts = [0, 3].map(|part| room.scene.pair(part, was).unwrap().distance.value);
        assert_eq!(found.distance.value, parts[0].min(parts[1]));
        assert_eq!(found.distance.sigma, 0.0);
    }
}

#[test]
fn edits_one_by_one_are_the_edits_at_once() {
    let room = room();
    let ids: Vec<u32> = room.scene.objects.iter().map(|object| object.id).collect();
    let edits = [
        rename(ids[0], "teapot"),
        Edit::Merge { into: ids[1], others: vec![ids[2]] },
        Edit::Delete { object: ids[3] },
        Edit::Merge { into: ids[4], others: vec![ids[1], ids[0]] },
    ];
    let at_once = apply(&room.scene, &edits, Some(&observed(room))).unwrap();
    sound(&room.scene, &at_once);
    let (mut scene, mut instances) = (room.scene.clone(), room.instances.clone());
    for edit in &edits {
        let pixels = Observed::new(&room.image, room.depth.clone(), &instances).unwrap();
        let step = apply(&scene, std::slice::from_ref(edit), Some(&pixels)).unwrap();
        let mut ids = instances.ids().to_vec();
        step.numbers.change(&mut ids);
        scene = step.scene;
        instances = Instances::new(320, 240, ids, Vec::new()).unwrap();
    }
    assert_eq!(scene, at_once.scene);
    let mut whole = room.instances.ids().to_vec();
    at_once.numbers.change(&mut whole);
    assert_eq!(instances.ids(), whole);
}

/// The lift, given the masks with both numbers made one, is the oracle.
#[test]
fn a_merge_measures_what_the_lift_measures_of_both_masks() {
    let room = room();
    for noise in [DepthNoise::STRUCTURED_LIGHT, DepthNoise::PREDICTED] {
        let parts = lifted(room, noise, &room.instances);
        let (into, other) = neighbours(&parts.scene);
        let numbers = Renumbering { changed: [(other, into)].into() };
        let mut ids = parts.instances.ids().to_vec();
        numbers.change(&mut ids);
        let labels = parts.instances.labels.iter().filter(|label| u32::from(label.id) != other);
        let union = Instances::new(320, 240, ids, labels.cloned().collect()).unwrap();
        let truth = lifted(room, noise, &union).scene;

        let masks = &parts.instances;
        let pixels = Observed::of_cloud(&room.image, &parts.scene, &parts.cloud, Some(masks)).unwrap();
        let edits = [Edit::Merge { into, others: vec![other] }];
        let edited = apply(&parts.scene, &edits, Some(&pixels)).unwrap();
        sound(&parts.scene, &edited);
        let found = &edited.scene;
        let names = |scene: &Scene| scene.objects.iter().map(|o| (o.id, o.name.clone())).collect::<Vec<_>>();
        assert_eq!(names(found), names(&truth));
        let at = found.index_of(into).unwrap();
        let (mine, theirs) = (&found.objects[at], &truth.objects[at]);
        assert_eq!((mine.pixels, mine.rect, mine.points), (theirs.pixels, theirs.rect, theirs.points));
        assert_eq!(mine.flags.truncated, theirs.flags.truncated);
        assert!(mine.flags.occluded || !theirs.flags.occluded);
        let [first, second] = [into, other].map(|id| &parts.scene.objects[parts.scene.index_of(id).unwrap()]);
        let union = exact::union(first, second);
        let near =
            |a: f64, b: f64, by: f64| assert!((a - b).abs() < by, "{a} is not {b}: {mine:?} {theirs:?}");
        for axis in 0..3 {
            near(mine.aabb.min[axis], theirs.aabb.min[axis], 0.01);
            near(mine.aabb.max[axis], theirs.aabb.max[axis], 0.01);
            let (own, parts) = (&mine.aabb, &union.aabb);
            assert!(
                own.sigma_min[axis] >= parts.sigma_min[axis] && own.sigma_max[axis] >= parts.sigma_max[axis]
            );
            near(mine.oriented.size[axis], theirs.oriented.size[axis], 0.02);
        }
        near(mine.depth.median, theirs.depth.median, 1e-4);
        near(mine.depth.sigma, theirs.depth.sigma, 1e-6);
        assert_eq!(mine.support.is_some(), theirs.support.is_some());
        assert_eq!(found.pairs.len(), truth.pairs.len());
        for (mine, theirs) in found.pairs.iter().zip(&truth.pairs) {
            assert_eq!((mine.a, mine.b), (theirs.a, theirs.b));
            near(mine.distance.value, theirs.distance.value, 0.005);
            near(mine.distance.sigma, theirs.distance.sigma, 0.02);
        }
    }
}

/// The two nearest objects, which the lift's cleaning takes for one thing.
fn neighbours(scene: &Scene) -> (u32, u32) {
    let nearest = scene.pairs.iter().min_by(|a, b| a.distance.value.total_cmp(&b.distance.value)).unwrap();
    let id = |at: u32| scene.objects[at as usize].id;
    (id(nearest.a), id(nearest.b))
}

#[test]
fn what_cannot_be_is_said_with_its_place() {
    let room = room();
    let [a, b] = [0, 1].map(|at| room.scene.objects[at].id);
    let fails = |edits: &[Edit], words: &str| {
        let error = apply(&room.scene, edits, Some(&observed(room))).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    fails(&[rename(9999, "a")], "change 1: the scene has no object 9999");
    fails(&[rename(a, "x"), rename(a, "  ")], "change 2: the name of an object is empty");
    fails(&[rename(a, &"x".repeat(201))], "more than 200 characters");
    fails(&[rename(a, "a\nb")], "control characters");
    fails(&[Edit::Merge { into: a, others: vec![] }], "two are needed");
    fails(&[Edit::Merge { into: a, others: vec![a] }], "there twice");
    fails(&[Edit::Merge { into: a, others: vec![b, b] }], "there twice");
    fails(
        &[Edit::Delete { object: a }, Edit::Merge { into: b, others: vec![a] }],
        "change 2: the scene has no object",
    );
    let merge = [Edit::Merge { into: a, others: vec![b] }];
    let error = apply(&room.scene, &merge, None).unwrap_err().to_string();
    assert!(error.contains("no depth or cloud beside it"), "{error}");

    // Two things at the ends of a room are no object for the lift: it keeps the larger part, or says why not.
    let parts = lifted(room, DepthNoise::STRUCTURED_LIGHT, &room.instances);
    let empty = Instances::new(320, 240, vec![0; 320 * 240], Vec::new()).unwrap();
    let nothing = Observed::of_cloud(&room.image, &parts.scene, &parts.cloud, Some(&empty)).unwrap();
    let (into, other) = neighbours(&parts.scene);
    let merge = [Edit::Merge { into, others: vec![other] }];
    let error = apply(&parts.scene, &merge, Some(&nothing)).unwrap_err();
    assert!(
        matches!(&error, EditError::Unmeasured { reason, .. } if reason.contains("no pixels")),
        "{error}"
    );
    let small = Instances::new(1, 1, vec![0], Vec::new()).unwrap();
    assert!(Observed::new(&room.image, room.depth.clone(), &small).is_err());
}

#[test]
fn a_cloud_gives_back_the_depth_it_was_made_of() {
    let room = room();
    let parts = lifted(room, DepthNoise::STRUCTURED_LIGHT, &room.instances);
    let seen = Observed::of_cloud(&room.image, &parts.scene, &parts.cloud, None).unwrap();
    let (mut kept, pixels) =
        (0, seen.depth.0.values().iter().zip(room.depth.0.values()).zip(seen.ids.iter()));
    for (((back, was), id), known) in pixels.zip(room.instances.ids()) {
        if *back > 0.0 {
            kept += 1;
            assert!((back - was).abs() < 1e-4 * was, "{back} was {was}");
            assert_eq!(id, known);
        }
    }
    assert_eq!(kept, parts.cloud.len(), "no two points on one pixel");
}

#[test]
fn a_coarse_cloud_says_how_unsure_its_depths_are() {
    let room = room();
    let [a, b] = [0, 3].map(|at| room.scene.objects[at].id);
    let merge = [Edit::Merge { into: a, others: vec![b] }];
    let all = apply(&room.scene, &merge, Some(&observed(room))).unwrap();
    let mut few = vec![0.0; room.depth.0.values().len()];
    for (at, z) in few.iter_mut().enumerate().filter(|(at, _)| at % 320 % 7 == 3 && at / 320 % 7 == 3) {
        *z = room.depth.0.values()[at];
    }
    let depth = plumb_geometry::ZDepth(plumb_geometry::DepthMap::new(320, 240, few).unwrap());
    let few = Observed::new(&room.image, depth, &room.instances).unwrap();
    let some = apply(&room.scene, &merge, Some(&few)).unwrap();
    let (dense, coarse) = (&all.scene.objects[0].depth, &some.scene.objects[0].depth);
    assert!(coarse.sigma > dense.sigma);
    for (x, y) in [(dense.near, coarse.near), (dense.median, coarse.median), (dense.far, coarse.far)] {
        assert!((x - y).abs() <= 4.0 * coarse.sigma, "{dense:?} {coarse:?}");
    }
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let id = 0..12u32;
    prop_oneof![
        (id.clone(), "[a-zé ]{0,12}").prop_map(|(object, name)| Edit::Rename {
            object,
            name,
            attributes: None
        }),
        id.clone().prop_map(|object| Edit::Delete { object }),
        (id.clone(), prop::collection::vec(id, 0..3)).prop_map(|(into, others)| Edit::Merge { into, others }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_edits_leave_a_sound_scene_or_a_sentence(edits in prop::collection::vec(any_edit(), 0..6)) {
        let room = room();
        let pixels = observed(room);
        match apply(&room.scene, &edits, Some(&pixels)) {
            Ok(edited) => {
                sound(&room.scene, &edited);
                let json = serde_json::to_string(&edits).unwrap();
                prop_assert_eq!(&serde_json::from_str::<Vec<Edit>>(&json).unwrap(), &edits);
                // The list is kept, so the scene can be made again.
                if let SceneSource::Edited { edits: kept, from } = &edited.scene.source {
                    prop_assert_eq!(kept, &edits);
                    prop_assert_eq!(&**from, &room.scene.source);
                } else {
                    prop_assert!(edits.is_empty());
                }
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}

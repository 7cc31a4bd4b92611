use plumb_scene::{Attributes, NameSource};
use rand::SeedableRng;

use super::*;
use crate::random_scenes::random_scene;

const TEXT: ReferenceMode = ReferenceMode::Text;

fn texts(mentions: &Mentions, index: usize) -> Vec<String> {
    mentions.objects[index].ways.iter().map(|way| way.text.clone()).collect()
}

/// Reads a mention as a person would who looks at the picture, knowing nothing of how it was made.
fn resolve(scene: &Scene, text: &str) -> Vec<u32> {
    let mut words: Vec<&str> = text.strip_prefix("the ").expect("an article").split(' ').collect();
    let all = ["first", "second", "third", "fourth", "fifth", "sixth"];
    let mut pick: Option<(char, usize, bool)> = None;
    let joined = words.join(" ");
    for (suffix, axis, reverse) in [
        (" on the left", 'x', false),
        (" on the right", 'x', true),
        (" from the left", 'x', false),
        (" from the right", 'x', true),
        (" closest to the camera", 'y', false),
        (" farthest from the camera", 'y', true),
        (" to the camera", 'y', false),
    ] {
        if let Some(rest) = joined.strip_suffix(suffix) {
            words = words[..rest.split(' ').count()].to_vec();
            pick = Some((axis, 0, reverse));
            break;
        }
    }
    match words[0] {
        "leftmost" => (pick, words) = (Some(('x', 0, false)), words[1..].to_vec()),
        "rightmost" => (pick, words) = (Some(('x', 0, true)), words[1..].to_vec()),
        word => {
            if let (Some(rank), Some(found)) = (all.iter().position(|&w| w == word), pick.as_mut()) {
                found.1 = rank;
                words.remove(0);
                words.retain(|&word| word != "closest");
            }
        }
    }
    let (noun, adjectives) = words.split_last().expect("a noun");
    let mut found: Vec<&plumb_scene::Object> = scene
        .objects
        .iter()
        .filter(|object| *noun == "object" || object.name.ends_with(noun))
        .filter(|object| {
            let own = &object.attributes;
            let has = |word: &&str| {
                [&own.colour, &own.material, &own.pattern].iter().any(|a| a.as_deref() == Some(word))
            };
            adjectives.iter().all(has)
        })
        .collect();
    if let Some((axis, rank, reverse)) = pick {
        let key = |object: &plumb_scene::Object| {
            if axis == 'x' { f64::from(object.pixel_centre[0]) } else { object.depth.near }
        };
        found.sort_by(|a, b| key(a).total_cmp(&key(b)));
        if reverse {
            found.reverse();
        }
        found = found.into_iter().skip(rank).take(1).collect();
    }
    found.iter().map(|object| object.id).collect()
}

#[test]
fn a_naive_reader_finds_exactly_the_one_object() {
    let (mut named, mut ordinals, mut all) = (0, 0, 0);
    for seed in 0..300 {
        let scene = random_scene(seed);
        let mentions = Mentions::new(&scene, &MentionOptions::default());
        for (index, object) in scene.objects.iter().enumerate() {
            all += 1;
            named += usize::from(mentions.can(index, TEXT, Avoid::default()));
            for way in &mentions.objects[index].ways {
                assert_eq!(resolve(&scene, &way.text), [object.id], "scene {seed}: {}", way.text);
                ordinals += usize::from(way.by == Reference::Ordinal);
            }
        }
    }
    assert!(named * 10 > all * 8, "{named} of {all} have a name");
    assert!(ordinals > 100, "{ordinals}");
}

#[test]
fn what_is_not_known_counts_against_uniqueness() {
    let mut scene = random_scene(1);
    scene.objects.truncate(2);
    for (object, name) in scene.objects.iter_mut().zip(["chair", "armchair"]) {
        object.name = name.to_owned();
        object.attributes = Attributes { colour: Some("red".to_owned()), ..Attributes::default() };
    }
    let of = |scene: &Scene| {
        let mentions = Mentions::new(scene, &MentionOptions::default());
        [texts(&mentions, 0), texts(&mentions, 1)]
    };
    // An armchair is a chair.
    let [chair, armchair] = of(&scene);
    assert!(chair.is_empty(), "{chair:?}");
    assert_eq!(armchair[0], "the armchair");
    // One without a stated colour could be red, unless the renderer says so.
    scene.objects[1].attributes.colour = None;
    assert_eq!(of(&scene)[0], ["the red chair"]);
    scene.objects[1].named_by = NameSource::Label;
    assert!(of(&scene)[0].is_empty());
    // Proposals may be anything; their colour alone tells them apart.
    for (object, colour) in scene.objects.iter_mut().zip(["red", "blue"]) {
        object.name = format!("object {}", object.id);
        object.named_by = NameSource::Proposal;
        object.attributes.colour = Some(colour.to_owned());
    }
    assert_eq!(of(&scene), [["the red object"], ["the blue object"]]);
    scene.objects[1].attributes.colour = Some("red".to_owned());
    assert!(of(&scene).iter().all(Vec::is_empty));
}

#[test]
fn captions_must_say_more_than_any_other() {
    let mut scene = random_scene(2);
    scene.objects.truncate(2);
    for (object, caption) in
        scene.objects.iter_mut().zip(["a chair with armrests", "an old chair with armrests"])
    {
        object.name = "chair".to_owned();
        object.named_by = NameSource::Label;
        object.attributes = Attributes { caption: Some(caption.to_owned()), ..Attributes::default() };
        object.pixels = 0;
    }
    let mentions = Mentions::new(&scene, &MentionOptions::default());
    assert!(texts(&mentions, 0).is_empty());
    assert_eq!(texts(&mentions, 1), ["the old chair with armrests"]);
}

#[test]
fn labels_that_would_break_a_sentence_are_not_said() {
    let mut scene = random_scene(3);
    for (object, name) in scene.objects.iter_mut().zip(["", "{a}", "a\nb", "<image>"]) {
        object.name = name.to_owned();
    }
    let mentions = Mentions::new(&scene, &MentionOptions::default());
    assert!((0..4).all(|index| !mentions.can(index, TEXT, Avoid::default())));
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let marked =
        mentions.mention(1, 0, ReferenceMode::Marked, Avoid::default(), &mut rng).expect("a mention");
    assert_eq!(marked.text, "the object in the red box");
}

#[test]
fn marks_and_regions_follow_the_role_and_ordinals_can_be_avoided() {
    let mut scene = random_scene(4);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    for (place, object) in scene.objects.iter_mut().enumerate() {
        object.name = "chair".to_owned();
        object.attributes = Attributes::default();
        object.centre[0] = place as f64;
        object.pixel_centre[0] = 40.0 * place as f32;
        object.depth = plumb_scene::DepthRange { near: 2.0, median: 2.0, far: 2.0, sigma: 0.0 };
        object.pixels = 500;
    }
    scene.objects.truncate(3);
    let mentions = Mentions::new(&scene, &MentionOptions::default());
    let said: Vec<_> = (0..3).flat_map(|index| texts(&mentions, index)).collect();
    assert_eq!(said, ["the leftmost chair", "the second chair from the left", "the rightmost chair"]);
    let lateral = Avoid { lateral: true, depth: false };
    assert!(mentions.can(1, TEXT, Avoid::default()) && !mentions.can(1, TEXT, lateral));
    assert_eq!(mentions.mention(1, 0, TEXT, lateral, &mut rng), None);
    let marked = mentions.mention(1, 1, ReferenceMode::Marked, lateral, &mut rng).expect("a mention");
    assert_eq!((marked.text.as_str(), marked.by), ("the chair in the blue box", Reference::Mark));
    assert_eq!(mentions.mark(1, 1).expect("a mark").colour, [0, 0, 255]);
    let region = mentions.mention(1, 2, ReferenceMode::Region, lateral, &mut rng).expect("a mention");
    assert_eq!(region.text, "<region2>");
    // Neighbours closer than the margin have no rank.
    scene.objects[1].pixel_centre[0] = 5.0;
    let mentions = Mentions::new(&scene, &MentionOptions::default());
    assert!(texts(&mentions, 0).is_empty() && texts(&mentions, 1).is_empty());
    assert_eq!(texts(&mentions, 2), ["the rightmost chair"]);
}

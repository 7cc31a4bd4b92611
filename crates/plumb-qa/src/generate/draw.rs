//! Questions without words, drawn at random from a scene.
//!
//! Orders that decide an answer are fair coins: of two objects the unordered pair is drawn first, then who is named first. Nothing is
//! enumerated: a draw may be refused by a gate, and then another is made.

use plumb_scene::NameSource;
use plumb_scene::labels::plural;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::evaluate::evaluate_fast;
use crate::gates::Gates;
use crate::kind::{AnswerForm, Family, Kind, Shape};
use crate::mention::{Avoid, Mentions, ReferenceMode};
use crate::pair::Question;
use crate::scene_index::SceneIndex;

/// Most objects in a list that is read out.
const MOST_LISTED: usize = 5;
/// Most options of a count, as in CV-Bench.
const MOST_OPTIONS: usize = 6;

/// A category that can be counted.
struct Category {
    name: String,
    count: u32,
}

/// The objects and categories of a scene that questions may be about.
pub(super) struct Drawer<'i, 's> {
    index: &'i SceneIndex<'s>,
    /// Places of nameable objects in [`plumb_scene::Scene::objects`], by what their mentions avoid; last, those that a box can mark.
    nameable: [Vec<usize>; 5],
    categories: Vec<Category>,
    /// The different counts among them, from the least.
    counts: Vec<u32>,
    scratch: Vec<usize>,
}

/// Ordinals that would give the answer to a question of this type away.
pub(super) fn avoid(kind: Kind) -> Avoid {
    let both = Avoid { lateral: true, depth: true };
    match kind {
        Kind::CountLeft => Avoid { lateral: true, depth: false },
        Kind::TallerOfNearer => Avoid { lateral: false, depth: true },
        Kind::BetweenPredicate | Kind::FitsBetween => both,
        _ => match kind.family() {
            Family::Lateral => Avoid { lateral: true, depth: false },
            Family::Depth => Avoid { lateral: false, depth: true },
            // Nearer things are lower in the picture.
            Family::Direction | Family::Picture => both,
            _ => Avoid::default(),
        },
    }
}

/// Whether answers come out even only if a question of the one answer is matched by one of the other: changing the order of the objects
/// does not turn these answers round.
pub(super) fn needs_match(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::AbovePredicate
            | Kind::BelowPredicate
            | Kind::BetweenPredicate
            | Kind::FitsBetween
            | Kind::FitsUnder
            | Kind::NearFarClassify
    )
}

/// Whether the words of the type speak of boxes in the picture, as CV-Bench's do, so that they must be drawn however else objects are
/// referred to.
pub(super) fn always_marked(kind: Kind) -> bool {
    matches!(kind, Kind::McDepth | Kind::McDistance)
}

/// Which list of nameable objects a type draws from.
fn slot(kind: Kind) -> usize {
    let avoid = avoid(kind);
    if always_marked(kind) { 4 } else { usize::from(avoid.lateral) | usize::from(avoid.depth) << 1 }
}

impl<'i, 's> Drawer<'i, 's> {
    pub(super) fn new(
        index: &'i SceneIndex<'s>,
        mentions: &Mentions,
        mode: ReferenceMode,
        gates: &Gates,
    ) -> Self {
        let usable = |at: &usize| {
            index.facts().get(*at).is_some_and(|facts| facts.sound && index.find(facts.id) == Some(*at))
        };
        let nameable = [0, 1, 2, 3, 4].map(|bits| {
            let mode = if bits == 4 { ReferenceMode::Marked } else { mode };
            let avoid = Avoid { lateral: bits & 1 != 0, depth: bits & 2 != 0 };
            (0..index.facts().len()).filter(usable).filter(|&at| mentions.can(at, mode, avoid)).collect()
        });
        let categories = categories(index, gates);
        let mut counts: Vec<u32> = categories.iter().map(|category| category.count).collect();
        counts.sort_unstable();
        counts.dedup();
        Self { index, nameable, categories, counts, scratch: Vec::new() }
    }

    /// Whether a question of this type can be drawn at all.
    pub(super) fn possible(&self, kind: Kind) -> bool {
        let scene = self.index.scene();
        if (kind.needs_gravity() && !self.index.gravity())
            || (kind.form() == AnswerForm::Length && !scene.metric)
        {
            return false;
        }
        let named = self.nameable[slot(kind)].len();
        match kind {
            Kind::Count => !self.categories.is_empty(),
            Kind::McCount => self.counts.len() > 1,
            Kind::CountLeft => named >= 4,
            _ if kind.shape() == Shape::Ordinal => named >= 3,
            _ => named >= kind.objects(),
        }
    }

    /// Draws a question into `question`. False where this draw came to nothing.
    pub(super) fn draw(&mut self, kind: Kind, rng: &mut ChaCha8Rng, question: &mut Question) -> bool {
        clear(question, kind);
        if kind == Kind::CountLeft {
            return self.count_left(rng, question);
        }
        let named = &self.nameable[slot(kind)];
        let wanted = if kind.shape() == Shape::Ordinal {
            rng.random_range(3..=MOST_LISTED.min(named.len()).max(3))
        } else {
            kind.objects()
        };
        if named.len() < wanted {
            return false;
        }
        // Few of many: drawing again beats shuffling.
        while question.objects.len() < wanted {
            let at = named[rng.random_range(0..named.len())];
            let id = self.index.facts()[at].id;
            if !question.objects.contains(&id) {
                question.objects.push(id);
            }
        }
        match kind {
            Kind::McRelation => {
                // In CV-Bench's order: there (A) is always left or above.
                let options = if rng.random_bool(0.5) { ["left", "right"] } else { ["above", "below"] };
                question.options.extend(options.map(str::to_owned));
            }
            // The premise: B and C are nearer than A.
            Kind::TallerOfNearer => {
                let depth = |id: &u32| self.index.find(*id).map_or(0.0, |at| self.index.facts()[at].median);
                let farthest = (0..3)
                    .max_by(|&p, &q| depth(&question.objects[p]).total_cmp(&depth(&question.objects[q])));
                question.objects.swap(0, farthest.unwrap_or(0));
            }
            _ if kind.shape() == Shape::Ordinal => question.rank = rng.random_range(1..=wanted as u8),
            _ => {}
        }
        true
    }

    /// The counts to ask for together: of multiple choice, the options.
    ///
    /// All of them are true of something in this picture, and each is then asked for once. CV-Bench's options give the answer away by
    /// their rank (and 0 is never right); these cannot, whatever the counts of a data set are.
    pub(super) fn offer(&self, kind: Kind, rng: &mut ChaCha8Rng) -> Option<Vec<u32>> {
        let mut offered = self.counts.clone();
        if kind == Kind::McCount {
            let most = MOST_OPTIONS.min(offered.len());
            if most < 2 {
                return None;
            }
            offered.shuffle(rng);
            offered.truncate(rng.random_range(2..=most));
        }
        Some(offered)
    }

    /// Asks for a category that has this count.
    pub(super) fn ask_count(
        &self,
        kind: Kind,
        count: u32,
        offered: &[u32],
        rng: &mut ChaCha8Rng,
        question: &mut Question,
    ) {
        clear(question, kind);
        let having = || self.categories.iter().filter(|category| category.count == count);
        let pick = rng.random_range(0..having().count().max(1));
        if let Some(category) = having().nth(pick) {
            question.category.push_str(&category.name);
        }
        if kind == Kind::McCount {
            question.options.extend(offered.iter().map(u32::to_string));
            question.options.shuffle(rng);
        }
    }

    /// The number to the left first, then objects that make it so: each number from 0 to all is equally likely.
    fn count_left(&mut self, rng: &mut ChaCha8Rng, question: &mut Question) -> bool {
        let named = &self.nameable[slot(Kind::CountLeft)];
        if named.len() < 4 {
            return false;
        }
        let facts = self.index.facts();
        let listed = rng.random_range(3..=MOST_LISTED.min(named.len() - 1));
        let left = rng.random_range(0..=listed);
        let centre = named[rng.random_range(0..named.len())];
        self.scratch.clear();
        self.scratch.extend(named.iter().filter(|&&at| at != centre));
        self.scratch.shuffle(rng);
        let (mut lefts, mut rights) = (left, listed - left);
        question.objects.push(facts[centre].id);
        for &at in &self.scratch {
            let room = if facts[at].centre.x < facts[centre].centre.x { &mut lefts } else { &mut rights };
            if *room > 0 {
                *room -= 1;
                question.objects.push(facts[at].id);
            }
        }
        lefts + rights == 0
    }
}

fn clear(question: &mut Question, kind: Kind) {
    question.kind = kind;
    question.objects.clear();
    question.rank = 0;
    question.category.clear();
    question.options.clear();
}

/// Categories whose number is known and whose name means nothing else in the scene, in the order of their names.
fn categories(index: &SceneIndex<'_>, gates: &Gates) -> Vec<Category> {
    let scene = index.scene();
    if !scene.exhaustive || scene.objects.iter().any(|object| object.named_by == NameSource::Proposal) {
        return Vec::new();
    }
    let mut names: Vec<&str> = scene.objects.iter().map(|object| object.name.as_str()).collect();
    names.sort_unstable();
    names
        .chunk_by(|a, b| a == b)
        .filter_map(|group| {
            let name = *group.first()?;
            // An armchair is a chair to some. And the plural must be the one that can be made from the record again.
            let clear = !name.is_empty()
                && name.chars().all(|c| c.is_alphanumeric() || c == ' ' || c == '-')
                && scene.objects.iter().all(|object| {
                    if object.name == name {
                        object.plural == plural(name)
                    } else {
                        !object.name.to_lowercase().ends_with(&name.to_lowercase())
                    }
                });
            let count = u32::try_from(group.len()).ok()?;
            let question = Question {
                kind: Kind::Count,
                objects: Vec::new(),
                rank: 0,
                category: name.to_owned(),
                options: Vec::new(),
            };
            // One that cannot be asked about would be an option that is never right.
            let asked = clear && evaluate_fast(index, &question, gates).is_ok();
            asked.then_some(Category { name: question.category, count })
        })
        .collect()
}

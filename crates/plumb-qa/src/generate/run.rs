//! One scene being asked about: whose turn it is, what is refused, and what becomes a pair.

use std::collections::{BTreeMap, HashSet};

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::draw::{self, Drawer};
use super::{GenerateReport, Generator, hash, prior, render_chain, render_texts};
use crate::evaluate::{TruthValue, evaluate, evaluate_fast};
use crate::gates::Reject;
use crate::kind::{Kind, Shape};
use crate::mention::{Mentions, ReferenceMode};
use crate::number::say_length;
use crate::pair::{Answer, Mention, QaPair, Question, Reference, Side};
use crate::scene_index::{ObjectFacts, SceneIndex};
use crate::template::Case;
use crate::verify::check_pair;

/// Draws for one pair before its type is passed over this time.
const DRAWS: usize = 24;
/// Times in a row that a type may be passed over before the scene has no more of it.
const PASSES: u8 = 3;

/// One scene being asked about.
pub(super) struct Run<'r, 's, 't> {
    generator: &'r Generator<'t>,
    index: &'r SceneIndex<'s>,
    mentions: &'r Mentions,
    drawer: Drawer<'r, 's>,
    /// Hashes of the objects' nouns, for the prior.
    nouns: Vec<u64>,
    rng: ChaCha8Rng,
    asked: HashSet<u64>,
    /// The rest of questions that were matched so that their answers come out even.
    waiting: BTreeMap<Kind, Vec<Question>>,
    pub(super) report: GenerateReport,
}

/// The types of one sort (with lengths or without) in turn.
struct Turn {
    kinds: Vec<(Kind, u8)>,
    next: usize,
}

impl Turn {
    fn new(mut kinds: Vec<Kind>, rng: &mut ChaCha8Rng) -> Self {
        kinds.sort_unstable();
        kinds.dedup();
        kinds.shuffle(rng);
        Self { kinds: kinds.into_iter().map(|kind| (kind, 0)).collect(), next: 0 }
    }

    fn get(&mut self) -> Option<Kind> {
        if self.next >= self.kinds.len() {
            self.next = 0;
        }
        self.kinds.get(self.next).map(|(kind, _)| *kind)
    }

    fn done(&mut self, found: bool) {
        let Some((_, passes)) = self.kinds.get_mut(self.next) else { return };
        *passes = if found { 0 } else { *passes + 1 };
        if *passes < PASSES {
            self.next += 1;
        } else {
            self.kinds.remove(self.next);
        }
    }
}

impl<'r, 's, 't> Run<'r, 's, 't> {
    pub(super) fn new(
        generator: &'r Generator<'t>,
        index: &'r SceneIndex<'s>,
        mentions: &'r Mentions,
    ) -> Self {
        let options = &generator.options;
        let scene = index.scene();
        Self {
            generator,
            nouns: (0..scene.objects.len()).map(|at| noun_hash(mentions, at, options.mode)).collect(),
            drawer: Drawer::new(index, mentions, options.mode, &options.gates),
            index,
            mentions,
            rng: scene_rng(options.seed, &scene.id),
            asked: HashSet::with_capacity(2 * options.per_image.min(4096)),
            waiting: BTreeMap::new(),
            report: GenerateReport::default(),
        }
    }

    pub(super) fn all(&mut self, mut take: impl FnMut(QaPair)) {
        let options = &self.generator.options;
        let possible: Vec<Kind> =
            options.kinds.iter().copied().filter(|kind| self.drawer.possible(*kind)).collect();
        let (lengths, others) = possible.into_iter().partition(|kind| kind.is_quantitative());
        let mut turns = [Turn::new(others, &mut self.rng), Turn::new(lengths, &mut self.rng)];
        let share = options.quantitative_share.clamp(0.0, 1.0);
        // Where the count of quantitative pairs stands between two whole numbers is drawn once, so that shares hold over many scenes too.
        let mut owed: f64 = self.rng.random();
        let mut made = 0;
        while made < options.per_image {
            let mut sort = usize::from(owed + share >= 1.0);
            if turns[sort].kinds.is_empty() {
                sort = 1 - sort;
            }
            let Some(kind) = turns[sort].get() else { break };
            let pair = self.next(kind);
            turns[sort].done(pair.is_some());
            if let Some(pair) = pair {
                made += 1;
                owed = (owed + share).fract();
                *self.report.emitted.entry(kind).or_default() += 1;
                take(pair);
            }
        }
    }

    fn next(&mut self, kind: Kind) -> Option<QaPair> {
        if let Some(question) = self.waiting.get_mut(&kind).and_then(Vec::pop) {
            return self.pair(question);
        }
        let mut scratch = Question {
            kind,
            objects: Vec::with_capacity(8),
            rank: 0,
            category: String::new(),
            options: Vec::new(),
        };
        let mut matched = match kind {
            Kind::Count | Kind::McCount => self.match_counts(kind, &mut scratch)?,
            _ if draw::needs_match(kind) => self.match_answers(kind, &mut scratch)?,
            _ => {
                return (0..DRAWS).find_map(|_| {
                    self.draw(kind, &mut scratch)?;
                    self.pair(scratch.clone())
                });
            }
        };
        // Which is asked first is drawn, so a scene that ends before the last of them is fair as well.
        matched.shuffle(&mut self.rng);
        self.asked.extend(matched.iter().map(same));
        let first = matched.pop()?;
        self.waiting.insert(kind, matched);
        self.pair(first)
    }

    /// One question of each answer, or none.
    fn match_answers(&mut self, kind: Kind, scratch: &mut Question) -> Option<Vec<Question>> {
        let mut found: [Option<Question>; 2] = [None, None];
        // Few triples of objects stand so that something is, or could be, between two of them.
        for _ in 0..if kind.objects() == 3 { 8 * DRAWS } else { 2 * DRAWS } {
            let Some(answer) = self.draw(kind, scratch) else { continue };
            let class = usize::from(matches!(answer, TruthValue::YesNo(true) | TruthValue::Side(Side::Near)));
            if found[class].is_none() {
                found[class] = Some(scratch.clone());
            }
            if let [Some(no), Some(yes)] = &found {
                return Some(vec![no.clone(), yes.clone()]);
            }
        }
        None
    }

    /// A question for each of the counts that are offered, or none: so each option is right as often as it is offered.
    fn match_counts(&mut self, kind: Kind, scratch: &mut Question) -> Option<Vec<Question>> {
        let offered = self.drawer.offer(kind, &mut self.rng)?;
        let mut matched = Vec::with_capacity(offered.len());
        for &count in &offered {
            self.report.draws += 1;
            self.drawer.ask_count(kind, count, &offered, &mut self.rng, scratch);
            self.check(scratch)?;
            matched.push(scratch.clone());
        }
        Some(matched)
    }

    /// Draws one question that may be asked and has not been, and gives its answer.
    fn draw(&mut self, kind: Kind, question: &mut Question) -> Option<TruthValue> {
        self.report.draws += 1;
        if !self.drawer.draw(kind, &mut self.rng, question) {
            return None;
        }
        if draw::always_marked(kind) && !self.name_options(question) {
            return None;
        }
        self.check(question)
    }

    /// The answer of a question, if it may be asked, has not been, and is not given away by its nouns. A pair of objects in the wrong
    /// order for what the question takes for granted is turned round.
    fn check(&mut self, question: &mut Question) -> Option<TruthValue> {
        let kind = question.kind;
        if self.asked.contains(&same(question)) {
            self.report.duplicates += 1;
            return None;
        }
        let gates = &self.generator.options.gates;
        let mut result = evaluate_fast(self.index, question, gates);
        if result == Err(Reject::FalsePremise) && kind.objects() == 2 {
            question.objects.swap(0, 1);
            if self.asked.contains(&same(question)) {
                self.report.duplicates += 1;
                return None;
            }
            result = evaluate_fast(self.index, question, gates);
        }
        let answer = match result {
            Ok((answer, _)) => answer,
            Err(reason) => {
                *self.report.rejected.entry(reason).or_default() += 1;
                return None;
            }
        };
        if kind.shape() == Shape::Ordinal && !self.order_is_sure(question) {
            return None;
        }
        if !self.passes(question, answer) {
            self.report.limited += 1;
            return None;
        }
        Some(answer)
    }

    /// Whether the question is let through although its nouns may give the answer away. Decided by a hash, not by a draw, so that
    /// asking again gives the same.
    fn passes(&self, question: &Question, answer: TruthValue) -> bool {
        let Some(prior) = &self.generator.prior else { return true };
        let mut nouns = [0; 3];
        for (noun, &id) in nouns.iter_mut().zip(&question.objects) {
            *noun = self.index.find(id).and_then(|at| self.nouns.get(at).copied()).unwrap_or(0);
        }
        let Some(answer) = plain(answer) else { return true };
        let Some(cell) = prior::cell(question, &nouns, &answer) else { return true };
        let options = &self.generator.options;
        let mut hash = hash::Hash::new(options.seed);
        hash.add(hash::text(&self.index.scene().id));
        hash.add(hash::question(question));
        hash::share(hash.finish()) < prior.limit(cell, options.max_blind_excess)
    }

    /// CV-Bench's options of Depth and Distance: the names of the two that are compared.
    fn name_options(&self, question: &mut Question) -> bool {
        let first = usize::from(question.kind == Kind::McDistance);
        for role in [first, first + 1] {
            let noun = question.objects.get(role).and_then(|&id| self.mentions.noun(self.index.find(id)?));
            let region = self.generator.options.mode == ReferenceMode::Region;
            match noun {
                _ if region => question.options.push(format!("<region{role}>")),
                Some(noun) => question.options.push(noun.to_owned()),
                None => return false,
            }
        }
        question.options.first() != question.options.get(1)
    }

    /// Whether each listed object's rank is certain and not only the rank asked for: the chain names them all.
    fn order_is_sure(&self, question: &Question) -> bool {
        let (kind, key): (Kind, fn(&ObjectFacts) -> f64) = match question.kind {
            Kind::OrdinalLeft => (Kind::LeftPredicate, |facts| facts.centre.x),
            Kind::OrdinalNear => (Kind::FrontPredicate, |facts| facts.median),
            _ => (Kind::TallPredicate, |facts| -facts.height.value),
        };
        let mut sorted: Vec<(f64, u32)> = Vec::with_capacity(question.objects.len());
        for &id in &question.objects {
            let Some(at) = self.index.find(id) else { return false };
            sorted.push((key(&self.index.facts()[at]), id));
        }
        sorted.sort_unstable_by(|p, q| p.0.total_cmp(&q.0));
        let mut couple =
            Question { kind, objects: vec![0; 2], rank: 0, category: String::new(), options: Vec::new() };
        sorted.windows(2).all(|next| {
            couple.objects.copy_from_slice(&[next[0].1, next[1].1]);
            let result = evaluate_fast(self.index, &couple, &self.generator.options.gates);
            matches!(result, Ok((TruthValue::YesNo(true), _)))
        })
    }

    /// The question with its answer, words and proof, checked.
    fn pair(&mut self, question: Question) -> Option<QaPair> {
        let Generator { templates, options, .. } = self.generator;
        let truth = evaluate(self.index, &question, &options.gates).ok()?;
        self.asked.insert(same(&question));
        let kind = question.kind;
        let answer = match truth.answer {
            TruthValue::Length(measure) => {
                Answer::Length(say_length(measure, &options.lengths, &mut self.rng)?)
            }
            other => plain(other)?,
        };
        let avoid = draw::avoid(kind);
        let mut mentions = Vec::with_capacity(question.objects.len());
        let mut marks = Vec::new();
        for (role, &id) in question.objects.iter().enumerate() {
            let at = self.index.find(id)?;
            let drawn = draw::always_marked(kind);
            mentions.push(if drawn && options.mode != ReferenceMode::Region {
                // The template says which box it is.
                let text = format!("the {}", self.mentions.noun(at)?);
                Mention { object: id, by: Reference::Mark, text }
            } else {
                self.mentions.mention(at, role, options.mode, avoid, &mut self.rng)?
            });
            if drawn || options.mode == ReferenceMode::Marked {
                marks.push(self.mentions.mark(at, role)?);
            }
        }
        let mut draw = |count: usize| {
            u16::try_from(count).ok().filter(|&count| count > 0).map(|count| self.rng.random_range(0..count))
        };
        let question_template = draw(templates.question_count(kind))?;
        let answer_template = draw(templates.answer_count(kind, Case::of(&answer)))?;
        let mut pair = QaPair {
            scene: self.index.scene().id.clone(),
            question,
            answer,
            mentions,
            question_template,
            answer_template,
            marks,
            proof: truth.proof,
            question_text: String::new(),
            answer_text: String::new(),
            steps: Vec::new(),
        };
        (pair.question_text, pair.answer_text) = render_texts(templates, &pair)?;
        pair.steps = render_chain(templates, &pair, &options.lengths);
        if check_pair(self.index, &pair).correct == Some(true) {
            Some(pair)
        } else {
            self.report.failures += 1;
            None
        }
    }
}

/// An answer that needs no rounding.
fn plain(truth: TruthValue) -> Option<Answer> {
    Some(match truth {
        TruthValue::YesNo(yes) => Answer::YesNo(yes),
        TruthValue::Object(role) => Answer::Object(role),
        TruthValue::Side(side) => Answer::Side(side),
        TruthValue::Count(count) => Answer::Count(count),
        TruthValue::Clock(hour) => Answer::Clock(hour),
        TruthValue::Option(option) => Answer::Option(option),
        TruthValue::Length(_) => return None,
    })
}

/// A hash that is the same for questions that ask the same: "how far is A from B" and "how far is B from A".
pub(super) fn same(question: &Question) -> u64 {
    let symmetric = matches!(
        question.kind,
        Kind::Gap
            | Kind::Distance
            | Kind::CentreDistance
            | Kind::VerticalDist
            | Kind::HorizontalDist
            | Kind::NearFarClassify
    );
    if question.kind == Kind::McCount {
        // Again with other options is another question.
        let mut offered: Vec<&str> = question.options.iter().map(String::as_str).collect();
        offered.sort_unstable();
        let mut hash = hash::Hash::new(hash::question(question));
        offered.iter().for_each(|option| hash.add(hash::text(option)));
        return hash.finish();
    }
    if symmetric && let [a, b] = question.objects[..] {
        let mut hash = hash::Hash::new(u64::from(question.kind.code()));
        hash.add(u64::from(a.min(b)));
        hash.add(u64::from(a.max(b)));
        return hash.finish();
    }
    hash::question(question)
}

/// What [`said_noun`] will say of the object, hashed; 0 where nothing is said.
fn noun_hash(mentions: &Mentions, at: usize, mode: ReferenceMode) -> u64 {
    let noun = mentions.noun(at).and_then(|noun| noun.split_whitespace().last());
    noun.filter(|_| mode != ReferenceMode::Region).map_or(0, hash::text)
}

fn scene_rng(seed: u64, id: &str) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(id.as_bytes());
    ChaCha8Rng::from_seed(hash.finalize().into())
}

//! Every question type answered from solids and pixels, each by the words of its definition.

use std::cell::RefCell;
use std::collections::BTreeMap;

use glam::{DVec2, DVec3};
use plumb_qa::{Kind, Question, Side};
use plumb_scene::Attributes;
use plumb_scene::procedural::{Primitive, Rendered};

use crate::solids::{Between, distance, extent, reach, turned_sides};

/// What is known of one object without its record.
pub(crate) struct Thing<'a> {
    pub(crate) name: &'a str,
    pub(crate) attributes: &'a Attributes,
    solids: &'a [Primitive],
    pub(crate) low: DVec3,
    pub(crate) high: DVec3,
    sides: [f64; 3],
    /// Depths of its pixels, ascending.
    depths: Vec<f64>,
    /// Mean of its pixels' centres.
    pub(crate) pixel: DVec2,
    /// First and last column and row plus one.
    pub(crate) rect: [f64; 4],
}

impl Thing<'_> {
    pub(crate) fn centre(&self) -> DVec3 {
        (self.low + self.high) / 2.0
    }

    fn depth(&self, share: f64) -> f64 {
        let last = self.depths.len() - 1;
        self.depths[(last as f64 * share).round() as usize]
    }

    pub(crate) fn median_depth(&self) -> f64 {
        self.depth(0.5)
    }

    fn tall(&self) -> f64 {
        self.high.z - self.low.z
    }

    fn wide(&self) -> f64 {
        self.high.x - self.low.x
    }

    fn volume(&self) -> f64 {
        self.sides.iter().product()
    }
}

/// A picture with what can be measured in it.
pub(crate) struct View<'a> {
    pub(crate) things: BTreeMap<u32, Thing<'a>>,
    distances: RefCell<BTreeMap<(u32, u32), Between>>,
}

/// An answer; lengths are at least and at most.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Right {
    YesNo(bool),
    Object(usize),
    Side(Side),
    Length(f64, f64),
    Count(usize),
    Clock(u8),
    Option(usize),
}

type Found<T> = Result<T, String>;

impl<'a> View<'a> {
    pub(crate) fn new(rendered: &'a Rendered) -> Found<Self> {
        let width = rendered.instances.width() as usize;
        let mut depths: BTreeMap<u16, Vec<f64>> = BTreeMap::new();
        let mut places: BTreeMap<u16, (DVec2, [f64; 4])> = BTreeMap::new();
        for (at, (&id, &z)) in rendered.instances.ids().iter().zip(rendered.depth.0.values()).enumerate() {
            if id == 0 {
                continue;
            }
            depths.entry(id).or_default().push(f64::from(z));
            let corner = DVec2::new((at % width) as f64, (at / width) as f64);
            let (sum, [x1, y1, x2, y2]) =
                places.entry(id).or_insert((DVec2::ZERO, [f64::INFINITY, f64::INFINITY, 0.0, 0.0]));
            *sum += corner + 0.5;
            (*x1, *y1) = (x1.min(corner.x), y1.min(corner.y));
            (*x2, *y2) = (x2.max(corner.x + 1.0), y2.max(corner.y + 1.0));
        }
        let mut things = BTreeMap::new();
        for (id, mut depths) in depths {
            let label = rendered.instances.label(id).ok_or_else(|| format!("no label {id}"))?;
            let shapes = rendered.shapes.iter().find(|shape| shape.id == u32::from(id));
            let solids = &shapes.ok_or_else(|| format!("no solids of {id}"))?.primitives;
            depths.sort_by(f64::total_cmp);
            let (sum, rect) = places[&id];
            let axes = [DVec3::X, DVec3::Y, DVec3::Z];
            let thing = Thing {
                name: &label.name,
                attributes: &label.attributes,
                solids,
                low: DVec3::from_array(axes.map(|axis| -reach(solids, -axis))),
                high: DVec3::from_array(axes.map(|axis| reach(solids, axis))),
                sides: turned_sides(solids),
                pixel: sum / depths.len() as f64,
                rect,
                depths,
            };
            debug_assert!((extent(solids, DVec3::Z) - thing.tall()).abs() < 1e-9);
            things.insert(u32::from(id), thing);
        }
        Ok(Self { things, distances: RefCell::default() })
    }

    fn thing(&self, question: &Question, role: usize) -> Found<&Thing<'a>> {
        let id = question.objects.get(role).ok_or("too few objects")?;
        self.things.get(id).ok_or_else(|| format!("object {id} has no pixels"))
    }

    fn surface(&self, question: &Question, a: usize, b: usize) -> Found<Between> {
        let (p, q) = (question.objects[a], question.objects[b]);
        let key = (p.min(q), p.max(q));
        if let Some(known) = self.distances.borrow().get(&key) {
            return Ok(*known);
        }
        let found = distance(self.thing(question, a)?.solids, self.thing(question, b)?.solids);
        self.distances.borrow_mut().insert(key, found);
        Ok(found)
    }

    /// Whether the distance from role `to` to role `a` is less than that to role `b`.
    fn nearer(&self, question: &Question, a: usize, b: usize, to: usize) -> Found<bool> {
        let (d_a, d_b) = (self.surface(question, to, a)?, self.surface(question, to, b)?);
        if d_a.most < d_b.least {
            Ok(true)
        } else if d_b.most < d_a.least {
            Ok(false)
        } else {
            Err(format!("distances {d_a:?} and {d_b:?} are not told apart"))
        }
    }

    pub(crate) fn answer(&self, question: &Question) -> Found<Right> {
        use Right::{Clock, Count, Length, Object, Option, YesNo};
        let thing = |role| self.thing(question, role);
        let x = |t: &Thing<'_>| t.centre().x;
        let z = |t: &Thing<'_>| t.centre().z;
        let yes = |first: bool| Ok(YesNo(first));
        let pick = |first: bool| Ok(Object(usize::from(!first)));
        let side = |first: bool, one: Side, other: Side| Ok(Right::Side(if first { one } else { other }));
        let exactly = |value: f64| {
            if value > 0.0 { Ok(Length(value, value)) } else { Err(format!("the premise is false: {value}")) }
        };
        // Two objects, compared: more than 0 where the first is more so.
        let by = |of: &dyn Fn(&Thing<'_>) -> f64| -> Found<f64> { Ok(of(thing(0)?) - of(thing(1)?)) };
        let front = || -> Found<f64> { Ok(depth_step(thing(0)?, thing(1)?)) };
        let tall = |t: &Thing<'_>| t.tall();
        let wide = |t: &Thing<'_>| t.wide();
        let volume = |t: &Thing<'_>| t.volume();
        match question.kind {
            Kind::LeftPredicate => yes(by(&x)? < 0.0),
            Kind::RightPredicate => yes(by(&x)? > 0.0),
            Kind::LeftChoice => pick(by(&x)? < 0.0),
            Kind::RightChoice => pick(by(&x)? > 0.0),
            Kind::LeftDiff => exactly(-by(&x)?),
            Kind::RightDiff => exactly(by(&x)?),
            Kind::LeftRightClassify => side(by(&x)? < 0.0, Side::Left, Side::Right),
            Kind::BehindPredicate => yes(front()? < 0.0),
            Kind::FrontPredicate => yes(front()? > 0.0),
            Kind::BehindChoice => pick(front()? < 0.0),
            Kind::FrontChoice => pick(front()? > 0.0),
            Kind::BehindDiff => exactly(-front()?),
            Kind::FrontDiff => exactly(front()?),
            Kind::BehindFrontClassify => side(front()? > 0.0, Side::Front, Side::Behind),
            Kind::AbovePredicate => yes(thing(0)?.low.z > thing(1)?.high.z),
            Kind::BelowPredicate => yes(thing(0)?.high.z < thing(1)?.low.z),
            Kind::AboveChoice => pick(by(&z)? > 0.0),
            Kind::BelowChoice => pick(by(&z)? < 0.0),
            Kind::AboveDiff => exactly(thing(0)?.high.z - thing(1)?.high.z),
            Kind::BelowDiff => exactly(thing(1)?.low.z - thing(0)?.low.z),
            Kind::AboveBelowClassify => side(by(&z)? > 0.0, Side::Above, Side::Below),
            Kind::TallPredicate => yes(by(&tall)? > 0.0),
            Kind::ShortPredicate => yes(by(&tall)? < 0.0),
            Kind::TallChoice => pick(by(&tall)? > 0.0),
            Kind::ShortChoice => pick(by(&tall)? < 0.0),
            Kind::TallShortClassify => side(by(&tall)? > 0.0, Side::Taller, Side::Shorter),
            Kind::HeightDifference => exactly(by(&tall)?),
            Kind::WidePredicate => yes(by(&wide)? > 0.0),
            Kind::ThinPredicate => yes(by(&wide)? < 0.0),
            Kind::WideThinClassify => side(by(&wide)? > 0.0, Side::Wider, Side::Narrower),
            Kind::BigPredicate => yes(by(&volume)? > 0.0),
            Kind::SmallPredicate => yes(by(&volume)? < 0.0),
            Kind::Gap => {
                let (a, b) = (thing(0)?, thing(1)?);
                if a.high.x >= b.low.x && b.high.x >= a.low.x {
                    return Err("not side by side".to_owned());
                }
                let gap = self.surface(question, 0, 1)?;
                Ok(Length(gap.least, gap.most))
            }
            Kind::Distance => {
                let d = self.surface(question, 0, 1)?;
                Ok(Length(d.least, d.most))
            }
            Kind::VerticalDist => exactly(by(&z)?.abs()),
            Kind::HorizontalDist => {
                exactly(thing(0)?.centre().truncate().distance(thing(1)?.centre().truncate()))
            }
            Kind::CentreDistance => exactly(thing(0)?.centre().distance(thing(1)?.centre())),
            Kind::Height => exactly(thing(0)?.tall()),
            Kind::Width => exactly(thing(0)?.wide()),
            Kind::Elevation => exactly(thing(0)?.low.z),
            Kind::StackHeight => exactly(thing(1)?.high.z + thing(0)?.tall()),
            Kind::NearFarClassify => {
                let size = |t: &Thing<'_>| t.sides.iter().sum::<f64>() / 3.0;
                let mean = f64::midpoint(size(thing(0)?), size(thing(1)?));
                let d = self.surface(question, 0, 1)?;
                if d.most < 0.5 * mean {
                    side(true, Side::Near, Side::Far)
                } else if d.least > 2.0 * mean {
                    side(false, Side::Near, Side::Far)
                } else {
                    Err(format!("neither near nor far: {d:?} of {mean}"))
                }
            }
            Kind::NearerChoice => pick(self.nearer(question, 0, 1, 2)?),
            Kind::FartherChoice => pick(!self.nearer(question, 0, 1, 2)?),
            Kind::CompareDistances => yes(self.nearer(question, 1, 2, 0)?),
            Kind::McDistance => Ok(Option(usize::from(!self.nearer(question, 1, 2, 0)?))),
            Kind::BetweenPredicate => {
                let [a, b, c] = [0, 1, 2].map(|role| thing(role).map(|t| t.centre().truncate()));
                let (a, b, c) = (a?, b?, c?);
                let along = c - b;
                let share = (a - b).dot(along) / along.length_squared();
                let foot = b + along * share;
                yes((0.15..=0.85).contains(&share) && a.distance(foot) < 0.25 * along.length())
            }
            Kind::OrdinalLeft => self.nth(question, &x),
            Kind::OrdinalNear => self.nth(question, &|t| t.median_depth()),
            Kind::OrdinalTall => self.nth(question, &|t| -t.tall()),
            Kind::ClockDirection => {
                let step = thing(0)?.centre() - thing(1)?.centre();
                // Clockwise from straight ahead, seen from above; an hour is 30 degrees wide.
                let degrees = step.x.atan2(step.y).to_degrees();
                let hour = (1..=12u8).find(|&hour| {
                    let off = (degrees - 30.0 * f64::from(hour)).rem_euclid(360.0);
                    off.min(360.0 - off) < 15.0
                });
                hour.map(Clock).ok_or_else(|| format!("{degrees} degrees is on an edge"))
            }
            Kind::FitsBetween => {
                let free = self.surface(question, 1, 2)?;
                yes(thing(0)?.wide() < free.least)
            }
            Kind::FitsUnder => yes(thing(0)?.tall() < thing(1)?.high.z),
            Kind::Count => Ok(Count(self.named(&question.category))),
            Kind::McCount => {
                let count = self.named(&question.category).to_string();
                let at = question.options.iter().position(|option| *option == count);
                at.map(Option).ok_or_else(|| format!("{count} is no option"))
            }
            Kind::CountLeft => {
                let to = x(thing(0)?);
                let others: Vec<f64> =
                    (1..question.objects.len()).map(|role| thing(role).map(x)).collect::<Found<_>>()?;
                Ok(Count(others.iter().filter(|&&x| x < to).count()))
            }
            Kind::TallerOfNearer => {
                let (a, b, c) = (thing(0)?, thing(1)?, thing(2)?);
                if depth_step(b, a) <= 0.0 || depth_step(c, a) <= 0.0 {
                    return Err("one of them is not nearer".to_owned());
                }
                Ok(Object(if b.tall() > c.tall() { 1 } else { 2 }))
            }
            Kind::McRelation => {
                let offset = thing(0)?.pixel - thing(1)?.pixel;
                let word = match question.options.iter().any(|option| option == "left") {
                    true if offset.x < 0.0 => "left",
                    true => "right",
                    // Rows are counted downwards.
                    false if offset.y < 0.0 => "above",
                    false => "below",
                };
                let at = question.options.iter().position(|option| option == word);
                at.map(Option).ok_or_else(|| format!("{word} is no option"))
            }
            Kind::McDepth => Ok(Option(usize::from(front()? <= 0.0))),
        }
    }

    fn nth(&self, question: &Question, of: &dyn Fn(&Thing<'_>) -> f64) -> Found<Right> {
        let mut order: Vec<(f64, usize)> = (0..question.objects.len())
            .map(|role| Ok((of(self.thing(question, role)?), role)))
            .collect::<Found<_>>()?;
        order.sort_by(|p, q| p.0.total_cmp(&q.0));
        let at = usize::from(question.rank).checked_sub(1).and_then(|rank| order.get(rank));
        at.map(|&(_, role)| Right::Object(role)).ok_or_else(|| format!("no rank {}", question.rank))
    }

    fn named(&self, category: &str) -> usize {
        self.things.values().filter(|thing| thing.name == category).count()
    }
}

/// How far the first is in front of the second: by the nearest surfaces if one is behind all of the other, else by the medians.
fn depth_step(a: &Thing<'_>, b: &Thing<'_>) -> f64 {
    let apart = a.depth(0.95) < b.depth(0.05) || b.depth(0.95) < a.depth(0.05);
    let share = if apart { 0.05 } else { 0.5 };
    b.depth(share) - a.depth(share)
}

//! One row, from cells to a checked pair.

use crate::dataset::RowImage;
use crate::dataset::names::Named;
use crate::pair::{Answer, Fact, Mark, Mention, Proof, Quantity, Question};
use crate::{Kind, QaPair};

/// The cells of a row as they stand in the file. The Parquet types are right, the contents are unchecked.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    texts: [Option<String>; 12],
    ints: [Option<i64>; 7],
    doubles: [Option<f64>; 4],
    yes: Option<bool>,
    text_lists: [Vec<String>; 6],
    int_lists: [Vec<i64>; 4],
    double_lists: [Vec<f64>; 4],
    pub(super) geometry: Option<String>,
}

/// Puts a cell into its place.
pub(super) enum Set {
    Text(fn(&mut Draft, Option<String>)),
    Int(fn(&mut Draft, Option<i64>)),
    Double(fn(&mut Draft, Option<f64>)),
    Bool(fn(&mut Draft, Option<bool>)),
    Texts(fn(&mut Draft, Vec<String>)),
    Ints(fn(&mut Draft, Vec<i64>)),
    Doubles(fn(&mut Draft, Vec<f64>)),
}

/// In the order of [`super::schema::COLUMNS`].
pub(super) const SETTERS: [Set; 38] = [
    Set::Text(|d, v| d.texts[0] = v),
    Set::Text(|d, v| d.texts[1] = v),
    Set::Int(|d, v| d.ints[0] = v),
    Set::Int(|d, v| d.ints[1] = v),
    Set::Text(|d, v| d.texts[2] = v),
    Set::Text(|d, v| d.texts[3] = v),
    Set::Int(|d, v| d.ints[2] = v),
    Set::Int(|d, v| d.ints[3] = v),
    Set::Ints(|d, v| d.int_lists[0] = v),
    Set::Ints(|d, v| d.int_lists[1] = v),
    Set::Texts(|d, v| d.text_lists[0] = v),
    Set::Texts(|d, v| d.text_lists[1] = v),
    Set::Int(|d, v| d.ints[4] = v),
    Set::Text(|d, v| d.texts[4] = v),
    Set::Texts(|d, v| d.text_lists[2] = v),
    Set::Text(|d, v| d.texts[5] = v),
    Set::Bool(|d, v| d.yes = v),
    Set::Int(|d, v| d.ints[5] = v),
    Set::Text(|d, v| d.texts[6] = v),
    Set::Int(|d, v| d.ints[6] = v),
    Set::Double(|d, v| d.doubles[0] = v),
    Set::Double(|d, v| d.doubles[1] = v),
    Set::Text(|d, v| d.texts[7] = v),
    Set::Text(|d, v| d.texts[8] = v),
    Set::Double(|d, v| d.doubles[2] = v),
    Set::Double(|d, v| d.doubles[3] = v),
    Set::Ints(|d, v| d.int_lists[2] = v),
    Set::Texts(|d, v| d.text_lists[3] = v),
    Set::Doubles(|d, v| d.double_lists[0] = v),
    Set::Doubles(|d, v| d.double_lists[1] = v),
    Set::Texts(|d, v| d.text_lists[4] = v),
    Set::Ints(|d, v| d.int_lists[3] = v),
    Set::Doubles(|d, v| d.double_lists[2] = v),
    Set::Doubles(|d, v| d.double_lists[3] = v),
    Set::Text(|d, v| d.texts[9] = v),
    Set::Text(|d, v| d.texts[10] = v),
    Set::Texts(|d, v| d.text_lists[5] = v),
    Set::Text(|d, v| d.geometry = v),
];

type Checked<T> = Result<T, String>;

fn there<T>(column: &str, value: Option<T>) -> Checked<T> {
    value.ok_or_else(|| format!("column `{column}`: null, expected a value"))
}

/// A whole number within the range of `T`.
fn fit<T: TryFrom<i64>>(column: &str, value: i64) -> Checked<T> {
    T::try_from(value).map_err(|_| format!("column `{column}`: {value} is out of range"))
}

fn int<T: TryFrom<i64>>(column: &str, value: Option<i64>) -> Checked<T> {
    there(column, value).and_then(|value| fit(column, value))
}

fn ints<T: TryFrom<i64>>(column: &str, values: &[i64]) -> Checked<Vec<T>> {
    values.iter().map(|&value| fit(column, value)).collect()
}

fn name<T: Named>(column: &str, text: &str) -> Checked<T> {
    T::of(text).ok_or_else(|| {
        let known: Vec<&str> = T::NAMES.iter().map(|(_, name)| *name).collect();
        format!("column `{column}`: expected one of {}, found `{}`", known.join(", "), short(text))
    })
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Lists that describe the same things must be of one length.
fn count(column: &str, found: usize, other: &str, wanted: usize) -> Checked<()> {
    if found == wanted {
        return Ok(());
    }
    Err(format!("column `{column}`: {found} elements, expected {wanted} as `{other}` says"))
}

impl Draft {
    /// The picture, the pair, and whether the text was in the file.
    pub(super) fn into_pair(self) -> Checked<(RowImage, QaPair, bool)> {
        let answer = self.answer()?;
        let (mentions, marks, proof) = (self.mentions()?, self.marks()?, self.proof()?);
        let [scene, image, sha, kind, category, _, _, _, _, question_text, answer_text, _] = self.texts;
        let [width, height, question_template, answer_template, rank, ..] = self.ints;
        let [objects, ..] = self.int_lists;
        let [_, _, options, _, _, steps] = self.text_lists;
        let image = RowImage {
            path: there("image", image)?,
            width: int("image_width", width)?,
            height: int("image_height", height)?,
            sha256: there("image_sha256", sha)?,
        };
        let kind = there("kind", kind)?;
        let kind: Kind = kind.parse().map_err(|e: String| format!("column `kind`: {e}"))?;
        let has_text = question_text.is_some() && answer_text.is_some();
        let question = Question {
            kind,
            objects: ints("objects", &objects)?,
            rank: int("rank", rank)?,
            category: there("category", category)?,
            options,
        };
        let pair = QaPair {
            scene: there("scene_id", scene)?,
            question,
            answer,
            mentions,
            question_template: int("question_template", question_template)?,
            answer_template: int("answer_template", answer_template)?,
            marks,
            proof,
            question_text: question_text.unwrap_or_default(),
            answer_text: answer_text.unwrap_or_default(),
            steps,
        };
        Ok((image, pair, has_text))
    }

    fn answer(&self) -> Checked<Answer> {
        let [.., index, number] = self.ints;
        let [_, _, _, _, _, form, side, unit, text, ..] = &self.texts;
        Ok(match there("answer_form", form.as_deref())? {
            "yes_no" => Answer::YesNo(there("answer_bool", self.yes)?),
            "object" => Answer::Object(int("answer_index", index)?),
            "option" => Answer::Option(int("answer_index", index)?),
            "side" => Answer::Side(name("answer_side", there("answer_side", side.as_deref())?)?),
            "count" => Answer::Count(int("answer_number", number)?),
            "clock" => Answer::Clock(int("answer_number", number)?),
            "length" => {
                let [value_m, sigma_m, said_m, tolerance_m] = self.doubles;
                Answer::Length(Quantity {
                    value_m: there("value_m", value_m)?,
                    sigma_m: there("sigma_m", sigma_m)?,
                    unit: name("unit", there("unit", unit.as_deref())?)?,
                    text: there("value_text", text.clone())?,
                    said_m: there("said_m", said_m)?,
                    tolerance_m: there("tolerance_m", tolerance_m)?,
                })
            }
            other => {
                return Err(format!(
                    "column `answer_form`: expected one of yes_no, object, option, side, count, clock, length, \
                     found `{}`",
                    short(other)
                ));
            }
        })
    }

    fn mentions(&self) -> Checked<Vec<Mention>> {
        let ([by, texts, ..], [_, objects, ..]) = (&self.text_lists, &self.int_lists);
        count("mention_by", by.len(), "mention_objects", objects.len())?;
        count("mentions", texts.len(), "mention_objects", objects.len())?;
        let one = |((&object, by), text): ((&i64, &String), &String)| {
            Ok(Mention {
                object: fit("mention_objects", object)?,
                by: name("mention_by", by)?,
                text: text.clone(),
            })
        };
        objects.iter().zip(by).zip(texts).map(one).collect()
    }

    fn marks(&self) -> Checked<Vec<Mark>> {
        let ([.., colours, _, _], [_, _, objects, _], [rects, ..]) =
            (&self.text_lists, &self.int_lists, &self.double_lists);
        count("mark_colours", colours.len(), "mark_objects", objects.len())?;
        count("mark_rects", rects.len(), "mark_objects", objects.len().saturating_mul(4))?;
        let (rects, _) = rects.as_chunks::<4>();
        let one = |((&object, colour), rect): ((&i64, &String), &[f64; 4])| {
            Ok(Mark {
                object: fit("mark_objects", object)?,
                colour: colour_of(colour).ok_or_else(|| {
                    format!("column `mark_colours`: expected #rrggbb, found `{}`", short(colour))
                })?,
                rect: rect.map(|corner| corner as f32),
            })
        };
        objects.iter().zip(colours).zip(rects).map(one).collect()
    }

    fn proof(&self) -> Checked<Proof> {
        let [_, points, values, sigmas] = &self.double_lists;
        let ([.., names, _], [.., objects]) = (&self.text_lists, &self.int_lists);
        let (points, rest) = points.as_chunks::<3>();
        if !rest.is_empty() {
            let detail = format!("{} numbers over, expected 3 for each point", rest.len());
            return Err(format!("column `proof_points`: {detail}"));
        }
        count("proof_objects", objects.len(), "proof_names", names.len().saturating_mul(2))?;
        count("proof_values", values.len(), "proof_names", names.len())?;
        count("proof_sigmas", sigmas.len(), "proof_names", names.len())?;
        let (objects, _) = objects.as_chunks::<2>();
        let mut facts = Vec::with_capacity(names.len());
        for (((fact, &[a, b]), &value), &sigma) in names.iter().zip(objects).zip(values).zip(sigmas) {
            facts.push(Fact {
                name: name("proof_names", fact)?,
                objects: [fit("proof_objects", a)?, fit("proof_objects", b)?],
                value,
                sigma,
            });
        }
        Ok(Proof { points: points.to_vec(), facts })
    }
}

fn colour_of(text: &str) -> Option<[u8; 3]> {
    let digits =
        text.strip_prefix('#').filter(|t| t.len() == 6 && t.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let value = u32::from_str_radix(digits, 16).ok()?;
    let [_, r, g, b] = value.to_be_bytes();
    Some([r, g, b])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        let mut draft = Draft::default();
        for (at, text) in
            ["s", "a.png", "", "distance", "", "length", "left", "metre", "1 m"].into_iter().enumerate()
        {
            draft.texts[at] = Some(text.to_owned());
        }
        draft.ints = [Some(1); 7];
        draft.doubles = [Some(1.0); 4];
        draft.text_lists[0] = vec!["name".into()];
        draft.text_lists[1] = vec!["the chair".into()];
        draft.text_lists[3] = vec!["#00ff10".into()];
        draft.text_lists[4] = vec!["gap".into()];
        draft.int_lists = [vec![1], vec![1], vec![1], vec![1, 0]];
        draft.double_lists = [vec![0.0; 4], vec![0.0; 6], vec![1.0], vec![1.0]];
        draft
    }

    #[test]
    fn what_cannot_be_is_named_with_its_column() {
        let (_, pair, has_text) = draft().into_pair().unwrap();
        assert_eq!((pair.marks[0].colour, pair.proof.points.len(), has_text), ([0, 255, 16], 2, false));
        type Case = (fn(&mut Draft), &'static str);
        let cases: [Case; 18] = [
            (|d| d.texts[0] = None, "`scene_id`: null"),
            (|d| d.texts[3] = Some("sideways".into()), "`kind`: `sideways` is no question type"),
            (|d| d.ints[0] = Some(-1), "`image_width`: -1 is out of range"),
            (|d| d.ints[2] = Some(1 << 16), "`question_template`: 65536 is out of range"),
            (|d| d.ints[4] = Some(256), "`rank`: 256 is out of range"),
            (|d| d.int_lists[0] = vec![-3], "`objects`: -3 is out of range"),
            (|d| d.texts[5] = Some("maybe".into()), "`answer_form`: expected one of yes_no"),
            (|d| d.texts[5] = Some("yes_no".into()), "`answer_bool`: null"),
            (|d| (d.texts[5], d.ints[5]) = (Some("object".into()), None), "`answer_index`: null"),
            (
                |d| (d.texts[5], d.texts[6]) = (Some("side".into()), Some("up".into())),
                "`answer_side`: expected one of left, right",
            ),
            (|d| (d.texts[5], d.ints[6]) = (Some("clock".into()), Some(300)), "`answer_number`: 300"),
            (|d| d.doubles[1] = None, "`sigma_m`: null"),
            (|d| d.texts[7] = Some("mile".into()), "`unit`: expected one of millimetre"),
            (|d| d.text_lists[1].clear(), "`mentions`: 0 elements, expected 1 as `mention_objects` says"),
            (|d| d.text_lists[3] = vec!["#00ff1é".into()], "`mark_colours`: expected #rrggbb"),
            (|d| d.double_lists[0].truncate(3), "`mark_rects`: 3 elements, expected 4"),
            (|d| d.double_lists[1].truncate(4), "`proof_points`: 1 numbers over"),
            (|d| d.int_lists[3].truncate(1), "`proof_objects`: 1 elements, expected 2"),
        ];
        for (change, wanted) in cases {
            let mut draft = draft();
            change(&mut draft);
            let said = draft.into_pair().unwrap_err();
            assert!(said.contains(wanted), "{said}");
        }
    }
}

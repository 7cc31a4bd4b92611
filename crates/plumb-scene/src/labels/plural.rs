//! The plural of an English noun, as far as the names of things need it.

/// Nouns that no rule gets right; also as the last part of a compound ("bookshelf", "snowman").
const IRREGULAR: &[(&str, &str)] = &[
    ("person", "people"),
    ("man", "men"),
    ("child", "children"),
    ("mouse", "mice"),
    ("goose", "geese"),
    ("foot", "feet"),
    ("tooth", "teeth"),
    ("shelf", "shelves"),
    ("knife", "knives"),
    ("leaf", "leaves"),
    ("loaf", "loaves"),
    ("wolf", "wolves"),
    ("scarf", "scarves"),
    ("calf", "calves"),
    ("half", "halves"),
    ("elf", "elves"),
    ("wife", "wives"),
    ("life", "lives"),
    ("ox", "oxen"),
    ("cactus", "cacti"),
    ("die", "dice"),
    ("quiz", "quizzes"),
    ("tomato", "tomatoes"),
    ("potato", "potatoes"),
    ("mango", "mangoes"),
    ("hero", "heroes"),
    ("mosquito", "mosquitoes"),
];

/// Nouns that stay as they are.
const SAME: &[&str] = &[
    "aircraft",
    "bison",
    "broccoli",
    "chess",
    "clothes",
    "clothing",
    "curtains",
    "deer",
    "dishes",
    "equipment",
    "fish",
    "food",
    "furniture",
    "glasses",
    "goggles",
    "grass",
    "headphones",
    "jeans",
    "luggage",
    "paper",
    "pants",
    "pliers",
    "pyjamas",
    "scissors",
    "series",
    "sheep",
    "shorts",
    "skis",
    "species",
    "spectacles",
    "stairs",
    "sunglasses",
    "tongs",
    "trousers",
];

/// Words that only end like a noun of [`IRREGULAR`] or like its rule.
const REGULAR: &[&str] = &["box", "fox", "human", "german", "self", "roman", "ottoman", "talisman"];

/// The plural of a noun or of a noun phrase: of its head, which is the last word, or the one before "of", "with", "in", "on" or "for".
///
/// ```
/// use plumb_scene::labels::plural;
/// assert_eq!(plural("wooden bookshelf"), "wooden bookshelves");
/// assert_eq!(plural("chest of drawers"), "chests of drawers");
/// ```
#[must_use]
pub fn plural(noun: &str) -> String {
    let end = [" of ", " with ", " in ", " on ", " for "].iter().filter_map(|link| noun.find(link)).min();
    let (phrase, rest) = noun.split_at(end.unwrap_or(noun.len()));
    let start = phrase.rfind([' ', '-']).map_or(0, |at| at + 1);
    let (before, head) = phrase.split_at(start);
    format!("{before}{}{rest}", word(head))
}

fn word(word: &str) -> String {
    let lower = word.to_lowercase();
    if lower.is_empty() || SAME.contains(&lower.as_str()) {
        return word.to_owned();
    }
    if lower.len() == word.len() && !REGULAR.contains(&lower.as_str()) {
        for (one, many) in IRREGULAR {
            // "ox" and "die" end other words; compounds are only formed with the longer ones.
            let compound = one.len() >= 3 && *one != "die" && *one != "elf" && *one != "half";
            if lower == *one || (compound && lower.ends_with(one)) {
                // The first letter keeps its case: "Person" is "People".
                let (kept, replaced) = word.split_at(word.len() - one.len());
                let capital = kept.is_empty() && replaced.starts_with(char::is_uppercase);
                let mut letters = many.chars();
                return match letters.next() {
                    Some(first) if capital => format!("{}{}", first.to_uppercase(), letters.as_str()),
                    _ => format!("{kept}{many}"),
                };
            }
        }
    }
    let mut end = lower.chars().rev();
    let (last, previous) = (end.next(), end.next());
    let sibilant = ["s", "x", "z", "ch", "sh"].iter().any(|ending| lower.ends_with(ending));
    match last {
        Some('y') if previous.is_some_and(|c| !"aeiou".contains(c) && c.is_alphabetic()) => {
            format!("{}ies", word.strip_suffix(['y', 'Y']).unwrap_or(word))
        }
        _ if sibilant => format!("{word}es"),
        _ => format!("{word}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_of_rooms_and_streets() {
        for (one, many) in [
            ("chair", "chairs"),
            ("shelf", "shelves"),
            ("bookshelf", "bookshelves"),
            ("box", "boxes"),
            ("Person", "People"),
            ("woman", "women"),
            ("fireman", "firemen"),
            ("ottoman", "ottomans"),
            ("knife", "knives"),
            ("mouse", "mice"),
            ("computer mouse", "computer mice"),
            ("sheep", "sheep"),
            ("bus", "buses"),
            ("bench", "benches"),
            ("toothbrush", "toothbrushes"),
            ("couch", "couches"),
            ("dress", "dresses"),
            ("battery", "batteries"),
            ("toy", "toys"),
            ("key", "keys"),
            ("sofa", "sofas"),
            ("vase", "vases"),
            ("roof", "roofs"),
            ("giraffe", "giraffes"),
            ("piano", "pianos"),
            ("potato", "potatoes"),
            ("photo", "photos"),
            ("grandchild", "grandchildren"),
            ("fire hydrant", "fire hydrants"),
            ("potted plant", "potted plants"),
            ("chest of drawers", "chests of drawers"),
            ("box of tissues", "boxes of tissues"),
            ("pair of scissors", "pairs of scissors"),
            ("chair with armrests", "chairs with armrests"),
            ("t-shirt", "t-shirts"),
            ("scissors", "scissors"),
            ("tie", "ties"),
            ("TV", "TVs"),
            ("teddy bear", "teddy bears"),
            ("wine glass", "wine glasses"),
            ("skateboard", "skateboards"),
            ("", ""),
            ("stühle", "stühles"),
        ] {
            assert_eq!(plural(one), many);
        }
    }
}

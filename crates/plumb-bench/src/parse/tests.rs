use super::*;
use proptest::prelude::*;

fn options(list: &[&str]) -> Vec<String> {
    list.iter().map(|&o| o.to_owned()).collect()
}

/// The letter a parser reads, `?` for several, `-` for none, `!` for one that is not offered.
fn read(parser: Parser, raw: &str, list: &[&str]) -> char {
    let parsed = parser.parse_text(raw, &options(list));
    assert_eq!(parsed.choice.is_some(), parsed.status == ParseStatus::Parsed);
    match parsed.status {
        ParseStatus::Parsed => crate::sample::letter(parsed.choice.unwrap()),
        ParseStatus::Ambiguous => '?',
        ParseStatus::OutOfRange => '!',
        ParseStatus::Unparsed | ParseStatus::NoOutput => '-',
    }
}

#[test]
fn the_failure_table() {
    let lamp = &["bookcase", "lamp"][..];
    let chair = &["bookcase", "chair"][..];
    let above = &["above", "below"][..];
    let left = &["left", "right"][..];
    let count = &["2", "3", "1", "0"][..];
    // raw, options, official, lmms_eval, strict, option_text
    let table = [
        ("(B) lamp", lamp, 'B', 'B', 'B', 'B'),
        ("B.", lamp, 'B', 'B', 'B', 'B'),
        ("B", lamp, 'B', 'B', 'B', 'B'),
        ("bookcase", lamp, 'B', 'B', 'A', 'A'),
        ("The lamp is closer", lamp, '!', '!', '-', 'B'),
        ("A chair is closer", chair, 'A', 'A', '-', 'B'),
        ("a bookcase is closer", lamp, 'A', 'A', '-', 'A'),
        ("below", above, 'B', 'B', 'B', 'B'),
        ("above", above, 'A', 'A', 'A', 'A'),
        ("left", left, '!', '!', 'A', 'A'),
        ("right", left, '!', '!', 'B', 'B'),
        ("3", count, '-', '-', 'B', 'B'),
        ("The answer is (B)", lamp, 'B', '!', 'B', 'B'),
        ("Answer: B", lamp, 'B', 'A', 'B', 'B'),
        ("**B**", lamp, '-', '-', 'B', 'B'),
        ("<answer>B</answer>", lamp, '-', '-', 'B', 'B'),
    ];
    for (raw, list, official, lmms, strict, text) in table {
        assert_eq!(read(Parser::OfficialFirstChar, raw, list), official, "official: {raw}");
        assert_eq!(read(Parser::LmmsEval, raw, list), lmms, "lmms_eval: {raw}");
        assert_eq!(read(Parser::Strict, raw, list), strict, "strict: {raw}");
        assert_eq!(read(Parser::OptionText, raw, list), text, "option_text: {raw}");
    }
}

#[test]
fn official_quirks_are_kept() {
    let ab = &["x", "y"][..];
    for (raw, wanted) in [
        ("the answer is: B", '-'), // the first character left is the colon
        ("Answer is (A). No: answer is (B).", 'B'),
        ("Answer: A. The answer is B", 'B'),
        ("The answer is B. Answer: A", 'A'),
        ("((B))", 'B'),
        ("( B)", '-'), // the space behind the parenthesis stays
        ("  b\n", 'B'),
        ("E", '!'),
        ("", '-'),
        ("...", '-'),
        ("The answer is", '-'),
        ("[B]", '-'),
    ] {
        assert_eq!(read(Parser::OfficialFirstChar, raw, ab), wanted, "{raw}");
    }
}

#[test]
fn strict_refuses_conflicts() {
    let lamp = &["bookcase", "lamp"][..];
    for (raw, wanted) in [
        ("(A) or (B)", '?'),
        ("(B) bookcase", '?'),
        ("B. bookcase", '?'),
        ("The answer is A. (B) is farther.", '?'),
        ("(E)", '!'),
        ("E.", '!'),
        ("Answer: b", 'B'),
        ("B) lamp", 'B'),
        ("B lamp", 'B'),
        ("b", 'B'),
        ("(b)", 'B'),
        ("[B]", 'B'),
        ("\\boxed{B}", 'B'),
        ("$\\boxed{\\text{B}}$", 'B'),
        ("The answer is lamp.", 'B'),
        ("Option B", 'B'),
        ("The correct choice is obvious", '-'),
        ("The answer is a lamp", '-'),
        ("Lamp.", 'B'),
        ("Because of the lamp", '-'),
        ("I think so", '-'),
        ("A, the bookcase", 'A'),
        ("", '-'),
        ("???", '-'),
        ("answering", '-'),
    ] {
        assert_eq!(read(Parser::Strict, raw, lamp), wanted, "{raw}");
    }
}

#[test]
fn option_text_matches_whole_words_and_the_longest() {
    for (raw, list, wanted) in [
        ("the armchair is", &["chair", "sofa"][..], '-'),
        ("it is the table lamp", &["lamp", "table lamp"][..], 'B'),
        ("it is the lamp", &["lamp", "table lamp"][..], 'A'),
        ("the lamp is closer than the sofa", &["lamp", "sofa"][..], '?'),
        ("There are three chairs", &["2", "3", "0", "1"][..], 'B'),
        ("there are 13 people", &["3", "13", "0", "1"][..], 'B'),
        ("to the left of it", &["left", "right"][..], 'A'),
        ("the answer is a lamp", &["sofa", "lamp"][..], 'B'),
        ("nothing fits", &["lamp", "sofa"][..], '-'),
        ("three", &["three", "3"][..], 'A'),
    ] {
        assert_eq!(read(Parser::OptionText, raw, list), wanted, "{raw}");
    }
}

#[test]
fn loglik_takes_the_highest_and_the_earlier_of_equals() {
    let s = Sample::multiple_choice("1", "q", &["x", "y", "z"], 0);
    let of = |v: &[f64]| Parser::LogLik.parse(&s, &Prediction::scores("1", v.to_vec()));
    assert_eq!(of(&[-3.0, -1.0, -2.0]).choice, Some(1));
    assert_eq!(of(&[-1.0, -1.0, -2.0]).choice, Some(0));
    assert_eq!(of(&[-2.0, -1.0, -1.0]).choice, Some(1));
    for bad in [&[-1.0, -1.0][..], &[f64::NAN, 0.0, 0.0], &[]] {
        assert_eq!(of(bad).status, ParseStatus::NoOutput);
    }
    assert_eq!(Parser::LogLik.parse(&s, &Prediction::text("1", "A")).status, ParseStatus::NoOutput);
    assert_eq!(Parser::Strict.parse(&s, &Prediction::default()).status, ParseStatus::NoOutput);
}

#[test]
fn names_go_both_ways() {
    for p in Parser::ALL {
        assert_eq!(p.id().parse::<Parser>().unwrap(), p);
        assert_eq!(serde_json::to_string(&p).unwrap(), format!("\"{}\"", p.id()));
    }
    assert!("first_char".parse::<Parser>().unwrap_err().to_string().contains("official_first_char"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_breaks_a_parser(raw in ".{0,60}", n in 0usize..7) {
        let list: Vec<String> = (0..n).map(|i| format!("thing {i}")).collect();
        for parser in Parser::ALL {
            let parsed = parser.parse_text(&raw, &list);
            prop_assert!(parsed.choice.is_none_or(|c| c < n));
        }
    }

    #[test]
    fn markup_soup_breaks_nothing(raw in "[<>(){}\\[\\]\\\\*$ABab:. ans/wer]{0,40}") {
        let list = options(&["a b", "b"]);
        for parser in Parser::ALL {
            parser.parse_text(&raw, &list);
        }
    }

    #[test]
    fn every_decorated_letter_is_read(i in 0usize..6, form in 0usize..8) {
        let list = options(&["2", "3", "1", "0", "4", "5"]);
        let l = crate::sample::letter(i);
        let raw = match form {
            0 => format!("{l}"),
            1 => format!("({l})"),
            2 => format!("{l}."),
            3 => format!("({l}) {}", list[i]),
            4 => format!("The answer is ({l})."),
            5 => format!("Answer: {l}"),
            6 => format!("**{l}**"),
            _ => format!("{l}. {}", list[i]),
        };
        prop_assert_eq!(Parser::Strict.parse_text(&raw, &list).choice, Some(i));
        prop_assert_eq!(Parser::OptionText.parse_text(&raw, &list).choice, Some(i));
    }
}

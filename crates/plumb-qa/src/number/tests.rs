use plumb_geometry::Measure;
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::pair::Unit;

#[test]
fn lengths_as_models_write_them() {
    for (text, metres) in [
        ("1.5m", 1.5),
        ("150 cm", 1.5),
        ("5'3\"", 1.6002),
        ("5\u{2032}3\u{2033}", 1.6002),
        ("5'3", 1.6002),
        ("5' 3''", 1.6002),
        ("5 feet 3 inches", 1.6002),
        ("5 feet, 3 inches", 1.6002),
        ("5ft3in", 1.6002),
        ("five feet and three inches", 1.6002),
        ("five feet", 1.524),
        ("about 2-3 ft", 2.5 * 0.3048),
        ("between 2 and 3 feet", 2.5 * 0.3048),
        ("2 feet to 3 feet", 2.5 * 0.3048),
        ("50 cm to 1 m", 0.75),
        ("two or three meters", 2.5),
        ("half a metre", 0.5),
        ("Half of a meter.", 0.5),
        ("a half meter", 0.5),
        ("a quarter of a mile", 402.336),
        ("three-quarters of an inch", 0.01905),
        ("a meter and a half", 1.5),
        ("one and a half meters", 1.5),
        ("two-and-a-half feet", 0.762),
        ("1 1/2 feet", 0.4572),
        ("1/2 inch", 0.0127),
        ("2\u{bd} yards", 2.286),
        ("\u{bd} m", 0.5),
        ("1,5 m", 1.5),
        ("1,200 mm", 1.2),
        (".75 m", 0.75),
        ("The chair is 1.2 meters tall.", 1.2),
        ("The 2-foot shelf is 3 m away.", 0.6096),
        ("A yard has a tree that is 2 m away", 2.0),
        ("It is a foot wide.", 0.3048),
        ("I count 3 chairs; the first is 40 cm wide.", 0.4),
        ("18 in tall", 0.4572),
        ("18 in.", 0.4572),
        ("1 m 20 cm", 1.2),
        ("one point two five meters", 1.25),
        ("twenty-five centimeters", 0.25),
        ("a hundred and ten centimeters", 1.1),
        ("a couple of feet", 0.6096),
        ("3 km", 3000.0),
        ("**1.80 m**", 1.8),
        ("2 meters.", 2.0),
        ("the answer is \"1.5 m\"", 1.5),
        ("8\"", 0.2032),
        ("1.2 - 1.4 m", 1.3),
        ("1.2\u{2013}1.4 m", 1.3),
        ("approximately 0.30 meters behind", 0.3),
    ] {
        let parsed = parse_length(text);
        assert!(
            parsed.is_some_and(|length| (length.metres - metres).abs() < 1e-9),
            "{text}: {parsed:?}, expected {metres}"
        );
    }
}

#[test]
fn what_is_no_length() {
    for text in [
        "",
        "1.5",
        "left",
        "2 o'clock",
        "There are 2 in the room",
        "-1.5 m",
        "about",
        "m",
        "2 chairs",
        "half of them",
        "region1 m",
        "he said \"5\"",
        "in",
        "\"",
        "'",
        "5 -",
        "1/0 m",
        "NaN m",
        "a",
        "to 3",
        "one of the feet",
    ] {
        assert_eq!(parse_length(text), None, "{text}");
    }
    assert_eq!(
        parse_length("2 to 3 m").map(|length| (length.tolerance, length.unit)),
        Some((0.5, Unit::Metre))
    );
    assert!(parse_length("1.50 m").is_some_and(|length| (length.tolerance - 0.005).abs() < 1e-12));
    assert_eq!(parse_length(&"9".repeat(5000)), None);
    assert_eq!(parse_length(&format!("{} m", "9".repeat(400))), None);
}

#[test]
fn counts_hours_and_verdicts() {
    for (text, count) in [
        ("3", Some(3)),
        ("There are three chairs.", Some(3)),
        ("no chairs", Some(0)),
        ("None.", Some(0)),
        ("zero", Some(0)),
        ("a dozen", Some(12)),
        ("twenty-one birds", Some(21)),
        ("2.5", None),
        ("many", None),
        ("99999999999", None),
    ] {
        assert_eq!(parse_count(text), count, "{text}");
    }
    for (text, hour) in [
        ("2 o'clock", Some(2)),
        ("At two o\u{2019}clock.", Some(2)),
        ("the chair is at 11 o'clock, 3 m away", Some(11)),
        ("2:00", Some(2)),
        ("12", Some(12)),
        ("13 o'clock", None),
        ("0", None),
        ("1 or 2", None),
        ("", None),
    ] {
        assert_eq!(parse_clock(text), hour, "{text}");
    }
    for (text, verdict) in [
        ("Yes.", Some(true)),
        ("no", Some(false)),
        ("No, it is not.", Some(false)),
        ("Yes, it is not far.", Some(true)),
        ("The answer is yes", Some(true)),
        ("The answer is no.", Some(false)),
        ("The chair isn't left of the table.", Some(false)),
        ("It is not correct.", Some(false)),
        ("That is incorrect.", Some(false)),
        ("It is.", Some(true)),
        ("That's right.", Some(true)),
        ("The chair is on the right.", None),
        ("", None),
        ("The chair is no taller than the table.", Some(false)),
    ] {
        assert_eq!(parse_yes_no(text), verdict, "{text}");
    }
    for n in 0..200 {
        assert_eq!(parse_count(&count_word(n)), Some(n));
        assert_eq!(parse_count(&say_count(n)), Some(n));
    }
    assert_eq!(
        ["first", "twelfth", "21st", "112th", "103rd"].map(String::from),
        [1, 12, 21, 112, 103].map(ordinal_word)
    );
    for hour in 1..=12 {
        assert_eq!(parse_clock(&say_clock(hour)), Some(hour));
    }
    assert_eq!((say_clock(0), say_clock(255)), ("12 o'clock".into(), "3 o'clock".into()));
}

#[test]
fn what_cannot_be_said() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for (value, sigma) in [
        (1.0, 0.25),
        (0.04, 0.0),
        (0.0, 0.0),
        (-1.0, 0.0),
        (f64::NAN, 0.0),
        (1.0, f64::NAN),
        (1.0, -0.1),
        (f64::INFINITY, 0.0),
        (20_000.0, 0.0),
    ] {
        assert_eq!(
            say_length(Measure::new(value, sigma), &LengthStyle::default(), &mut rng),
            None,
            "{value} {sigma}"
        );
    }
}

/// With PLUMBLINE_PRINT=1, samples to read.
#[test]
fn uncertain_lengths_have_fewer_digits_and_more_hedges() {
    let style = LengthStyle::default();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let print = std::env::var_os("PLUMBLINE_PRINT").is_some();
    let mut hedged = [0, 0];
    for value in [0.07, 0.18, 0.34, 0.5, 0.83, 1.27, 1.83, 2.46, 5.3, 9.6, 14.2, 47.0, 130.0] {
        for (i, relative) in [0.005, 0.12].into_iter().enumerate() {
            let mut samples = Vec::new();
            for _ in 0..40 {
                let said = say_length(Measure::new(value, value * relative), &style, &mut rng).unwrap();
                assert!(said.tolerance_m >= 1.2 * said.sigma_m, "{said:?}");
                hedged[i] += usize::from(said.text.contains("o"))
                    * usize::from(
                        ["about", "roughly", "around", "approx"]
                            .iter()
                            .any(|word| said.text.starts_with(word)),
                    );
                samples.push(said.text);
            }
            samples.sort();
            samples.dedup();
            if print {
                println!("{value} m, sigma {relative}: {}", samples.join(" | "));
            }
        }
    }
    assert!(hedged[0] == 0 && hedged[1] > 300, "{hedged:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn said_lengths_are_within_tolerance_and_read_back(
        exponent in -2.99_f64..8.9,
        relative in 0.0..0.2499_f64,
        exact in any::<bool>(),
        uk in any::<bool>(),
        share in 0.0..1.0_f64,
        seed in any::<u64>(),
    ) {
        let value = exponent.exp();
        let sigma = if exact { 0.0 } else { value * relative };
        let style = LengthStyle {
            locale: if uk { Locale::Uk } else { Locale::Us },
            words: share,
            short_units: 1.0 - share,
            ranges: share,
            ..LengthStyle::default()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let said = say_length(Measure::new(value, sigma), &style, &mut rng).ok_or_else(|| TestCaseError::fail("not said"))?;
        prop_assert!((said.said_m - value).abs() <= said.tolerance_m);
        prop_assert!(said.tolerance_m >= 1.249 * sigma);
        prop_assert!(said.said_m > 0.0 && said.tolerance_m <= 1.01 * value, "{said:?}");
        let parsed = parse_length(&said.text).ok_or_else(|| TestCaseError::fail(format!("not read: {}", said.text)))?;
        prop_assert!((parsed.metres - said.said_m).abs() < 1e-9, "{} {:?}", said.text, parsed);
        prop_assert!(parsed.unit == said.unit || said.text.contains("inch"), "{} {:?}", said.text, parsed);
        let sentence = format!("The second chair is {} from the left wall.", said.text);
        prop_assert_eq!(parse_length(&sentence), Some(parsed));
    }

    #[test]
    fn nothing_panics(text in "\\PC{0,60}", soup in "[0-9a .,'\"/½-]{0,30}(m|ft|in|half|and|to|feet|a|of){0,4}[0-9 '\"-]{0,8}") {
        for text in [text, soup] {
            let _ = parse_length(&text);
            let _ = parse_count(&text);
            let _ = parse_clock(&text);
            let _ = parse_yes_no(&text);
        }
    }
}

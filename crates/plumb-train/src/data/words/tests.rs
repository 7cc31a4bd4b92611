use super::*;
use proptest::prelude::*;

fn one(text: &str) -> Result<String, String> {
    mirror_texts(&[text]).map(|mut texts| texts.remove(0))
}

#[test]
fn sides_are_exchanged_and_come_back() {
    for (text, wanted) in [
        ("Is the cup to the left of the box?", "Is the cup to the right of the box?"),
        ("The leftmost chair is on the Right.", "The rightmost chair is on the Left."),
        ("Is A left of B?\n(A) left\n(B) right", "Is A right of B?\n(A) right\n(B) left"),
        ("left", "right"),
        ("Right.", "Left."),
        ("(B) Left", "(B) Right"),
        ("LEFT side", "RIGHT side"),
        ("Is it left or right?", "Is it right or left?"),
        ("the top-left corner", "the top-right corner"),
        ("From left to right: cup, box.", "From right to left: cup, box."),
        ("At 2 o'clock.", "At 10 o'clock."),
        (
            "At 12 o'clock, or six o’clock, or Seven o'clock.",
            "At 12 o'clock, or six o’clock, or Five o'clock.",
        ),
        ("The azimuth is -30.5 degrees.", "The azimuth is 30.5 degrees."),
        ("Azimuth: 0°, then 15°", "Azimuth: 0°, then -15°"),
        ("How far is the cup?", "How far is the cup?"),
        ("Bright copyright upright leftover", "Bright copyright upright leftover"),
        (
            "Where is it? Select from the following choices.\n(A) left\n(B) right\nAnswer with the option's letter from the given choices directly.",
            "Where is it? Select from the following choices.\n(A) right\n(B) left\nAnswer with the option's letter from the given choices directly.",
        ),
    ] {
        assert_eq!(one(text).as_deref(), Ok(wanted), "{text}");
        assert_eq!(one(wanted).as_deref(), Ok(text), "{text}");
    }
    let both = mirror_texts(&["What is the azimuth of the cup?", "20 degrees"]).unwrap();
    assert_eq!(both, ["What is the azimuth of the cup?", "-20 degrees"]);
}

#[test]
fn what_a_mirror_cannot_say_is_refused() {
    for text in [
        "What does the sign say?",
        "Which letter is on the door?",
        "Is the cup in her left hand?",
        "Is the person left-handed?",
        "on the right-handed side",
        "How many apples are left?",
        "He left the room.",
        "Is that right?",
        "The right answer is B.",
        "It is right behind the box.",
        "The cup is right next to the right wall.",
        "What time does the clock show?",
        "It is 3:30 o'clock",
        "The time is 3 o'clock.",
        "With 3 on the right, it is at 2 o'clock.",
        "The cup is at [10, 20, 30, 40].",
        "Click (0.5, 0.25).",
        "What is in <region1>?",
        "Turn clockwise.",
        "The east side.",
        "lEFT",
        "azimuth of +30 degrees",
        "an azimuth of 30 degrees to the left",
        "Put on the left glove.",
    ] {
        assert!(one(text).is_err(), "{text}: {:?}", one(text));
    }
    assert!(mirrorable_name("red chair").is_ok());
    for name in ["stop sign", "left shoe", "scissors"] {
        assert!(mirrorable_name(name).is_err(), "{name}");
    }
}

proptest! {
    #[test]
    fn twice_is_once_back_for_any_text(parts in prop::collection::vec(prop::sample::select(vec![
        "left", "Right", "the", "of", " ", "\n", "(A)", "2", "o'clock", "-", "azimuth", "30", "degrees", "’", "'", "is", ".",
        "to", "é", "\u{0}", "leftmost", "or", "[", "]", ",", "−", "12", "twelve", "°", "1e9", "99999999999999999999",
    ]), 0..24)) {
        let text = parts.concat();
        if let Ok(flipped) = one(&text) {
            // A text that can be mirrored may turn into one that is refused; it never turns into a third.
            if let Ok(back) = one(&flipped) {
                prop_assert_eq!(back, text);
            }
        }
    }

    #[test]
    fn any_text_is_read(text: String) {
        let _ = one(&text);
        let _ = mirrorable_name(&text);
    }
}

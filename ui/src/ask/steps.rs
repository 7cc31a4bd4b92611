//! Questions one after another: `{1}` in a question stands for the answer to the first.

/// A piece of a question.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    /// Counted from 1.
    Answer(usize),
}

fn pieces(question: &str) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let mut rest = question;
    let mut from = 0;
    while let Some(open) = rest[from..].find('{').map(|at| from + at) {
        let body = &rest[open + 1..];
        let number = body.find('}').and_then(|close| {
            let digits = &body[..close];
            let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            all_digits.then(|| (digits.parse().unwrap_or(usize::MAX), open + close + 2))
        });
        match number {
            Some((number, end)) => {
                if open > 0 {
                    out.push(Piece::Text(&rest[..open]));
                }
                out.push(Piece::Answer(number));
                rest = &rest[end..];
                from = 0;
            }
            None => from = open + 1,
        }
    }
    if !rest.is_empty() {
        out.push(Piece::Text(rest));
    }
    out
}

/// The question with answers in their places, `answers[0]` in that of `{1}`.
///
/// # Errors
/// A sentence, when an answer is asked for that is not there.
pub(crate) fn fill(question: &str, answers: &[String]) -> Result<String, String> {
    let mut out = String::new();
    for piece in pieces(question) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Answer(number) => {
                let answer =
                    number.checked_sub(1).and_then(|i| answers.get(i)).ok_or_else(|| missing(number))?;
                out.push_str(answer.trim().trim_end_matches('.'));
            }
        }
    }
    Ok(out)
}

fn missing(number: usize) -> String {
    match number {
        0 => "{0} stands for no answer: they are counted from 1".to_owned(),
        usize::MAX => "There is a number in braces that no step has".to_owned(),
        _ => format!(
            "{{{number}}} stands for the answer to step {number}, which does not come before this one"
        ),
    }
}

/// What is wrong with step `index`, counted from 0, before anything is asked.
pub(crate) fn problem(question: &str, index: usize) -> Option<String> {
    if question.trim().is_empty() {
        return Some("Write a question".to_owned());
    }
    pieces(question).into_iter().find_map(|piece| match piece {
        Piece::Answer(number) if number == 0 || number > index => Some(missing(number)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_take_their_places() {
        let answers = ["a chair.".to_owned(), " 2 m ".to_owned()];
        for (question, expected) in [
            ("How far is {1}?", "How far is a chair?"),
            ("{1}{2}{1}", "a chair2 ma chair"),
            ("nothing", "nothing"),
            ("{x} {} {{1}} {", "{x} {} {a chair} {"),
            ("{ {2}", "{ 2 m"),
            ("ü{2}ü", "ü2 mü"),
            ("", ""),
        ] {
            assert_eq!(fill(question, &answers).as_deref(), Ok(expected), "{question}");
        }
        assert!(fill("{3}", &answers).unwrap_err().contains("step 3"));
        assert!(fill("{0}", &answers).is_err());
        assert!(fill("{99999999999999999999999}", &answers).is_err());
    }

    #[test]
    fn an_answer_is_not_read_for_places() {
        assert_eq!(fill("{1}", &["{2}".to_owned()]).as_deref(), Ok("{2}"));
    }

    #[test]
    fn a_step_refers_to_steps_before_it_only() {
        assert_eq!(problem("How far is {1}?", 1), None);
        for (question, index) in [("{1}", 0), ("{2}", 1), ("{0}", 3), (" ", 0)] {
            assert!(problem(question, index).is_some(), "{question} {index}");
        }
    }
}

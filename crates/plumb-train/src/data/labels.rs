//! What is learned of a sample: shown to a person before the start, and checked before each step.
//!
//! Silent failures of other trainers, all found too late: loss 0 because every label was masked or cut off (LLaVA-NeXT #281), pictures cut by
//! truncation (mlx-vlm #1830: 447 features for 1053 tokens).

use super::error::{DataError, Result};

/// The picture of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageTokens {
    /// The token that stands for a feature of the picture.
    pub id: u32,
    /// Features that the vision part makes for this sample.
    pub features: usize,
}

/// Checks a sequence: `learn[i]` says whether token `i` is a label.
///
/// # Errors
/// [`DataError::Labels`], which names the sample: nothing is learned, a picture token is, mask and tokens differ in number, or the picture
/// has more or fewer tokens than features.
pub fn check_labels(sample: &str, ids: &[u32], learn: &[bool], image: Option<ImageTokens>) -> Result<()> {
    let fail = |detail: String| Err(DataError::Labels { sample: sample.to_owned(), detail });
    if ids.len() != learn.len() {
        return fail(format!("{} tokens and {} labels", ids.len(), learn.len()));
    }
    // The first token has nothing before it to be predicted from.
    if !learn.iter().skip(1).any(|&is| is) {
        return fail("nothing is learned of it: every label is masked or cut off".to_owned());
    }
    let Some(image) = image else { return Ok(()) };
    let found = ids.iter().filter(|id| **id == image.id).count();
    if found != image.features {
        let detail = format!(
            "{found} image tokens for {} image features: the picture was cut off, or the text names the token",
            image.features
        );
        return fail(detail);
    }
    if ids.iter().zip(learn).any(|(id, is)| *id == image.id && *is) {
        return fail("an image token is a label".to_owned());
    }
    Ok(())
}

/// A sequence as text, with what is not learned as `[[…]]` and what is as `→…←`. Runs of the picture's token are counted.
///
/// `decode` gives the text of some tokens, special ones included. Tokens past the shorter of the two slices are left out.
pub fn mask_report(
    ids: &[u32],
    learn: &[bool],
    image: Option<u32>,
    decode: &mut dyn FnMut(&[u32]) -> String,
) -> String {
    let mut out = String::new();
    let pairs: Vec<(u32, bool)> = ids.iter().copied().zip(learn.iter().copied()).collect();
    for run in pairs.chunk_by(|a, b| a.1 == b.1) {
        let learned = run.first().is_some_and(|(_, is)| *is);
        out.push_str(if learned { "→" } else { "[[" });
        for part in run.chunk_by(|a, b| (Some(a.0) == image) == (Some(b.0) == image)) {
            let tokens: Vec<u32> = part.iter().map(|(id, _)| *id).collect();
            if tokens.first().copied() == image && image.is_some() {
                let name = decode(tokens.get(..1).unwrap_or_default());
                out.push_str(&format!("{name}×{}", tokens.len()));
            } else {
                out.push_str(&decode(&tokens));
            }
        }
        out.push_str(if learned { "←" } else { "]]" });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_is_shown_with_its_mask() {
        let text = ["<start>", "<image>", "Where?", " left", ".", "<end>"];
        let ids = [0, 1, 1, 1, 2, 3, 4, 5];
        let learn = [false, false, false, false, false, true, true, false];
        let mut decode = |ids: &[u32]| ids.iter().map(|id| text[*id as usize]).collect::<String>();
        let shown = mask_report(&ids, &learn, Some(1), &mut decode);
        assert_eq!(shown, "[[<start><image>×3Where?]]→ left.←[[<end>]]");
        assert_eq!(mask_report(&[], &[], None, &mut decode), "");
        assert_eq!(mask_report(&[3, 3], &[true], None, &mut decode), "→ left←");
    }

    #[test]
    fn silent_failures_are_named() {
        let image = |features| Some(ImageTokens { id: 1, features });
        let ok = ([7, 1, 1, 8], [false, false, false, true]);
        assert!(check_labels("a:1", &ok.0, &ok.1, image(2)).is_ok());
        assert!(check_labels("a:1", &ok.0, &ok.1, None).is_ok());
        for (learn, features, wanted) in [
            ([false; 4], 2, "nothing is learned"),
            ([true, false, false, false], 2, "nothing is learned"),
            ([false, false, false, true], 3, "2 image tokens for 3"),
            ([false, true, false, true], 2, "an image token is a label"),
        ] {
            let said = check_labels("a.json:17", &ok.0, &learn, image(features)).unwrap_err().to_string();
            assert!(said.contains("a.json:17") && said.contains(wanted), "{said}");
        }
        assert!(
            check_labels("a", &[1], &[], None).unwrap_err().to_string().contains("1 tokens and 0 labels")
        );
    }
}

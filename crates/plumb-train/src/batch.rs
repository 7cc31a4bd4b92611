//! What one forward pass reads: padded dialogues, their labels, and the frames of their images.

use burn::tensor::Tensor;

/// The images of a batch, each once, however many dialogues show it.
#[expect(
    clippy::large_enum_variant,
    reason = "few of them, seldom moved; a box would be one more hop in every pass"
)]
pub enum Frames {
    /// No image.
    None,
    /// `[frames, 3, height, width]`, row-major.
    Pixels { pixels: Vec<f32>, frames: usize, height: usize, width: usize },
    /// Image tokens after the connector, `[frames · tokens, h]`, computed before: the tower is frozen.
    Features(Tensor<2>),
}

/// A label: the token at `position` of dialogue `sample`, predicted by the row before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub sample: usize,
    pub position: usize,
    pub token: u32,
}

/// One dialogue: its tokens, which of them are learned, and where its image tokens stand with the feature row of each.
pub type DialogueRows = (Vec<u32>, Vec<bool>, Vec<(usize, usize)>);

/// Several dialogues, padded at the end to one length.
pub struct Batch {
    /// The longest dialogue.
    pub len: usize,
    /// The tokens of each dialogue.
    pub ids: Vec<Vec<u32>>,
    /// For each dialogue, where its image tokens stand and which row of the features each is, in order.
    pub image_rows: Vec<Vec<(usize, usize)>>,
    /// The labels, in order.
    pub targets: Vec<Target>,
    /// The images.
    pub frames: Frames,
}

impl Batch {
    /// Puts dialogues together: `ids` with `answer` flags, and which frame rows their image tokens are.
    ///
    /// The first token has no row before it and is never a label.
    #[must_use]
    pub fn new(dialogues: Vec<DialogueRows>, frames: Frames) -> Self {
        let len = dialogues.iter().map(|(ids, ..)| ids.len()).max().unwrap_or(0);
        let mut batch = Self { len, ids: Vec::new(), image_rows: Vec::new(), targets: Vec::new(), frames };
        for (sample, (ids, answer, rows)) in dialogues.into_iter().enumerate() {
            for (position, (&token, &learn)) in ids.iter().zip(&answer).enumerate().skip(1) {
                if learn {
                    batch.targets.push(Target { sample, position, token });
                }
            }
            batch.ids.push(ids);
            batch.image_rows.push(rows);
        }
        batch
    }

    /// The row of the hidden states that predicts each label, `prefix` virtual tokens standing before each dialogue.
    #[must_use]
    pub fn label_rows(&self, prefix: usize) -> Vec<usize> {
        let len = prefix + self.len;
        self.targets.iter().map(|t| t.sample * len + prefix + t.position - 1).collect()
    }

    /// Tokens of all dialogues, without padding.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.ids.iter().map(Vec::len).sum()
    }
}

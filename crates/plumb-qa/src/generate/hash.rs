//! A small fixed hash: the standard library's may change between releases, and what it decides here must not.

use crate::pair::Question;

/// Folds numbers one after the other (the finaliser of Vigna's splitmix64).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hash(u64);

impl Hash {
    pub(crate) fn new(start: u64) -> Self {
        let mut hash = Self(0x9e37_79b9_7f4a_7c15);
        hash.add(start);
        hash
    }

    pub(crate) fn add(&mut self, value: u64) {
        let mut z = (self.0 ^ value).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.0 = z ^ (z >> 31);
    }

    pub(crate) fn finish(self) -> u64 {
        self.0
    }
}

/// Hash of a text, never 0.
pub(crate) fn text(text: &str) -> u64 {
    let mut hash = Hash::new(text.len() as u64);
    for chunk in text.as_bytes().chunks(8) {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        hash.add(u64::from_le_bytes(bytes));
    }
    hash.finish().max(1)
}

/// Hash of a question without its options.
pub(crate) fn question(question: &Question) -> u64 {
    let mut hash = Hash::new(u64::from(question.kind.code()));
    question.objects.iter().for_each(|&id| hash.add(u64::from(id)));
    hash.add(u64::from(question.rank));
    hash.add(text(&question.category));
    hash.finish()
}

/// A hash as a number in [0, 1).
pub(crate) fn share(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

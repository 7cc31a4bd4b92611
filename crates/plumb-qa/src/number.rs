//! Numbers as people say them, and what a text says read back.
//!
//! The rule: a unit that fits the size and the place, no more digits than the uncertainty allows, "about" where it is large
//! (SpatialVLM, arXiv 2401.12168, rounds answers the way people speak). Whatever is said here [`parse_length`] reads as the same number.

mod lexer;
mod parse;
mod say;
mod words;

pub use parse::{ParsedLength, parse_length};
pub use say::{LengthStyle, Locale, say_length};
pub use words::{count_word, ordinal_word, parse_clock, parse_count, parse_yes_no, say_clock, say_count};
pub(crate) use words::{push_clock, push_count_word, push_integer, push_ordinal};

#[cfg(test)]
mod tests;

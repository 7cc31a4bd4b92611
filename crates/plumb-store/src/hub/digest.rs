//! What the name of a blob says about its bytes.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The two hashes that the hub names blobs by, recognised by their length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Large files: the SHA-256 of the content.
    Sha256,
    /// Small files: git's SHA-1 of `blob <size>\0` and the content.
    Git,
    /// An etag of another server; it says nothing.
    Opaque,
}

impl Kind {
    pub(super) fn of(etag: &str) -> Self {
        let hex = etag.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match (hex, etag.len()) {
            (true, 64) => Self::Sha256,
            (true, 40) => Self::Git,
            _ => Self::Opaque,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Git => "git SHA-1",
            Self::Opaque => "hash",
        }
    }
}

/// Hashes content as it arrives.
#[derive(Clone)]
pub(super) enum Hasher {
    Sha256(Sha256),
    Git(Sha1),
    Opaque,
}

impl Hasher {
    /// For content of `size` bytes; git's hash has to know it beforehand.
    pub(super) fn new(kind: Kind, size: u64) -> Self {
        match kind {
            Kind::Sha256 => Self::Sha256(Sha256::new()),
            Kind::Git => {
                let mut sha = Sha1::new();
                sha.update(format!("blob {size}\0"));
                Self::Git(sha)
            }
            Kind::Opaque => Self::Opaque,
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(sha) => sha.update(bytes),
            Self::Git(sha) => sha.update(bytes),
            Self::Opaque => {}
        }
    }

    /// The hash in lower-case hex; `None` for [`Kind::Opaque`].
    pub(super) fn finish(self) -> Option<String> {
        match self {
            Self::Sha256(sha) => Some(hex(&sha.finalize())),
            Self::Git(sha) => Some(hex(&sha.finalize())),
            Self::Opaque => None,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(kind: Kind, content: &[u8]) -> Option<String> {
        let mut hasher = Hasher::new(kind, content.len() as u64);
        content.chunks(3).for_each(|part| hasher.update(part));
        hasher.finish()
    }

    #[test]
    fn known_hashes() {
        // `printf 'hello\n' | git hash-object --stdin` and `printf 'hello\n' | sha256sum`.
        let git = "ce013625030ba8dba906f756967f9e9ca394464a";
        let sha = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        assert_eq!(hash(Kind::of(git), b"hello\n").as_deref(), Some(git));
        assert_eq!(hash(Kind::of(sha), b"hello\n").as_deref(), Some(sha));
        assert_eq!(hash(Kind::of("abc"), b"hello\n"), None);
        assert_eq!(Kind::of(&sha.to_uppercase()), Kind::Opaque);
    }
}

//! The files compiled in, and their fingerprints.
//!
//! **Invariant:** the constants are the sha256 of the bytes; a test recomputes them, so that nobody pays for hashing 24 MB at
//! start and nobody changes an asset unnoticed.

use crate::{EncoderError, Result};

/// File name of the weights.
pub(crate) const WEIGHTS_NAME: &str = "all-minilm-l6-v2.q8_0.gguf";
/// File name of the tokenizer.
pub(crate) const TOKENIZER_NAME: &str = "tokenizer.json";

/// sha256 of the tokenizer.
pub(crate) const TOKENIZER_SHA256: &str = "9114256b104cca80e04367526f03f46aa3c443c2ed174904142a73bbf13b9fbb";
/// Fingerprint of the pretrained encoder.
pub(crate) const PRETRAINED_FINGERPRINT: &str = "8c278117cadd5e40e091ee14dfe8967511ca613281346b9f65695b567ad894b6";

#[cfg(feature = "embedded")]
mod embedded {
    pub(super) static WEIGHTS: Option<&[u8]> = Some(include_bytes!("../assets/all-minilm-l6-v2.q8_0.gguf"));
    pub(super) static TOKENIZER: Option<&[u8]> = Some(include_bytes!("../assets/tokenizer.json"));
}
#[cfg(not(feature = "embedded"))]
mod embedded {
    pub(super) static WEIGHTS: Option<&[u8]> = None;
    pub(super) static TOKENIZER: Option<&[u8]> = None;
}

/// The weights (GGUF), if this build carries them.
pub(crate) fn weights() -> Option<&'static [u8]> {
    embedded::WEIGHTS
}

/// The tokenizer (JSON), if this build carries it.
pub(crate) fn tokenizer() -> Option<&'static [u8]> {
    embedded::TOKENIZER
}

/// Looks at the first bytes only: a checkout with a pointer in place of the weights is told at once, not at the first
/// sentence that happens to need them.
pub(crate) fn check_magic() -> Result<()> {
    match weights() {
        Some(bytes) if !bytes.starts_with(b"GGUF") => {
            Err(EncoderError::Asset { asset: WEIGHTS_NAME, reason: "not a GGUF file".into() })
        }
        _ => Ok(()),
    }
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use super::*;
    use crate::model::{POOLING, sha256_hex};

    #[test]
    fn the_constants_are_the_hashes_of_the_bytes() {
        let (weights, tokenizer) = (sha256_hex(weights().unwrap()), sha256_hex(tokenizer().unwrap()));
        assert_eq!(tokenizer, TOKENIZER_SHA256, "set TOKENIZER_SHA256");
        let text = format!("ledg-encoder/1 pretrained\nweights {weights}\ntokenizer {tokenizer}\npooling {POOLING}\n");
        assert_eq!(sha256_hex(text.as_bytes()), PRETRAINED_FINGERPRINT, "set PRETRAINED_FINGERPRINT");
    }
}

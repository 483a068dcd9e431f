//! The recovery secret of a person: 256 random bits, written down as 24 words (BIP-39, English), of which the last holds a
//! checksum of eight bits. What it opens has keys of their own, derived here and nowhere else.

use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

use crate::seal::BackupKey;

/// The largest text that is taken for words: 24 of at most eight letters, with much room between them.
const MAX_TEXT_BYTES: usize = 4_096;

/// 256 random bits.
#[derive(Clone)]
pub struct RecoverySecret(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for RecoverySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoverySecret(…)")
    }
}

/// A text is not the 24 words of a recovery secret. It says what of them is wrong, and never which words they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    #[error("recovery words are 24, and here are {0}")]
    Count(usize),
    #[error("word {0} is none of the list that recovery words are from; look at its spelling")]
    Unknown(usize),
    #[error("these words do not belong together: one of them is another, or two have changed places")]
    Checksum,
}

impl RecoverySecret {
    /// A secret of 32 bytes that the caller has drawn.
    pub fn from_entropy(entropy: [u8; 32]) -> Self {
        RecoverySecret(Zeroizing::new(entropy))
    }

    /// The bytes, to be sealed.
    pub fn entropy(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 24 words, with a blank between two of them.
    pub fn words(&self) -> Zeroizing<String> {
        let words = Mnemonic::from_entropy_in(Language::English, &*self.0).expect("32 bytes are 24 words");
        Zeroizing::new(words.words().collect::<Vec<_>>().join(" "))
    }

    /// Reads words, in whatever letters and however far apart; numbers before them (`1.`) do not matter.
    ///
    /// # Errors
    /// If they are not 24 of the list, with the right checksum.
    pub fn parse(text: &str) -> Result<Self, WordsError> {
        let text = &text[..text.len().min(MAX_TEXT_BYTES)];
        let words: Vec<Zeroizing<String>> = text
            .split_whitespace()
            .map(|word| word.trim_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ')' | ',' | ':')))
            .filter(|word| !word.is_empty())
            .map(|word| Zeroizing::new(word.to_lowercase()))
            .collect();
        if words.len() != 24 {
            return Err(WordsError::Count(words.len()));
        }
        if let Some(at) = words.iter().position(|word| Language::English.find_word(word).is_none()) {
            return Err(WordsError::Unknown(at + 1));
        }
        let joined = Zeroizing::new(words.iter().map(|word| word.as_str()).collect::<Vec<_>>().join(" "));
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, &joined).map_err(|_| WordsError::Checksum)?;
        let entropy = Zeroizing::new(mnemonic.to_entropy());
        let entropy: [u8; 32] = entropy[..].try_into().map_err(|_| WordsError::Checksum)?;
        Ok(Self::from_entropy(entropy))
    }

    fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        let mut hash = blake3::Hasher::new_keyed(&self.0);
        hash.update(b"allod/recovery/v1\0").update(label.as_bytes());
        Zeroizing::new(*hash.finalize().as_bytes())
    }

    /// The key that opens backups.
    pub fn backup_key(&self) -> BackupKey {
        BackupKey::new(self.derive("backup"))
    }

    /// The key under which the root key of an account is sealed, beside the node key.
    pub fn account_key(&self) -> Zeroizing<[u8; 32]> {
        self.derive("account")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_bip_39_and_read_back_however_they_are_written() {
        // A vector of BIP-39 (trezor/python-mnemonic, vectors.json).
        let zeros = RecoverySecret::from_entropy([0; 32]);
        assert_eq!(zeros.words().as_str(), format!("{}art", "abandon ".repeat(23)));
        let secret = RecoverySecret::from_entropy(std::array::from_fn(|n| n as u8 * 7));
        let words = secret.words();
        let numbered: String =
            words.split(' ').enumerate().map(|(n, word)| format!("{}. {}\n", n + 1, word.to_uppercase())).collect();
        for text in [words.to_string(), format!("  {}\r\n", words.replace(' ', "\n")), numbered] {
            assert_eq!(RecoverySecret::parse(&text).unwrap().entropy(), secret.entropy());
        }
    }

    #[test]
    fn what_is_wrong_with_words_is_said_without_them() {
        let words = RecoverySecret::from_entropy([9; 32]).words();
        let mut list: Vec<&str> = words.split(' ').collect();
        let wrong = |list: &[&str]| RecoverySecret::parse(&list.join(" ")).unwrap_err();
        assert_eq!(wrong(&list[..23]), WordsError::Count(23));
        assert_eq!(wrong(&[]), WordsError::Count(0));
        list[6] = "alode";
        assert_eq!(wrong(&list), WordsError::Unknown(7));
        list[6] = "abandon";
        assert_eq!(wrong(&list), WordsError::Checksum);
        assert!(RecoverySecret::parse(&"x ".repeat(1 << 20)).is_err());
    }

    #[test]
    fn keys_for_different_things_are_different() {
        let secret = RecoverySecret::from_entropy([9; 32]);
        assert_ne!(secret.derive("backup"), secret.derive("account"));
        assert_eq!(*secret.account_key(), *RecoverySecret::from_entropy([9; 32]).account_key());
        assert!(!format!("{secret:?}").contains('9'));
    }
}

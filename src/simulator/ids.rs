//! Ids, the same in every run.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Gives out ids: the n-th is always the same, so that runs can be compared.
#[derive(Debug, Default)]
pub(super) struct Ids {
    given: u64,
}

impl Ids {
    const SPACE: Uuid = Uuid::from_u128(0x7b1d_6a0e_52c4_4f0b_9d3e_0a6f_51c8_2e47);

    pub(super) fn uuid(&mut self) -> String {
        self.given += 1;
        Uuid::new_v5(&Self::SPACE, &self.given.to_be_bytes()).to_string()
    }

    /// Eight letters and digits, as tiles have them.
    pub(super) fn mini_uuid(&mut self) -> String {
        const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        self.given += 1;
        let digest = Sha256::digest(self.given.to_be_bytes());
        digest
            .iter()
            .take(8)
            .map(|byte| char::from(ALPHABET[usize::from(*byte) % 62]))
            .collect()
    }

    /// Eight hexadecimal digits, as identifiers have them that nobody chose.
    pub(super) fn identifier(&mut self) -> String {
        self.uuid().chars().take(8).collect()
    }
}

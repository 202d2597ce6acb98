use std::hash::{BuildHasher, RandomState};

/// A random UUID (version 4): unique, not a secret.
pub(super) fn random() -> String {
    let seed = RandomState::new();
    let bits = (u128::from(seed.hash_one(0_u8)) << 64) | u128::from(seed.hash_one(1_u8));
    let versioned = (bits & !(0xf << 76) & !(0b11 << 62)) | (0x4 << 76) | (0b10 << 62);
    let mut text = String::with_capacity(36);
    for (index, digit) in format!("{versioned:032x}").chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_version_and_variant() {
        let uuid = random();
        let groups: Vec<_> = uuid.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12], "{uuid}");
        assert_eq!(uuid.chars().nth(14), Some('4'), "{uuid}");
        assert!(matches!(uuid.chars().nth(19), Some('8' | '9' | 'a' | 'b')), "{uuid}");
        assert_ne!(uuid, random());
    }
}

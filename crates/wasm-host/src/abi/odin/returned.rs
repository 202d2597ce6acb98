//! Where the guest says that its output is, in both shapes that `execute` may have.

use serde::de::DeserializeOwned;

/// What `execute` gave back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Returned {
    /// The pointer in the low half, the size in the high one. Guests that have them the other way round are out there.
    Packed(u64),
    Pair(u32, u32),
}

/// A place in the guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) ptr: u32,
    pub(super) len: u32,
}

/// Why a place has no output.
#[derive(Debug)]
pub(super) enum Unusable {
    /// There is no JSON: the output may be elsewhere.
    NotJson(String),
    /// There is JSON that is no output.
    Misshapen(String),
}

impl Returned {
    /// Reads the output where it is. When there is none anywhere, the first place that was looked at tells why.
    pub(super) fn read<T>(self, read: impl Fn(Place) -> Result<T, Unusable>) -> Result<T, String> {
        let (ptr, len, swapped) = match self {
            Self::Pair(ptr, len) => (ptr, len, None),
            Self::Packed(packed) => {
                let (low, high) = halves(packed);
                (low, high, Some(Place { ptr: high, len: low }))
            }
        };
        match (read(Place { ptr, len }), swapped) {
            (Ok(output), _) => Ok(output),
            (Err(Unusable::Misshapen(reason)), _) | (Err(Unusable::NotJson(reason)), None) => Err(reason),
            (Err(Unusable::NotJson(reason)), Some(swapped)) => match read(swapped) {
                Ok(output) => Ok(output),
                Err(Unusable::Misshapen(reason)) => Err(reason),
                Err(Unusable::NotJson(_)) => Err(reason),
            },
        }
    }
}

fn halves(packed: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = packed.to_le_bytes();
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// Reads a text as a value of JSON.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Unusable> {
    serde_json::from_str(text).map_err(|error| {
        if error.is_data() {
            Unusable::Misshapen(format!("the output is not what it is to be: {error}"))
        } else {
            Unusable::NotJson(format!("the output is not JSON: {error}"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: &str = r#"   {"continue":true} [1]"#;

    fn read(returned: Returned) -> Result<super::super::output::Output, String> {
        returned.read(|Place { ptr, len }| {
            let text = MEMORY.get(ptr as usize..(u64::from(ptr) + u64::from(len)) as usize);
            parse(text.ok_or_else(|| Unusable::NotJson("outside".to_owned()))?)
        })
    }

    fn packed(low: u64, high: u64) -> Returned {
        Returned::Packed(low | high << 32)
    }

    #[test]
    fn both_shapes_are_read() {
        assert!(read(Returned::Pair(3, 17)).unwrap().proceeds);
        assert!(read(packed(3, 17)).unwrap().proceeds);
    }

    #[test]
    fn halves_may_be_swapped() {
        assert!(read(packed(17, 3)).unwrap().proceeds);
        assert!(read(Returned::Pair(17, 3)).unwrap_err().contains("not JSON"));
    }

    #[test]
    fn the_first_place_tells_why_there_is_none() {
        assert_eq!(read(packed(u64::from(u32::MAX), 1)).unwrap_err(), "outside");
        assert!(read(packed(3, 16)).unwrap_err().contains("not JSON"));
        assert!(read(packed(0, 0)).unwrap_err().contains("not JSON"));
        assert!(read(packed(21, 3)).unwrap_err().contains("not what it is to be"));
    }
}

//! Writes JSON into a buffer that is kept from call to call.

/// An object that is being written.
pub(super) struct Members<'a> {
    to: &'a mut Vec<u8>,
    is_first: bool,
}

/// Writes an object.
pub(super) fn object(to: &mut Vec<u8>, fill: impl FnOnce(&mut Members<'_>)) {
    to.push(b'{');
    fill(&mut Members { to, is_first: true });
    to.push(b'}');
}

/// Writes a text.
pub(super) fn text(to: &mut Vec<u8>, text: &str) {
    // Writing to a vector does not fail.
    serde_json::to_writer(to, text).unwrap_or_default();
}

impl Members<'_> {
    /// Begins a member: its value is to be written next.
    pub(super) fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_first) {
            self.to.push(b',');
        }
        text(self.to, name);
        self.to.push(b':');
        self.to
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        text(self.member(name), value);
    }

    /// A member whose value is JSON already.
    pub(super) fn raw(&mut self, name: &str, json: &str) {
        self.member(name).extend_from_slice(json.as_bytes());
    }

    pub(super) fn object(&mut self, name: &str, fill: impl FnOnce(&mut Members<'_>)) {
        object(self.member(name), fill);
    }

    pub(super) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Vec<u8>, T),
    ) {
        let to = self.member(name);
        to.push(b'[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                to.push(b',');
            }
            write(to, item);
        }
        to.push(b']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_json() {
        let mut to = Vec::new();
        object(&mut to, |members| {
            members.text("a\"", "\u{1}\u{2028}\"\\");
            members.object("none", |_| {});
            members.list("many", [1, 2], |to, number: i32| to.extend_from_slice(number.to_string().as_bytes()));
            members.raw("raw", "[null]");
        });
        let value: serde_json::Value = serde_json::from_slice(&to).unwrap();
        let expected = serde_json::json!({ "a\"": "\u{1}\u{2028}\"\\", "none": {}, "many": [1, 2], "raw": [null] });
        assert_eq!(value, expected);
    }
}

//! Finds a member of a JSON object of which only the start may be there.

/// What came of looking for a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Text(String),
    /// The object has no such text, or it is no object, or not JSON.
    Nothing,
    /// It was not found before the bytes ended.
    Cut,
}

/// Looks for the text that the object at the top of a document has under this key. The first such key counts, and nothing
/// after it is read.
pub(crate) fn find_text(start: &[u8], key: &str) -> Found {
    match Scan(start).value_of(key) {
        Ok(text) => Found::Text(text),
        Err(Stop::Cut) => Found::Cut,
        Err(Stop::Nothing) => Found::Nothing,
    }
}

/// The bytes that were not read yet.
struct Scan<'a>(&'a [u8]);

/// Why there is no text.
enum Stop {
    Cut,
    Nothing,
}

impl<'a> Scan<'a> {
    fn value_of(&mut self, key: &str) -> Result<String, Stop> {
        self.expect(b'{')?;
        loop {
            let name = self.string()?;
            self.expect(b':')?;
            if name == key {
                return self.string();
            }
            self.skip_value()?;
            self.expect(b',')?;
        }
    }

    fn expect(&mut self, expected: u8) -> Result<(), Stop> {
        let found = self.peek()?;
        self.skip(1);
        if found == expected { Ok(()) } else { Err(Stop::Nothing) }
    }

    fn string(&mut self) -> Result<String, Stop> {
        match self.peek()? {
            b'"' => serde_json::from_slice(self.string_token()?).map_err(|_| Stop::Nothing),
            _ => Err(Stop::Nothing),
        }
    }

    /// The string that begins here, with its quotes.
    fn string_token(&mut self) -> Result<&'a [u8], Stop> {
        let mut is_escaped = false;
        let closing = self.0.iter().skip(1).position(|byte| {
            let closes = *byte == b'"' && !is_escaped;
            is_escaped = *byte == b'\\' && !is_escaped;
            closes
        });
        let (token, rest) = closing.and_then(|at| self.0.split_at_checked(at + 2)).ok_or(Stop::Cut)?;
        self.0 = rest;
        Ok(token)
    }

    /// Goes past a value of any depth. What is wrong within it is not noticed, other than what ends it.
    fn skip_value(&mut self) -> Result<(), Stop> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => drop(self.string_token()?),
                b'{' | b'[' => {
                    depth += 1;
                    self.skip(1);
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1).ok_or(Stop::Nothing)?;
                    self.skip(1);
                }
                b',' | b':' if depth > 0 => self.skip(1),
                b',' | b':' => return Err(Stop::Nothing),
                _ => self.skip_word()?,
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// Goes past a number or a literal, which may go on behind the last byte.
    fn skip_word(&mut self) -> Result<(), Stop> {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        match self.0.iter().position(|byte| !is_part(byte)) {
            Some(0) => Err(Stop::Nothing),
            Some(length) => {
                self.skip(length);
                Ok(())
            }
            None => Err(Stop::Cut),
        }
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Result<u8, Stop> {
        self.0 = self.0.trim_ascii_start();
        self.0.first().copied().ok_or(Stop::Cut)
    }

    fn skip(&mut self, bytes: usize) {
        self.0 = self.0.get(bytes..).unwrap_or_default();
    }
}

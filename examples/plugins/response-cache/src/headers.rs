/// The headers of a message, names in lower case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers(pub(crate) Vec<(String, Vec<u8>)>);

impl Headers {
    /// Every value of a name.
    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The first value of a name, when it is text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.all(name).next().and_then(|value| std::str::from_utf8(value).ok()).map(str::trim)
    }

    /// The values of a name as one list (RFC 9110 5.3). What is not UTF-8 in it is no part of a rule of HTTP.
    pub(crate) fn list(&self, name: &str) -> String {
        let values: Vec<_> = self.all(name).map(String::from_utf8_lossy).collect();
        values.join(",")
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    /// Replaces every value of a name by one.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.remove(name);
        self.0.push((name.to_owned(), value.into_bytes()));
    }
}

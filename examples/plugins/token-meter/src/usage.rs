use serde_json::Value;

/// The tokens that a service says it used. What it said last counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) input: Option<u64>,
    pub(crate) output: Option<u64>,
    total: Option<u64>,
}

/// Where events carry it: OpenAI's chunks and Anthropic's `message_delta`, `message_start`, and `response.completed`.
const PLACES: [&str; 3] = ["/usage", "/message/usage", "/response/usage"];

impl Usage {
    /// The usage after an event with this data. Most events have none, and are not parsed.
    pub(crate) fn updated_by(self, data: &str) -> Self {
        if !data.contains("\"usage\"") {
            return self;
        }
        let Ok(event) = serde_json::from_str::<Value>(data) else { return self };
        let said = PLACES.iter().filter_map(|place| event.pointer(place)).find(|usage| usage.is_object());
        let number = |names: [&str; 2]| names.iter().find_map(|name| said?.get(name)?.as_u64());
        Self {
            input: number(["prompt_tokens", "input_tokens"]).or(self.input),
            output: number(["completion_tokens", "output_tokens"]).or(self.output),
            total: said.and_then(|usage| usage.get("total_tokens")?.as_u64()).or(self.total),
        }
    }

    /// All tokens, as the service says or as the sum of both sides.
    pub(crate) fn total(self) -> Option<u64> {
        match (self.input, self.output) {
            _ if self.total.is_some() => self.total,
            (None, None) => None,
            (input, output) => Some(input.unwrap_or_default().saturating_add(output.unwrap_or_default())),
        }
    }
}

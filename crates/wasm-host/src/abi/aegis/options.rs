//! How a guest is used, as the operator says it under `abi`.

use serde::Deserialize;

use super::MAIN;

/// Of an edge function.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EdgeOptions {
    /// The export that is called.
    pub(super) entry: String,
    /// The property that keeps the function's result data; none: nothing does.
    pub(super) result: Option<String>,
}

impl Default for EdgeOptions {
    fn default() -> Self {
        Self { entry: MAIN.into(), result: None }
    }
}

/// Of a bot detector.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct BotOptions {
    pub(super) on_known: OnBot,
    pub(super) on_suspicious: OnBot,
    /// The header of the request that tells the verdict, where one of the two is `header`.
    pub(super) header: String,
}

impl Default for BotOptions {
    fn default() -> Self {
        Self { on_known: OnBot::Pass, on_suspicious: OnBot::Pass, header: "x-bot-verdict".into() }
    }
}

/// What becomes of a request, besides that its verdict is a property.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum OnBot {
    /// It is answered with 403.
    Block,
    /// It goes on with the verdict in a header.
    Header,
    /// It goes on.
    Pass,
}

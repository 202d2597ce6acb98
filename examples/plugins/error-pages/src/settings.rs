use serde::Deserialize;
use wasm_host_guest::{Error, Failure, Failures, Result};

use crate::page::Template;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    #[serde(default = "default_failures")]
    pub(crate) failures: Vec<Watched>,
    pages: Vec<Page>,
    #[serde(default)]
    pub(crate) html: Template,
    pub(crate) retry: Option<Retry>,
}

/// The answer to some failures.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    statuses: Option<Vec<Status>>,
    kinds: Option<Vec<Kind>>,
    pub(crate) message: String,
    pub(crate) html: Option<Template>,
    pub(crate) set_status: Option<Status>,
    pub(crate) retry_after: Option<u32>,
}

/// Where a request is sent once more.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retry {
    pub(crate) service: String,
    #[serde(default = "default_retry_kinds")]
    pub(crate) kinds: Vec<Kind>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Watched {
    Unreachable,
    ServerErrors,
    Plugins,
}

/// The `kind` of a failure.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Connect,
    Timeout,
    Reset,
    Protocol,
    Status,
    Plugin,
    Other,
}

/// A status that an answer may have.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(try_from = "u16")]
pub(crate) struct Status(pub(crate) u16);

impl TryFrom<u16> for Status {
    type Error = String;

    fn try_from(status: u16) -> Result<Self, String> {
        if (200..600).contains(&status) { Ok(Self(status)) } else { Err(format!("{status} is not 200 to 599")) }
    }
}

impl Settings {
    pub(crate) fn check(&self) -> Result<()> {
        if self.failures.is_empty() {
            return Err(Error::new("`failures` is empty: no page would ever be sent"));
        }
        match self.retry.as_ref().map(|retry| retry.service.as_str()) {
            Some("") => Err(Error::new("`retry.service` is empty")),
            _ => Ok(()),
        }
    }

    /// The first page that fits.
    pub(crate) fn page(&self, status: u16, kind: Kind) -> Option<&Page> {
        self.pages.iter().find(|page| page.fits(status, kind))
    }
}

impl Page {
    fn fits(&self, status: u16, kind: Kind) -> bool {
        self.statuses.as_ref().is_none_or(|statuses| statuses.contains(&Status(status)))
            && self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }
}

impl Watched {
    pub(crate) fn flag(&self) -> Failures {
        match self {
            Self::Unreachable => Failures::UNREACHABLE,
            Self::ServerErrors => Failures::SERVER_ERRORS,
            Self::Plugins => Failures::PLUGINS,
        }
    }
}

impl Kind {
    pub(crate) fn of(failure: &Failure) -> Self {
        match &*failure.kind {
            "connect" => Self::Connect,
            "timeout" => Self::Timeout,
            "reset" => Self::Reset,
            "protocol" => Self::Protocol,
            "status" => Self::Status,
            "plugin" => Self::Plugin,
            _ => Self::Other,
        }
    }
}

fn default_failures() -> Vec<Watched> {
    vec![Watched::Unreachable, Watched::ServerErrors]
}

fn default_retry_kinds() -> Vec<Kind> {
    vec![Kind::Connect]
}

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Response, header::CONTENT_TYPE};

use crate::{
    Body, ClosedAnswer, Error, Exchange, ExchangeFacts, Failure, FailureAction, Phase, Phases, Plugin, Result,
    WatchedFailures,
};

/// The ordered plugins of a route. Cloning is cheap.
#[derive(Clone)]
pub struct PluginChain {
    plugins: Arc<[Plugin]>,
    phases: Phases,
    watched: WatchedFailures,
}

impl PluginChain {
    /// A chain of these plugins, ordered by priority; equals stay in the order they come in. The same plugin given twice
    /// is in the chain once.
    ///
    /// Fails with [`Error::MissingProperty`] when a plugin requires a property that none before it provides.
    pub fn new(plugins: impl IntoIterator<Item = Plugin>) -> Result<Self> {
        let mut plugins = plugins.into_iter().fold(Vec::<Plugin>::new(), |mut plugins, plugin| {
            if !plugins.iter().any(|known| known.is_same(&plugin)) {
                plugins.push(plugin);
            }
            plugins
        });
        plugins.sort_by_key(Plugin::priority);
        check_properties(&plugins)?;
        let phases = plugins.iter().map(Plugin::phases).fold(Phases::default(), Phases::union);
        let watched = plugins.iter().map(Plugin::watched).fold(WatchedFailures::default(), WatchedFailures::union);
        Ok(Self { plugins: plugins.into(), phases, watched })
    }

    /// The plugins in the order in which they see a request.
    pub fn plugins(&self) -> &[Plugin] {
        &self.plugins
    }

    /// The phases that one of the plugins has. A host may skip the others.
    pub fn phases(&self) -> Phases {
        self.phases
    }

    /// The failures that one of the plugins wants to see. A host may skip [`Exchange::on_error`] for the others.
    pub fn watched(&self) -> WatchedFailures {
        self.watched
    }

    /// Opens an exchange: one request, and its response.
    pub fn exchange(&self, facts: ExchangeFacts) -> Exchange {
        Exchange::new(self.clone(), facts)
    }
}

/// Whether each plugin finds the properties that it requires.
fn check_properties(plugins: &[Plugin]) -> Result<()> {
    let provides = |plugin: &&Plugin, property: &String| plugin.provides().contains(property);
    for (index, plugin) in plugins.iter().enumerate() {
        for property in plugin.requires() {
            if plugins.iter().take(index).any(|before| provides(&before, property)) {
                continue;
            }
            let behind = plugins.iter().skip(index + 1).find(|behind| provides(behind, property));
            return Err(Error::MissingProperty {
                plugin: plugin.name().to_owned(),
                property: property.clone(),
                provider: behind.map(|behind| behind.name().to_owned()),
            });
        }
    }
    Ok(())
}

impl fmt::Debug for PluginChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.plugins.iter().map(Plugin::name)).finish()
    }
}

/// What a failed call means for the exchange.
pub(crate) enum Consequence {
    /// Answer with this.
    Close(Response<Body>),
    /// Go on without the plugin.
    Bypass,
    /// Go on without the plugin, and say so in the message.
    BypassTagged(HeaderName, HeaderValue),
    /// Call it once more, on a fresh instance.
    Retry,
    /// There is nothing that the failure could close: the host answers, or has answered.
    Ignore,
}

/// Decides by the plugin's failure policy. The only place where a failure gets a meaning.
///
/// `may_retry`: the failed call was the first of its instance in this exchange, nothing of the message has been sent,
/// and the plugin was not called again before.
pub(crate) fn consequence(plugin: &Plugin, failure: &Failure, phase: Phase, may_retry: bool) -> Consequence {
    if matches!(phase, Phase::Error | Phase::Complete) {
        return Consequence::Ignore;
    }
    match plugin.policy().action(phase, failure.class) {
        FailureAction::Closed(answer) => Consequence::Close(closed(plugin, failure, phase, answer)),
        FailureAction::Open => Consequence::Bypass,
        FailureAction::OpenTag(header) => Consequence::BypassTagged(header.clone(), label(plugin, failure)),
        FailureAction::RetryFresh if may_retry => Consequence::Retry,
        FailureAction::RetryFresh => Consequence::Close(closed(plugin, failure, phase, &ClosedAnswer::default())),
    }
}

fn closed(plugin: &Plugin, failure: &Failure, phase: Phase, answer: &ClosedAnswer) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.body.clone()));
    *response.status_mut() = answer.status.unwrap_or_else(|| failure.class.status_in(phase));
    let headers = response.headers_mut();
    if let Some(content_type) = &answer.content_type {
        headers.insert(CONTENT_TYPE, content_type.clone());
    }
    if let Some(header) = &plugin.policy().expose_header {
        headers.insert(header.clone(), label(plugin, failure));
    }
    response
}

fn label(plugin: &Plugin, failure: &Failure) -> HeaderValue {
    HeaderValue::try_from(format!("{};{}", plugin.name(), failure.class))
        .unwrap_or_else(|_| HeaderValue::from_static(failure.class.as_str()))
}

/// Puts the tag of a bypassed plugin on a message.
pub(crate) fn tag(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    // A map that is full keeps what it has: the tag is for information.
    let _ = headers.try_append(name, value);
}

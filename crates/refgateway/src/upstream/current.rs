//! The services as they are now, for what lives longer than one picture of the config.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Service;

/// The services that are served now. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct CurrentServices(Arc<ArcSwap<Vec<Arc<Service>>>>);

impl CurrentServices {
    /// From now on these are.
    pub(crate) fn set(&self, services: &[Arc<Service>]) {
        self.0.store(Arc::new(services.to_vec()));
    }

    /// The service of this name.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Service>> {
        self.0.load().iter().find(|service| service.name == name).cloned()
    }
}

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

/// The instances that an engine may have at one moment, of all plugins and commands.
#[derive(Debug)]
pub(crate) struct Places {
    bound: u32,
    taken: AtomicU32,
}

/// All places of the engine are taken.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the engine has {0} instances, busy and idle ones, and may have no more")]
pub(crate) struct NoPlace(u32);

/// Leave to have an instance. Dropping it lets another one be.
#[derive(Debug)]
pub(crate) struct Place(Arc<Places>);

impl Places {
    pub(crate) fn new(bound: u32) -> Self {
        Self { bound, taken: AtomicU32::new(0) }
    }

    pub(crate) fn take(self: &Arc<Self>) -> Result<Place, NoPlace> {
        let place = Place(Arc::clone(self));
        if self.taken.fetch_add(1, Relaxed) < self.bound { Ok(place) } else { Err(NoPlace(self.bound)) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_left_can_be_taken() {
        let places = Arc::new(Places::new(1));
        let place = places.take().unwrap();
        assert!(places.take().is_err() && places.take().is_err());
        drop(place);
        assert!(places.take().is_ok());
    }
}

//! The library that the gateway is made of.

use std::process::Command;

use benches::hyper_alone;

use crate::peer::Place;

pub(crate) fn proxy(place: &Place<'_>) -> Command {
    hyper_alone(place.address, place.upstream)
}

//! Builds guests from source, in one way for tests, benches and the demo.

pub mod guests;

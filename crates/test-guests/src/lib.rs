//! Guests that the tests and benches run: the path of each as a constant.
//!
//! A guest no test uses does not compile: a test crate calls [`each_guest`] with a macro that names a test of the
//! guest's name.

include!(concat!(env!("OUT_DIR"), "/guests.rs"));

//! A slow reader slows the upstream, and memory does not grow.

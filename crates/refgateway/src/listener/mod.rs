//! Where clients connect.

mod activity;
mod connection;
mod framing;
mod guard;
mod living;
mod sniff;
mod sockets;
pub(crate) mod tls;
mod watch;

pub(crate) use self::{
    connection::accept_loop,
    living::{Alive, Living},
    sockets::{bind, register},
    watch::Watch,
};

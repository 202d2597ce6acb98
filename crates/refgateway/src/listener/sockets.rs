//! Listening sockets, one for each worker.

use std::{io, net::SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

const BACKLOG: i32 = 1024;

/// Binds one socket a worker to the same address; the system spreads connections over them.
pub(crate) fn bind(address: SocketAddr, workers: usize) -> io::Result<Vec<std::net::TcpListener>> {
    let mut sockets: Vec<std::net::TcpListener> = Vec::with_capacity(workers);
    for _ in 0..workers {
        // Port 0 is chosen by the first and shared by the others.
        let address = sockets.first().map_or(Ok(address), std::net::TcpListener::local_addr)?;
        sockets.push(bind_one(address, workers > 1)?);
    }
    Ok(sockets)
}

fn bind_one(address: SocketAddr, is_shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if is_shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Hands a socket to the runtime of the calling worker.
pub(crate) fn register(socket: std::net::TcpListener) -> io::Result<TcpListener> {
    TcpListener::from_std(socket)
}

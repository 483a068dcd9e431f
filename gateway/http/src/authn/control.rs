//! Whoever holds the machine: the kernel says who is at the other end of `DIR/control.sock`.

use std::any::Any;

use actix_web::dev::{Extensions, ServiceRequest};
use actix_web::rt::net::UnixStream;
use actix_web::{HttpMessage as _, HttpRequest};

/// Who connected to the socket of a directory (SO_PEERCRED, unix(7)); never of a connection over TCP.
#[derive(Debug, Clone, Copy)]
struct Connected {
    /// The user by whom this process runs, or root.
    ours: bool,
}

/// A request that came by the socket from whom it is for.
#[derive(Debug, Clone, Copy)]
struct AtTheMachine;

/// The socket is not for who asks by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotForThem;

/// Notes of a connection that begins who is at its other end, if it is one to the socket.
pub fn connected(io: &dyn Any, connection: &mut Extensions) {
    if let Some(stream) = io.downcast_ref::<UnixStream>() {
        let own = rustix::process::geteuid().as_raw();
        let ours = stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0);
        connection.insert(Connected { ours });
    }
}

/// Marks what comes by the socket as from whoever holds the machine. What comes over TCP passes as it is.
///
/// # Errors
/// If it comes by the socket from another user.
pub fn look_at(request: &ServiceRequest) -> Result<(), NotForThem> {
    match request.request().conn_data::<Connected>().copied() {
        None => {}
        Some(Connected { ours: true }) => drop(request.extensions_mut().insert(AtTheMachine)),
        Some(Connected { ours: false }) => return Err(NotForThem),
    }
    Ok(())
}

/// Whether a request is from whoever holds the machine.
pub(super) fn is_at_the_machine(req: &HttpRequest) -> bool {
    req.extensions().get::<AtTheMachine>().is_some()
}

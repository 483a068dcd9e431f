//! `DIR/control.sock`: where the command line reaches the node, or the replica, of a directory (0600, in a directory that
//! is its owner's alone). Who connects is who the kernel says; there is no secret that could be copied.

use std::fs::{File, Permissions};
use std::io::{Error, ErrorKind, Result};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use actix_http::{Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory};
use actix_web::HttpServer;
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server};
use vault::data_dir::{DataDir, DataFile};

/// Bytes of a socket's path that the system takes, without the NUL behind it (unix(7)).
const MAX_SOCKET_PATH_BYTES: usize = 107;

/// The address of a directory's socket, for as long as this is there.
#[derive(Debug)]
pub struct Address {
    pub path: PathBuf,
    /// A path that is too long for a socket goes by a directory that is held open.
    _held: Option<File>,
}

fn place(dir: &DataDir) -> Result<Address> {
    let path = dir.file(DataFile::ControlSocket);
    if path.as_os_str().len() <= MAX_SOCKET_PATH_BYTES {
        return Ok(Address { path, _held: None });
    }
    let held = File::open(dir.path())?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{}", held.as_raw_fd(), DataFile::ControlSocket.name()));
    Ok(Address { path, _held: Some(held) })
}

/// Where the socket of `dir` is, for who is about to connect to it.
///
/// # Errors
/// If there is none, or something else in its place: a link, or a socket that somebody else made, leads to whom we do not
/// know, and would be told what is meant for the node.
pub fn address(dir: &DataDir) -> Result<Address> {
    let place = place(dir)?;
    let found = std::fs::symlink_metadata(&place.path)?;
    let user = rustix::process::geteuid();
    if !found.file_type().is_socket() || !(user.is_root() || found.uid() == user.as_raw()) {
        let text = format!("{} is no socket of ours", dir.file(DataFile::ControlSocket).display());
        return Err(Error::new(ErrorKind::PermissionDenied, text));
    }
    Ok(place)
}

/// A socket that somebody listens at; with this it goes.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Listens at the socket of `dir`, whose lock the caller has: one that a process left which was killed is taken over.
///
/// # Errors
/// If something else is in its place, or the system does not let us.
pub fn listen(dir: &DataDir) -> Result<(UnixListener, SocketFile)> {
    let own = dir.file(DataFile::ControlSocket);
    match std::fs::symlink_metadata(&own) {
        // A link is not followed: it goes, and what it leads to stays.
        Ok(found) if found.file_type().is_socket() || found.is_symlink() => std::fs::remove_file(&own)?,
        Ok(_) => {
            let text = format!("{} is no socket, and in the place of one; move it away", own.display());
            return Err(Error::new(ErrorKind::AlreadyExists, text));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(place(dir)?.path)?;
    let place = SocketFile(own);
    std::fs::set_permissions(&place.0, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok((listener, place))
}

/// Begins to serve `routes` at the socket of `dir`, whose lock the caller has. Who connects is looked at by
/// [`admitted`](crate::machine::admitted), which the routes are wrapped in.
///
/// # Errors
/// As [`listen`].
pub fn serve<F, I, S, B>(dir: &DataDir, routes: F) -> Result<(Server, SocketFile)>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: std::fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let (socket, place) = listen(dir)?;
    let server = HttpServer::new(routes)
        .on_connect(crate::authn::control::connected)
        .workers(1)
        .client_request_timeout(Duration::from_secs(10))
        .shutdown_timeout(5)
        .disable_signals()
        .listen_uds(socket)?
        .run();
    Ok((server, place))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_socket_is_its_owners_is_taken_over_and_lies_in_a_directory_of_any_length() {
        let root = tempfile::tempdir().unwrap();
        for dir in [root.path().join("short"), root.path().join("d".repeat(200)).join("e".repeat(100))] {
            std::fs::create_dir_all(&dir).unwrap();
            let dir = DataDir::at(dir);
            let socket = dir.file(DataFile::ControlSocket);
            let reach = |dir: &DataDir| UnixStream::connect(address(dir)?.path);
            assert!(reach(&dir).is_err(), "control");
            let (first, left) = listen(&dir).unwrap();
            reach(&dir).unwrap();
            let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            drop(first);
            std::mem::forget(left);
            assert_eq!(reach(&dir).unwrap_err().kind(), ErrorKind::ConnectionRefused, "left by one that was killed");
            let second = listen(&dir).unwrap();
            reach(&dir).unwrap();
            // Who follows a link would tell whoever listens there.
            let moved = dir.path().join("moved");
            std::fs::rename(&socket, &moved).unwrap();
            std::os::unix::fs::symlink(&moved, &socket).unwrap();
            assert_eq!(reach(&dir).unwrap_err().kind(), ErrorKind::PermissionDenied, "a link");
            std::fs::rename(&moved, &socket).unwrap();
            reach(&dir).expect("control");
            drop(second);
            assert!(!socket.exists());
            // What is no socket is not taken for one, and a link is not followed.
            std::fs::write(&socket, "mine").unwrap();
            assert_eq!(listen(&dir).unwrap_err().kind(), ErrorKind::AlreadyExists);
            let mine = dir.path().join("mine");
            std::fs::rename(&socket, &mine).unwrap();
            std::os::unix::fs::symlink(&mine, &socket).unwrap();
            let third = listen(&dir).unwrap();
            assert_eq!(std::fs::read(&mine).unwrap(), b"mine");
            drop(third);
        }
    }
}

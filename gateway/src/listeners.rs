//! The sockets that a node listens on.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;
use tidegate_shared::config::Config;
use tokio::net::{TcpListener, TcpSocket};

use crate::transport::accept::options;

/// Connections that may wait to be accepted. With the usual 128, 200 simultaneous handshakes overflowed
/// it and waited a second for the next SYN.
const BACKLOG: u32 = 4_096;

/// Bound sockets. Clients and operators never share one.
#[derive(Debug)]
pub struct Listeners {
    pub client: TcpListener,
    /// Probes and metrics; absent where nobody asks for them.
    pub admin: Option<TcpListener>,
    /// Of endpoints that have an address of their own, with that address as it is configured.
    pub endpoints: Vec<(SocketAddr, TcpListener)>,
}

/// An address cannot be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {reason}")]
pub struct BindError {
    address: SocketAddr,
    reason: String,
}

impl Listeners {
    /// All sockets as configured. Needs a runtime.
    pub fn bind(config: &Config) -> Result<Self, BindError> {
        let gateway = &config.gateway;
        Ok(Self {
            client: bind(gateway.listen, "--listen")?,
            admin: Some(bind(gateway.admin_listen, "--admin-listen")?),
            endpoints: Self::bind_endpoints(config)?,
        })
    }

    /// For [`Listeners::endpoints`].
    pub fn bind_endpoints(config: &Config) -> Result<Vec<(SocketAddr, TcpListener)>, BindError> {
        let mut own: Vec<SocketAddr> = config.endpoints.iter().filter_map(|one| one.listen).collect();
        own.sort_unstable();
        own.dedup();
        own.into_iter()
            .map(|address| Ok((address, bind(address, "`listen` of the endpoint")?)))
            .collect()
    }
}

fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener, BindError> {
    listen(address).map_err(|error| BindError {
        address,
        reason: match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("another program has this port; end it, or choose another port with {flag}")
            }
            io::ErrorKind::AddrNotAvailable => {
                format!("this machine does not have the address; choose another with {flag}")
            }
            io::ErrorKind::PermissionDenied => {
                format!("not allowed; ports below 1024 need a privilege, choose another with {flag}")
            }
            _ => error.to_string(),
        },
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // A restarted node need not wait for the connections of the one before to be forgotten.
    socket.set_reuseaddr(true)?;
    options::set(&socket);
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_told_with_the_flag_that_chooses_another() {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let taken = bind(free, "--listen").expect("a free port");
        let address = taken.local_addr().expect("bound");
        let error = bind(address, "--listen").expect_err("taken").to_string();
        assert!(
            error.contains(&address.to_string()) && error.contains("--listen"),
            "{error}"
        );
        assert!(error.contains("another program has this port"), "{error}");
    }
}

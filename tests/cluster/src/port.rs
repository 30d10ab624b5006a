//! A port for the API server, which stays reserved while the server is stopped.

use crate::{Error, Result};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use uuid::Uuid;

/// The first port of a range below the ephemeral ports of Linux. The kernel assigns ephemeral ports
/// to outgoing connections and to servers without a fixed port, so they would often be in use.
const FIRST: u16 = 12_000;
const COUNT: u128 = 20_000;

/// A TCP port of 127.0.0.1 that no other cluster uses while this value exists.
///
/// The value owns the UDP port of the same number, which reserves the number across processes. The
/// reservation lasts while the API server is stopped, and the kernel ends it when the process ends.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _reservation: UdpSocket,
}

impl Port {
    /// Reserves a port that no process listens on.
    pub(crate) fn reserve() -> Result<Self> {
        (0..200)
            .find_map(|_| Self::try_reserve(random()))
            .ok_or(Error::NoPort)
    }

    fn try_reserve(number: u16) -> Option<Self> {
        let reservation = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self {
            number,
            _reservation: reservation,
        })
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

fn random() -> u16 {
    let offset = u16::try_from(Uuid::new_v4().as_u128() % COUNT).unwrap_or(0);
    FIRST + offset
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn port_is_reserved_until_the_value_is_dropped() {
        let port = Port::reserve().unwrap();
        assert!(Port::try_reserve(port.number()).is_none());
        let number = port.number();
        drop(port);
        assert!(Port::try_reserve(number).is_some());
    }

    #[test]
    fn port_with_a_listener_is_not_reserved() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(Port::try_reserve(listener.local_addr().unwrap().port()).is_none());
    }
}

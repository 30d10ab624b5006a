//! A port for the API server that stays ours while the server is stopped.

use crate::{Error, Result};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use uuid::Uuid;

/// Below the range from which Linux takes the ports of outgoing connections and of servers that don't care,
/// so that only other clusters want one of these.
const FIRST: u16 = 12_000;
const COUNT: u128 = 20_000;

/// A TCP port of 127.0.0.1 that no other cluster takes, as long as this value lives.
///
/// A cluster owns the UDP port of the same number, and so the kernel keeps the book across processes: nothing is
/// left over from one that was killed, and the TCP port stays ours between stop and start.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _claim: UdpSocket,
}

impl Port {
    /// Finds one that nobody listens on.
    pub(crate) fn claim() -> Result<Self> {
        (0..200)
            .find_map(|_| Self::try_claim(random()))
            .ok_or(Error::NoPort)
    }

    fn try_claim(number: u16) -> Option<Self> {
        let claim = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self {
            number,
            _claim: claim,
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
    fn a_claimed_port_is_not_given_twice_and_comes_free_with_its_owner() {
        let port = Port::claim().unwrap();
        assert!(Port::try_claim(port.number()).is_none());
        let number = port.number();
        drop(port);
        assert!(Port::try_claim(number).is_some());
    }

    #[test]
    fn a_port_that_a_stranger_listens_on_is_not_given() {
        let stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(Port::try_claim(stranger.local_addr().unwrap().port()).is_none());
    }
}

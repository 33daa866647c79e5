//! What gathering got from each server, for users and for errors.
//! It holds no user names and no passwords.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::failure::ServerFailure;

/// Kind of an address a server gave us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GatheredKind {
    /// Our own, as seen from outside.
    ServerReflexive,
    /// On the server, which passes datagrams on.
    Relayed,
}

/// What one server gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gathered {
    /// What kind of address it is.
    pub kind: GatheredKind,
    /// The address offered to the peer.
    pub address: SocketAddr,
    /// How long that took.
    pub took: Duration,
}

/// One URL and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerReport {
    /// The URL, without credentials.
    pub url: String,
    /// The addresses it gave, never none, or what went wrong.
    pub outcome: Result<Vec<Gathered>, ServerFailure>,
}

/// What gathering got from each STUN and TURN URL, in the order of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatherReport {
    /// One entry for each URL.
    pub servers: Vec<ServerReport>,
}

impl GatherReport {
    /// Addresses of one kind, in the order of the configuration.
    pub fn addresses(&self, kind: GatheredKind) -> impl Iterator<Item = SocketAddr> + '_ {
        let given = self.servers.iter().filter_map(|s| s.outcome.as_ref().ok());
        given
            .flatten()
            .filter(move |g| g.kind == kind)
            .map(|g| g.address)
    }
}

/// One line: each URL with its addresses or its failure.
impl fmt::Display for GatherReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, server) in self.servers.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: ", server.url)?;
            match &server.outcome {
                Ok(given) => {
                    for (index, gathered) in given.iter().enumerate() {
                        let separator = if index == 0 { "" } else { ", " };
                        write!(f, "{separator}{}", gathered.address)?;
                    }
                }
                Err(error) => write!(f, "{error}")?,
            }
        }
        Ok(())
    }
}

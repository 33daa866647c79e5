//! Asking all STUN and TURN servers at once, within one deadline: what they gave, and what each of them said.
//! The questions travel through the driver; this waits for the answers on the caller's thread.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::failure::ServerFailure;
use super::report::{GatherReport, Gathered, GatheredKind, ServerReport};
use super::resolve::{Asker, usable};
use super::stun::{Query, Reflexive};
use super::url::{IceUrl, Service, Transport, shown};
use crate::config::IceServer;
use crate::driver::{Command, Inbox, RelayHandle};
use crate::turn::{Allocated, Order, prepare_tls};

/// URLs used of one configuration.
const MAX_URLS: usize = 12;
/// Once a relayed address is there, the other servers may take this much longer.
const GRACE: Duration = Duration::from_millis(500);

/// What is wrong with a TURN server without credentials.
pub(super) const NAMELESS: &str = "TURN needs a user name and a password";
/// What it means that a lookup is still under way in the end, and that it never began.
pub(super) const UNRESOLVED: &str = "the name server does not answer";
pub(super) const UNASKED: &str = "not asked in time: other names were not found before its turn";
const STREAM: &str = "not asked: STUN over TLS says nothing about the UDP socket";
const UNUSABLE: &str = "the host has no address that can be used here";

/// A relayed address of ours. It is given back to the server when the last clone is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Relayed {
    pub(crate) address: SocketAddr,
    /// Where we reach the server from.
    pub(crate) base: SocketAddr,
    pub(crate) handle: Arc<RelayHandle>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) reflexive: Vec<Reflexive>,
    /// Quickest way to the server first: UDP, TCP, TLS.
    pub(crate) relayed: Vec<Relayed>,
    pub(crate) report: GatherReport,
}

enum Found {
    Host(io::Result<Vec<SocketAddr>>),
    Reflexive(Reflexive),
    Relay(Result<Allocated, ServerFailure>),
}

/// What is known of one URL.
struct Entry<'a> {
    text: &'a str,
    server: &'a IceServer,
    url: Option<IceUrl>,
    handle: Option<Arc<RelayHandle>>,
    given: Vec<Gathered>,
    error: Option<ServerFailure>,
    looking_up: bool,
    /// Answers that are waited for.
    open: usize,
}

/// Where and until when to ask.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) inbox: &'a Arc<Inbox>,
    pub(crate) ipv6: bool,
    /// Ask for relayed addresses only.
    pub(crate) relay_only: bool,
    /// Which addresses may be asked at all.
    pub(crate) allowed: Option<fn(IpAddr) -> bool>,
    pub(crate) deadline: Instant,
}

/// When `budget` is over, counted from now; a caller may give any, and a day is without end here.
pub(crate) fn deadline_in(budget: Duration) -> Instant {
    Instant::now() + budget.min(Duration::from_secs(24 * 60 * 60))
}

/// Blocks until every server has answered, the deadline passes or the driver ends.
pub(crate) fn gather(asking: Asking<'_>, servers: &[IceServer]) -> Outcome {
    let started = Instant::now();
    let (send, receive) = mpsc::channel();
    // Until the end of this call.
    let asker = Asker::new();
    let mut entries = parse(servers, asking.relay_only);
    for (index, entry) in entries.iter_mut().enumerate() {
        if let Some(url) = &entry.url {
            let send = send.clone();
            (entry.open, entry.looking_up) = (1, true);
            asker.look_up(&url.host, url.port, move |found| {
                let _ = send.send((index, Found::Host(found)));
            });
        }
    }
    let mut out = Outcome::default();
    let mut relayed: Vec<(Transport, Relayed)> = Vec::new();
    let mut until = asking.deadline;
    let mut looking_up = entries.iter().filter(|e| e.open > 0).count();
    // Kept for as long as there are questions to come, so that the end of all who may answer is noticed.
    let mut send = Some(send).filter(|_| looking_up > 0);
    while entries.iter().any(|e| e.open > 0) {
        let left = until.saturating_duration_since(Instant::now());
        let Ok((index, found)) = receive.recv_timeout(left) else {
            break;
        };
        let entry = &mut entries[index];
        match found {
            Found::Host(found) => {
                entry.looking_up = false;
                entry.open = entry.open.saturating_sub(1);
                looking_up = looking_up.saturating_sub(1);
                if let Some(send) = &send {
                    entry.ask(asking, found, index, send);
                }
                send = send.filter(|_| looking_up > 0);
            }
            Found::Reflexive(found) => {
                entry.got(
                    GatheredKind::ServerReflexive,
                    found.outside,
                    started.elapsed(),
                );
                if entry.is(Service::Stun) {
                    entry.open = entry.open.saturating_sub(1);
                }
                if !out.reflexive.contains(&found) {
                    out.reflexive.push(found);
                }
            }
            Found::Relay(found) => {
                entry.open = entry.open.saturating_sub(1);
                let (transport, handle) = match (&entry.url, entry.handle.take()) {
                    (Some(url), Some(handle)) => (url.transport, handle),
                    _ => continue,
                };
                match found {
                    Ok(allocated) => {
                        until = until.min(Instant::now() + GRACE);
                        for address in allocated.addresses {
                            entry.got(GatheredKind::Relayed, address, started.elapsed());
                            let (base, handle) = (allocated.base, handle.clone());
                            relayed.push((
                                transport,
                                Relayed {
                                    address,
                                    base,
                                    handle,
                                },
                            ));
                        }
                    }
                    Err(error) => entry.error = Some(timed(error, started.elapsed())),
                }
            }
        }
    }
    let looking_up = entries.iter_mut().rev().filter(|e| e.looking_up);
    for entry in looking_up.take(asker.waiting()) {
        entry.error = Some(ServerFailure::local(UNASKED));
    }
    relayed.sort_by_key(|(transport, _)| *transport);
    out.relayed = relayed.into_iter().map(|(_, r)| r).collect();
    let after = started.elapsed();
    let reports = entries.into_iter().map(|entry| entry.report(after));
    out.report.servers = reports.collect();
    out
}

/// The failure, with the time where the system said no more than that it is over.
pub(super) fn timed(failure: ServerFailure, took: Duration) -> ServerFailure {
    match failure {
        ServerFailure::Silent { after } if after.is_zero() => ServerFailure::Silent { after: took },
        failure => failure,
    }
}

/// All URLs, with what is wrong with those that are not asked.
fn parse(servers: &[IceServer], relay_only: bool) -> Vec<Entry<'_>> {
    let urls = servers
        .iter()
        .flat_map(|server| server.urls.iter().map(move |url| (server, url)));
    let mut entries = Vec::new();
    for (server, text) in urls {
        let wanted = entries.len() < MAX_URLS;
        let checked = IceUrl::parse(text)
            .map_err(ServerFailure::url)
            .and_then(|url| match url.service {
                _ if !wanted => {
                    let text = format!("not asked: only {MAX_URLS} URLs are used");
                    Err(ServerFailure::Url(text))
                }
                Service::Stun if relay_only => Err(ServerFailure::url(
                    "not asked: only relayed addresses are wanted",
                )),
                Service::Stun if url.transport != Transport::Udp => Err(ServerFailure::url(STREAM)),
                Service::Turn if server.username.is_none() || server.credential.is_none() => {
                    Err(ServerFailure::url(NAMELESS))
                }
                _ => Ok(url),
            });
        let (url, error) = match checked {
            Ok(url) => (Some(url), None),
            Err(error) => (None, Some(error)),
        };
        entries.push(Entry {
            text,
            server,
            url,
            handle: None,
            given: Vec::new(),
            error,
            looking_up: false,
            open: 0,
        });
    }
    entries
}

impl Entry<'_> {
    /// The host is known: asks it.
    fn ask(
        &mut self,
        asking: Asking<'_>,
        found: io::Result<Vec<SocketAddr>>,
        index: usize,
        send: &mpsc::Sender<(usize, Found)>,
    ) {
        let Some(url) = &self.url else {
            return;
        };
        let addresses = match found {
            Ok(addresses) => addresses,
            Err(error) => {
                let reason = error.to_string();
                self.error = Some(ServerFailure::Name { reason });
                return;
            }
        };
        // What is checked here is what is dialled: the name is not looked up again.
        let allowed =
            |address: &SocketAddr| asking.allowed.is_none_or(|allowed| allowed(address.ip()));
        if !addresses.iter().all(allowed) {
            self.error = Some(ServerFailure::local("its address is not allowed here"));
            return;
        }
        let is_turn = url.service == Service::Turn;
        let addresses: Vec<_> = usable(&addresses, asking.ipv6)
            .take(if is_turn { 1 } else { 2 })
            .collect();
        if addresses.is_empty() {
            self.error = Some(ServerFailure::local(UNUSABLE));
        }
        for server in addresses {
            let mut pushed = true;
            // TURN servers answer STUN as well; nobody waits for that answer, as it comes before the other.
            if url.transport == Transport::Udp && !asking.relay_only {
                let send = send.clone();
                let reply = Box::new(move |found| {
                    let _ = send.send((index, Found::Reflexive(found)));
                });
                let query = Query::new(server, Instant::now(), asking.deadline, reply);
                pushed = asking.inbox.push(Command::Query(query)).is_ok();
            }
            if is_turn {
                if url.transport == Transport::Tls
                    && let Err(error) = prepare_tls()
                {
                    self.error = Some(ServerFailure::local(error));
                    continue;
                }
                let send = send.clone();
                let handle = Arc::new(RelayHandle::new(asking.inbox.clone()));
                let order = Order {
                    server,
                    transport: url.transport,
                    host: url.host.clone(),
                    username: self.server.username.clone().unwrap_or_default(),
                    credential: self.server.credential.clone().unwrap_or_default(),
                    deadline: asking.deadline,
                    answer: Box::new(move |found| {
                        let _ = send.send((index, Found::Relay(found)));
                    }),
                };
                pushed = asking
                    .inbox
                    .push(Command::Relay(handle.id(), Box::new(order)))
                    .is_ok();
                self.handle = Some(handle);
            }
            self.open += usize::from(pushed);
        }
    }

    fn is(&self, service: Service) -> bool {
        self.url.as_ref().is_some_and(|url| url.service == service)
    }

    fn got(&mut self, kind: GatheredKind, address: SocketAddr, took: Duration) {
        self.given.push(Gathered {
            kind,
            address,
            took,
        });
    }

    fn report(self, after: Duration) -> ServerReport {
        let silent = || match self.looking_up {
            true => ServerFailure::Name {
                reason: UNRESOLVED.to_owned(),
            },
            false => ServerFailure::Silent { after },
        };
        let relay_failed =
            self.is(Service::Turn) && !self.given.iter().any(|g| g.kind == GatheredKind::Relayed);
        let outcome = if self.given.is_empty() || relay_failed {
            Err(self.error.unwrap_or_else(silent))
        } else {
            Ok(self.given)
        };
        ServerReport {
            url: shown(self.text),
            outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lookup_without_an_answer_is_not_a_silent_server() {
        let after = Duration::from_secs(5);
        let servers = [IceServer::new(vec!["stun:example.org".to_owned()])];
        let outcome = |looking_up| {
            let mut entry = parse(&servers, false).remove(0);
            entry.looking_up = looking_up;
            entry.report(after).outcome.expect_err("nothing was given")
        };
        assert_eq!(outcome(false), ServerFailure::Silent { after });
        let reason = UNRESOLVED.to_owned();
        assert_eq!(outcome(true), ServerFailure::Name { reason });
    }

    #[test]
    fn a_timeout_of_the_system_gets_the_time_that_passed() {
        let silent = |seconds| ServerFailure::Silent {
            after: Duration::from_secs(seconds),
        };
        let took = Duration::from_secs(7);
        assert_eq!(timed(silent(0), took), silent(7));
        assert_eq!(timed(silent(3), took), silent(3));
        assert_eq!(timed(ServerFailure::Quota, took), ServerFailure::Quota);
    }
}

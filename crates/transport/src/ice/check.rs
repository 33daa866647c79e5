//! Checking each STUN and TURN URL by itself: a binding or a real allocation, given back at once, and why if not.
//! For diagnosis; a session gathers its addresses elsewhere.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rustix::event::PollFd;
use stun_proto::types::attribute::{ErrorCode, XorMappedAddress};
use stun_proto::types::message::Message;

use super::failure::ServerFailure;
use super::gather::{NAMELESS, UNASKED, UNRESOLVED, deadline_in, timed};
use super::question::{Question, Wake};
use super::resolve::{Asker, usable};
use super::url::{IceUrl, Service, Transport, shown};
use crate::config::IceServer;
use crate::turn::{Allocated, MESSAGE_ROOM, Order, Relay, prepare_tls};

/// URLs checked; more are not of a real configuration.
const MAX_CHECKS: usize = 32;
/// Messages taken from one server before the others have their turn.
const PER_TURN: usize = 64;
/// Longest piece of a server's own words.
const MAX_REASON: usize = 80;

/// One URL and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCheck {
    /// The URL, without credentials.
    pub url: String,
    /// What the server was asked for.
    pub service: Service,
    /// What carried the question.
    pub transport: Transport,
    /// How long looking up its name took; none while it was not found.
    pub resolved: Option<Duration>,
    /// How long connecting took after that, with the TLS handshake; none over UDP, and while it was not done.
    pub connected: Option<Duration>,
    /// What it gave, or why nothing.
    pub outcome: Result<ServerGrant, ServerFailure>,
}

/// What a server gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerGrant {
    /// Our address as the server sees it. It has the port of the socket that asked, which no session uses.
    pub reflexive: Option<SocketAddr>,
    /// The address a TURN server gave; it is given back already.
    pub relayed: Option<SocketAddr>,
    /// How long all of it took, looking up the name and connecting included.
    pub took: Duration,
}

/// Asks every URL, all at once, each over its own transport and a socket of its own: STUN for our address, TURN for a relayed
/// one with the credentials, which is given back at once. In the order of the configuration; of more than 32 URLs the rest
/// is not asked. Blocks until all are decided or `budget` is over. Nothing is left running but name lookups, which the system
/// cannot stop; an allocation the server makes after that lasts until the server drops it.
pub fn check_ice_servers(servers: &[IceServer], budget: Duration) -> Vec<ServerCheck> {
    let started = Instant::now();
    let deadline = deadline_in(budget);
    let mut checks = parse(servers);
    if let Err(error) = run(&mut checks, started, deadline) {
        let reason = format!("cannot wait for sockets: {error}");
        for check in &mut checks {
            check.fail(ServerFailure::local(&reason));
        }
    }
    for check in &mut checks {
        let failure = check.overdue(started.elapsed());
        check.fail(failure);
    }
    checks.into_iter().map(Check::result).collect()
}

struct Check<'a> {
    text: &'a str,
    server: &'a IceServer,
    service: Service,
    transport: Transport,
    resolved: Option<Duration>,
    connected: Option<Duration>,
    state: State,
}

enum State {
    LookingUp(IceUrl),
    Binding(Box<Question>),
    Allocating(Box<Relay>, Answer),
    Done(Result<ServerGrant, ServerFailure>),
}

/// Where a relay puts what came of it.
type Answer = Arc<Mutex<Option<Result<Allocated, ServerFailure>>>>;

type Hosts = (usize, io::Result<Vec<SocketAddr>>);

fn parse(servers: &[IceServer]) -> Vec<Check<'_>> {
    let mut checks = Vec::new();
    for server in servers {
        for text in &server.urls {
            let index = checks.len();
            checks.push(Check::new(index, server, text));
        }
    }
    checks
}

fn run(checks: &mut [Check<'_>], started: Instant, deadline: Instant) -> io::Result<()> {
    let wake = Wake::new()?;
    let (send, receive) = mpsc::channel::<Hosts>();
    // Until the end of this call.
    let asker = Asker::new();
    for (index, check) in checks.iter().enumerate() {
        if let State::LookingUp(url) = &check.state {
            let (send, wake) = (send.clone(), wake.clone());
            asker.look_up(&url.host, url.port, move |found| {
                let _ = send.send((index, found));
                wake.wake();
            });
        }
    }
    let mut room = vec![0; MESSAGE_ROOM];
    loop {
        while let Ok((index, found)) = receive.try_recv() {
            checks[index].open(found, started, deadline);
        }
        for check in checks.iter_mut() {
            check.go_on(started, &mut room);
        }
        let open = checks.iter().any(|c| !matches!(c.state, State::Done(_)));
        if !open || Instant::now() >= deadline {
            give_up_waiting(checks, asker.waiting());
            return Ok(());
        }
        let due = checks.iter().filter_map(Check::due).min();
        let fds = checks.iter().filter_map(Check::fd).collect();
        wake.sleep(fds, due.map_or(deadline, |due| due.min(deadline)))?;
    }
}

/// The last `count` names to look up were never asked for: no name server is to blame.
fn give_up_waiting(checks: &mut [Check<'_>], count: usize) {
    let looking_up = |check: &&mut Check<'_>| matches!(check.state, State::LookingUp(_));
    for check in checks.iter_mut().rev().filter(looking_up).take(count) {
        check.fail(ServerFailure::local(UNASKED));
    }
}

impl<'a> Check<'a> {
    fn new(index: usize, server: &'a IceServer, text: &'a str) -> Check<'a> {
        let parsed = IceUrl::parse(text);
        let (service, transport) = match &parsed {
            Ok(url) => (url.service, url.transport),
            // A guess, for the report alone.
            Err(_) if text.starts_with("turn") => (Service::Turn, Transport::Udp),
            Err(_) => (Service::Stun, Transport::Udp),
        };
        let nameless = server.username.is_none() || server.credential.is_none();
        let state = match parsed {
            _ if index >= MAX_CHECKS => {
                let text = format!("not asked: only {MAX_CHECKS} URLs are checked");
                State::Done(Err(ServerFailure::Url(text)))
            }
            Err(error) => State::Done(Err(ServerFailure::url(error))),
            Ok(_) if service == Service::Turn && nameless => {
                State::Done(Err(ServerFailure::url(NAMELESS)))
            }
            Ok(url) => State::LookingUp(url),
        };
        Check {
            text,
            server,
            service,
            transport,
            resolved: None,
            connected: None,
            state,
        }
    }

    fn fail(&mut self, failure: ServerFailure) {
        if !matches!(self.state, State::Done(_)) {
            self.state = State::Done(Err(failure));
        }
    }

    /// What it means that the time is over.
    fn overdue(&self, after: Duration) -> ServerFailure {
        match &self.state {
            State::LookingUp(_) => ServerFailure::Name {
                reason: UNRESOLVED.to_owned(),
            },
            State::Binding(question) if question.is_foreign() => ServerFailure::NotStun,
            State::Allocating(relay, _) => relay.overdue(after),
            State::Binding(_) | State::Done(_) => ServerFailure::Silent { after },
        }
    }

    fn due(&self) -> Option<Instant> {
        match &self.state {
            State::Binding(question) => question.due(),
            State::Allocating(relay, _) => Some(relay.deadline()),
            State::LookingUp(_) | State::Done(_) => None,
        }
    }

    fn fd(&self) -> Option<PollFd<'_>> {
        match &self.state {
            State::Binding(question) => Some(question.fd()),
            State::Allocating(relay, _) => Some(PollFd::new(&**relay, relay.wanted())),
            State::LookingUp(_) | State::Done(_) => None,
        }
    }

    /// The host is known, or not to be found.
    fn open(&mut self, found: io::Result<Vec<SocketAddr>>, started: Instant, deadline: Instant) {
        let State::LookingUp(url) = &self.state else {
            return;
        };
        let found = match found {
            Ok(addresses) => {
                let address = usable(&addresses, true).next();
                address.ok_or_else(|| "it has no address".to_owned())
            }
            Err(error) => Err(error.to_string()),
        };
        let opened = match found {
            Err(reason) => Err(ServerFailure::Name { reason }),
            Ok(server) => {
                self.resolved = Some(started.elapsed());
                let trust = match url.transport {
                    Transport::Tls => prepare_tls().map_err(ServerFailure::local),
                    Transport::Udp | Transport::Tcp => Ok(()),
                };
                trust.and_then(|()| match url.service {
                    Service::Stun => match Question::open(server, url) {
                        Ok(question) => Ok(State::Binding(Box::new(question))),
                        Err(error) => Err((&error).into()),
                    },
                    Service::Turn => allocate(server, url, self.server, deadline),
                })
            }
        };
        self.state = opened.unwrap_or_else(|failure| State::Done(Err(failure)));
    }

    /// Connects, asks and looks for the answer, as far as possible now.
    fn go_on(&mut self, started: Instant, room: &mut [u8]) {
        let (ready, outcome) = match &mut self.state {
            State::Binding(question) => {
                let outcome = match question.go_on(room) {
                    Ok(None) => None,
                    Ok(Some(len)) => Some(bound(&room[..len])),
                    Err(error) => Some(Err((&error).into())),
                };
                (question.is_ready(), outcome)
            }
            State::Allocating(relay, answer) => {
                relay.guarded(|relay| {
                    let now = Instant::now();
                    relay.receive(now, PER_TURN, &mut |_, _, _| {});
                    relay.turn(now);
                });
                let ready = relay.is_ready();
                let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
                let given = |allocated: Allocated| {
                    let relayed = allocated.addresses.first().copied();
                    (allocated.reflexive, relayed)
                };
                if answer.as_ref().is_some_and(Result::is_ok) {
                    relay.guarded(|relay| relay.release(Instant::now()));
                }
                (ready, answer.map(|answer| answer.map(given)))
            }
            State::LookingUp(_) | State::Done(_) => return,
        };
        let took = started.elapsed();
        if ready && self.connected.is_none() && self.transport != Transport::Udp {
            self.connected = Some(took.saturating_sub(self.resolved.unwrap_or_default()));
        }
        if let Some(outcome) = outcome {
            let grant = |(reflexive, relayed)| ServerGrant {
                reflexive,
                relayed,
                took,
            };
            self.state = State::Done(outcome.map(grant).map_err(|failure| timed(failure, took)));
        }
    }

    fn result(self) -> ServerCheck {
        ServerCheck {
            url: shown(self.text),
            service: self.service,
            transport: self.transport,
            resolved: self.resolved,
            connected: self.connected,
            outcome: match self.state {
                State::Done(outcome) => outcome,
                // Decided before this is called.
                _ => Err(ServerFailure::local("not asked")),
            },
        }
    }
}

fn allocate(
    server: SocketAddr,
    url: &IceUrl,
    user: &IceServer,
    deadline: Instant,
) -> Result<State, ServerFailure> {
    let answer = Answer::default();
    let put = answer.clone();
    let order = Order {
        server,
        transport: url.transport,
        host: url.host.clone(),
        username: user.username.clone().unwrap_or_default(),
        credential: user.credential.clone().unwrap_or_default(),
        deadline,
        answer: Box::new(move |found| {
            *put.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        }),
    };
    match Relay::open(order, Instant::now()) {
        Some(relay) => Ok(State::Allocating(Box::new(relay), answer)),
        None => match answer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(Err(failure)) => Err(failure),
            _ => Err(ServerFailure::local("the socket was not opened")),
        },
    }
}

/// What an answer to a binding request says.
fn bound(answer: &[u8]) -> Result<(Option<SocketAddr>, Option<SocketAddr>), ServerFailure> {
    let message = Message::from_bytes(answer).map_err(|_| ServerFailure::NotStun)?;
    if let Ok(error) = message.attribute::<ErrorCode>() {
        let words = error.reason().chars().filter(|c| !c.is_control());
        let words: String = words.take(MAX_REASON).collect();
        return Err(ServerFailure::of_code(error.code(), &words));
    }
    match message.attribute::<XorMappedAddress>() {
        Ok(mapped) => Ok((Some(mapped.addr(message.transaction_id())), None)),
        Err(_) => Err(ServerFailure::NotStun),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_were_never_asked_for_blame_no_name_server() {
        let urls = ["stun:a.example", "turn:b.example", "stun:c.example"];
        let servers = [IceServer::new(urls.map(str::to_owned).to_vec())];
        let mut checks = parse(&servers);
        give_up_waiting(&mut checks, 1);
        let after = Duration::from_secs(1);
        for check in &mut checks {
            let failure = check.overdue(after);
            check.fail(failure);
        }
        let failures = checks.into_iter().map(|c| c.result().outcome.unwrap_err());
        let reason = UNRESOLVED.to_owned();
        let expected = [
            ServerFailure::Name { reason },
            ServerFailure::url(NAMELESS),
            ServerFailure::local(UNASKED),
        ];
        assert_eq!(failures.collect::<Vec<_>>(), expected);
    }
}

//! Which of several TURN servers answers: one STUN question to each, all at once, the first of the list that answers wins.
//! For stacks that use only their first TURN server; gathering here uses all of them.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::gather::deadline_in;
use super::question::{Question, Wake};
use super::resolve::{Asker, usable};
use super::url::{IceUrl, Service, shown};
use crate::config::IceServer;
use crate::turn::MESSAGE_ROOM;

/// URLs probed; more are not of a real configuration.
const MAX_PROBES: usize = 32;

/// One TURN URL and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbedUrl {
    /// The URL, without credentials.
    pub url: String,
    /// How long the answer took or what went wrong; `None` when the choice was certain before.
    pub outcome: Option<Result<Duration, String>>,
    /// Where it is in the configuration: index of the server, index of the URL within it.
    position: (usize, usize),
}

/// What probing found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TurnProbe {
    /// The TURN URLs in the order of the configuration; none when there were fewer than two and nothing was probed.
    pub urls: Vec<ProbedUrl>,
    chosen: Option<usize>,
}

impl TurnProbe {
    /// The first URL that answered.
    pub fn chosen(&self) -> Option<&ProbedUrl> {
        self.urls.get(self.chosen?)
    }

    /// The configuration to use instead: the chosen URL alone with its server's credentials, then all servers as they
    /// were. `None` when the order is to stay: the first one answered, none did, or nothing was probed.
    pub fn reordered(&self, servers: &[IceServer]) -> Option<Vec<IceServer>> {
        let (server, url) = self
            .chosen
            .filter(|c| *c > 0)
            .map(|c| self.urls[c].position)?;
        let server = servers.get(server)?;
        let mut first = server.clone();
        first.urls = vec![server.urls.get(url)?.clone()];
        let mut all = vec![first];
        all.extend_from_slice(servers);
        Some(all)
    }
}

/// Asks all TURN URLs at once, each over its own transport, and returns as soon as it is certain which is the first in
/// the order of the configuration that answers. Blocks up to `budget` (2 s is usual). Nothing is left running but name
/// lookups, which the system cannot stop.
pub fn probe_turn(servers: &[IceServer], budget: Duration) -> TurnProbe {
    let started = Instant::now();
    let mut probes = candidates(servers);
    if probes.len() < 2 {
        return TurnProbe::default();
    }
    let deadline = deadline_in(budget);
    let chosen = match run(&mut probes, started, deadline) {
        Ok(chosen) => chosen,
        Err(error) => {
            tracing::warn!(%error, "TURN servers cannot be probed");
            None
        }
    };
    if chosen.is_none() {
        tracing::warn!("no TURN server answered; their order stays");
    }
    let urls = probes
        .into_iter()
        .map(|probe| ProbedUrl {
            url: probe.shown,
            position: probe.position,
            outcome: match probe.state {
                State::Done(outcome) => Some(outcome),
                _ if Instant::now() >= deadline => Some(Err("no answer in time".to_owned())),
                _ => None,
            },
        })
        .collect();
    TurnProbe { urls, chosen }
}

struct Probe {
    url: IceUrl,
    shown: String,
    position: (usize, usize),
    state: State,
}

enum State {
    LookingUp,
    Asking(Box<Question>),
    Done(Result<Duration, String>),
}

fn candidates(servers: &[IceServer]) -> Vec<Probe> {
    let urls = servers.iter().enumerate().flat_map(|(server, entry)| {
        let urls = entry.urls.iter().enumerate();
        urls.map(move |(url, text)| ((server, url), text))
    });
    urls.filter_map(|(position, text)| {
        let url = IceUrl::parse(text).ok()?;
        (url.service == Service::Turn).then(|| Probe {
            url,
            shown: shown(text),
            position,
            state: State::LookingUp,
        })
    })
    .take(MAX_PROBES)
    .collect()
}

type Hosts = (usize, io::Result<Vec<SocketAddr>>);

fn run(probes: &mut [Probe], started: Instant, deadline: Instant) -> io::Result<Option<usize>> {
    let wake = Wake::new()?;
    let (send, receive) = mpsc::channel::<Hosts>();
    // Until the end of this call.
    let asker = Asker::new();
    for (index, probe) in probes.iter().enumerate() {
        let (send, wake) = (send.clone(), wake.clone());
        asker.look_up(&probe.url.host, probe.url.port, move |found| {
            let _ = send.send((index, found));
            wake.wake();
        });
    }
    let mut room = vec![0; MESSAGE_ROOM];
    loop {
        while let Ok((index, found)) = receive.try_recv() {
            probes[index].open(found);
        }
        for probe in probes.iter_mut() {
            probe.go_on(started, &mut room);
        }
        if let Some(decided) = choice(probes) {
            return Ok(decided);
        }
        if Instant::now() >= deadline {
            return Ok(probes.iter().position(Probe::has_answered));
        }
        let asking = probes.iter().filter_map(|probe| match &probe.state {
            State::Asking(question) => Some(question),
            State::LookingUp | State::Done(_) => None,
        });
        let due = asking.clone().filter_map(|q| q.due()).min();
        let fds = asking.map(|q| q.fd()).collect();
        wake.sleep(fds, due.map_or(deadline, |due| due.min(deadline)))?;
    }
}

/// The answer once it is certain: the first that answered with nothing undecided before it, or none when all failed.
fn choice(probes: &[Probe]) -> Option<Option<usize>> {
    for (index, probe) in probes.iter().enumerate() {
        match probe.state {
            State::Done(Ok(_)) => return Some(Some(index)),
            State::Done(Err(_)) => {}
            _ => return None,
        }
    }
    Some(None)
}

impl Probe {
    fn has_answered(&self) -> bool {
        matches!(self.state, State::Done(Ok(_)))
    }

    fn open(&mut self, found: io::Result<Vec<SocketAddr>>) {
        let address = match &found {
            Ok(addresses) => usable(addresses, true).next(),
            Err(_) => None,
        };
        let opened = address
            .ok_or_else(|| match found {
                Err(error) => format!("the host was not found: {error}"),
                Ok(_) => "the host has no address".to_owned(),
            })
            .and_then(|address| Question::open(address, &self.url).map_err(|e| e.to_string()));
        self.state = match opened {
            Ok(question) => State::Asking(Box::new(question)),
            Err(error) => State::Done(Err(error)),
        };
    }

    fn go_on(&mut self, started: Instant, room: &mut [u8]) {
        let State::Asking(question) = &mut self.state else {
            return;
        };
        match question.go_on(room) {
            Ok(None) => {}
            // Whatever it says: a server is there.
            Ok(Some(_)) => self.state = State::Done(Ok(started.elapsed())),
            Err(error) => self.state = State::Done(Err(error.to_string())),
        }
    }
}

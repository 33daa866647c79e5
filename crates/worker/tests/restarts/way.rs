//! The way between a client and a worker, which can die for good: HTTP and UDP over loopback, each connection and each
//! restart of one over UDP sockets of its own.
//! Not the network: nothing is delayed or lost before it dies.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use framewire_worker::Worker;
use serde_json::Value;

use crate::common::http::send;

/// What may be changed on the way.
#[derive(Default)]
pub struct Rules {
    /// So many restarts are answered 503 in the worker's place.
    pub restarts_refused: AtomicUsize,
    /// The next restart reaches a worker that knows nothing of the session, and the paths live again.
    pub restart_astray: AtomicBool,
    /// Changes the bodies of restarts.
    pub restarts_changed: Mutex<Option<fn(&mut Value)>>,
    /// The worker's answers look like an original's.
    pub as_original: AtomicBool,
    /// The next path dies after so many bytes towards the worker; 0 = never.
    pub dies_after: AtomicU64,
}

pub struct Way {
    pub url: String,
    pub rules: Arc<Rules>,
    shared: Arc<Shared>,
}

struct Shared {
    worker: SocketAddr,
    media: SocketAddr,
    rules: Arc<Rules>,
    paths: Mutex<Vec<Arc<Path>>>,
    restarts: AtomicUsize,
    http: SocketAddr,
    over: AtomicBool,
}

/// One pair of sockets: the client knows `near`, the worker `far`.
struct Path {
    near: UdpSocket,
    far: UdpSocket,
    client: Mutex<Option<SocketAddr>>,
    passed: AtomicU64,
    dies_after: u64,
    dead: AtomicBool,
    over: AtomicBool,
}

impl Way {
    pub fn to(worker: &Worker) -> Way {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let rules = Arc::new(Rules::default());
        let shared = Arc::new(Shared {
            worker: worker.local_addr(),
            media: SocketAddr::from(([127, 0, 0, 1], worker.media_port())),
            rules: rules.clone(),
            paths: Mutex::default(),
            restarts: AtomicUsize::new(0),
            http: listener.local_addr().unwrap(),
            over: AtomicBool::new(false),
        });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.over.load(Ordering::Relaxed) {
                    return;
                }
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(stream));
            }
        });
        Way {
            url: format!("http://{}", shared.http),
            rules,
            shared,
        }
    }

    /// Every path there is now dies, for good.
    pub fn cut(&self) {
        for path in self.shared.paths.lock().unwrap().iter() {
            path.dead.store(true, Ordering::Relaxed);
        }
    }

    /// Whether every path there is now is dead.
    pub fn is_cut(&self) -> bool {
        let paths = self.shared.paths.lock().unwrap();
        paths.iter().all(|path| path.dead.load(Ordering::Relaxed))
    }

    /// Restarts the client asked for.
    pub fn restarts(&self) -> usize {
        self.shared.restarts.load(Ordering::Relaxed)
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.shared.http);
        for path in self.shared.paths.lock().unwrap().drain(..) {
            path.over.store(true, Ordering::Relaxed);
            for socket in [&path.near, &path.far] {
                let _ = socket.send_to(&[0], socket.local_addr().unwrap());
            }
        }
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) {
        let Some((method, route, headers, body)) = read(&stream) else {
            return;
        };
        let restart = route.ends_with("/ice");
        self.restarts.fetch_add(restart.into(), Ordering::Relaxed);
        let refused = &self.rules.restarts_refused;
        let less = |left: usize| left.checked_sub(1);
        let refuse = restart
            && refused
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
                .is_ok();
        let astray = restart && self.rules.restart_astray.swap(false, Ordering::Relaxed);
        let (status, body) = if astray {
            for path in self.paths.lock().unwrap().iter() {
                path.dead.store(false, Ordering::Relaxed);
            }
            (404, "{\"error_type\": \"SessionNotFound\"}".to_owned())
        } else if refuse {
            (503, "{\"message\": \"later\"}".to_owned())
        } else {
            self.pass(&method, &route, &headers, body, restart)
        };
        let head = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(body.as_bytes());
    }

    /// Hands a request on, with our own addresses in its descriptions.
    fn pass(
        &self,
        method: &str,
        route: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
        restart: bool,
    ) -> (u16, String) {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(k, v)| (&**k, &**v)).collect();
        let Ok(mut value) = serde_json::from_slice::<Value>(&body) else {
            let response = send(self.worker, method, route, &headers, &body);
            return (response.status, response.body);
        };
        let path = Arc::new(Path::open(self.rules.dies_after.swap(0, Ordering::Relaxed)));
        let offer = &mut value["webrtc_offer"]["sdp"];
        *offer = only(offer.as_str().unwrap(), path.far.local_addr().unwrap()).into();
        if let Some(change) = *self.rules.restarts_changed.lock().unwrap()
            && restart
        {
            change(&mut value);
        }
        let response = send(
            self.worker,
            method,
            route,
            &headers,
            value.to_string().as_bytes(),
        );
        let mut answer = response.json();
        if let Some(sdp) = answer["sdp"].as_str() {
            answer["sdp"] = only(sdp, path.near.local_addr().unwrap()).into();
            if self.rules.as_original.load(Ordering::Relaxed) {
                answer.as_object_mut().unwrap().remove("framewire");
            }
            path.clone().start(self.media);
            self.paths.lock().unwrap().push(path);
        }
        (response.status, answer.to_string())
    }
}

impl Path {
    fn open(dies_after: u64) -> Path {
        let socket = || UdpSocket::bind("127.0.0.1:0").unwrap();
        Path {
            near: socket(),
            far: socket(),
            client: Mutex::default(),
            passed: AtomicU64::new(0),
            dies_after,
            dead: AtomicBool::new(false),
            over: AtomicBool::new(false),
        }
    }

    fn start(self: Arc<Path>, worker: SocketAddr) {
        let up = self.clone();
        std::thread::spawn(move || {
            up.run(&up.near, |path, from, datagram| {
                *path.client.lock().unwrap() = Some(from);
                let passed = path
                    .passed
                    .fetch_add(datagram.len() as u64, Ordering::Relaxed);
                if path.dies_after > 0 && passed >= path.dies_after {
                    path.dead.store(true, Ordering::Relaxed);
                }
                let _ = path.far.send_to(datagram, worker);
            });
        });
        std::thread::spawn(move || {
            self.run(&self.far, |path, _, datagram| {
                if let Some(client) = *path.client.lock().unwrap() {
                    let _ = path.near.send_to(datagram, client);
                }
            });
        });
    }

    fn run(&self, from: &UdpSocket, pass: impl Fn(&Path, SocketAddr, &[u8])) {
        let mut room = vec![0; 65_536];
        while let Ok((len, source)) = from.recv_from(&mut room) {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            if !self.dead.load(Ordering::Relaxed) {
                pass(self, source, &room[..len]);
            }
        }
    }
}

type Request = (String, String, Vec<(String, String)>, Vec<u8>);

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, route) = (words.next()?, words.next()?);
    let (mut headers, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        match name.as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => headers.push((name, value)),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((method, route, headers, body))
}

/// The description with one candidate in place of all others.
fn only(sdp: &str, address: SocketAddr) -> String {
    let mut out = String::new();
    for line in sdp.lines().filter(|l| !l.starts_with("a=candidate:")) {
        if line.starts_with("a=end-of-candidates") {
            let (ip, port) = (address.ip(), address.port());
            out += &format!("a=candidate:1 1 UDP 2130706431 {ip} {port} typ host\r\n");
        }
        out += line;
        out += "\r\n";
    }
    out
}

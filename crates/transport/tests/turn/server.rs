//! A real TURN server (coturn) on loopback, with a certificate of its own, for as long as a value lives.

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use framewire_transport::IceServer;

const TEMPLATE: &str = include_str!("../../../../tests/doubles/turn/turnserver.conf");
const PATIENCE: Duration = Duration::from_secs(20);
/// A STUN request for our own address.
const BINDING: [u8; 20] = *b"\x00\x01\x00\x00\x21\x12\xa4\x42readyready??";

pub(crate) struct Server {
    child: Child,
    dir: tempfile::TempDir,
    port: u16,
    tls_port: u16,
    ip: &'static str,
}

impl Server {
    pub(crate) fn start() -> Server {
        Server::with("127.0.0.1", "")
    }

    /// With further lines of configuration.
    pub(crate) fn with(ip: &'static str, extra: &str) -> Server {
        // A port found free can be taken before the server binds it.
        for _ in 0..5 {
            let mut server = Server::launch(ip, extra);
            if server.is_ready() {
                return server;
            }
        }
        panic!("turnserver (Debian package coturn, see scripts/setup-system.sh) does not answer");
    }

    fn launch(ip: &'static str, extra: &str) -> Server {
        let dir = tempfile::tempdir().expect("temporary directory");
        let key = rcgen::KeyPair::generate().expect("key");
        let names = vec![ip.to_owned(), "localhost".to_owned()];
        let cert = rcgen::CertificateParams::new(names)
            .and_then(|params| params.self_signed(&key))
            .expect("certificate");
        let (port, tls_port) = (free_port(ip), free_port(ip));
        let text = TEMPLATE
            .replace("@LISTEN@", &format!("listening-ip={ip}\nrelay-ip={ip}"))
            .replace("@PORT@", &port.to_string())
            .replace("@TLS_PORT@", &tls_port.to_string())
            .replace("@DIR@", &dir.path().display().to_string())
            .replace("@EXTRA@", extra);
        let write = |name: &str, text: String| {
            fs::write(dir.path().join(name), text).expect("write");
        };
        write("turnserver.conf", text);
        write("cert.pem", cert.pem());
        write("key.pem", key.serialize_pem());
        let log = fs::File::create(dir.path().join("log")).expect("log file");
        let child = Command::new("turnserver")
            .arg("-c")
            .arg(dir.path().join("turnserver.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log file"))
            .stderr(log)
            .spawn()
            .expect("turnserver (Debian package coturn, see scripts/setup-system.sh)");
        Server {
            child,
            dir,
            port,
            tls_port,
            ip,
        }
    }

    fn is_ready(&mut self) -> bool {
        let socket = UdpSocket::bind((self.ip, 0)).expect("bind");
        let wait = Duration::from_millis(50);
        socket.set_read_timeout(Some(wait)).expect("timeout");
        socket.connect((self.ip, self.port)).expect("connect");
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && self.child.try_wait().expect("child").is_none() {
            let _ = socket.send(&BINDING);
            let mut answer = [0; 600];
            match socket.recv(&mut answer) {
                Ok(len) if len > 20 && answer[4..20] == BINDING[4..20] => return true,
                // Refused at once until it listens.
                _ => std::thread::park_timeout(wait),
            }
        }
        false
    }

    fn host(&self) -> String {
        SocketAddr::new(self.ip.parse().expect("address"), 0)
            .to_string()
            .trim_end_matches(":0")
            .to_owned()
    }

    pub(crate) fn udp(&self) -> String {
        format!("turn:{}:{}", self.host(), self.port)
    }

    pub(crate) fn tcp(&self) -> String {
        format!("turn:{}:{}?transport=tcp", self.host(), self.port)
    }

    pub(crate) fn tls(&self) -> String {
        format!("turns:{}:{}?transport=tcp", self.host(), self.tls_port)
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.dir.path().join("cert.pem")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Without a word to anyone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The user the server knows.
pub(crate) fn known(urls: Vec<String>) -> Vec<IceServer> {
    user(urls, "pass")
}

pub(crate) fn user(urls: Vec<String>, password: &str) -> Vec<IceServer> {
    let server = IceServer::new(urls);
    vec![server.with_credentials(Some("user".into()), Some(password.into()))]
}

/// Free for UDP and TCP.
fn free_port(ip: &str) -> u16 {
    loop {
        let udp = UdpSocket::bind((ip, 0)).expect("bind");
        let port = udp.local_addr().expect("address").port();
        if TcpListener::bind((ip, port)).is_ok() {
            return port;
        }
    }
}

//! A relay on loopback between FFmpeg and one RTSP server: dials exactly the address that was checked, speaks TLS where
//! asked, and lets no redirect through.
//! Not a proxy for others: it takes one connection, carries it, and is gone.

mod inspect;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use self::inspect::{Inspector, Refusal};
use super::SourceError;

/// Bytes carried at a time, each way. FFmpeg not reading holds the server back.
const BUFFER: usize = 64 << 10;

/// After a goodbye FFmpeg's end stays open this long, so that it finds the end and no cut connection.
const AFTER_GOODBYE: Duration = Duration::from_secs(1);

/// Carries one RTSP connection as long as it lives; dropping it cuts the connection.
pub(super) struct RtspGate {
    url: String,
    refusal: Arc<Mutex<Option<SourceError>>>,
    /// Dropped with the gate, which ends the relay.
    _stop: oneshot::Sender<()>,
}

/// The server's side of a relay.
struct Server {
    address: SocketAddr,
    /// The name its certificate has to carry, for `rtsps`.
    tls: Option<(ServerName<'static>, Arc<ClientConfig>)>,
    /// For connecting, and again for the handshake.
    limit: Duration,
}

impl RtspGate {
    /// A gate to the server of `url` at `address`. Returns at once: the server is dialled, within `limit`, when
    /// somebody connects to [`url`](RtspGate::url).
    pub(super) fn open(
        url: &Url,
        address: SocketAddr,
        limit: Duration,
    ) -> Result<RtspGate, SourceError> {
        let config = if url.scheme() == "rtsps" {
            Some(system_roots()?)
        } else {
            None
        };
        RtspGate::open_with(url, address, limit, config)
    }

    fn open_with(
        url: &Url,
        address: SocketAddr,
        limit: Duration,
        config: Option<Arc<ClientConfig>>,
    ) -> Result<RtspGate, SourceError> {
        let failed = |error: std::io::Error| SourceError::Stream(format!("no relay: {error}"));
        let tls = match config {
            Some(config) => Some((server_name(url)?, config)),
            None => None,
        };
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let refusal = Arc::new(Mutex::new(None));
        let seen = refusal.clone();
        let server = Server {
            address,
            tls,
            limit,
        };
        let relay = move || {
            runtime.block_on(async {
                let carried = async {
                    let listener = TcpListener::from_std(listener).map_err(failed)?;
                    relay(listener, &server, &seen).await
                };
                tokio::select! {
                    // Whoever finds the connection closed finds the reason set.
                    result = carried => if let Err(error) = result { set(&seen, error) },
                    _ = stopped => {}
                }
            });
        };
        std::thread::Builder::new()
            .name("rtsp-gate".to_owned())
            .spawn(relay)
            .map_err(failed)?;
        Ok(RtspGate {
            url: local(url, port),
            refusal,
            _stop: stop,
        })
    }

    /// The address FFmpeg is to open instead: on loopback, with the user, path and query of the real one. As secret as
    /// that.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Why the gate ended the connection, if it did. To be asked when FFmpeg's end failed.
    pub(super) fn refusal(&self) -> Option<SourceError> {
        self.refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn set(refusal: &Mutex<Option<SourceError>>, error: SourceError) {
    refusal
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert(error);
}

async fn relay(
    listener: TcpListener,
    server: &Server,
    refusal: &Mutex<Option<SourceError>>,
) -> Result<(), SourceError> {
    let Ok(Ok((mut client, _))) = timeout(server.limit, listener.accept()).await else {
        // Nobody came: whoever asked for the gate changed their mind.
        return Ok(());
    };
    drop(listener);
    let result = carry(&mut client, server).await;
    if let Err(error) = &result {
        // FFmpeg's end is still open: whoever finds it closed finds the reason.
        set(refusal, error.clone());
    }
    result
}

async fn carry(client: &mut TcpStream, server: &Server) -> Result<(), SourceError> {
    let timed_out = |step| SourceError::TimedOut {
        step,
        limit: server.limit,
    };
    let stream = timeout(server.limit, TcpStream::connect(server.address))
        .await
        .map_err(|_| timed_out("connecting"))?
        .map_err(|error| SourceError::Unreachable(error.kind().to_string()))?;
    // Small requests are not to wait for more; that it cannot be set changes nothing else.
    let _ = (client.set_nodelay(true), stream.set_nodelay(true));
    let Some((name, config)) = &server.tls else {
        return pump(client, stream).await;
    };
    let connecting = TlsConnector::from(config.clone()).connect(name.clone(), stream);
    let stream = timeout(server.limit, connecting)
        .await
        .map_err(|_| timed_out("the TLS handshake"))?
        .map_err(|error| SourceError::Unreachable(format!("TLS: {error}")))?;
    pump(client, stream).await
}

/// Carries bytes both ways until either side is done.
async fn pump(
    client: &mut TcpStream,
    server: impl AsyncRead + AsyncWrite,
) -> Result<(), SourceError> {
    let (mut from_client, to_client) = client.split();
    let (from_server, mut to_server) = split(server);
    let up = async {
        let mut buffer = vec![0; BUFFER];
        while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
            let sent = to_server.write_all(&buffer[..count]).await;
            if sent.is_err() || to_server.flush().await.is_err() {
                // What the server said last is still on its way.
                return std::future::pending().await;
            }
        }
    };
    tokio::select! {
        () = up => Ok(()),
        result = down(from_server, to_client) => result,
    }
}

async fn down(
    mut server: impl AsyncRead + Unpin,
    mut client: impl AsyncWrite + Unpin,
) -> Result<(), SourceError> {
    let (mut inspector, mut buffer, mut out) = (Inspector::new(), vec![0; BUFFER], Vec::new());
    while let Ok(count @ 1..) = server.read(&mut buffer).await {
        out.clear();
        inspector
            .pass(&buffer[..count], &mut out)
            .map_err(|refusal| match refusal {
                Refusal::Redirect => SourceError::Redirect("RTSP redirects are not followed"),
                Refusal::Malformed(what) => SourceError::Unusable(what.to_owned()),
            })?;
        if client.write_all(&out).await.is_err() {
            return Ok(());
        }
    }
    if inspector.saw_goodbye() {
        tokio::time::sleep(AFTER_GOODBYE).await;
    }
    Ok(())
}

/// The address of the relay: user, path and query of the real one.
fn local(url: &Url, port: u16) -> String {
    let user = match (url.username(), url.password()) {
        ("", None) => String::new(),
        (user, None) => format!("{user}@"),
        (user, Some(password)) => format!("{user}:{password}@"),
    };
    let query = url
        .query()
        .map_or(String::new(), |query| format!("?{query}"));
    format!("rtsp://{user}127.0.0.1:{port}{}{query}", url.path())
}

fn server_name(url: &Url) -> Result<ServerName<'static>, SourceError> {
    let host = match url.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        Some(host) => host.to_string(),
        None => String::new(),
    };
    ServerName::try_from(host).map_err(|_| SourceError::Url {
        field: "rtsp_url",
        reason: "has a host no certificate can name".to_owned(),
    })
}

/// Trusts what the system trusts, or `SSL_CERT_FILE`.
fn system_roots() -> Result<Arc<ClientConfig>, SourceError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let reason = "this system has no certificates to trust: install ca-certificates";
        return Err(SourceError::Unusable(reason.to_owned()));
    }
    client_config(roots)
}

fn client_config(roots: RootCertStore) -> Result<Arc<ClientConfig>, SourceError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SourceError::Stream(format!("TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;

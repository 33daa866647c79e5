//! What TLS to a TURN server needs: the system's trusted certificates and the name to check.
//! The bytes are moved by the link.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// Read once: loading the system's certificates takes tens of milliseconds.
static CONFIG: Mutex<Option<Arc<ClientConfig>>> = Mutex::new(None);

/// Reads the system's certificates, so that connections find them: on a thread that may wait for a disk.
pub(crate) fn prepare() -> Result<(), String> {
    config().map(drop)
}

/// A connection to `host` that has not said anything yet. The error is text for a report.
pub(crate) fn connection(host: &str) -> Result<ClientConnection, String> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| "TLS: the host is no name a certificate can hold".to_owned())?;
    let mut connection = ClientConnection::new(config()?, name).map_err(|e| format!("TLS: {e}"))?;
    // The link hands over one record's worth at a time and keeps the rest itself, bounded.
    connection.set_buffer_limit(None);
    Ok(connection)
}

fn config() -> Result<Arc<ClientConfig>, String> {
    let mut known = CONFIG.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(config) = known.as_ref() {
        return Ok(config.clone());
    }
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(loaded.certs);
    if usable == 0 {
        let cause = loaded
            .errors
            .first()
            .map_or_else(|| "the system has none".to_owned(), ToString::to_string);
        return Err(format!(
            "TLS: no trusted certificates ({cause}); install ca-certificates or set SSL_CERT_FILE"
        ));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("TLS: {e}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(known.insert(Arc::new(config)).clone())
}

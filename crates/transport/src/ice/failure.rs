//! Why a STUN or TURN server gave nothing: told apart as far as it can be, for people and for programs.
//! It holds no user names and no passwords.

use std::io::ErrorKind;
use std::time::Duration;

use rustls::{CertificateError, Error as TlsError};

use crate::turn::LinkError;

/// Why a server gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerFailure {
    /// It was not asked: the URL or its credentials are not usable, or it is of no use for what is wanted.
    #[error("{0}")]
    Url(String),
    /// Its name was not found.
    #[error("the host was not found: {reason}")]
    Name {
        /// What the system said.
        reason: String,
    },
    /// It is not reached: its machine, or one on the way there, refuses.
    #[error("{reason}")]
    Refused {
        /// What was said.
        reason: String,
    },
    /// It said nothing.
    #[error("no answer in the time allowed")]
    Silent {
        /// How long it was waited for.
        after: Duration,
    },
    /// Its certificate is from somebody this machine does not trust.
    #[error("TLS: the certificate is from an issuer this machine does not trust")]
    TlsUnknownIssuer,
    /// Its certificate is for another host.
    #[error("TLS: the certificate is for another host name")]
    TlsNameMismatch,
    /// Its certificate is not valid now: expired, or not valid yet.
    #[error("TLS: the certificate has expired or is not valid yet")]
    TlsExpired,
    /// TLS failed otherwise.
    #[error("TLS: {reason}")]
    Tls {
        /// What went wrong.
        reason: String,
    },
    /// Something answers that speaks neither STUN nor TURN.
    #[error("the server does not speak TURN")]
    NotStun,
    /// It does not accept the user name and password.
    #[error("the server refuses the user name and password (401)")]
    Credentials,
    /// The user has as many relayed addresses as the server allows.
    #[error("the server refuses: Allocation Quota Reached (486)")]
    Quota,
    /// It refuses for another reason.
    #[error("the server refuses: {reason} ({code})")]
    Denied {
        /// The STUN error code.
        code: u16,
        /// The server's own words.
        reason: String,
    },
    /// This side cannot ask it.
    #[error("{reason}")]
    Local {
        /// Why.
        reason: String,
    },
}

/// STUN error codes that blame the credentials: unauthorized, wrong credentials.
const CREDENTIALS: [u16; 2] = [401, 441];
const QUOTA: u16 = 486;

impl ServerFailure {
    pub(crate) fn url(text: impl Into<String>) -> ServerFailure {
        ServerFailure::Url(text.into())
    }

    pub(crate) fn local(reason: impl Into<String>) -> ServerFailure {
        let reason = reason.into();
        ServerFailure::Local { reason }
    }

    /// An error response of the server.
    pub(crate) fn of_code(code: u16, reason: &str) -> ServerFailure {
        match code {
            QUOTA => ServerFailure::Quota,
            code if CREDENTIALS.contains(&code) => ServerFailure::Credentials,
            code => ServerFailure::Denied {
                code,
                reason: reason.to_owned(),
            },
        }
    }
}

impl From<&LinkError> for ServerFailure {
    fn from(error: &LinkError) -> ServerFailure {
        match error {
            // Of the system, which tried for minutes.
            LinkError::Io(io) if io.kind() == ErrorKind::TimedOut => ServerFailure::Silent {
                after: Duration::ZERO,
            },
            LinkError::Io(_) => ServerFailure::Refused {
                reason: error.to_string(),
            },
            LinkError::Tls(error) => error.into(),
            LinkError::Config(reason) => ServerFailure::local(reason),
            LinkError::NotTurn => ServerFailure::NotStun,
        }
    }
}

/// Of TLS with any server, sorted by what is wrong with its certificate.
impl From<&TlsError> for ServerFailure {
    fn from(error: &TlsError) -> ServerFailure {
        use CertificateError::{
            BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext,
            NotValidYet, NotValidYetContext, Other, UnknownIssuer,
        };
        let TlsError::InvalidCertificate(certificate) = error else {
            let reason = error.to_string();
            return ServerFailure::Tls { reason };
        };
        match certificate {
            UnknownIssuer | BadSignature => ServerFailure::TlsUnknownIssuer,
            // One that signed itself and may sign others.
            Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                ServerFailure::TlsUnknownIssuer
            }
            NotValidForName | NotValidForNameContext { .. } => ServerFailure::TlsNameMismatch,
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
                ServerFailure::TlsExpired
            }
            _ => ServerFailure::Tls {
                reason: error.to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_a_server_and_the_network_say_becomes_its_own_failure() {
        let of = |error: LinkError| ServerFailure::from(&error);
        let certificate = |error| of(LinkError::Tls(TlsError::InvalidCertificate(error)));
        let table = [
            (ServerFailure::of_code(401, ""), ServerFailure::Credentials),
            (ServerFailure::of_code(441, ""), ServerFailure::Credentials),
            (ServerFailure::of_code(486, ""), ServerFailure::Quota),
            (
                ServerFailure::of_code(403, "Forbidden"),
                ServerFailure::Denied {
                    code: 403,
                    reason: "Forbidden".into(),
                },
            ),
            (
                of(LinkError::Io(io::ErrorKind::ConnectionRefused.into())),
                ServerFailure::Refused {
                    reason: "connection refused".into(),
                },
            ),
            (of(LinkError::NotTurn), ServerFailure::NotStun),
            (
                certificate(CertificateError::UnknownIssuer),
                ServerFailure::TlsUnknownIssuer,
            ),
            (
                certificate(CertificateError::NotValidForName),
                ServerFailure::TlsNameMismatch,
            ),
            (
                certificate(CertificateError::BadSignature),
                ServerFailure::TlsUnknownIssuer,
            ),
            (
                certificate(CertificateError::NotValidYet),
                ServerFailure::TlsExpired,
            ),
            (
                certificate(CertificateError::Expired),
                ServerFailure::TlsExpired,
            ),
        ];
        for (got, expected) in table {
            assert_eq!(got, expected);
        }
        let other = certificate(CertificateError::Revoked);
        assert!(matches!(other, ServerFailure::Tls { .. }), "{other}");
    }
}

//! Fetches a video from a URL into the cache or a temporary file, within the URL rules.
//! Not here: the rules themselves. The whole file is never in memory, and a partial one never becomes visible.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use framewire_protocol::signalling::redact_url;
use reqwest::header::{ACCEPT_ENCODING, LOCATION};
use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempPath};
use url::Url;

use crate::error::{SourceError, UrlPolicyError};
use crate::options::ClientOptions;
use crate::redact;
use crate::source::progress::Progress;
use crate::source::{DownloadCallback, UrlPolicy};

/// A video that is on disk now.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) path: PathBuf,
    pub(crate) temporary: Option<TempPath>,
}

/// Gets the video at `url`, from the cache when it is there.
///
/// Cancel-safe: dropping the future removes what was written so far.
pub(crate) async fn fetch(
    url: &str,
    use_cache: bool,
    options: &ClientOptions,
    progress: Option<DownloadCallback>,
) -> Result<Fetched, SourceError> {
    let parsed = options.url_policy.check(url)?;
    let extension = extension(&parsed);
    let cached = use_cache.then(|| options.cache_dir.join(cache_name(url, &extension)));
    if let Some(path) = &cached
        && std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() > 0)
    {
        return Ok(Fetched {
            path: path.clone(),
            temporary: None,
        });
    }
    let limit = options.download_deadline;
    // As parsed, not as typed: that form has no spaces, so it can be shown.
    let shown = redact_url(parsed.as_str());
    let progress = Progress::new(progress);
    let work = download(
        parsed,
        &shown,
        cached.as_deref(),
        &extension,
        options,
        progress,
    );
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(SourceError::DownloadTimeout { url: shown, limit }),
    }
}

async fn download(
    start: Url,
    shown: &str,
    cached: Option<&Path>,
    extension: &str,
    options: &ClientOptions,
    progress: Progress,
) -> Result<Fetched, SourceError> {
    let folder = match cached {
        Some(_) => options.cache_dir.clone(),
        None => std::env::temp_dir(),
    };
    let storing = |path: &Path, error: std::io::Error| SourceError::Cache {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    std::fs::create_dir_all(&folder).map_err(|error| storing(&folder, error))?;
    let suffix = match cached {
        Some(_) => ".part".to_owned(),
        None => extension.to_owned(),
    };
    let mut staging = tempfile::Builder::new()
        .prefix("inference-sdk-video-")
        .suffix(&suffix)
        .tempfile_in(&folder)
        .map_err(|error| storing(&folder, error))?;

    let mut response = open(start, shown, options).await?;
    receive(&mut response, &mut staging, shown, options, progress).await?;

    let Some(target) = cached else {
        let temporary = staging.into_temp_path();
        return Ok(Fetched {
            path: temporary.to_path_buf(),
            temporary: Some(temporary),
        });
    };
    staging
        .persist(target)
        .map_err(|error| storing(target, error.error))?;
    Ok(Fetched {
        path: target.to_owned(),
        temporary: None,
    })
}

async fn receive(
    response: &mut reqwest::Response,
    staging: &mut NamedTempFile,
    shown: &str,
    options: &ClientOptions,
    mut progress: Progress,
) -> Result<(), SourceError> {
    let limit = options.max_download_bytes;
    let too_large = || SourceError::DownloadTooLarge {
        url: shown.to_owned(),
        limit,
    };
    let announced = response.content_length();
    if announced.is_some_and(|bytes| bytes > limit) {
        return Err(too_large());
    }
    let mut received: u64 = 0;
    loop {
        let block = match response.chunk().await {
            Ok(Some(block)) => block,
            Ok(None) => break,
            Err(error) => match announced {
                Some(announced) if !error.is_timeout() && received < announced => {
                    return Err(SourceError::DownloadIncomplete {
                        url: shown.to_owned(),
                        received,
                        announced,
                    });
                }
                _ => return Err(failed(shown, error)),
            },
        };
        received += block.len() as u64;
        if received > limit {
            return Err(too_large());
        }
        staging
            .write_all(&block)
            .map_err(|error| SourceError::Cache {
                path: staging.path().to_owned(),
                reason: error.to_string(),
            })?;
        progress.at(received, announced);
    }
    if received == 0 {
        return Err(SourceError::Download {
            url: shown.to_owned(),
            reason: "the server sent no bytes".into(),
        });
    }
    match announced {
        Some(announced) if announced != received => Err(SourceError::DownloadIncomplete {
            url: shown.to_owned(),
            received,
            announced,
        }),
        _ => {
            progress.done(received, announced);
            Ok(())
        }
    }
}

/// Follows redirects hop by hop; each is checked and connected to at the checked addresses only.
async fn open(
    start: Url,
    shown: &str,
    options: &ClientOptions,
) -> Result<reqwest::Response, SourceError> {
    let policy = &options.url_policy;
    let mut url = start;
    for hop in 0..=policy.max_redirects {
        let checked = hop == 0 || policy.check_redirects;
        let client = client_for(&url, checked, shown, options).await?;
        let response = client
            .get(url.clone())
            .header(ACCEPT_ENCODING, "identity")
            .send()
            .await
            .map_err(|error| failed(shown, error))?;
        let status = response.status();
        if status.is_redirection() {
            let target = response
                .headers()
                .get(LOCATION)
                .and_then(|value| value.to_str().ok());
            let Some(target) = target else {
                return Err(SourceError::DownloadStatus {
                    url: shown.to_owned(),
                    status: status.as_u16(),
                });
            };
            let next = url.join(target).map_err(|error| UrlPolicyError::Invalid {
                url: shown.to_owned(),
                reason: format!("it redirects to an unusable address ({error})"),
            })?;
            url = if policy.check_redirects {
                policy.check(next.as_str())?
            } else {
                next
            };
            continue;
        }
        if !status.is_success() {
            return Err(SourceError::DownloadStatus {
                url: shown.to_owned(),
                status: status.as_u16(),
            });
        }
        return Ok(response);
    }
    Err(UrlPolicyError::TooManyRedirects {
        url: shown.to_owned(),
        limit: policy.max_redirects,
    }
    .into())
}

async fn client_for(
    url: &Url,
    checked: bool,
    shown: &str,
    options: &ClientOptions,
) -> Result<reqwest::Client, SourceError> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(options.download_timeout)
        .read_timeout(options.download_timeout);
    let policy: &UrlPolicy = &options.url_policy;
    if checked && !policy.allow_non_global {
        let host = url
            .host_str()
            .unwrap_or_default()
            .trim_matches(['[', ']'])
            .to_owned();
        match proxy_for(url, &host) {
            Some(proxy) => {
                tracing::warn!(
                    "{shown} is fetched through a proxy; its address cannot be checked here"
                );
                let proxy = reqwest::Proxy::all(proxy).map_err(|error| failed(shown, error))?;
                builder = builder.no_proxy().proxy(proxy);
            }
            None => {
                let addresses = resolve(url, &host, shown, options.download_timeout).await?;
                let ips: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
                policy.check_addresses(url, &ips)?;
                builder = builder.no_proxy().resolve_to_addrs(&host, &addresses);
            }
        }
    }
    builder.build().map_err(|error| failed(shown, error))
}

async fn resolve(
    url: &Url,
    host: &str,
    shown: &str,
    limit: Duration,
) -> Result<Vec<SocketAddr>, SourceError> {
    let port = url.port_or_known_default().unwrap_or(443);
    let download = |reason: String| SourceError::Download {
        url: shown.to_owned(),
        reason,
    };
    let lookup = tokio::time::timeout(limit, tokio::net::lookup_host((host, port)));
    let found = lookup
        .await
        .map_err(|_| download("the host's name did not resolve in time".into()))?;
    let addresses: Vec<SocketAddr> = found
        .map_err(|error| download(format!("the host's name does not resolve ({error})")))?
        .collect();
    if addresses.is_empty() {
        return Err(download("the host's name has no address".into()));
    }
    Ok(addresses)
}

/// The proxy the environment asks for, unless the host is exempt from it.
fn proxy_for(url: &Url, host: &str) -> Option<String> {
    let variable = |name: &str| {
        let lower = std::env::var(name.to_lowercase()).ok();
        lower
            .or_else(|| std::env::var(name).ok())
            .filter(|value| !value.is_empty())
    };
    let proxy = variable(if url.scheme() == "https" {
        "HTTPS_PROXY"
    } else {
        "HTTP_PROXY"
    })
    .or_else(|| variable("ALL_PROXY"))?;
    let exempt = variable("NO_PROXY").unwrap_or_default();
    (!is_exempt(host, &exempt)).then_some(proxy)
}

fn is_exempt(host: &str, list: &str) -> bool {
    list.split(',')
        .map(|item| item.trim().trim_start_matches('.'))
        .filter(|item| !item.is_empty())
        .any(|item| {
            item == "*"
                || host.eq_ignore_ascii_case(item)
                || host
                    .to_lowercase()
                    .ends_with(&format!(".{}", item.to_lowercase()))
        })
}

fn failed(shown: &str, error: reqwest::Error) -> SourceError {
    SourceError::Download {
        url: shown.to_owned(),
        reason: redact::http_error(error),
    }
}

/// `.mp4` or what the path ends with; never something that leaves the folder.
fn extension(url: &Url) -> String {
    let name = url.path().rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((stem, end))
            if !stem.is_empty()
                && (1..=16).contains(&end.len())
                && end.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            format!(".{end}")
        }
        _ => ".mp4".to_owned(),
    }
}

fn cache_name(url: &str, extension: &str) -> String {
    let digest = Sha256::digest(url.as_bytes());
    let hex: String = digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    hex + extension
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_names_are_the_first_half_of_the_digest() {
        let url = "https://example.com/a/clip.mov?sig=1";
        let name = cache_name(url, &extension(&Url::parse(url).unwrap()));
        assert_eq!(name.len(), 32 + 4);
        assert!(name.ends_with(".mov"), "{name}");
        // Fixed: other readers of the same cache must find the file.
        assert_eq!(
            cache_name("abc", ".mp4"),
            "ba7816bf8f01cfea414140de5dae2223.mp4"
        );
    }

    #[test]
    fn odd_extensions_become_mp4() {
        for path in [
            "",
            "clip",
            "clip.",
            ".hidden",
            "a.b/c",
            "clip.m%2Fx",
            "clip.aaaaaaaaaaaaaaaaaaaa",
        ] {
            let url = Url::parse(&format!("http://h/{path}")).unwrap();
            assert_eq!(extension(&url), ".mp4", "{path}");
        }
    }

    #[test]
    fn hosts_exempt_from_the_proxy_are_recognised() {
        assert!(is_exempt("a.example.com", "localhost, .example.com"));
        assert!(is_exempt("example.com", "example.com"));
        assert!(is_exempt("anything", "*"));
        assert!(!is_exempt("badexample.com", "example.com"));
        assert!(!is_exempt("example.com", ""));
    }
}

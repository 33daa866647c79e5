//! The API keys a worker accepts, compared without leaking where they differ.
//! Not the HTTP side: where a request carries its key is `http::auth`'s matter.

use std::path::Path;

use crate::worker::StartError;

/// Accepted keys; empty means "open".
#[derive(Clone, Default)]
pub(crate) struct ApiKeys(Vec<Box<[u8]>>);

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKeys({} hidden)", self.0.len())
    }
}

impl ApiKeys {
    /// Keys of the file (one a line, `#` starts a comment line) and of the list.
    pub(crate) fn load(file: Option<&Path>, listed: &[String]) -> Result<ApiKeys, StartError> {
        let mut keys: Vec<Box<[u8]>> = Vec::new();
        let mut add = |text: &str| {
            let key = text.trim();
            if !key.is_empty() && !key.starts_with('#') {
                keys.push(key.as_bytes().into());
            }
        };
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|source| StartError::Keys {
                path: path.to_owned(),
                source,
            })?;
            text.lines().for_each(&mut add);
        }
        listed.iter().for_each(|key| add(key));
        match file {
            // A file that protects nothing is a mistake, never a wish.
            Some(path) if keys.is_empty() => Err(StartError::NoKeys(path.to_owned())),
            _ => Ok(ApiKeys(keys)),
        }
    }

    /// No key is asked for.
    pub(crate) fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `key` is one of them. Takes the same time whichever byte differs.
    pub(crate) fn accepts(&self, key: &str) -> bool {
        let mut found = 0u8;
        for known in &self.0 {
            found |= u8::from(same(known, key.as_bytes()));
        }
        found != 0
    }
}

/// Whether two secrets are the same, in a time that tells nothing but the length of the second.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    let mut difference = u8::from(a.len() != b.len());
    for (index, byte) in a.iter().enumerate() {
        difference |= byte ^ b.get(index).copied().unwrap_or(!byte);
    }
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_gives_one_key_a_line_and_skips_comments() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "# team\n alpha \n\nbeta").unwrap();
        let keys = ApiKeys::load(Some(file.path()), &["gamma".into()]).unwrap();
        for key in ["alpha", "beta", "gamma"] {
            assert!(keys.accepts(key));
        }
        for key in ["", "# team", "alph", "alphaa", "Alpha"] {
            assert!(!keys.accepts(key), "{key}");
        }
        assert!(!keys.is_open());
        assert_eq!(format!("{keys:?}"), "ApiKeys(3 hidden)");
    }

    #[test]
    fn a_file_without_keys_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(
            ApiKeys::load(Some(file.path()), &[]),
            Err(StartError::NoKeys(_))
        ));
        assert!(ApiKeys::load(None, &[]).unwrap().is_open());
    }
}

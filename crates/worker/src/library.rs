//! Workflow definitions by id: `FOLDER/<workspace>/<workflow id>.json`.
//! Not the compiler: what is found here is plain JSON.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Why a definition was not handed out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LibraryError {
    /// No such file, no folder, or a name that cannot be a file of the folder.
    #[error("workflow {id:?} of workspace {workspace:?} is not in this worker's workflow folder")]
    Missing { workspace: String, id: String },
    /// The file is there but no definition.
    #[error("the stored workflow {id:?} of workspace {workspace:?} is not readable JSON")]
    Unusable { workspace: String, id: String },
}

/// The folder, if one was given.
#[derive(Debug, Clone, Default)]
pub(crate) struct WorkflowLibrary(Option<PathBuf>);

impl WorkflowLibrary {
    pub(crate) fn new(folder: Option<PathBuf>) -> WorkflowLibrary {
        WorkflowLibrary(folder)
    }

    /// Reads one definition. Blocks for the disk.
    ///
    /// A file may be the definition itself or wrap it as `{"specification": …}`.
    pub(crate) fn load(&self, workspace: &str, id: &str) -> Result<Value, LibraryError> {
        let missing = || LibraryError::Missing {
            workspace: shorten(workspace),
            id: shorten(id),
        };
        let unusable = || LibraryError::Unusable {
            workspace: shorten(workspace),
            id: shorten(id),
        };
        let folder = self.0.as_deref().ok_or_else(missing)?;
        let path = path_of(folder, workspace, id).ok_or_else(missing)?;
        let file = std::fs::File::open(path).map_err(|_| missing())?;
        let mut text = Vec::new();
        file.take(MAX_DEFINITION_BYTES + 1)
            .read_to_end(&mut text)
            .map_err(|_| unusable())?;
        if text.len() as u64 > MAX_DEFINITION_BYTES {
            return Err(unusable());
        }
        let mut value: Value = serde_json::from_slice(&text).map_err(|_| unusable())?;
        match value.get_mut("specification") {
            Some(inner) if inner.is_object() => Ok(inner.take()),
            _ => Ok(value),
        }
    }
}

/// The file of a workflow, or `None` when a name could lead anywhere but straight into the folder.
fn path_of(folder: &Path, workspace: &str, id: &str) -> Option<PathBuf> {
    let plain = |name: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        (1..=MAX_NAME).contains(&name.len()) && !name.starts_with('.') && name.chars().all(allowed)
    };
    (plain(workspace) && plain(id)).then(|| folder.join(workspace).join(format!("{id}.json")))
}

fn shorten(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}

/// Longest workspace name or workflow id.
const MAX_NAME: usize = 100;
/// Largest stored definition.
const MAX_DEFINITION_BYTES: u64 = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stored_definition_is_found_plain_or_wrapped() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("team")).unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join("team").join(name), text).unwrap();
        };
        write("plain.json", r#"{"version":"1.0"}"#);
        write("wrapped.json", r#"{"specification":{"version":"1.1"}}"#);
        write("broken.json", "{");
        let library = WorkflowLibrary::new(Some(folder.path().to_owned()));
        assert_eq!(
            library.load("team", "plain").unwrap(),
            json!({"version": "1.0"})
        );
        assert_eq!(
            library.load("team", "wrapped").unwrap(),
            json!({"version": "1.1"})
        );
        assert!(matches!(
            library.load("team", "broken"),
            Err(LibraryError::Unusable { .. })
        ));
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("workflows");
        std::fs::create_dir_all(inner.join("team")).unwrap();
        std::fs::write(folder.path().join("secret.json"), "{}").unwrap();
        let library = WorkflowLibrary::new(Some(inner));
        for (workspace, id) in [
            ("..", "secret"),
            ("team", "../../secret"),
            ("team/../..", "secret"),
            ("", "secret"),
            (".", "secret"),
            ("team", ""),
            ("team", "sec\0ret"),
            ("team\\..", "secret"),
            ("/", "secret"),
        ] {
            assert!(
                matches!(
                    library.load(workspace, id),
                    Err(LibraryError::Missing { .. })
                ),
                "{workspace:?} {id:?}"
            );
        }
        let none = WorkflowLibrary::default();
        assert!(none.load("team", "x").is_err());
    }

    #[test]
    fn a_definition_over_the_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("w")).unwrap();
        let mut text = vec![b' '; MAX_DEFINITION_BYTES as usize];
        text.extend_from_slice(b"{}");
        std::fs::write(folder.path().join("w/big.json"), text).unwrap();
        let library = WorkflowLibrary::new(Some(folder.path().to_owned()));
        assert!(library.load("w", "big").is_err());
    }
}

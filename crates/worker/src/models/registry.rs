//! All models of a folder, by id.
//! Not here: watching the folder; it is read once, before the worker says it is ready.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::engine::Backend;
use super::model::{LoadError, Model, ModelOptions};

/// Most models one registry loads; each holds its weights in memory.
pub const MAX_MODELS: usize = 256;
/// How deep an id may nest: `a/b/c` is three.
const MAX_DEPTH: usize = 8;

/// How models are loaded.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RegistryOptions {
    /// Options of each model.
    pub model: ModelOptions,
}

impl RegistryOptions {
    /// Forces one backend instead of the best available.
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.model.backend = Some(backend);
        self
    }
}

/// The loaded models; clones share them.
#[derive(Debug, Clone, Default)]
pub struct ModelRegistry {
    models: Arc<BTreeMap<String, Arc<Model>>>,
}

/// Why a models folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The folder cannot be read.
    #[error("cannot read the models folder {}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// One model cannot be loaded.
    #[error("cannot load the model in {}", folder.display())]
    Model {
        /// Its folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: LoadError,
    },
    /// The id in `model.json` is not the folder's path.
    #[error("the model in {} calls itself `{id}`; the id must be the folder's path, `{expected}`", folder.display())]
    Id {
        /// Its folder.
        folder: PathBuf,
        /// What `model.json` says.
        id: String,
        /// What it should say.
        expected: String,
    },
    /// More models than one worker loads.
    #[error("more than {MAX_MODELS} models in {}", folder.display())]
    TooMany {
        /// The models folder.
        folder: PathBuf,
    },
}

impl ModelRegistry {
    /// A registry without models.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Loads every `DIR/<model id>/model.json`; ids may contain `/`. Blocks for the time the files need, some 0.1 s each.
    /// One model that cannot be used fails the whole load: a model that silently is not there is found out too late.
    pub fn load(folder: &Path, options: RegistryOptions) -> Result<Self, RegistryError> {
        let mut found = Vec::new();
        find(folder, MAX_DEPTH, &mut found).map_err(|source| RegistryError::Folder {
            folder: folder.into(),
            source,
        })?;
        if found.len() > MAX_MODELS {
            return Err(RegistryError::TooMany {
                folder: folder.into(),
            });
        }
        let mut models = BTreeMap::new();
        for place in found {
            let model =
                Model::load(&place, &options.model).map_err(|source| RegistryError::Model {
                    folder: place.clone(),
                    source,
                })?;
            let expected = relative_id(folder, &place);
            if model.id() != expected {
                return Err(RegistryError::Id {
                    folder: place,
                    id: model.id().into(),
                    expected,
                });
            }
            models.insert(expected, Arc::new(model));
        }
        Ok(Self {
            models: Arc::new(models),
        })
    }

    /// A registry of models loaded one by one; of two with the same id the later stays.
    #[must_use]
    pub fn from_models(models: impl IntoIterator<Item = Model>) -> Self {
        let models = models
            .into_iter()
            .map(|model| (model.id().to_owned(), Arc::new(model)));
        Self {
            models: Arc::new(models.collect()),
        }
    }

    /// The model of an id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<Model>> {
        self.models.get(id)
    }

    /// All models, by id.
    pub fn models(&self) -> impl Iterator<Item = &Arc<Model>> {
        self.models.values()
    }

    /// How many models there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }
}

/// Folders with a `model.json`; a model folder is not searched further, hidden folders are not searched at all.
fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with('.') && entry.path().is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    for inner in folders {
        if found.len() > MAX_MODELS {
            break;
        }
        if inner.join(Model::DESCRIPTION).is_file() {
            found.push(inner);
        } else if depth > 1 {
            find(&inner, depth - 1, found)?;
        }
    }
    Ok(())
}

fn relative_id(root: &Path, folder: &Path) -> String {
    let relative = folder.strip_prefix(root).unwrap_or(folder);
    let parts: Vec<_> = relative
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_paths_below_the_folder() {
        assert_eq!(
            relative_id(Path::new("/m"), Path::new("/m/team/car/3")),
            "team/car/3"
        );
    }

    #[test]
    fn a_missing_folder_is_an_error_and_an_empty_one_is_not() {
        let root = tempfile::tempdir().unwrap();
        let missing = ModelRegistry::load(&root.path().join("none"), RegistryOptions::default());
        assert!(matches!(missing, Err(RegistryError::Folder { .. })));
        assert!(
            ModelRegistry::load(root.path(), RegistryOptions::default())
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn hidden_folders_and_folders_inside_models_are_not_searched() {
        let root = tempfile::tempdir().unwrap();
        for path in [
            "a/model.json",
            "a/inner/model.json",
            ".b/model.json",
            "c/d/model.json",
            "e/f/g/h/i/j/k/l/m/model.json",
        ] {
            let file = root.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "{}").unwrap();
        }
        let mut found = Vec::new();
        find(root.path(), MAX_DEPTH, &mut found).unwrap();
        let ids: Vec<_> = found
            .iter()
            .map(|place| relative_id(root.path(), place))
            .collect();
        assert_eq!(ids, ["a", "c/d"]);
    }
}

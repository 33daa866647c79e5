//! Finds and loads ONNX Runtime's shared library, once per process.
//! Not here: sessions; nothing is downloaded and nothing is linked at build time.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ort::environment::Environment;

/// Environment variables that name the library, strongest first.
const VARIABLES: [&str; 2] = ["FRAMEWIRE_ORT", "ORT_DYLIB_PATH"];
/// Value of `FRAMEWIRE_ORT` that switches ONNX Runtime off.
const OFF: &str = "off";
const FILE_NAME: &str = "libonnxruntime.so";

/// What became of the search for ONNX Runtime.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RuntimeLibrary {
    /// In use.
    Loaded {
        /// Where it was found.
        path: PathBuf,
        /// The build's own description: version, commit, flags.
        build: String,
    },
    /// No file was found, or the search is switched off by `FRAMEWIRE_ORT=off`.
    Absent,
    /// A file was found but cannot be used; models run on the built-in engine.
    Unusable {
        /// The file.
        path: PathBuf,
        /// The loader's words.
        reason: String,
    },
}

static STATE: OnceLock<(RuntimeLibrary, Option<Environment>)> = OnceLock::new();

/// Finds and loads the library on the first call (tens of milliseconds of disk work), then answers at once.
///
/// Searched in this order: the variables `FRAMEWIRE_ORT` and `ORT_DYLIB_PATH` (a path, or `off` for the first), the
/// executable's folder, `../lib` and `../lib/framewire` beside it, `assets/lib` of a checkout the executable was built in,
/// `onnxruntime/capi` of an active Python environment (`VIRTUAL_ENV`) and of the user's and system's Python folders.
pub fn runtime_library() -> &'static RuntimeLibrary {
    &state().0
}

pub(super) fn environment() -> Option<&'static Environment> {
    state().1.as_ref()
}

fn state() -> &'static (RuntimeLibrary, Option<Environment>) {
    STATE.get_or_init(|| {
        let Some(path) = search(&Surroundings::of_this_process()) else {
            tracing::info!("no ONNX Runtime library found: models run on the built-in engine, three to four times slower");
            return (RuntimeLibrary::Absent, None);
        };
        match load(&path) {
            Ok(environment) => {
                let build = ort::info().to_owned();
                tracing::debug!(path = %path.display(), build, "ONNX Runtime loaded");
                (RuntimeLibrary::Loaded { path, build }, Some(environment))
            }
            Err(reason) => {
                tracing::warn!(path = %path.display(), reason, "ONNX Runtime cannot be used, the built-in engine is");
                (RuntimeLibrary::Unusable { path, reason }, None)
            }
        }
    })
}

fn load(path: &Path) -> Result<Environment, String> {
    let builder = ort::init_from(path).map_err(|error| error.to_string())?;
    builder
        .with_name("framewire")
        .with_telemetry(false)
        .build()
        .map_err(|error| error.to_string())
}

/// Everything outside the process that the search looks at.
struct Surroundings {
    variables: Vec<String>,
    executable: Option<PathBuf>,
    virtual_env: Option<PathBuf>,
    home: Option<PathBuf>,
}

impl Surroundings {
    fn of_this_process() -> Self {
        Self {
            variables: VARIABLES
                .iter()
                .filter_map(|name| env::var(name).ok())
                .filter(|v| !v.is_empty())
                .collect(),
            executable: env::current_exe().ok(),
            virtual_env: env::var_os("VIRTUAL_ENV").map(PathBuf::from),
            home: env::var_os("HOME").map(PathBuf::from),
        }
    }
}

fn search(around: &Surroundings) -> Option<PathBuf> {
    if around.variables.iter().any(|value| value == OFF) {
        return None;
    }
    // A named library is used even if it is wrong: falling through would hide the mistake.
    if let Some(named) = around.variables.first() {
        return Some(PathBuf::from(named));
    }
    let mut places = Vec::new();
    if let Some(folder) = around.executable.as_deref().and_then(Path::parent) {
        places.push(folder.to_path_buf());
        places.extend(
            folder
                .parent()
                .into_iter()
                .flat_map(|up| [up.join("lib"), up.join("lib/framewire")]),
        );
        // target/release, or target/release/deps for tests.
        places.extend(
            folder
                .ancestors()
                .skip(2)
                .take(2)
                .map(|checkout| checkout.join("assets/lib")),
        );
    }
    for place in places {
        if let Some(found) = library_in(&place) {
            return Some(found);
        }
    }
    let pythons = around.virtual_env.iter().map(|root| root.join("lib"));
    let pythons = pythons.chain(around.home.iter().map(|root| root.join(".local/lib")));
    let pythons = pythons.chain(["/usr/local/lib", "/usr/lib"].map(PathBuf::from));
    pythons
        .flat_map(python_folders)
        .find_map(|folder| library_in(&folder))
}

/// `lib/python3.*/{site,dist}-packages/onnxruntime/capi`, newest Python first.
fn python_folders(lib: PathBuf) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(lib).into_iter().flatten().flatten();
    let mut pythons: Vec<_> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"))
        .map(|entry| entry.path())
        .collect();
    pythons.sort();
    pythons.reverse();
    let packages = |python: PathBuf| {
        ["site-packages", "dist-packages"].map(|p| python.join(p).join("onnxruntime/capi"))
    };
    pythons.into_iter().flat_map(packages).collect()
}

/// The plain name, else the highest `libonnxruntime.so.<version>`.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let plain = folder.join(FILE_NAME);
    if plain.is_file() {
        return Some(plain);
    }
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    entries
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with("libonnxruntime.so.")
        })
        .map(|entry| entry.path())
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere() -> Surroundings {
        Surroundings {
            variables: Vec::new(),
            executable: None,
            virtual_env: None,
            home: None,
        }
    }

    fn touch(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"").unwrap();
    }

    #[test]
    fn a_named_library_wins_and_off_wins_over_everything() {
        let named = Surroundings {
            variables: vec!["/x/a.so".into(), "/x/b.so".into()],
            ..nowhere()
        };
        assert_eq!(search(&named), Some(PathBuf::from("/x/a.so")));
        assert_eq!(
            search(&Surroundings {
                variables: vec![OFF.into()],
                ..nowhere()
            }),
            None
        );
    }

    #[test]
    fn places_are_searched_from_the_executable_outwards() {
        let root = tempfile::tempdir().unwrap();
        let executable = root.path().join("target/release/framewire");
        let around = || Surroundings {
            executable: Some(executable.clone()),
            ..nowhere()
        };
        let checkout = root.path().join("assets/lib/libonnxruntime.so");
        touch(&checkout);
        assert_eq!(search(&around()), Some(checkout));
        let installed = root.path().join("target/lib/libonnxruntime.so.1.23.2");
        touch(&installed);
        assert_eq!(search(&around()), Some(installed));
        let beside = root.path().join("target/release/libonnxruntime.so");
        touch(&beside);
        assert_eq!(search(&around()), Some(beside));
    }

    #[test]
    fn an_active_python_environment_is_searched() {
        let root = tempfile::tempdir().unwrap();
        let file = root
            .path()
            .join("lib/python3.11/site-packages/onnxruntime/capi/libonnxruntime.so.1.23.2");
        touch(&file);
        assert_eq!(
            search(&Surroundings {
                virtual_env: Some(root.path().into()),
                ..nowhere()
            }),
            Some(file)
        );
    }
}

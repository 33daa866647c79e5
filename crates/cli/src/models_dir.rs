//! Where the models are when no option says so.
//! Not here: what is in them.

use std::path::{Path, PathBuf};

/// The folder of models: `given` (option or `FRAMEWIRE_MODELS`), else beside the executable, else the checkout's assets.
///
/// `None` when none of the default places exists; a given folder is returned whether it exists or not.
pub(crate) fn find(given: Option<&Path>) -> Option<PathBuf> {
    if let Some(dir) = given {
        return Some(dir.to_owned());
    }
    let exe = std::env::current_exe().ok()?;
    let beside = exe
        .parent()
        .map(|bin| bin.join("../share/framewire/models"));
    // target/release/framewire in a checkout: its assets are two folders up.
    let checkout = exe
        .ancestors()
        .nth(3)
        .map(|root| root.join("assets/models"));
    let here = Some(PathBuf::from("assets/models"));
    [beside, checkout, here]
        .into_iter()
        .flatten()
        .find(|dir| dir.is_dir())
}

/// What to do when there are none.
pub(crate) const NONE_FOUND: &str = "no models found: run `make assets` in the checkout, or name a folder with --models or FRAMEWIRE_MODELS";

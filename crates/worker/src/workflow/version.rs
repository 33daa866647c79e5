//! Which versions of the execution engine a definition may ask for.
//! Not here: several engines; there is one.

use super::error::{CompileError, CompileErrorKind};

/// The release of the execution engine that these workflows follow.
pub const ENGINE_VERSION: (u32, u32, u32) = (1, 9, 0);
/// A release at or above the requested one, of the same major version, must be there.
pub(super) fn check(text: &str) -> Result<(), CompileError> {
    let wrong = |message: String| Err(CompileError::new(CompileErrorKind::Version, message));
    let shown: String = text.chars().take(40).collect();
    let numbers: Option<Vec<u32>> = text
        .trim()
        .split('.')
        .map(|part| part.parse().ok())
        .collect();
    let Some(numbers) = numbers.filter(|numbers| numbers.len() <= 3) else {
        return wrong(format!(
            "the workflow's version `{shown}` is not a version; write it like 1.0"
        ));
    };
    let at = |index: usize| numbers.get(index).copied().unwrap_or(0);
    let requested = (at(0), at(1), at(2));
    if requested.0 != ENGINE_VERSION.0 || requested > ENGINE_VERSION {
        let (major, minor, patch) = ENGINE_VERSION;
        return wrong(format!(
            "the workflow asks for execution engine {shown}, this worker has {major}.{minor}.{patch}; ask for {major}.0 to be safe"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_1_x_up_to_ours_is_accepted() {
        for version in ["1", "1.0", "1.0.0", "1.3", "1.9.0", " 1.2 "] {
            assert!(check(version).is_ok(), "{version}");
        }
        for version in [
            "1.10.0",
            "1.9.1",
            "2.0",
            "0.9",
            "",
            "one",
            "1.x",
            "1.0.0.0",
            "1..0",
            "-1.0",
            "99999999999.0",
        ] {
            assert_eq!(
                check(version).unwrap_err().kind(),
                CompileErrorKind::Version,
                "{version}"
            );
        }
    }
}

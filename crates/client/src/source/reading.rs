//! Reading a file that is sent in pieces and must stay what it was.
//! Not here: where the pieces go.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::SourceError;

/// Reads exactly these bytes of a file that had `size`, wherever others read it. Blocks on the disk.
pub(crate) fn read_at(
    file: &File,
    path: &Path,
    size: u64,
    offset: u64,
    block: &mut [u8],
) -> Result<(), SourceError> {
    let unreadable = |error: &std::io::Error| SourceError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let mut filled = 0;
    while filled < block.len() {
        match file.read_at(&mut block[filled..], offset + filled as u64) {
            Ok(0) => {
                return Err(SourceError::Changed {
                    path: path.to_owned(),
                    expected: size,
                    found: offset + filled as u64,
                });
            }
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(&error)),
        }
    }
    Ok(())
}

/// A file that grew was still being written: what was sent is not a whole video.
pub(crate) fn check_size(file: &File, path: &Path, size: u64) -> Result<(), SourceError> {
    match file.metadata() {
        Ok(now) if now.len() != size => Err(SourceError::Changed {
            path: path.to_owned(),
            expected: size,
            found: now.len(),
        }),
        Ok(_) => Ok(()),
        Err(error) => Err(SourceError::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn hundred() -> (tempfile::NamedTempFile, File) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&[7; 100]).unwrap();
        let open = File::open(file.path()).unwrap();
        (file, open)
    }

    #[test]
    fn a_file_that_shrank_is_noticed_with_both_sizes() {
        let (file, open) = hundred();
        let mut block = [0; 60];
        let read = |offset, block: &mut [u8]| read_at(&open, file.path(), 100, offset, block);
        read(0, &mut block).unwrap();
        file.as_file().set_len(70).unwrap();
        let error = read(60, &mut block[..40]).unwrap_err();
        let expected = SourceError::Changed {
            path: file.path().to_owned(),
            expected: 100,
            found: 70,
        };
        assert_eq!(error, expected);
    }

    #[test]
    fn a_file_that_grew_is_noticed() {
        let (file, open) = hundred();
        check_size(&open, file.path(), 100).unwrap();
        file.as_file().set_len(101).unwrap();
        let error = check_size(&open, file.path(), 100).unwrap_err();
        assert!(matches!(error, SourceError::Changed { found: 101, .. }));
    }

    #[test]
    fn a_deleted_file_is_still_read_to_its_end() {
        let (file, open) = hundred();
        let path = file.path().to_owned();
        file.close().unwrap();
        let mut block = [0; 100];
        read_at(&open, &path, 100, 0, &mut block).unwrap();
        check_size(&open, &path, 100).unwrap();
    }
}

//! A text file that appears whole or not at all, or standard output.
//! Not here: the video file, which has a writer of its own.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::NamedTempFile;

/// A sink for text: `-` is stdout, anything else a file that gets its name when it is finished.
pub(crate) enum Sink {
    Stdout(io::Stdout),
    File {
        writer: BufWriter<NamedTempFile>,
        path: PathBuf,
    },
}

impl Sink {
    /// Opens `path`; fails at once if the folder cannot be written to.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stdout(io::stdout()));
        }
        let file =
            create_beside(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self::File {
            writer: BufWriter::new(file),
            path: path.to_owned(),
        })
    }

    /// Completes the file under its own name. Nothing to do for stdout but a flush.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Stdout(mut stdout) => stdout.flush().context("cannot write to stdout"),
            Self::File { writer, path } => {
                let named = || format!("cannot write {}", path.display());
                let file = writer
                    .into_inner()
                    .map_err(io::IntoInnerError::into_error)
                    .with_context(named)?;
                file.persist(&path)
                    .map_err(|error| error.error)
                    .with_context(named)?;
                Ok(())
            }
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::File { writer, .. } => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::File { writer, .. } => writer.flush(),
        }
    }
}

/// A temporary file in the folder of `path`, with the permissions an ordinary new file would have.
fn create_beside(path: &Path) -> io::Result<NamedTempFile> {
    if path.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::IsADirectory,
            "it is a folder",
        ));
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // `File::create_new` instead of the builder's default: the finished file gets ordinary permissions.
    tempfile::Builder::new()
        .prefix(".framewire-")
        .suffix(".part")
        .make_in(folder, |path| File::create_new(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_only_when_it_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        let mut sink = Sink::create(&path).unwrap();
        sink.write_all(b"x\n").unwrap();
        assert!(!path.exists());
        sink.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"x\n");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_dropped_sink_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        drop(Sink::create(&dir.path().join("a")).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = Sink::create(&dir.path().join("no/a")).err().unwrap();
        assert!(format!("{error:#}").contains("no/a"));
    }
}

//! A file that appears under its name when it is whole and on disk.

use std::{
    fs::{File, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::StoreError;

/// The file while it is written, beside its place. Removed by itself when it is not published.
pub(super) struct Draft {
    file: NamedTempFile,
    directory: PathBuf,
    to: PathBuf,
}

impl Draft {
    /// A draft of the file `to`, which must not be there yet. `mode` says who may do what with it.
    pub(super) fn new(to: &Path, mode: u32) -> Result<Self, StoreError> {
        if to.symlink_metadata().is_ok() {
            return Err(refused(to, "it is there already"));
        }
        let directory = to.parent().filter(|parent| *parent != Path::new(""));
        let directory = directory.unwrap_or(Path::new(".")).to_owned();
        let file = tempfile::Builder::new()
            .prefix(".geocast-backup-")
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(&directory)
            .map_err(|error| refused(to, &error))?;
        Ok(Self { file, directory, to: to.to_owned() })
    }

    /// Where it is written.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// The error that says why it cannot be written.
    pub(super) fn refused(&self, reason: &(impl ToString + ?Sized)) -> StoreError {
        refused(&self.to, reason)
    }

    /// Puts the file in its place, once it is on disk, and answers its size in bytes.
    pub(super) fn publish(self) -> Result<u64, StoreError> {
        let Self { file, directory, to } = self;
        let publish = || {
            // Nobody who wrote it waited for the disk.
            file.as_file().sync_all()?;
            let bytes = file.as_file().metadata()?.len();
            file.persist_noclobber(&to).map_err(|error| error.error)?;
            File::open(directory)?.sync_all()?;
            Ok(bytes)
        };
        publish().map_err(|error: std::io::Error| refused(&to, &error))
    }
}

fn refused(to: &Path, reason: &(impl ToString + ?Sized)) -> StoreError {
    StoreError::Backup { path: to.display().to_string(), reason: reason.to_string() }
}

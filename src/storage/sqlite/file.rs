//! The file of a database, and the lock that says whose it is.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use crate::storage::StoreError;

/// The path of the file itself, where links lead to it: there lie the files beside it, too. One
/// that is not there yet is created where its path says.
pub(super) fn real(path: &Path) -> PathBuf {
    let made = || {
        let parent = path.parent().filter(|parent| *parent != Path::new(""));
        let parent = parent.unwrap_or(Path::new(".")).canonicalize().ok()?;
        Some(parent.join(path.file_name()?))
    };
    path.canonicalize().ok().or_else(made).unwrap_or_else(|| path.to_owned())
}

/// Takes the lock that says that this process, and no other, writes the database at `path`.
///
/// It is a file of its own beside the database: closing any handle on the database itself would
/// end the locks that `SQLite` holds on it.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let refuse = |reason: String| StoreError::Open { path: path.display().to_string(), reason };
    let directory = path.parent().filter(|parent| *parent != Path::new(""));
    if let Some(directory) = directory
        && !directory.is_dir()
    {
        return Err(refuse(format!("{} is not a directory", directory.display())));
    }
    if path.is_dir() {
        return Err(refuse("it is a directory".to_owned()));
    }
    if path.is_symlink() {
        return Err(refuse("it is a link to a file that is not there".to_owned()));
    }
    let beside = beside(path, ".lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&beside)
        .map_err(|error| refuse(format!("{}: {error}", beside.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(refuse("another process uses it".to_owned())),
        Err(TryLockError::Error(error)) => {
            Err(refuse(format!("{} cannot be locked: {error}", beside.display())))
        }
    }
}

/// Whether another process works on the database at `path`.
pub(in crate::storage) fn is_in_use(path: &Path) -> bool {
    let lock = File::options().write(true).open(beside(&real(path), ".lock"));
    lock.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// A file beside another one, with more to its name.
pub(super) fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    name.into()
}

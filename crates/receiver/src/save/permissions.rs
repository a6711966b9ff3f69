//! The permissions of a file that is about to get a name which another file may have.

use std::{
    fs::{File, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use super::{
    folder::regular_file,
    unfinished::{PERMISSIONS, Unfinished, folder_of, take_over},
};

/// Gives `file` the permissions and the owner of the regular file at `path`, which it is about to replace. If nothing is
/// at `path`, `file` gets the permissions of a new file, as the umask determines them. As far as this process lacks the
/// right, `file` keeps what it has. Waits for the disk.
pub fn inherit_permissions(file: &File, path: &Path) {
    match regular_file(path) {
        Ok(Some(old)) => take_over(file, &old),
        Ok(None) => {
            let new = Unfinished::create(folder_of(path), None).and_then(|new| new.file().metadata());
            if let Ok(new) = new {
                let _ = file.set_permissions(Permissions::from_mode(new.mode() & PERMISSIONS));
            }
        }
        // The name belongs to something that has no permissions to take over.
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_file_gets_the_permissions_of_the_replaced_file_or_those_of_a_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let create = |name: &str, mode: Option<u32>| {
            let file = File::create(path(name)).unwrap();
            mode.into_iter().for_each(|mode| file.set_permissions(Permissions::from_mode(mode)).unwrap());
            file
        };
        create("old", Some(0o4640));
        create("new", None);
        let file = create("file", Some(0o600));
        inherit_permissions(&file, &path("old"));
        assert_eq!(mode(&path("file")), 0o640);
        file.set_permissions(Permissions::from_mode(0o600)).unwrap();
        inherit_permissions(&file, &path("none"));
        assert_eq!(mode(&path("file")), mode(&path("new")));
        inherit_permissions(&file, folder.path());
        assert_eq!(mode(&path("file")), mode(&path("new")));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}

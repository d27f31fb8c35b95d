//! Writing back: whole or not at all, and never over someone else's change.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
};

use baremetal::inventory::{
    LoadOptions,
    edit::{Change, InventoryFile},
};

use super::{with_head, worker};

const HOSTS: &str = "hosts:\n  cp1: {address: 10.0.0.11, role: control-plane}\n";

#[test]
fn links_modes_and_owners_stay() {
    let directory = tempfile::tempdir().unwrap();
    let real = directory.path().join("real.yaml");
    let link = directory.path().join("link.yaml");
    fs::write(&real, with_head(HOSTS)).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real.yaml", &link).unwrap();
    let before = fs::metadata(&real).unwrap();
    let file = InventoryFile::read(&link).unwrap();
    let edited = file
        .edit(&LoadOptions::default(), &[Change::Add(worker("w1", 21))])
        .unwrap();
    assert_eq!(
        fs::read_to_string(&real).unwrap(),
        with_head(HOSTS),
        "nothing is written by an edit"
    );
    file.write(&edited).unwrap();
    assert_eq!(fs::read_to_string(&real).unwrap(), edited.after);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let after = fs::metadata(&real).unwrap();
    assert_eq!(after.mode(), before.mode());
    assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
    assert_ne!(after.ino(), before.ino(), "a new file takes the name");
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        2,
        "nothing is left behind"
    );
}

#[test]
fn a_change_in_between_is_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inventory.yaml");
    fs::write(&path, with_head(HOSTS)).unwrap();
    let file = InventoryFile::read(&path).unwrap();
    let edited = file
        .edit(&LoadOptions::default(), &[Change::Add(worker("w1", 21))])
        .unwrap();
    let theirs = with_head(HOSTS) + "# mine\n";
    fs::write(&path, &theirs).unwrap();
    let error = file.write(&edited).unwrap_err();
    let failure = error.downcast_ref::<baremetal::failure::Failure>().unwrap();
    assert!(
        failure
            .message
            .contains("was changed by someone else while this ran"),
        "{failure}"
    );
    assert!(
        failure
            .hint
            .as_ref()
            .unwrap()
            .contains("+  w1: {address: 10.0.0.21, role: worker}"),
        "{failure:?}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), theirs);
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        1,
        "nothing is left behind"
    );
}

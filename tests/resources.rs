//! Probe and apply scripts of resources that are files, run for real under a temporary directory.
#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::format_collect,
    reason = "a test tells one story from its beginning to its end"
)]

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use baremetal::{
    artifacts::{From, Item, Kind},
    remote::Script,
    resources::{
        Absent, Archive, Binary, Blob, Block, Change, Directory, File, Resource, apply_script,
        compare, parse_probe, probe_script, verify_apply,
    },
};
use proptest::prelude::*;

/// A directory that stands for a host's root, and what the loader of scripts gives them.
struct Host {
    root: tempfile::TempDir,
}

struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Host {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> String {
        self.root.path().join(name).to_str().unwrap().to_owned()
    }

    fn var(&self) -> PathBuf {
        self.root.path().join("var lib")
    }

    fn run(&self, script: &Script) -> Ran {
        let bm = tempfile::tempdir().unwrap();
        for attachment in &script.attachments {
            fs::write(bm.path().join(&attachment.name), &attachment.content).unwrap();
        }
        fs::write(bm.path().join("script"), &script.body).unwrap();
        let output = Command::new("sh")
            .arg(bm.path().join("script"))
            .env("BM", bm.path())
            .env("BM_VAR", self.var())
            .env("BM_RUN", self.path("run"))
            .output()
            .unwrap();
        Ran {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn plan(&self, resources: &[Resource]) -> Vec<Change> {
        let list: Vec<&Resource> = resources.iter().collect();
        let ran = self.run(&probe_script(&list));
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        let observed = parse_probe(&list, &ran.stdout).unwrap();
        compare(resources, &observed)
    }

    fn apply(&self, changes: &[Change]) -> Ran {
        self.run(&apply_script("apply", changes))
    }

    /// Brings everything about, and proves that nothing is left to do.
    fn converge(&self, resources: &[Resource]) -> Vec<Change> {
        let changes = self.plan(resources);
        let ran = self.apply(&changes);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        verify_apply(&changes, &ran.stdout).unwrap();
        assert_eq!(self.plan(resources), vec![]);
        changes
    }

    fn stage(&self, name: &str, kind: Kind, bytes: &[u8]) -> Item {
        let sha256 = baremetal::digest::sha256(bytes);
        let directory = self.var().join("artifacts");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(&sha256), bytes).unwrap();
        Item {
            name: name.into(),
            kind,
            version: "1".into(),
            arch: None,
            sha256,
            size: None,
            images: vec![],
            from: From::Local(PathBuf::new()),
        }
    }
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn file(path: String, content: &str) -> Resource {
    Resource::File(File::new(path, content, 0o640))
}

const NASTY: &[&str] = &[
    "plain",
    "with blank",
    "quote ' and \" and `id` $(id) $HOME",
    "new\nline",
    "back\\slash",
    "-dash",
    "*?[a]",
    "ünïcode",
    "deep/er/and/deeper",
    " leading and trailing ",
];

#[test]
fn files_with_nasty_names_and_contents_are_written_once() {
    let host = Host::new();
    let resources: Vec<Resource> = NASTY
        .iter()
        .map(|name| {
            file(
                host.path(&format!("etc/{name}")),
                &format!("{name}\n\\n 'x' $y\nno newline at end"),
            )
        })
        .collect();
    let changes = host.converge(&resources);
    assert!(changes.iter().all(|change| change.verb == "create"));
    for name in NASTY {
        let path = host.path(&format!("etc/{name}"));
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            format!("{name}\n\\n 'x' $y\nno newline at end")
        );
        assert_eq!(mode(path), 0o640);
    }
}

#[test]
fn a_changed_file_shows_its_difference_and_a_secret_one_does_not() {
    let host = Host::new();
    let path = host.path("etc/conf");
    host.converge(&[file(path.clone(), "a\nb\nc\n")]);
    let changes = host.plan(&[file(path.clone(), "a\nB\nc\n")]);
    assert_eq!(changes[0].verb, "update");
    assert_eq!(
        changes[0].diff.as_deref(),
        Some(format!("--- {path}\n+++ {path}\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n").as_str())
    );
    let mut secret = File::new(path, "password\n", 0o600);
    secret.secret = true;
    let resources = [Resource::File(secret)];
    let list: Vec<&Resource> = resources.iter().collect();
    let answer = host.run(&probe_script(&list)).stdout;
    assert!(
        !answer.contains("text "),
        "the old content came back: {answer}"
    );
    let changes = host.plan(&resources);
    assert_eq!(changes[0].diff, None);
    let script = format!(
        "{:?} {}",
        apply_script("x", &changes),
        serde_json::to_string(&changes).unwrap()
    );
    assert!(!script.contains("password"));
}

#[test]
fn mode_alone_is_set_without_touching_the_content() {
    let host = Host::new();
    let path = host.path("file");
    let resources = [file(path.clone(), "x")];
    host.converge(&resources);
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let changes = host.converge(&resources);
    assert_eq!(
        (changes[0].verb, changes[0].summary.contains("666 → 640")),
        ("set", true)
    );
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
}

#[test]
fn a_refused_check_leaves_the_old_file_and_names_it() {
    let host = Host::new();
    let path = host.path("haproxy.cfg");
    host.converge(&[file(path.clone(), "good\n")]);
    let mut bad = File::new(path.clone(), "bad\n", 0o640);
    bad.check = Some("grep -q good \"$1\" || { echo 'line 1: not good' >&2; exit 3; }".into());
    let changes = host.plan(&[Resource::File(bad), file(host.path("later"), "x")]);
    let ran = host.apply(&changes);
    assert_eq!(ran.status, 1);
    assert!(
        ran.stderr
            .contains(&format!("failed: file {path}: its content was refused")),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("line 1: not good"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "good\n");
    assert!(
        !Path::new(&host.path("later")).exists(),
        "it went on after a failure"
    );
    let left: Vec<_> = fs::read_dir(host.root.path())
        .unwrap()
        .map(|one| one.unwrap().file_name())
        .collect();
    assert!(
        left.iter()
            .all(|name| !name.to_str().unwrap().starts_with('.')),
        "{left:?}"
    );
}

#[test]
fn kept_files_links_and_directories_in_the_way() {
    let host = Host::new();
    fs::write(host.path("mine"), "the user's").unwrap();
    let mut keep = File::new(host.path("mine"), "ours", 0o640);
    keep.keep = true;
    assert_eq!(host.plan(&[Resource::File(keep)]), vec![]);

    fs::write(host.path("real"), "old").unwrap();
    symlink(host.path("real"), host.path("link")).unwrap();
    host.converge(&[file(host.path("link"), "new")]);
    assert!(
        fs::symlink_metadata(host.path("link"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(fs::read_to_string(host.path("real")).unwrap(), "new");

    fs::create_dir(host.path("dir")).unwrap();
    let ran = host.apply(&host.plan(&[file(host.path("dir"), "x")]));
    assert!(
        ran.stderr.contains("a directory is in its place"),
        "{}",
        ran.stderr
    );
    let ran = host.apply(&host.plan(&[Resource::Absent(Absent {
        path: host.path("dir"),
    })]));
    assert!(
        ran.stderr.contains("only files are removed"),
        "{}",
        ran.stderr
    );

    symlink(host.path("nowhere"), host.path("dangling")).unwrap();
    host.converge(&[
        Resource::Absent(Absent {
            path: host.path("dangling"),
        }),
        Resource::Absent(Absent {
            path: host.path("real"),
        }),
        Resource::Directory(Directory {
            path: host.path("a/b c"),
            mode: 0o700,
        }),
    ]);
    assert_eq!(mode(host.path("a/b c")), 0o700);
}

fn block(path: String, content: &str) -> Resource {
    Resource::Block(Block {
        path,
        marker: "hosts".into(),
        content: content.into(),
    })
}

#[test]
fn a_block_is_replaced_where_it_is_and_the_rest_is_left_alone() {
    let host = Host::new();
    let path = host.path("hosts");
    fs::write(&path, "127.0.0.1 localhost").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
    host.converge(&[block(path.clone(), "10.0.0.1 a\n")]);
    fs::write(
        &path,
        format!("{}9.9.9.9 user\n", fs::read_to_string(&path).unwrap()),
    )
    .unwrap();
    let changes = host.converge(&[block(path.clone(), "10.0.0.2 b\n")]);
    assert!(
        changes[0]
            .diff
            .as_ref()
            .unwrap()
            .contains("-10.0.0.1 a\n+10.0.0.2 b\n")
    );
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "127.0.0.1 localhost\n# BEGIN baremetal hosts\n10.0.0.2 b\n# END baremetal hosts\n9.9.9.9 user\n"
    );
    assert_eq!(mode(&path), 0o664);
}

#[test]
fn a_block_of_one_empty_line_converges_on_an_empty_file() {
    let host = Host::new();
    let path = host.path("hosts");
    fs::write(&path, "").unwrap();
    host.converge(&[block(path, "\n")]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// The shell writes exactly the file that the plan shows, whatever was there.
    #[test]
    fn blocks_converge_on_any_file(
        lines in proptest::collection::vec(
            prop_oneof!["[a-z #\\\\$'\"%&]{0,8}", Just("# BEGIN baremetal hosts".to_owned()), Just("# END baremetal hosts".to_owned())],
            0..9,
        ),
        ends in any::<bool>(),
        content in "([a-z0-9.\\\\& ]{0,9}\n){0,3}",
    ) {
        let host = Host::new();
        let path = host.path("hosts");
        fs::write(&path, lines.join("\n") + if ends { "\n" } else { "" }).unwrap();
        host.converge(&[block(path, &content)]);
    }

    #[test]
    fn any_files_converge(files in proptest::collection::btree_map("[^/\0]{1,12}", "[^\0]{0,40}", 1..6)) {
        let host = Host::new();
        let resources: Vec<Resource> = files
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "." | ".." | ".baremetal-new"))
            .map(|(name, content)| file(host.path(&format!("d/{name}")), content))
            .collect();
        host.converge(&resources);
    }
}

fn tar_gz(members: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        header.set_cksum();
        builder
            .append_data(&mut header, name, content.as_bytes())
            .unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

#[test]
fn binaries_blobs_and_archives_take_their_places() {
    let host = Host::new();
    let binary = Binary {
        item: host.stage("kubeadm", Kind::Binary, b"#!/bin/sh\n"),
        path: host.path("usr/bin/kube adm"),
    };
    let blob = Blob {
        item: host.stage("metallb", Kind::Manifest, b"kind: x\n"),
        path: host.path("blobs/m.yaml"),
    };
    let plugins = tar_gz(&[("./bridge", "b"), ("./sub dir/port map", "p")]);
    let all = Archive {
        item: host.stage("cni", Kind::Archive, &plugins),
        directory: host.path("opt/cni"),
        members: vec![],
        strip: 0,
    };
    let helm = tar_gz(&[("linux-amd64/helm", "h"), ("linux-amd64/README", "r")]);
    let one = Archive {
        item: host.stage("helm", Kind::Archive, &helm),
        directory: host.path("usr/bin"),
        members: vec![("helm".into(), "helm3".into())],
        strip: 1,
    };
    let resources = [
        Resource::Binary(binary.clone()),
        Resource::Blob(blob.clone()),
        Resource::Archive(all.clone()),
        Resource::Archive(one),
    ];
    let changes = host.converge(&resources);
    assert!(
        changes
            .iter()
            .all(|change| change.verb == "transfer" && change.artifact().is_some())
    );
    assert_eq!((mode(&binary.path), mode(&blob.path)), (0o755, 0o644));
    assert_eq!(
        fs::read_to_string(host.path("opt/cni/sub dir/port map")).unwrap(),
        "p"
    );
    assert_eq!(fs::read_to_string(host.path("usr/bin/helm3")).unwrap(), "h");
    assert!(!Path::new(&host.path("usr/bin/README")).exists());
    assert_eq!(
        fs::read_dir(host.var().join("artifacts")).unwrap().count(),
        0,
        "staged files are left"
    );

    // A damaged member or binary is seen, and named.
    fs::write(host.path("opt/cni/bridge"), "damaged").unwrap();
    fs::write(&binary.path, "damaged").unwrap();
    let changes = host.plan(&resources);
    assert_eq!(
        changes.iter().map(|change| change.verb).collect::<Vec<_>>(),
        ["transfer", "transfer"]
    );
    assert!(
        changes[1].summary.ends_with("(bridge)"),
        "{}",
        changes[1].summary
    );
    // Nothing is staged: the failure names the artifact.
    let ran = host.apply(&changes);
    assert!(ran.stderr.contains("is not on the host"), "{}", ran.stderr);
}

#[test]
fn reading_writes_nothing_and_large_files_are_hashed_once() {
    let host = Host::new();
    let binary = Binary {
        item: host.stage("kubelet", Kind::Binary, b"binary"),
        path: host.path("bin/kubelet"),
    };
    let resources = [Resource::Binary(binary.clone())];
    host.converge(&resources);
    let sums = host.var().join("sums");
    let known = fs::read_to_string(&sums).unwrap();
    assert!(known.contains(&format!("{} {}", binary.path, binary.item.sha256)));
    // What the cache says is believed: a wrong line shows that the file was not read again.
    fs::write(&sums, known.replace(&binary.item.sha256, &"0".repeat(64))).unwrap();
    assert_eq!(host.plan(&resources).len(), 1);
    fs::remove_file(&sums).unwrap();
    assert_eq!(host.plan(&resources), vec![]);
    assert!(!sums.exists(), "a read-only run wrote the cache");
}

#[test]
fn applied_but_still_different_names_the_resource() {
    let host = Host::new();
    let path = host.path("fought-over");
    let mut fought = File::new(path.clone(), "ours\n", 0o644);
    // The check runs on the temporary file: it stands for another program that changes the content.
    fought.check = Some("echo theirs >\"$1\"".into());
    let changes = host.plan(&[Resource::File(fought)]);
    let ran = host.apply(&changes);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let error = verify_apply(&changes, &ran.stdout).unwrap_err().to_string();
    assert!(
        error.contains("applied but still different") && error.contains(&path),
        "{error}"
    );
    assert!(
        verify_apply(&changes, "").is_err(),
        "a cut answer proves nothing"
    );
}

#[test]
fn a_full_disk_is_called_so() {
    let host = Host::new();
    let place = host.path("full");
    fs::create_dir(&place).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=16k", "tmpfs", &place])
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        writeln!(std::io::stderr(), "skipped: a tmpfs cannot be mounted here").unwrap();
        return;
    }
    let path = format!("{place}/big");
    fs::write(&path, "old").unwrap();
    let ran = host.apply(&host.plan(&[file(path.clone(), &"x".repeat(100_000))]));
    let old = fs::read_to_string(&path);
    assert!(
        Command::new("umount")
            .arg(&place)
            .status()
            .unwrap()
            .success()
    );
    assert!(
        ran.stderr
            .contains(&format!("failed: file {path}: the disk is full")),
        "{}",
        ran.stderr
    );
    assert_eq!(old.unwrap(), "old");
}

#[test]
fn a_mount_point_is_written_in_place() {
    let host = Host::new();
    let (source, target) = (host.path("source"), host.path("hosts"));
    fs::write(&source, "127.0.0.1 localhost\n").unwrap();
    fs::write(&target, "").unwrap();
    let mounted = Command::new("mount")
        .args(["--bind", &source, &target])
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        writeln!(
            std::io::stderr(),
            "skipped: a bind mount cannot be made here"
        )
        .unwrap();
        return;
    }
    let changes = host.plan(&[block(target.clone(), "10.0.0.1 a\n")]);
    let ran = host.apply(&changes);
    let whole = host.apply(&host.plan(&[file(target.clone(), "whole\n")]));
    let content = fs::read_to_string(&source);
    assert!(
        Command::new("umount")
            .arg(&target)
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    verify_apply(&changes, &ran.stdout).unwrap();
    assert_eq!(
        (whole.status, content.unwrap().as_str()),
        (0, "whole\n"),
        "{}",
        whole.stderr
    );
}

//! Bundles on disk: whole, damaged, packed.

use std::{fs, os::unix::fs::symlink};

use semver::Version;

use super::{bundle::Bundle, *};

const V: Version = Version::new(1, 33, 4);

/// A bundle that has everything for [`V`], written to a fresh directory.
struct Scene {
    directory: tempfile::TempDir,
    bundle: Bundle,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut scene = Self {
            directory,
            bundle: Bundle::new(V),
        };
        for name in ["kubeadm", "kubelet", "kubectl"] {
            scene.add("binary", name, "1.33.4", &format!("bin/{name}"));
        }
        scene.add("archive", "cni-plugins", "1.9.1", "archives/cni.tgz");
        scene.add("archive", "crictl", "1.33.0", "archives/crictl.tgz");
        scene
    }

    fn add(&mut self, kind: &str, name: &str, version: &str, file: &str) {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("{name} {version}")).unwrap();
        self.bundle.items.push(bundle::Entry {
            name: name.to_owned(),
            kind: kind.to_owned(),
            version: version.to_owned(),
            arch: Some("amd64".to_owned()),
            file: file.to_owned(),
            images: Vec::new(),
            sha256: sha256_of_file(&path).unwrap(),
            size: Some(path.metadata().unwrap().len()),
        });
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The outcome for a cluster of version [`V`]: the failure's text without the directory.
    fn resolve(&self, cache: Option<&Path>) -> Result<Artifacts, String> {
        self.bundle.write(self.path()).unwrap();
        resolve_bundle(self.path(), &V, &kubernetes(&V), cache).map_err(|error| {
            let failure = error.downcast::<Failure>().unwrap();
            assert_eq!(failure.code, Code::Preflight);
            let directory = self.path().display().to_string();
            failure.message.replace(&directory, "DIR")
        })
    }
}

#[test]
fn a_whole_bundle_resolves() {
    let artifacts = Scene::new().resolve(None).unwrap();
    assert!(artifacts.offline);
    assert_eq!(artifacts.items.len(), 5);
    let kubeadm = artifacts.find(Kind::Binary, "kubeadm", "amd64").unwrap();
    assert_eq!(kubeadm.size, Some(14));
    assert!(artifacts.find(Kind::Binary, "kubeadm", "arm64").is_none());
    // An image may come from a registry.
    assert_eq!(artifacts.warnings, Vec::<String>::new());
    let mut needs = kubernetes(&V);
    needs.push(Need {
        kinds: vec![Kind::Image],
        name: "etcd".to_owned(),
        version: None,
        any_version: false,
        why: "kubeadm starts it".to_owned(),
        optional: true,
    });
    let scene = Scene::new();
    scene.bundle.write(scene.path()).unwrap();
    let artifacts = resolve_bundle(scene.path(), &V, &needs, None).unwrap();
    assert_eq!(
        artifacts.warnings,
        ["bundle: image etcd: missing; kubeadm starts it; hosts must get it from a registry"]
    );
}

#[test]
fn every_mistake_is_reported_at_once() {
    let mut scene = Scene::new();
    fs::write(scene.path().join("bin/kubeadm"), "kubeadm 1.33.X").unwrap();
    fs::write(scene.path().join("bin/kubelet"), "short").unwrap();
    fs::remove_file(scene.path().join("archives/cni.tgz")).unwrap();
    scene
        .bundle
        .items
        .retain(|entry| !["kubectl", "crictl"].contains(&entry.name.as_str()));
    scene.add("binary", "kubectl", "1.33.3", "bin/old-kubectl");
    scene.add("program", "tool", "1", "bin/tool");
    scene.add("binary", "twice", "1", "bin/tool");
    scene.add("binary", "twice", "1", "bin/tool");
    for (name, file) in [
        ("up", "../up"),
        ("abs", "/etc/hostname"),
        ("link", "bin/link"),
    ] {
        let mut entry = scene.bundle.items[0].clone();
        (entry.name, entry.file) = (name.to_owned(), file.to_owned());
        scene.bundle.items.push(entry);
    }
    symlink("/etc/passwd", scene.path().join("bin/link")).unwrap();
    insta::assert_snapshot!(scene.resolve(None).unwrap_err(), @r"
    bundle DIR: 10 problems
      binary kubelet 1.33.4 (amd64): damaged, bin/kubelet has 5 bytes, bundle.yaml says 14
      archive cni-plugins 1.9.1 (amd64): no file archives/cni.tgz
      program tool 1 (amd64): unknown kind `program`, write binary, archive, image, chart or manifest
      binary twice 1 (amd64): listed twice
      binary up 1.33.4 (amd64): ../up lies outside the bundle
      binary abs 1.33.4 (amd64): /etc/hostname lies outside the bundle
      binary link 1.33.4 (amd64): bin/link lies outside the bundle
      binary kubeadm 1.33.4 (amd64): damaged, bin/kubeadm has sha256 df48754d2bc879467c6d3571f709bc0436af2c8f7aa43486c09045ab93d3f179, bundle.yaml says dac0046ad5d823aade55a19c08d8e39af3909949f6242f22a17837f75dffa37e
      binary kubectl 1.33.4: missing, there is only 1.33.3; Kubernetes 1.33.4 needs it
      binary or archive crictl: missing; containers and etcd are looked at with it
    ");
}

#[test]
fn another_kubernetes_version_is_said_first() {
    let mut scene = Scene::new();
    scene.bundle.kubernetes = Version::new(1, 32, 0);
    assert_eq!(
        scene.resolve(None).unwrap_err(),
        "bundle DIR: 1 problem\n  it is for Kubernetes 1.32.0, the inventory wants 1.33.4"
    );
}

#[test]
fn a_directory_without_a_list_and_a_wrong_list_say_what_to_do() {
    let scene = Scene::new();
    let error = Bundle::read(scene.path()).unwrap_err();
    let failure = error.downcast::<Failure>().unwrap();
    assert!(failure.message.contains("bundle.yaml: No such file"));
    assert!(failure.hint.unwrap().contains("baremetal bundle create"));

    fs::write(
        scene.path().join(bundle::FILE),
        "apiVersion: v1\nkubernets: 1\n",
    )
    .unwrap();
    let error = Bundle::read(scene.path()).unwrap_err().to_string();
    assert!(error.contains("unknown field `kubernets`"), "{error}");
}

#[test]
fn sums_are_remembered_until_the_file_changes() {
    let cache = tempfile::tempdir().unwrap();
    let file = cache.path().join("file");
    fs::write(&file, "one").unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
    fs::File::open(&file).unwrap().set_modified(old).unwrap();
    let paths = [file.canonicalize().unwrap()];

    // ctime is now and cannot be set back: such a file is not remembered.
    let mut sums = Sums::open(Some(cache.path()));
    let one = sums.of(&paths).remove(0).unwrap();
    sums.save();
    assert!(!cache.path().join("sums.json").exists());

    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert_eq!(sums.of(&paths).remove(0).unwrap(), one);
    sums.save();
    let remembered = fs::read_to_string(cache.path().join("sums.json")).unwrap();
    // What is remembered is believed: a wrong sum in the memory shows that the file is not read again.
    let wrong = remembered.replace(&one, &"0".repeat(64));
    fs::write(cache.path().join("sums.json"), wrong).unwrap();
    let mut sums = Sums::open(Some(cache.path()));
    assert_eq!(sums.of(&paths).remove(0).unwrap(), "0".repeat(64));

    fs::write(&file, "two").unwrap();
    assert_eq!(
        sums.of(&paths).remove(0).unwrap(),
        sha256_of_file(&file).unwrap()
    );
}

#[test]
fn a_packed_bundle_is_unpacked_once() {
    let scene = Scene::new();
    scene.bundle.write(scene.path()).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let cache = elsewhere.path().join("cache");
    for name in ["b.tar", "b.tar.gz", "b.tgz"] {
        let archive = elsewhere.path().join(name);
        packed::pack(scene.path(), &scene.bundle, &archive).unwrap();
        assert_eq!(bundle_version(&archive).unwrap(), V);
        let resolve = || resolve_bundle(&archive, &V, &kubernetes(&V), Some(&cache)).unwrap();
        let first = resolve();
        assert_eq!(first.items.len(), 5);
        assert_eq!(resolve(), first);
    }
    // The two gzip archives are the same bytes: packing is reproducible.
    assert_eq!(fs::read_dir(cache.join("bundles")).unwrap().count(), 2);
}

#[test]
fn a_truncated_archive_leaves_nothing_behind() {
    let scene = Scene::new();
    scene.bundle.write(scene.path()).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let archive = elsewhere.path().join("b.tar");
    packed::pack(scene.path(), &scene.bundle, &archive).unwrap();
    let bytes = fs::read(&archive).unwrap();
    fs::write(&archive, &bytes[..bytes.len() / 2 + 100]).unwrap();
    let cache = elsewhere.path().join("cache");
    let error = resolve_bundle(&archive, &V, &kubernetes(&V), Some(&cache)).unwrap_err();
    assert_eq!(error.downcast::<Failure>().unwrap().code, Code::Preflight);
    assert_eq!(fs::read_dir(cache.join("bundles")).unwrap().count(), 0);
}

#[test]
fn versions_and_image_names_are_compared_as_users_mean_them() {
    assert!(same_version("v0.16.1", "0.16.1"));
    assert!(!same_version("0.16.1", "0.16.10"));
    assert_eq!(
        image_name("registry.k8s.io/coredns/coredns:v1.12.0"),
        ("coredns", "v1.12.0")
    );
    assert_eq!(image_name("registry:5000/etcd"), ("etcd", ""));
    assert_eq!(
        image_name("r.io/etcd:3.5.21-0@sha256:0123"),
        ("etcd", "3.5.21-0")
    );
}

#[test]
fn an_image_of_another_version_will_do_where_the_need_says_so() {
    let image = |tag: &str| Item {
        name: "flannel".to_owned(),
        kind: Kind::Image,
        version: tag.to_owned(),
        arch: None,
        sha256: String::new(),
        size: None,
        images: vec![format!("ghcr.io/flannel-io/flannel:{tag}")],
        from: From::Local(PathBuf::new()),
    };
    let need = |any_version| Need {
        kinds: vec![Kind::Image],
        name: "flannel".to_owned(),
        version: Some("v0.28.9".to_owned()),
        any_version,
        why: "the pod network runs it".to_owned(),
        optional: false,
    };
    assert!(need(true).unmet(&[image("v0.28.1")]).is_none());
    assert!(need(true).unmet(&[]).is_some());
    assert_eq!(
        need(false).unmet(&[image("v0.28.1")]).unwrap().to_string(),
        "image flannel v0.28.9: missing, there is only v0.28.1; the pod network runs it"
    );
}

#[test]
fn a_chart_without_a_manifest_in_its_place_needs_helm() {
    let item = |kind, name: &str| Item {
        name: name.to_owned(),
        kind,
        version: "1".to_owned(),
        arch: None,
        sha256: String::new(),
        size: None,
        images: Vec::new(),
        from: From::Local(PathBuf::new()),
    };
    let (chart, manifest) = (
        item(Kind::Chart, "metallb"),
        item(Kind::Manifest, "metallb"),
    );
    let helm = item(Kind::Archive, "helm");
    assert_eq!(needs_helm(std::slice::from_ref(&chart)), Some("metallb"));
    assert_eq!(needs_helm(&[chart.clone(), manifest]), None);
    assert_eq!(needs_helm(&[chart, helm]), None);
}

//! `baremetal bundle …` and the artifact sources, as a user runs them; upstream is a server on this machine.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use baremetal::{
    artifacts::{self, Kind, bundle::Bundle},
    digest::sha256,
    failure::{Code, Failure},
};

use flate2::{Compression, write::GzEncoder};
use serde_json::json;

/// One run of the program: exit code, stdout and stderr, with the scene's directory written as `DIR`.
#[derive(Debug, PartialEq)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

struct Scene {
    directory: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_baremetal"))
            .args(args)
            .current_dir(self.directory.path())
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env_remove("BAREMETAL_BUNDLE")
            .env_remove("http_proxy")
            .env_remove("https_proxy")
            .output()
            .unwrap();
        let directory = self.directory.path().display().to_string();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&directory, "DIR");
        Ran {
            code: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{ran:#?}");
        ran.out
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// The three programs of Kubernetes; kubeadm says its version and images.
    fn programs(&self, images: &str) {
        for name in ["kubeadm", "kubelet", "kubectl"] {
            self.write(name, program(name, images));
        }
    }
}

/// A script that answers as the program of Kubernetes would.
fn program(name: &str, images: &str) -> String {
    format!(
        "#!/bin/sh\n# {name}\ncase \"$*\" in\n'config images list'*) printf '%s\\n' {images};;\n'version -o short') echo v1.33.4;;\n*) echo 'Kubernetes v1.33.4';;\nesac\n"
    )
}

/// A tar archive of the given members, compressed.
fn tar_gz(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, name, *content).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// An image archive as `docker save` writes it.
fn image(reference: &str, arch: &str) -> Vec<u8> {
    let manifest = json!([{"Config": "c.json", "RepoTags": [reference], "Layers": []}]).to_string();
    let config = json!({"architecture": arch, "os": "linux"}).to_string();
    tar_gz(&[
        ("manifest.json", manifest.as_bytes()),
        ("c.json", config.as_bytes()),
    ])
}

const IMAGES: &str = "registry.k8s.io/kube-proxy:v1.33.4 registry.k8s.io/pause:3.10";

/// A whole bundle made with `bundle add` from local files.
fn bundle() -> Scene {
    let scene = Scene::new();
    scene.programs(IMAGES);
    scene.write(
        "cni-plugins-linux-amd64-v1.9.1.tgz",
        tar_gz(&[("./loopback", b"x"), ("./bridge", b"y")]),
    );
    scene.write(
        "crictl-v1.33.0-linux-amd64.tar.gz",
        tar_gz(&[("crictl", b"x")]),
    );
    scene.write(
        "proxy.tar",
        image("registry.k8s.io/kube-proxy:v1.33.4", "amd64"),
    );
    scene.write("pause.tar", image("registry.k8s.io/pause:3.10", "amd64"));
    let chart = b"apiVersion: v2\nname: longhorn\nversion: 1.12.1\n";
    scene.write(
        "lh.tgz",
        tar_gz(&[
            ("longhorn/Chart.yaml", chart),
            ("longhorn/templates/a.yaml", b""),
        ]),
    );
    scene.write("metallb-v0.16.1.yaml", "kind: Namespace\n");
    scene.ok(&[
        "bundle", "add", "b", "kubeadm", "kubelet", "kubectl", "--arch", "amd64",
    ]);
    scene.ok(&[
        "bundle",
        "add",
        "b",
        "cni-plugins-linux-amd64-v1.9.1.tgz",
        "crictl-v1.33.0-linux-amd64.tar.gz",
        "proxy.tar",
        "pause.tar",
        "lh.tgz",
        "metallb-v0.16.1.yaml",
        "--note",
        "made by a test",
    ]);
    scene
}

#[test]
fn local_files_become_a_bundle() {
    let scene = bundle();
    insta::assert_snapshot!("show", scene.ok(&["bundle", "show", "b"]));
    let json: serde_json::Value =
        serde_json::from_str(&scene.ok(&["bundle", "show", "b", "-o", "json"])).unwrap();
    assert_eq!(json["kubernetes"], "1.33.4");
    assert_eq!(json["items"].as_array().unwrap().len(), 9);
    let proxy = json["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["name"] == "kube-proxy")
        .unwrap();
    assert_eq!(
        proxy["images"],
        json!(["registry.k8s.io/kube-proxy:v1.33.4"])
    );
    assert_eq!(
        proxy["sha256"],
        sha256(fs::read(scene.path("proxy.tar")).unwrap())
    );
    let verified = scene.ok(&["bundle", "verify", "b"]);
    assert_eq!(
        verified,
        "b: Kubernetes 1.33.4, 9 items, 1.4 KiB; every item is there and right\n"
    );
    for (file, wanted) in [
        ("b/bundle.yaml", 0o644),
        ("b/bin/amd64/kubectl-1.33.4", 0o755),
    ] {
        let mode = fs::metadata(scene.path(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, wanted, "{file}");
    }
}

#[test]
fn the_same_item_is_replaced() {
    let scene = bundle();
    let before = fs::read_to_string(scene.path("b/bundle.yaml")).unwrap();
    scene.ok(&["bundle", "add", "b", "lh.tgz"]);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    let after = fs::read_to_string(scene.path("b/bundle.yaml")).unwrap();
    assert_eq!(sorted(&after), sorted(&before));
    scene.write(
        "other/lh.tgz",
        tar_gz(&[(
            "longhorn/Chart.yaml",
            b"name: longhorn\nversion: 1.12.1\n# new\n",
        )]),
    );
    scene.ok(&["bundle", "add", "b", "other/lh.tgz"]);
    assert!(scene.ok(&["bundle", "verify", "b"]).contains("9 items"));
}

#[test]
fn what_a_file_does_not_tell_is_asked_for_by_flag() {
    let scene = Scene::new();
    scene.write("thing.bin", "?");
    scene.write(
        "img.tar.gz",
        tar_gz(&[("manifest.json", br#"[{"Config":"c.json"}]"#)]),
    );
    scene.write("app.yaml", "kind: ConfigMap\n");
    let error = |args: &[&str]| {
        let ran = scene.run(args);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:#?}");
        ran.err
    };
    let add = ["bundle", "add", "b", "--kubernetes", "1.33.4"];
    let with = |more: &[&'static str]| error(&[&add, more].concat());
    assert_eq!(
        with(&["thing.bin"]),
        "error: cannot tell the kind of thing.bin\n  → give --kind binary, archive, image, chart or manifest\n"
    );
    assert_eq!(
        with(&["img.tar.gz"]),
        "error: cannot tell the image references of img.tar.gz\n  → give --image REFERENCE\n"
    );
    assert_eq!(
        with(&["app.yaml"]),
        "error: cannot tell the version of app.yaml\n  → give --version VERSION\n"
    );
    assert_eq!(
        error(&["bundle", "add", "b", "app.yaml", "--version", "1"]),
        "error: b is a new bundle, and no kubeadm among the files says for which Kubernetes it is\n  → give --kubernetes VERSION, or add kubeadm first\n"
    );
    // Nothing of a failed command is left.
    assert!(!scene.path("b").exists());
    scene.ok(&[&add[..], &["app.yaml", "--version", "1"]].concat());
    assert!(scene.path("b/manifests/app-1.yaml").exists());
}

#[test]
fn verify_names_everything_that_is_wrong() {
    let scene = bundle();
    fs::write(scene.path("b/bin/amd64/kubelet-1.33.4"), "broken").unwrap();
    let list = fs::read_to_string(scene.path("b/bundle.yaml")).unwrap();
    let list = list.replace("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.9");
    fs::write(scene.path("b/bundle.yaml"), list).unwrap();
    scene.write("b/stray", "");
    let ran = scene.run(&["bundle", "verify", "b"]);
    assert_eq!(ran.code, 5);
    insta::assert_snapshot!("verify-problems", format!("{}{}", ran.out, ran.err));
}

#[test]
fn a_packed_bundle_is_the_same_bundle() {
    let scene = bundle();
    scene.ok(&["bundle", "pack", "b", "b.tar.gz"]);
    assert_eq!(
        scene.ok(&["bundle", "show", "b.tar.gz"]),
        scene.ok(&["bundle", "show", "b"])
    );
    assert!(
        scene
            .ok(&["bundle", "verify", "b.tar.gz"])
            .contains("every item is there")
    );
    let ran = scene.run(&["bundle", "pack", "b", "b.zip"]);
    assert_eq!(ran.code, 2);
    fs::write(scene.path("b/bin/amd64/kubelet-1.33.4"), "broken").unwrap();
    assert_eq!(scene.run(&["bundle", "pack", "b", "c.tar"]).code, 5);
    assert!(!scene.path("c.tar").exists());
}

/// A server on loopback that answers as upstream would.
struct Upstream {
    address: String,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let files = Arc::<Mutex<BTreeMap<String, Vec<u8>>>>::default();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (serve, log, host) = (files.clone(), asked.clone(), address.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let first = lines.next().unwrap().unwrap();
                let path = first.split(' ').nth(1).unwrap().to_owned();
                let headers: Vec<String> = lines
                    .map_while(Result::ok)
                    .take_while(|line| !line.is_empty())
                    .collect();
                let login = headers
                    .iter()
                    .any(|line| line.eq_ignore_ascii_case("authorization: Bearer t0ken"));
                log.lock().unwrap().push(path.clone());
                let file = serve.lock().unwrap().get(&path).cloned();
                let (head, body) = match file {
                    _ if path.starts_with("/v2/") && !login => (
                        format!(
                            "401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"s\""
                        ),
                        Vec::new(),
                    ),
                    Some(body) => ("200 OK".to_owned(), body),
                    None => ("404 Not Found".to_owned(), Vec::new()),
                };
                let head = format!(
                    "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                stream
                    .write_all(&[head.as_bytes(), &body].concat())
                    .unwrap();
            }
        });
        Self {
            address,
            files,
            asked,
        }
    }

    fn put(&self, path: &str, content: impl Into<Vec<u8>>) {
        self.files
            .lock()
            .unwrap()
            .insert(path.to_owned(), content.into());
    }

    /// A file with its checksum beside it.
    fn publish(&self, path: &str, content: impl Into<Vec<u8>>, checksum: &str) {
        let content = content.into();
        let name = path.rsplit('/').next().unwrap();
        self.put(
            &format!("{path}{checksum}"),
            format!("{}  {name}\n", sha256(&content)),
        );
        self.put(path, content);
    }

    /// A plain cluster's worth of files.
    fn with_kubernetes(self) -> Self {
        for name in ["kubeadm", "kubelet", "kubectl"] {
            let path = format!("/release/v1.33.4/bin/linux/amd64/{name}");
            self.publish(&path, program(name, IMAGES), ".sha256");
        }
        let cni = "/containernetworking/plugins/releases/download/v9.9.9/cni-plugins-linux-amd64-v9.9.9.tgz";
        self.publish(cni, tar_gz(&[("loopback", b"")]), ".sha256");
        let crictl =
            "/kubernetes-sigs/cri-tools/releases/download/v9.9.9/crictl-v9.9.9-linux-amd64.tar.gz";
        self.publish(crictl, tar_gz(&[("crictl", b"")]), ".sha256");
        self
    }

    /// A repository with one image for two architectures.
    fn with_image(self, repository: &str, tag: &str) -> Self {
        self.put(
            &format!("/token?service=s&scope=repository:{repository}:pull"),
            r#"{"token":"t0ken"}"#,
        );
        let mut manifests = Vec::new();
        for arch in ["arm64", "amd64"] {
            let blob = |content: &str| {
                let digest = format!("sha256:{}", sha256(content.as_bytes()));
                self.put(&format!("/v2/{repository}/blobs/{digest}"), content);
                digest
            };
            let config = blob(&json!({"architecture": arch, "of": repository}).to_string());
            let layer = blob(&format!("layer {arch} {repository}"));
            let manifest = json!({
                "schemaVersion": 2, "config": {"digest": config}, "layers": [{"digest": layer}],
            })
            .to_string();
            let digest = format!("sha256:{}", sha256(manifest.as_bytes()));
            self.put(&format!("/v2/{repository}/manifests/{digest}"), manifest);
            manifests
                .push(json!({"digest": digest, "platform": {"architecture": arch, "os": "linux"}}));
        }
        let index = json!({"schemaVersion": 2, "manifests": manifests}).to_string();
        self.put(&format!("/v2/{repository}/manifests/{tag}"), index);
        self
    }

    fn create(&self, scene: &Scene, out: &str) -> Ran {
        self.create_for(scene, ["--kubernetes", "1.33.4"], out)
    }

    fn create_for(&self, scene: &Scene, what: [&str; 2], out: &str) -> Ran {
        let (mirror, registry) = (
            format!("http://{}", self.address),
            format!("{}/cache", self.address),
        );
        scene.run(&[
            "bundle",
            "create",
            what[0],
            what[1],
            "--mirror",
            &mirror,
            "--registry",
            &registry,
            "--component",
            "cni-plugins=9.9.9",
            "--component",
            "crictl=9.9.9",
            out,
        ])
    }
}

#[test]
fn a_bundle_is_made_from_a_mirror_and_a_registry() {
    let upstream = Upstream::start()
        .with_kubernetes()
        .with_image("cache/kube-proxy", "v1.33.4")
        .with_image("cache/pause", "3.10");
    let scene = Scene::new();
    let ran = upstream.create(&scene, "b");
    assert_eq!(ran.code, 0, "{ran:#?}");
    insta::assert_snapshot!("create", ran.out);
    assert_eq!(
        scene.ok(&["bundle", "verify", "b"]),
        "b: Kubernetes 1.33.4, 7 items, 12.7 KiB; every item is there and right\n"
    );
    // Again: only what is there already, and not one request.
    upstream.asked.lock().unwrap().clear();
    let again = upstream.create(&scene, "b");
    assert_eq!(
        (again.code, again.out, again.err.as_str()),
        (0, ran.out, "")
    );
    assert_eq!(*upstream.asked.lock().unwrap(), Vec::<String>::new());
    // The archive holds the same.
    assert_eq!(upstream.create(&scene, "b.tar.gz").code, 0);
    assert_eq!(
        scene.ok(&["bundle", "show", "b.tar.gz"]),
        scene.ok(&["bundle", "show", "b"])
    );
    assert!(!scene.path("b.tar.gz.partial").exists());
}

#[test]
fn what_upstream_does_not_have_is_said_all_at_once() {
    let upstream = Upstream::start()
        .with_kubernetes()
        .with_image("cache/pause", "3.10");
    let scene = Scene::new();
    upstream.put(
        "/release/v1.33.4/bin/linux/amd64/kubelet.sha256",
        "0".repeat(64),
    );
    upstream
        .files
        .lock()
        .unwrap()
        .remove("/release/v1.33.4/bin/linux/amd64/kubectl");
    let ran = upstream.create(&scene, "b");
    assert_eq!(ran.code, 6);
    let address = &upstream.address;
    let told = ran
        .err
        .lines()
        .filter(|line| !line.starts_with("fetch"))
        .collect::<Vec<_>>()
        .join("\n");
    insta::assert_snapshot!("create-problems", told.replace(address, "ADDRESS"));
    assert!(!scene.path("b/bundle.yaml").exists());
    assert!(!scene.path("b/bin/amd64/kubelet-1.33.4").exists());

    // A file that its publisher has mended is taken; an image that is not there is named.
    upstream.put(
        "/release/v1.33.4/bin/linux/amd64/kubectl",
        program("kubectl", IMAGES),
    );
    fs::remove_dir_all(scene.path("cache")).unwrap();
    upstream.publish(
        "/release/v1.33.4/bin/linux/amd64/kubelet",
        program("kubelet", IMAGES),
        ".sha256",
    );
    let ran = upstream.create(&scene, "b");
    assert_eq!(ran.code, 6);
    assert!(
        ran.err
            .contains("cannot pull registry.k8s.io/kube-proxy:v1.33.4 for amd64"),
        "{}",
        ran.err
    );
}

#[test]
fn what_only_some_hosts_need_is_left_out_where_a_mirror_does_not_have_it() {
    let upstream = Upstream::start()
        .with_kubernetes()
        .with_image("cache/kube-proxy", "v1.33.4")
        .with_image("cache/pause", "3.10");
    let scene = Scene::new();
    cluster(&scene, "kubernetes: 1.33.4\nnetwork: {plugin: none}\n");
    let ran = upstream.create_for(&scene, ["--inventory", "inventory.yaml"], "b");
    assert_eq!(ran.code, 0, "{ran:#?}");
    for name in ["containerd 2.3.4", "runc 1.4.3"] {
        let line = format!("left out: {name}: ");
        assert!(
            ran.out.contains(&line) || ran.err.contains(&line),
            "{ran:#?}"
        );
    }
    let listed = fs::read_to_string(scene.path("b/bundle.yaml")).unwrap();
    assert!(
        listed.contains("name: crictl") && !listed.contains("name: containerd"),
        "{listed}"
    );
}

#[test]
fn an_unknown_component_and_a_missing_choice_are_mistakes_of_usage() {
    let scene = Scene::new();
    let ran = scene.run(&[
        "bundle",
        "create",
        "--kubernetes",
        "1.33.4",
        "--component",
        "hlm=1",
        "b",
    ]);
    assert_eq!(ran.code, 2);
    assert_eq!(
        ran.err,
        "error: nothing called `hlm` goes into this bundle\n  → it has kubeadm, kubelet, kubectl, cni-plugins, crictl\n"
    );
    assert_eq!(scene.run(&["bundle", "create", "b"]).code, 2);
}

/// A cluster read from an inventory; `more` is added to a small one.
fn cluster(scene: &Scene, more: &str) -> baremetal::inventory::Cluster {
    let text = format!(
        "cluster: home\nhosts:\n  cp1: {{address: 10.0.0.11, role: control-plane}}\n  w1: {{address: 10.0.0.21, role: worker}}\n{more}"
    );
    let file = scene.write("inventory.yaml", text);
    baremetal::inventory::load(&file).unwrap_or_else(|error| panic!("{error:#}"))
}

fn titles(scene: &Scene, more: &str) -> Vec<String> {
    let needs = artifacts::required(&cluster(scene, more));
    let optional = |need: &artifacts::Need| if need.optional { " (optional)" } else { "" };
    needs
        .iter()
        .map(|need| format!("{}{}", need.title(), optional(need)))
        .collect()
}

#[test]
fn an_inventory_says_what_a_bundle_must_have() {
    let scene = Scene::new();
    let plain = titles(&scene, "kubernetes: 1.33.4\n");
    insta::assert_snapshot!("needs-plain", plain.join("\n"));
    let full = titles(
        &scene,
        "kubernetes: 1.30.2\nmetallb: 10.0.0.200-10.0.0.219\nlonghorn: true\nnetwork: {plugin: calico}\n",
    );
    let new: Vec<&str> = full
        .iter()
        .filter(|title| !plain.contains(title))
        .map(String::as_str)
        .collect();
    insta::assert_snapshot!("needs-full", new.join("\n"));
}

#[test]
fn a_chart_from_anywhere_needs_helm() {
    let scene = Scene::new();
    scene.write(
        "app/Chart.yaml",
        "apiVersion: v2\nname: app\nversion: 1.0.0\n",
    );
    let helm = |more: &str| {
        let titles = titles(&scene, &format!("kubernetes: 1.33.4\n{more}"));
        titles.iter().any(|one| one == "binary or archive helm")
    };
    for addon in [
        "{chart: traefik, repo: \"https://example.org/charts\"}",
        "oci://example.org/charts/traefik",
        "./app",
        "{chart: ./app}",
    ] {
        assert!(helm(&format!("addons: {{a: {addon}}}\n")), "{addon}");
    }
    scene.write("plain.yaml", "kind: Namespace\n");
    assert!(!helm(
        "metallb: 10.0.0.200-10.0.0.219\naddons: {a: ./plain.yaml}\n"
    ));
    assert!(helm(
        "metallb: {pools: {a: 10.0.0.200/30}, bgp-mode: frr}\n"
    ));
}

#[test]
fn a_bundle_keeps_the_chart_of_an_add_on_with_a_repository() {
    let scene = bundle();
    let chart = b"apiVersion: v2\nname: traefik\nversion: 1.2.3\n";
    scene.write("traefik.tgz", tar_gz(&[("traefik/Chart.yaml", chart)]));
    scene.write(
        "helm-v3.18.4-linux-amd64.tar.gz",
        tar_gz(&[("linux-amd64/helm", b"")]),
    );
    for name in [
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "etcd",
        "coredns",
    ] {
        let tag = if name.starts_with("kube") {
            "v1.33.4"
        } else {
            "1"
        };
        scene.write(
            &format!("{name}.tar"),
            image(&format!("registry.k8s.io/{name}:{tag}"), "amd64"),
        );
        scene.ok(&["bundle", "add", "b", &format!("{name}.tar")]);
    }
    scene.ok(&[
        "bundle",
        "add",
        "b",
        "traefik.tgz",
        "helm-v3.18.4-linux-amd64.tar.gz",
    ]);
    let more = "kubernetes: 1.33.4\nnetwork: {plugin: none}\nartifacts: {bundle: b}\n\
                addons: {traefik: {chart: traefik, repo: \"https://example.org/charts\"}}\n";
    let found = artifacts::resolve(&cluster(&scene, more)).unwrap();
    assert!(found.find(Kind::Chart, "traefik", "amd64").is_some());
    assert!(
        found.find(Kind::Chart, "longhorn", "amd64").is_none(),
        "nothing uses it"
    );
    let other = more.replace("traefik: {", "traefik: {version: 9.9.9, ");
    let found = artifacts::resolve(&cluster(&scene, &other)).unwrap();
    assert!(
        found.find(Kind::Chart, "traefik", "amd64").is_none(),
        "it is of another version"
    );
}

#[test]
fn containerd_is_there_for_hosts_whose_distribution_has_none() {
    use baremetal::{phases::PhaseId, resources::Resource};
    let scene = Scene::new();
    let mirror = "kubernetes: 1.36.4\nartifacts: {mirror: \"http://127.0.0.1:1/pub/\"}\n";
    let cluster = cluster(&scene, mirror);
    let found = artifacts::resolve(&cluster).unwrap();
    let lines = "machine=x86_64\nos=rocky\nos-like=rhel\nos-version=9.6\nend=yes\n";
    let facts = baremetal::observe::parse_facts(lines).unwrap();
    let context = baremetal::phases::Context {
        cluster: &cluster,
        host: &cluster.hosts[1],
        facts: &facts,
        artifacts: &found,
    };
    let runtime = baremetal::phases::resources(PhaseId::Runtime, &context);
    assert!(
        runtime.iter().any(
            |one| matches!(one, Resource::Archive(archive) if archive.item.name == "containerd")
        ),
        "{runtime:#?}"
    );
    assert!(
        runtime
            .iter()
            .any(|one| matches!(one, Resource::Binary(binary) if binary.item.name == "runc")),
        "{runtime:#?}"
    );
    let os = baremetal::phases::resources(PhaseId::Os, &context);
    assert!(
        !os.iter()
            .any(|one| matches!(one, Resource::Package(package) if package.name == "containerd")),
        "{os:#?}"
    );
}

#[test]
fn pinned_artifacts_of_a_mirror_need_no_request() {
    let scene = Scene::new();
    let nobody = "artifacts: {mirror: \"http://127.0.0.1:1/pub/\"}\n";
    let pinned = cluster(&scene, &format!("kubernetes: 1.36.4\n{nobody}"));
    let found = artifacts::resolve(&pinned).unwrap();
    let kubelet = found.find(Kind::Binary, "kubelet", "arm64").unwrap();
    let url = "http://127.0.0.1:1/pub/release/v1.36.4/bin/linux/arm64/kubelet";
    assert_eq!(kubelet.from, artifacts::From::Url(url.to_owned()));
    assert!(!found.offline);
    assert_eq!(found.items.len(), 14, "{:#?}", found.items);

    let other = cluster(&scene, &format!("kubernetes: 1.33.4\n{nobody}"));
    let error = artifacts::resolve(&other).unwrap_err();
    let failure = error.downcast::<Failure>().unwrap();
    assert_eq!(failure.code, Code::Preflight);
    let lines: Vec<&str> = failure.message.lines().collect();
    assert_eq!(
        lines[0],
        "artifacts from http://127.0.0.1:1/pub: 6 problems"
    );
    assert!(
        lines[1].starts_with("  binary kubeadm 1.33.4: no checksum is pinned for this version, so the published one is needed: cannot fetch http://127.0.0.1:1/pub/release/v1.33.4/bin/linux/amd64/kubeadm.sha256"),
        "{lines:#?}"
    );
}

#[test]
fn a_second_look_at_a_large_bundle_reads_no_file() {
    let scene = bundle();
    // Sparse, so that it costs the test no disk; reading it would take seconds.
    let large = scene.path("b/images/large.tar");
    fs::File::create(&large).unwrap().set_len(64 << 20).unwrap();
    let mut list = Bundle::read(&scene.path("b")).unwrap();
    let mut entry = list.items[0].clone();
    (entry.name, entry.file, entry.size) =
        ("large".to_owned(), "images/large.tar".to_owned(), None);
    list.items.push(entry);
    let cache = scene.path("cache");
    thread::sleep(Duration::from_millis(2100));
    let look = || {
        let mut sums = artifacts::Sums::open(Some(&cache));
        let started = Instant::now();
        artifacts::check(&scene.path("b"), &list, &mut sums);
        sums.save();
        started.elapsed()
    };
    let (first, second) = (look(), look());
    assert!(
        second < Duration::from_millis(100) && second * 5 < first,
        "{first:?}, then {second:?}"
    );
}

#[test]
fn a_damaged_bundle_stops_a_run_before_any_host_is_touched() {
    let scene = bundle();
    fs::write(scene.path("b/bin/amd64/kubelet-1.33.4"), "broken").unwrap();
    // Nobody listens there: a run that got as far as connecting would end with 4.
    let hosts = "cluster: home\nartifacts: {bundle: b}\nhosts:\n  cp1: {address: 127.0.0.1, role: control-plane}\nssh: {port: 1}\n";
    scene.write("inventory.yaml", hosts);
    let ran = scene.run(&["up", "inventory.yaml", "-o", "json"]);
    assert_eq!(ran.code, 5, "{ran:#?}");
    let kubelet = "binary kubelet 1.33.4 (amd64): damaged, bin/amd64/kubelet-1.33.4 has 6 bytes, bundle.yaml says 205";
    assert!(ran.err.contains(kubelet), "{}", ran.err);
    assert!(
        ran.err
            .contains("image kube-apiserver v1.33.4: missing; kubeadm starts it"),
        "{}",
        ran.err
    );
    for event in ran.out.lines() {
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        assert_eq!(event["event"], "run-finished", "{event}");
        assert_eq!((&event["code"], &event["mutating"]), (&json!(5), &json!(0)));
    }
}

#[test]
fn a_junit_file_that_cannot_be_written_is_an_error() {
    let scene = bundle();
    for name in [
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "etcd",
        "coredns",
    ] {
        let tag = if name.starts_with("kube") {
            "v1.33.4"
        } else {
            "1"
        };
        let file = format!("{name}.tar");
        scene.write(
            &file,
            image(&format!("registry.k8s.io/{name}:{tag}"), "amd64"),
        );
        scene.ok(&["bundle", "add", "b", &file]);
    }
    let hosts = "cluster: home\nartifacts: {bundle: b}\nnetwork: {plugin: none}\nhosts:\n  cp1: {address: 127.0.0.1, role: [control-plane, worker]}\n";
    scene.write("inventory.yaml", hosts);
    let check = ["check", "inventory.yaml", "--offline", "--junit"];
    let ran = scene.run(&[&check[..], &["up.xml"]].concat());
    assert_eq!(ran.code, 0, "{ran:#?}");
    let written = fs::read_to_string(scene.path("up.xml")).unwrap();
    assert!(written.ends_with("</testsuites>\n"), "{written}");
    let ran = scene.run(&[&check[..], &["missing/up.xml"]].concat());
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(
        ran.err
            .contains("error: the run succeeded, its report did not: cannot write in missing"),
        "{ran:#?}"
    );
}

//! A cluster of three members on loopback, and the tools' strictness.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::Path,
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};

use anyhow::Result;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    apiserver::{self, Etcd, controllers},
    kinds,
    kubeadm::config::Config,
    kubeconfig,
    kubectl::Api,
    pki::Authority,
    store,
};

/// One control plane: its etcd member and its apiserver.
struct Plane {
    etcd_flags: BTreeMap<String, String>,
    etcd: Etcd,
    tasks: Vec<JoinHandle<()>>,
    port: u16,
}

struct Cluster {
    directory: tempfile::TempDir,
    planes: Vec<Plane>,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn flags(pairs: &[(&str, String)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

impl Cluster {
    /// Certificates, and flags of `count` control planes that found a cluster together.
    fn new(count: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        let names = ["127.0.0.1".to_owned()];
        let ca = Authority::new("kubernetes").unwrap();
        let etcd = Authority::new("etcd-ca").unwrap();
        ca.signed.write(&at("ca")).unwrap();
        etcd.signed.write(&at("etcd-ca")).unwrap();
        ca.server("kube-apiserver", &names)
            .unwrap()
            .write(&at("apiserver"))
            .unwrap();
        etcd.peer("peer", &names)
            .unwrap()
            .write(&at("peer"))
            .unwrap();
        let admin = ca
            .client("kubernetes-admin", "kubeadm:cluster-admins")
            .unwrap();
        let urls: Vec<String> = (0..count)
            .map(|_| format!("https://127.0.0.1:{}", free_port()))
            .collect();
        let initial: Vec<String> = urls
            .iter()
            .enumerate()
            .map(|(at, url)| format!("cp{at}={url}"))
            .collect();
        let planes = urls.iter().enumerate().map(|(number, url)| {
            let client = format!("https://127.0.0.1:{}", free_port());
            let port = free_port();
            let login = kubeconfig::Login::Certificate(&admin);
            let config = kubeconfig::render(
                "test",
                &format!("https://127.0.0.1:{port}"),
                "admin",
                ca.signed.certificate.as_bytes(),
                &login,
            );
            std::fs::write(at(&format!("admin{number}.conf")), config).unwrap();
            let etcd_flags = flags(&[
                ("name", format!("cp{number}")),
                ("data-dir", at(&format!("data{number}"))),
                ("initial-advertise-peer-urls", url.clone()),
                ("listen-peer-urls", url.clone()),
                ("advertise-client-urls", client.clone()),
                ("listen-client-urls", client),
                ("initial-cluster", initial.join(",")),
                ("initial-cluster-state", "new".into()),
                ("cert-file", at("peer.crt")),
                ("key-file", at("peer.key")),
                ("trusted-ca-file", at("etcd-ca.crt")),
                ("peer-cert-file", at("peer.crt")),
                ("peer-key-file", at("peer.key")),
                ("peer-trusted-ca-file", at("etcd-ca.crt")),
            ]);
            Plane {
                etcd_flags,
                etcd: Arc::new(RwLock::new(None)),
                tasks: Vec::new(),
                port,
            }
        });
        let planes = planes.collect();
        Self { directory, planes }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn start(&mut self, number: usize) {
        let server = flags(&[
            ("tls-cert-file", self.path("apiserver.crt")),
            ("tls-private-key-file", self.path("apiserver.key")),
            ("client-ca-file", self.path("ca.crt")),
            ("bind-address", "127.0.0.1".into()),
            ("secure-port", self.planes[number].port.to_string()),
        ]);
        let plane = &mut self.planes[number];
        let (slot, etcd_flags) = (plane.etcd.clone(), plane.etcd_flags.clone());
        plane.tasks.push(tokio::spawn(async move {
            store::run(etcd_flags, move |store| {
                *slot.write().unwrap() = Some(store);
            })
            .await
            .unwrap();
        }));
        plane
            .tasks
            .push(tokio::spawn(controllers::run(plane.etcd.clone())));
        let etcd = plane.etcd.clone();
        plane.tasks.push(tokio::spawn(async move {
            apiserver::run(server, etcd, "1.33.4".into()).await.unwrap();
        }));
    }

    async fn stop(&mut self, number: usize) {
        let plane = &mut self.planes[number];
        for task in plane.tasks.drain(..) {
            task.abort();
            let _ = task.await;
        }
        *plane.etcd.write().unwrap() = None;
    }

    fn api(&self, number: usize) -> Api {
        let access = kubeconfig::Access::read(&self.path(&format!("admin{number}.conf"))).unwrap();
        Api::new(access.client().unwrap(), &access.server, "default")
    }
}

async fn eventually<F: AsyncFn() -> bool>(what: &str, limit: Duration, holds: F) {
    let end = Instant::now() + limit;
    while !holds().await {
        assert!(Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn ready(api: &Api) -> bool {
    api.raw("/readyz")
        .await
        .is_ok_and(|answer| answer.status == 200)
}

async fn put(api: &Api, name: &str, value: &str) -> Result<Value> {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": {"v": value}});
    crate::kubectl::send(api, &kinds::of("ConfigMap"), &object, "test", true, false).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_members_survive_the_loss_of_one_and_stop_without_a_majority() {
    let mut cluster = Cluster::new(3);
    for number in 0..3 {
        cluster.start(number);
    }
    let limit = Duration::from_secs(20);
    eventually("namespaces are made", limit, async || {
        cluster
            .api(0)
            .get("/api/v1/namespaces/default")
            .await
            .is_ok()
    })
    .await;
    put(&cluster.api(1), "before", "1").await.unwrap();
    assert_eq!(
        cluster
            .api(2)
            .get("/api/v1/namespaces/default/configmaps/before")
            .await
            .unwrap()["data"]["v"],
        "1"
    );

    let leader = (0..3)
        .find(|&number| {
            cluster.planes[number]
                .etcd
                .read()
                .unwrap()
                .as_ref()
                .unwrap()
                .is_leader()
        })
        .unwrap();
    let (one, other) = ((leader + 1) % 3, (leader + 2) % 3);
    cluster.stop(leader).await;
    let lost = Instant::now();
    eventually("a new leader", Duration::from_secs(6), async || {
        put(&cluster.api(one), "after", "2").await.is_ok()
    })
    .await;
    assert!(lost.elapsed() < Duration::from_secs(6));

    cluster.stop(other).await;
    eventually("no majority", limit, async || {
        !ready(&cluster.api(one)).await
    })
    .await;
    let refused = put(&cluster.api(one), "alone", "3")
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("etcdserver"), "{refused}");

    cluster.start(leader);
    eventually("a majority again", limit, async || {
        ready(&cluster.api(leader)).await
    })
    .await;
    eventually("the member has caught up", limit, async || {
        cluster
            .api(leader)
            .get("/api/v1/namespaces/default/configmaps/after")
            .await
            .is_ok_and(|map| map["data"]["v"] == "2")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_side_apply_forgets_what_is_left_out_and_counts_dry_runs_as_nothing() {
    let mut cluster = Cluster::new(1);
    cluster.start(0);
    let api = cluster.api(0);
    eventually("namespaces", Duration::from_secs(20), async || {
        api.get("/api/v1/namespaces/default").await.is_ok()
    })
    .await;
    let map = |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "default"}, "data": data});
    let kind = kinds::of("ConfigMap");
    let apply = async |data: Value, manager: &str, force: bool, dry: bool| {
        crate::kubectl::send(&api, &kind, &map(data), manager, force, dry).await
    };
    apply(json!({"a": "1", "b": "1"}), "one", true, false)
        .await
        .unwrap();
    apply(json!({"c": "1"}), "two", true, false).await.unwrap();
    assert_eq!(
        apply(json!({"a": "2"}), "one", true, true).await.unwrap()["data"],
        json!({"a": "2", "c": "1"})
    );
    let live = api
        .get("/api/v1/namespaces/default/configmaps/m")
        .await
        .unwrap();
    assert_eq!(live["data"], json!({"a": "1", "b": "1", "c": "1"}));
    assert_eq!(
        apply(json!({"a": "2"}), "one", true, false).await.unwrap()["data"],
        json!({"a": "2", "c": "1"})
    );
    let conflict = apply(json!({"c": "3"}), "one", false, false)
        .await
        .unwrap_err()
        .to_string();
    assert!(conflict.contains("conflict"), "{conflict}");
    let missing = api
        .get("/api/v1/namespaces/default/configmaps/none")
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        missing,
        "Error from server (NotFound): configmaps \"none\" not found"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_changed_is_refused_as_the_real_server_does() {
    let mut cluster = Cluster::new(1);
    cluster.start(0);
    let api = cluster.api(0);
    eventually("namespaces", Duration::from_secs(20), async || {
        api.get("/api/v1/namespaces/default").await.is_ok()
    })
    .await;
    let kind = kinds::of("StorageClass");
    let apply = async |replicas: &str, dry: bool| {
        let class = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"},
            "provisioner": "driver.longhorn.io", "parameters": {"numberOfReplicas": replicas},
        });
        crate::kubectl::send(&api, &kind, &class, "one", true, dry).await
    };
    apply("2", false).await.unwrap();
    apply("2", false).await.unwrap();
    for dry in [true, false] {
        let refused = apply("3", dry).await.unwrap_err().to_string();
        assert_eq!(
            refused,
            "The StorageClass \"fast\" is invalid: parameters: Forbidden: updates to parameters are forbidden."
        );
    }
}

#[test]
fn pools_of_the_same_addresses_are_refused_as_metallbs_webhook_does() {
    use crate::apiserver::schema::apart;
    let pool = |name: &str, addresses: &str| json!({"metadata": {"name": name}, "spec": {"addresses": [addresses]}});
    let old = pool("default", "10.0.0.200-10.0.0.219");
    for (addresses, fits) in [
        ("10.0.0.200-10.0.0.219", false),
        ("10.0.0.219/32", false),
        ("10.0.0.0/24", false),
        ("10.0.0.220-10.0.0.230", true),
        ("fd00::/120", true),
    ] {
        let found = apart(&pool("main", addresses), [&old].into_iter());
        assert_eq!(found.is_ok(), fits, "{addresses}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_and_nodes_may_not_do_what_administrators_may() {
    let mut cluster = Cluster::new(1);
    cluster.start(0);
    let api = cluster.api(0);
    eventually("namespaces", Duration::from_secs(20), async || {
        api.get("/api/v1/namespaces/default").await.is_ok()
    })
    .await;
    let ca = std::fs::read(cluster.path("ca.crt")).unwrap();
    let text = kubeconfig::render("test", &api.server, "", &ca, &kubeconfig::Login::Nobody);
    let nobody = Api::new(
        kubeconfig::Access::parse(&text, None)
            .unwrap()
            .client()
            .unwrap(),
        &api.server,
        "default",
    );
    assert!(ready(&nobody).await);
    let refused = nobody.get("/api/v1/nodes").await.unwrap_err().to_string();
    assert!(refused.contains("Forbidden"), "{refused}");
    let text = kubeconfig::render(
        "test",
        &api.server,
        "x",
        &ca,
        &kubeconfig::Login::Token("abcdef.0123456789abcdef"),
    );
    let stranger = Api::new(
        kubeconfig::Access::parse(&text, None)
            .unwrap()
            .client()
            .unwrap(),
        &api.server,
        "default",
    );
    assert!(
        stranger
            .get("/api/v1/nodes")
            .await
            .unwrap_err()
            .to_string()
            .contains("Unauthorized")
    );
    assert!(!Path::new("/nonexistent").exists());
}

const CLUSTER: &str = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n";

fn refusal(text: &str, version: &str) -> String {
    format!(
        "{:#}",
        Config::parse(text, version).expect_err("the configuration is accepted")
    )
}

#[test]
fn configurations_are_checked_field_by_field() {
    Config::parse(
        &format!("{CLUSTER}apiServer: {{extraArgs: [{{name: v, value: '2'}}]}}\n"),
        "1.33.4",
    )
    .unwrap();
    assert!(
        refusal(&format!("{CLUSTER}apiServr: {{}}\n"), "1.33.4")
            .contains("unknown field \"apiServr\"")
    );
    assert!(
        refusal(
            &format!("{CLUSTER}apiServer: {{extraArgs: {{v: '2'}}}}\n"),
            "1.33.4"
        )
        .contains("apiServer.extraArgs")
    );
    assert!(
        refusal(
            &format!("{CLUSTER}networking: {{podSubnet: 10.0.0.0}}\n"),
            "1.33.4"
        )
        .contains("podSubnet")
    );
    assert!(refusal(CLUSTER, "1.30.4").contains("unsupported API spec"));
    let old = CLUSTER.replace("v1beta4", "v1beta3");
    Config::parse(
        &format!("{old}apiServer: {{extraArgs: {{v: '2'}}, timeoutForControlPlane: 4m0s}}\n"),
        "1.28.4",
    )
    .unwrap();
    assert!(
        refusal(
            &format!("{old}apiServer: {{extraArgs: {{v: 2}}}}\n"),
            "1.28.4"
        )
        .contains("extraArgs")
    );
    let init = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\ncertificateKey: abc\n";
    assert!(refusal(init, "1.33.4").contains("certificateKey"));
    let kubelet = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
    assert!(refusal(&format!("{kubelet}maxPodz: 1\n"), "1.33.4").contains("maxPodz"));
    assert!(
        refusal(&format!("{kubelet}cpuManagerPolicy: static\n"), "1.33.4")
            .contains("static CPU manager")
    );
    let proxy = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: nftables\n";
    assert!(refusal(proxy, "1.28.4").contains("nftables"));
    Config::parse(proxy, "1.33.4").unwrap();
    let gate = format!("{CLUSTER}featureGates: {{EtcdLearnerMode: true}}\n");
    assert!(refusal(&gate, "1.33.4").contains("unrecognized feature-gate"));
}

#[test]
fn a_join_needs_a_token_and_a_pin() {
    let join = |token: &str, rest: &str| {
        format!(
            "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\ndiscovery: {{bootstrapToken: {{apiServerEndpoint: '10.0.0.1:6443', token: {token}{rest}}}}}\n"
        )
    };
    let pin = format!(", caCertHashes: ['sha256:{}']", "a".repeat(64));
    Config::parse(&join("abcdef.0123456789abcdef", &pin), "1.33.4").unwrap();
    assert!(refusal(&join("abcdef.0123456789abcdef", ""), "1.33.4").contains("caCertHashes"));
    assert!(refusal(&join("abcdef.short", &pin), "1.33.4").contains("bootstrap token"));
    assert!(
        refusal(
            &join("abcdef.0123456789abcdef", ", caCertHashes: ['sha256:aa']"),
            "1.33.4"
        )
        .contains("hash")
    );
}

fn budget(spec: &Value) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": "default"}, "spec": spec,
    })
}

/// A pod as a node runs it, without controllers that would make another.
fn running(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "default", "labels": {"app": "web"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n1", "controller": true}],
        },
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]},
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn budgets_refuse_evictions_and_nothing_else_does() {
    let mut cluster = Cluster::new(1);
    cluster.start(0);
    let api = cluster.api(0);
    eventually("namespaces", Duration::from_secs(20), async || {
        api.get("/api/v1/namespaces/default").await.is_ok()
    })
    .await;
    let make = async |kind: &str, object: &Value| {
        crate::kubectl::send(&api, &kinds::of(kind), object, "test", true, false).await
    };
    make(
        "Node",
        &json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}),
    )
    .await
    .unwrap();
    for name in ["a", "b"] {
        make("Pod", &running(name)).await.unwrap();
        let runs = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        let path = format!("/api/v1/namespaces/default/pods/{name}/status");
        let body = runs.to_string().into_bytes();
        api.call("PATCH", &path, "application/merge-patch+json", &[], body)
            .await
            .unwrap();
    }
    for wrong in [
        json!({"minAvailable": 1, "maxUnavailable": 1}),
        json!({"minAvailable": "many"}),
        json!({"minAvailble": 1}),
    ] {
        make("PodDisruptionBudget", &budget(&wrong))
            .await
            .expect_err(&wrong.to_string());
    }
    let selector = json!({"matchLabels": {"app": "web"}});
    make(
        "PodDisruptionBudget",
        &budget(&json!({"minAvailable": 1, "selector": selector})),
    )
    .await
    .unwrap();
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets/web";
    eventually("the budget's status", Duration::from_secs(10), async || {
        let status = api.get(budgets).await.unwrap()["status"].clone();
        status["disruptionsAllowed"] == 1 && status["currentHealthy"] == 2
    })
    .await;
    let evict = async |name: &str, version: &str| {
        let body = json!({
            "apiVersion": version, "kind": "Eviction", "metadata": {"name": name, "namespace": "default"},
        });
        let path = format!("/api/v1/namespaces/default/pods/{name}/eviction");
        let body = body.to_string().into_bytes();
        api.call("POST", &path, "application/json", &[], body)
            .await
            .map_err(|error| error.to_string())
    };
    let refused = evict("a", "policy/v1beta1").await.unwrap_err();
    assert!(refused.contains("BadRequest"), "{refused}");
    evict("a", "policy/v1").await.unwrap();
    let refused = evict("b", "policy/v1").await.unwrap_err();
    assert_eq!(
        refused,
        "Error from server (TooManyRequests): Cannot evict pod as it would violate the pod's disruption budget."
    );
    api.call("DELETE", budgets, "", &[], Vec::new())
        .await
        .unwrap();
    evict("b", "policy/v1").await.unwrap();
    let gone = evict("b", "policy/v1").await.unwrap_err();
    assert!(gone.contains("NotFound"), "{gone}");
}

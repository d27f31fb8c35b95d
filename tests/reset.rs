//! A reset as scripts and as a plan: what is noted comes back, run for real under a temporary directory; the rest by text.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    process::{Child, Command, Stdio},
};

use baremetal::{
    inventory::{self, Cluster},
    observe::{Facts, parse_facts},
    phases::{
        PhaseId,
        reset::{
            self, Belongs, Depth, HostLeft, Options, Remains, other_cluster, parse, parse_data,
        },
    },
    plan::{Plan, Work},
    remote::Script,
    report::{self, PlanStyle},
    resources::{
        Absent, Block, Directory, File, Resource, apply_script, compare, parse_probe, probe_script,
    },
};
use proptest::prelude::*;

use crate::support::played::Host as Played;

const TWO: &str = "cluster: home\nkubernetes: 1.33.4\nendpoint: 10.0.0.10\nlonghorn: true\n\
                   hosts:\n  cp1: {address: 10.0.0.11, role: control-plane}\n  w1: {address: 10.0.0.21}\n";

fn load(text: &str) -> Cluster {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("inventory.yaml");
    fs::write(&file, text).unwrap();
    inventory::load(&file).unwrap()
}

fn facts(lines: &str) -> Facts {
    parse_facts(&format!(
        "machine=x86_64\nos=debian\nos-version=12\nresolv-conf=/etc/resolv.conf\n{lines}\nend=yes\n"
    ))
    .unwrap()
}

fn scripts(cluster: &Cluster) -> Vec<Script> {
    let (host, facts) = (&cluster.hosts[0], facts(""));
    let mut scripts = vec![
        reset::observe(cluster, host, &facts),
        reset::ask_data(cluster, host),
    ];
    let all = reset::host(cluster, host, &facts, Options::default());
    scripts.extend(all.into_iter().map(|(_, action)| action.script));
    scripts
}

#[test]
fn scripts_of_a_reset_please_shellcheck() {
    for plugin in ["flannel", "calico", "cilium"] {
        for script in scripts(&load(&format!("{TWO}network: {{plugin: {plugin}}}\n"))) {
            let mut shellcheck = Command::new("shellcheck")
                .args(["-s", "sh", "-e", "SC2016,SC2317,SC2329", "-"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("shellcheck is needed");
            let mut stdin = shellcheck.stdin.take().unwrap();
            stdin.write_all(script.body.as_bytes()).unwrap();
            drop(stdin);
            let output = shellcheck.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{}: {text}", script.name);
        }
    }
}

/// Nobody is to be locked out: what a reset of others is known for is not in ours.
#[test]
fn no_script_flushes_rules_restarts_networks_or_removes_by_a_wide_pattern() {
    for script in scripts(&load(TWO)) {
        let code: Vec<&str> = script
            .body
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .collect();
        let code = code.join("\n");
        for wide in [
            "iptables -F",
            "iptables -X",
            "-P INPUT",
            "ipvsadm -C",
            "nft flush",
            "restart network",
            "systemd-networkd",
            "rm -rf /etc",
            "rm -rf /opt",
            "rm -rf /var/lib/longhorn",
            "kubeadm reset",
            "ufw",
            "firewalld",
            "-a -f",
            "killall",
            "pkill",
        ] {
            assert!(!code.contains(wide), "{}: {wide}", script.name);
        }
    }
}

/// A directory that stands for a host.
struct Host {
    root: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        Self { root }
    }

    fn path(&self, name: &str) -> String {
        self.root
            .path()
            .join("etc")
            .join(name)
            .to_str()
            .unwrap()
            .to_owned()
    }

    fn run(&self, script: &Script) -> String {
        let bm = tempfile::tempdir().unwrap();
        for attachment in &script.attachments {
            fs::write(bm.path().join(&attachment.name), &attachment.content).unwrap();
        }
        fs::write(bm.path().join(".script"), &script.body).unwrap();
        let output = Command::new("sh")
            .arg(bm.path().join(".script"))
            .args(&script.args)
            .env("BM", bm.path())
            .env("BM_VAR", self.root.path().join("var"))
            .env("BM_RUN", self.root.path().join("run"))
            // Those of this machine are none of the test's.
            .env("BM_UNITS", "")
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    fn up(&self, resources: &[Resource]) {
        let list: Vec<&Resource> = resources.iter().collect();
        let observed = parse_probe(&list, &self.run(&probe_script(&list))).unwrap();
        self.run(&apply_script("apply", &compare(resources, &observed)));
    }

    fn reset(&self) {
        let cluster = load(TWO);
        let all = reset::host(&cluster, &cluster.hosts[0], &facts(""), Options::default());
        let (_, last) = all.last().unwrap();
        let mut script = last.script.clone();
        // What a host without a note would be freed of is this machine's own here.
        for attachment in &mut script.attachments {
            attachment.content.clear();
        }
        self.run(&script);
    }

    /// Everything under the directory: path, kind, mode, content or target.
    fn snapshot(&self) -> String {
        let output = Command::new("sh")
            .arg("-c")
            .arg("cd \"$0\" && find . | sort | while read -r path; do stat -c '%n %F %a %u' \"$path\"; if [ -L \"$path\" ]; then readlink \"$path\"; elif [ -f \"$path\" ]; then sha256sum <\"$path\"; fi; done")
            .arg(self.root.path())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

fn file(path: String, content: &str) -> Resource {
    Resource::File(File::new(path, content, 0o644))
}

#[test]
fn everything_comes_back_and_what_others_added_since_stays() {
    let host = Host::new();
    let secret = host.path("secret");
    fs::write(&secret, "theirs\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(host.path("hosts"), "127.0.0.1 localhost").unwrap();
    fs::write(host.path("unwanted"), "theirs too\n").unwrap();
    symlink("secret", host.path("link")).unwrap();
    let before = host.snapshot();

    let block = |content: &str| {
        Resource::Block(Block {
            path: host.path("hosts"),
            marker: "hosts".into(),
            content: content.into(),
        })
    };
    let wanted = |content: &str| {
        vec![
            Resource::Directory(Directory {
                path: host.path("deep/er"),
                mode: 0o700,
            }),
            file(host.path("deep/er/ours"), content),
            file(host.path("a/b/c with blank"), content),
            file(secret.clone(), content),
            file(host.path("link"), content),
            Resource::Absent(Absent {
                path: host.path("unwanted"),
            }),
            block(content),
        ]
    };
    host.up(&wanted("first\n"));
    let note = host.root.path().join("var/before");
    assert_eq!(
        fs::metadata(&note).unwrap().permissions().mode() & 0o777,
        0o700
    );
    for kept in fs::read_dir(note.join("content")).unwrap() {
        let mode = kept.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // Only the first state is noted, whatever comes after.
    host.up(&wanted("second\n"));
    host.reset();
    // The last line was given its end; everything else is as it was.
    assert_eq!(
        fs::read_to_string(host.path("hosts")).unwrap(),
        "127.0.0.1 localhost\n"
    );
    fs::write(host.path("hosts"), "127.0.0.1 localhost").unwrap();
    assert_eq!(host.snapshot(), before);

    host.up(&wanted("third\n"));
    fs::write(host.path("deep/er/foreign"), "x").unwrap();
    host.reset();
    assert!(!fs::exists(host.path("deep/er/ours")).unwrap());
    assert_eq!(
        fs::read_to_string(host.path("deep/er/foreign")).unwrap(),
        "x"
    );
    let once = host.snapshot();
    host.reset();
    assert_eq!(host.snapshot(), once);
}

#[test]
fn a_reset_that_was_cut_goes_on_where_it_was() {
    let host = Host::new();
    fs::write(host.path("mine"), "mine\n").unwrap();
    let before = host.snapshot();
    host.up(&[
        file(host.path("mine"), "ours\n"),
        file(host.path("x/y"), "ours\n"),
    ]);
    let note = host.root.path().join("var");
    let saved = tempfile::tempdir().unwrap();
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        assert!(
            Command::new("cp")
                .arg("-a")
                .arg(from)
                .arg(to)
                .status()
                .unwrap()
                .success()
        );
    };
    copy(&note, saved.path());
    host.reset();
    assert_eq!(host.snapshot(), before);
    // Killed before the note went: it is gone through again.
    copy(&saved.path().join("var"), host.root.path());
    host.reset();
    assert_eq!(host.snapshot(), before);
    // Killed while the note went: what is left of it is no note, and nothing but that goes.
    copy(&saved.path().join("var"), host.root.path());
    fs::remove_file(note.join("before/whole")).unwrap();
    host.reset();
    assert_eq!(host.snapshot(), before);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whatever files there were and whatever is brought about in their place, twice: all is as it was.
    #[test]
    fn any_files_come_back(
        had in prop::collection::btree_map("[a-d]/[a-c]", "[a-z\n]{0,6}", 0..4),
        first in prop::collection::btree_map("[a-d]/[a-c]", "[a-z\n]{0,6}", 1..5),
        second in prop::collection::btree_map("[a-d]/[a-c]", "[a-z\n]{0,6}", 1..5),
    ) {
        let host = Host::new();
        for (name, content) in &had {
            let path = host.path(name);
            fs::create_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let before = host.snapshot();
        for wanted in [&first, &second] {
            let list: Vec<Resource> = wanted.iter().map(|(name, content)| file(host.path(name), content)).collect();
            host.up(&list);
        }
        host.reset();
        prop_assert_eq!(host.snapshot(), before);
    }
}

const ANSWER: &str = "note=whole\ntouched=yes\nkubelet=yes\nstate=/etc/kubernetes/admin.conf\nstate=/var/lib/kubelet\netcd=20480\n\
                      link=cni0\nrule=iptables KUBE-SERVICES\nrule=iptables KUBE-FORWARD\nruntime=/run/containerd/x\n\
                      longhorn=5242880 /var/lib/longhorn\npackage=haproxy\npackage=keepalived\nend=yes\n";

fn plan_of(cluster: &Cluster, left: &HostLeft, options: Options) -> Plan {
    let facts = facts("");
    let remains: Vec<Remains<'_>> = cluster
        .hosts
        .iter()
        .map(|host| Remains {
            host,
            facts: &facts,
            left,
        })
        .collect();
    reset::plan(cluster, &remains, options)
}

#[test]
fn the_plan_of_a_reset_shows_what_goes_and_what_stays() {
    let cluster = load(TWO);
    let plan = plan_of(&cluster, &parse(ANSWER).unwrap(), Options::default());
    let style = PlanStyle {
        command: "baremetal reset",
        ..PlanStyle::default()
    };
    insta::assert_snapshot!(report::plan(&plan, style));
}

#[test]
fn flags_take_packages_and_longhorns_data_and_a_rebuild_keeps_the_host() {
    let cluster = load(TWO);
    let left = parse(ANSWER).unwrap();
    let all = Options {
        depth: Depth::Host,
        packages: true,
        longhorn_data: true,
    };
    let plan = plan_of(&cluster, &left, all);
    assert_eq!(plan.steps.len(), 10);
    assert_eq!(plan.notes, Vec::<String>::new());
    for step in &plan.steps {
        let Work::Run(action) = &step.work else {
            panic!("{step:?}")
        };
        assert_eq!(action.script.args[3], "packages longhorn");
    }
    let state = Options {
        depth: Depth::State,
        ..Options::default()
    };
    let plan = plan_of(&cluster, &left, state);
    assert_eq!(plan.steps.len(), 6);
    // Hosts do not wait for each other; steps of one do.
    assert_eq!(plan.steps[4].needs, vec![2]);
}

#[test]
fn clean_hosts_have_no_steps() {
    let cluster = load(TWO);
    let clean = parse("end=yes\n").unwrap();
    assert!(clean.is_clean());
    assert!(plan_of(&cluster, &clean, Options::default()).is_empty());
    // Longhorn's data alone is reason enough when it is to go.
    let data = parse("longhorn=1 /var/lib/longhorn\nend=yes\n").unwrap();
    assert!(plan_of(&cluster, &data, Options::default()).is_empty());
    let wipe = Options {
        longhorn_data: true,
        ..Options::default()
    };
    assert_eq!(plan_of(&cluster, &data, wipe).steps.len(), 10);
    assert!(parse("touched=yes\n").is_err(), "a cut answer is no answer");
}

#[test]
fn the_second_half_of_a_rebuild_waits_for_all_of_the_first() {
    let cluster = load(TWO);
    let left = parse(ANSWER).unwrap();
    let first = plan_of(
        &cluster,
        &left,
        Options {
            depth: Depth::State,
            ..Options::default()
        },
    );
    let second = plan_of(&cluster, &left, Options::default());
    let whole = first.clone().then(second.clone());
    assert_eq!(whole.steps.len(), first.steps.len() + second.steps.len());
    assert_eq!(whole.steps[..6], first.steps[..]);
    for (step, alone) in whole.steps[6..].iter().zip(&second.steps) {
        assert_eq!(step.needs[..6], [0, 1, 2, 3, 4, 5]);
        let own: Vec<usize> = alone.needs.iter().map(|index| index + 6).collect();
        assert_eq!(step.needs[6..], own[..]);
    }
}

#[test]
fn a_host_of_another_cluster_is_told_by_its_kubelet() {
    let cluster = load(TWO);
    for (server, ours) in [
        ("https://10.0.0.10:6443", true),
        ("https://10.0.0.11:6444", true),
        ("https://10.9.9.9:6443", false),
        ("https://10.0.0.10:7443", false),
    ] {
        let facts = facts(&format!("conf=kubelet.conf\nserver={server}"));
        assert_eq!(other_cluster(&cluster, &facts).is_none(), ours, "{server}");
    }
    assert_eq!(other_cluster(&cluster, &facts("")), None);
}

#[test]
fn what_dies_is_read_as_far_as_it_goes() {
    let data = parse_data(
        "node=cp1\nnode=w1\nvolume=pvc-1 10Gi web data\nvolume=loose 1Gi  \nlonghorn=volume.longhorn.io/pvc-1\n\
         member=cp1 https://10.0.0.11:2380\nmember= https://10.0.0.12:2380\n",
    );
    assert_eq!(data.nodes, ["cp1", "w1"]);
    assert_eq!(data.members, ["cp1", "https://10.0.0.12:2380"]);
    assert_eq!(data.volumes[0].claim, "web/data");
    assert_eq!(data.volumes[1].claim, "");
    assert_eq!(data.longhorn.len(), 1);
}

/// Answers of a cluster that lives, of which one question at a time may go without an answer.
const LIVE: [&str; 4] = [
    "node=cp1 10.0.0.11\nnode=worker-1 10.0.0.21\n\nanswered=nodes\n",
    "\nanswered=volumes\n",
    "longhorn=pvc-1\n\nanswered=longhorn\n",
    "member=cp1 https://10.0.0.11:2380\n\nanswered=members\n",
];

#[test]
fn silence_is_not_taken_for_emptiness() {
    let whole = parse_data(&LIVE.concat());
    assert_eq!(
        whole.dies("home"),
        "With home end 2 nodes, 1 etcd member and everything that is stored in them.\n\
         There is no persistent volume.\n\
         1 volume of Longhorn without a persistent volume of that name:\n  pvc-1\n"
    );
    // The API server is away, etcd is not.
    let half = parse_data(LIVE[3]);
    assert_eq!(
        half.dies("home"),
        "With home end 1 etcd member and everything that is stored in them.\n\
         Could not be listed, and ends with it as well: its nodes, persistent volumes and volumes of Longhorn.\n"
    );
    assert!(
        parse_data("end=yes\n")
            .dies("home")
            .starts_with("No control plane of home answers")
    );
}

#[test]
fn a_host_belongs_to_the_cluster_by_name_address_or_peer_url() {
    let cluster = load(TWO);
    let (plane, worker) = (&cluster.hosts[0], &cluster.hosts[1]);
    let whole = parse_data(&LIVE.concat());
    assert_eq!(whole.belongs(plane, None), Belongs::As("cp1".into()));
    // The file calls it otherwise than the cluster.
    assert_eq!(whole.belongs(worker, None), Belongs::As("worker-1".into()));
    let peer = parse_data("member=old https://10.0.0.11:2380\n");
    assert_eq!(peer.belongs(plane, None), Belongs::As("old".into()));
    let was = facts("conf=kubelet.conf").kube;
    let others = parse_data(
        &[
            &LIVE[0].replace("worker-1 10.0.0.21", "w9 10.0.0.29"),
            LIVE[3],
        ]
        .concat(),
    );
    assert_eq!(others.belongs(worker, Some(&was)), Belongs::No);
    // Half an answer says of nobody that it is none.
    for silent in ["", LIVE[0], LIVE[3]] {
        let half = parse_data(&silent.replace("worker-1 10.0.0.21", "w9 10.0.0.29"));
        assert_eq!(
            half.belongs(worker, Some(&was)),
            Belongs::Perhaps,
            "{silent}"
        );
        assert_eq!(half.belongs(worker, None), Belongs::No);
    }
}

/// With programs that say what those of a control plane say; each may be away.
#[test]
fn the_local_api_server_and_etcd_are_asked_each_question_by_itself() {
    let cluster = load(TWO);
    let script = reset::ask_data(&cluster, &cluster.hosts[0]);
    let kubectl = "case \" $* \" in *' --server https://10.0.0.11:6444 '*) ;; *) exit 1 ;; esac
[ ! -e \"$home/no-api\" ] || exit 1
case \"$*\" in
    *'get nodes'*) printf 'node=cp1 10.0.0.11\\nnode=w1 10.0.0.21\\n' ;;
    *'get persistentvolumes'*) printf 'volume=pvc-1 1Gi web data\\n' ;;
    *customresourcedefinition*) [ ! -e \"$home/longhorn\" ] || echo crd ;;
    *'get volumes.longhorn.io'*) echo volume.longhorn.io/pvc-2 ;;
esac";
    let etcdctl = "[ ! -e \"$home/no-etcd\" ] || exit 1
echo '1f, started, cp1, https://10.0.0.11:2380, https://10.0.0.11:2379, false'
echo '2f, unstarted, , https://10.0.0.12:2380, , true'";
    let ask = |away: &[&str]| {
        let host = Played::new(&[("kubectl", kubectl), ("etcdctl", etcdctl)]);
        for name in away {
            fs::write(host.path(name), "").unwrap();
        }
        parse_data(&host.run(&script, &[]).ok().stdout)
    };
    let whole = ask(&[]);
    assert_eq!(whole.answered.len(), 4, "{whole:?}");
    assert_eq!(whole.nodes, ["cp1", "w1"]);
    assert_eq!(whole.members, ["cp1", "https://10.0.0.12:2380"]);
    assert_eq!(whole.volumes.len(), 1);
    assert!(whole.longhorn.is_empty());
    assert_eq!(ask(&["longhorn"]).longhorn, ["pvc-2"]);
    let etcd_alone = ask(&["no-api"]);
    assert_eq!(etcd_alone.answered, [reset::Question::Members].into());
    assert!(
        !ask(&["no-etcd"])
            .answered
            .contains(&reset::Question::Members)
    );
}

/// A host on which another pod network ran, and etcd elsewhere, than the inventory says now. Real paths begin at a directory.
fn changed_since() -> Played {
    const SAVE: &str = "echo '*filter'; echo ':KUBE-FORWARD - [0:0]'; echo ':cali-FORWARD - [0:0]'; echo ':FLANNEL-FWD - [0:0]'
echo ':FOREIGN - [0:0]'; echo COMMIT";
    let host = Played::new(&[
        ("iptables-save", SAVE),
        ("ip6tables-save", ":"),
        ("nft", ":"),
        ("ipset", ":"),
        ("systemctl", "echo inactive"),
        ("ctr", "exit 1"),
        ("mountpoint", "exit 1"),
    ]);
    for directory in [
        "etc/cni/net.d",
        "etc/kubernetes/manifests",
        "var/lib/baremetal/before",
        "var/lib/calico",
        "srv/etcd old/member/wal",
        "sys/class/net/cali0123456789a",
        "sys/class/net/cni0",
        "sys/class/net/foreign0",
    ] {
        fs::create_dir_all(host.path(directory)).unwrap();
    }
    let etcd = host.path("srv/etcd old");
    let manifest = format!("    - --name=cp1\n    - --data-dir={}\n", etcd.display());
    for (path, content) in [
        ("etc/cni/net.d/10-calico.conflist", "{}"),
        ("etc/cni/net.d/98-foreign.conf", "{}"),
        ("etc/kubernetes/manifests/etcd.yaml", &manifest),
        ("var/lib/baremetal/before/whole", ""),
        ("var/lib/calico/nodename", "cp1"),
        ("srv/etcd old/member/wal/0.wal", "secrets"),
        ("srv/etcd old/mine", "mine"),
    ] {
        fs::write(host.path(path), content).unwrap();
    }
    let existed = host.path("srv/etcd old");
    fs::write(
        host.path("var/lib/baremetal/before/existed"),
        format!("{}\n", existed.display()),
    )
    .unwrap();
    host
}

/// Where scripts of a reset look.
const PLACES: [&str; 3] = ["/var/l", "/sys/", "/run/"];

#[test]
fn what_ran_goes_and_not_what_the_inventory_says_now() {
    let cluster = load(TWO);
    let host = changed_since();
    let (plane, facts) = (&cluster.hosts[0], facts(""));
    let here = |script: Script| {
        let mut script = script;
        let home = host.path("");
        script.body = script
            .body
            .replace("'/%s\\n'", &format!("'{}%s\\n'", home.display()))
            .replace(":-/etc}", &format!(":-{}etc}}", home.display()));
        script.args[0] = home.join("var/lib/etcd").display().to_string();
        script
    };
    let seen = host.run(&here(reset::observe(&cluster, plane, &facts)), &PLACES);
    let left = parse(&seen.ok().stdout).unwrap();
    let home = host.path("").display().to_string();
    let state: Vec<&str> = left
        .state
        .iter()
        .map(|path| path.strip_prefix(&home).unwrap())
        .collect();
    assert_eq!(
        state,
        [
            "etc/kubernetes/manifests/etcd.yaml",
            "etc/cni/net.d/10-calico.conflist",
            "srv/etcd old/member",
            "var/lib/calico",
        ]
    );
    assert!(left.etcd.is_some_and(|size| size > 0), "{left:?}");
    let mut links = left.links.clone();
    links.sort();
    assert_eq!(links, ["cali0123456789a", "cni0"]);
    assert_eq!(
        left.rules,
        [
            "iptables KUBE-FORWARD",
            "iptables cali-FORWARD",
            "iptables FLANNEL-FWD"
        ]
    );

    let options = Options {
        depth: Depth::State,
        ..Options::default()
    };
    let (_, state) = reset::host(&cluster, plane, &facts, options).swap_remove(1);
    host.run(&here(state.script), &PLACES).ok();
    for gone in [
        "etc/cni/net.d/10-calico.conflist",
        "srv/etcd old/member",
        "var/lib/calico",
    ] {
        assert!(!host.path(gone).exists(), "{gone}");
    }
    for kept in ["etc/cni/net.d/98-foreign.conf", "srv/etcd old/mine"] {
        assert!(host.path(kept).exists(), "{kept}");
    }
}

/// A process of the test's own, and where a script finds it below a directory that stands for /proc.
fn process(host: &Played, namespace: &str, command: &str) -> Child {
    let child = Command::new("sleep").arg("60").spawn().unwrap();
    let proc = host.path("proc").join(child.id().to_string());
    fs::create_dir_all(proc.join("ns")).unwrap();
    fs::write(proc.join("cmdline"), command.replace(' ', "\0")).unwrap();
    symlink(format!("pid:[{namespace}]"), proc.join("ns/pid")).unwrap();
    symlink("mnt:[1]", proc.join("ns/mnt")).unwrap();
    child
}

/// Kills it, and says whether it lived until then.
fn lived(mut child: Child) -> bool {
    let lived = child.try_wait().unwrap().is_none();
    child.kill().ok();
    child.wait().unwrap();
    lived
}

/// The script of a step, with places of `host` alone: nothing of this machine is seen, ended or unmounted.
fn step_of(host: &Played, id: PhaseId) -> Script {
    let cluster = load(TWO);
    let all = reset::host(&cluster, &cluster.hosts[0], &facts(""), Options::default());
    let (_, action) = all.into_iter().find(|(phase, _)| *phase == id).unwrap();
    let mut script = action.script;
    let home = host.path("");
    let home = home.display().to_string();
    let home = home.trim_end_matches('/');
    script.args[0] = format!("{home}/var/lib/etcd");
    script.args[1] = format!("{home}/var/lib/containerd");
    for place in [
        "/proc/",
        "/sys/",
        "/run/",
        "/var/l",
        "/etc/fstab",
        "'/%s\\n'",
    ] {
        let there = match place.strip_prefix('\'') {
            Some(rest) => format!("'{home}{rest}"),
            None => format!("{home}{place}"),
        };
        script.body = script.body.replace(place, &there);
    }
    script.body = script.body.replace(":-/etc}", &format!(":-{home}/etc}}"));
    script
}

/// A host with a note and with mounts; what it is asked to unmount is written down.
fn mounted(mounts: &[&str], fstab: &[&str], noted: &[&str]) -> Played {
    let host = Played::new(&[
        ("systemctl", "echo inactive"),
        ("ctr", "exit 1"),
        ("iscsiadm", "exit 1"),
        ("umount", "shift; echo \"$*\" >>\"$home/umounted\""),
        (
            "mountpoint",
            "shift 2; grep -qxF -- \"$1\" \"$home/mountpoints\"",
        ),
    ]);
    for directory in [
        "etc",
        "proc/self/ns",
        "run",
        "sys/fs/cgroup",
        "var/lib/baremetal/before",
    ] {
        fs::create_dir_all(host.path(directory)).unwrap();
    }
    symlink("pid:[1]", host.path("proc/self/ns/pid")).unwrap();
    symlink("mnt:[1]", host.path("proc/self/ns/mnt")).unwrap();
    let at = |path: &&str| {
        host.path(path.trim_start_matches('/'))
            .display()
            .to_string()
    };
    let table = |places: &[&str]| -> String {
        let line = |place| format!("none {} tmpfs rw 0 0\n", at(place).replace(' ', "\\040"));
        places.iter().map(line).collect()
    };
    let list =
        |places: &[&str]| -> String { places.iter().map(|place| at(place) + "\n").collect() };
    for (path, content) in [
        ("proc/self/mounts", table(mounts)),
        (
            "etc/fstab",
            format!("# what is mounted\n\n{}", table(fstab)),
        ),
        ("mountpoints", list(mounts)),
        ("var/lib/baremetal/before/whole", String::new()),
        (
            "var/lib/baremetal/before/units",
            "containerd.service none none none\n".to_owned(),
        ),
        ("var/lib/baremetal/before/mounts", list(noted)),
    ] {
        fs::write(host.path(path), content).unwrap();
    }
    for place in mounts {
        fs::create_dir_all(host.path(place.trim_start_matches('/'))).unwrap();
    }
    host
}

fn umounted(host: &Played) -> Vec<String> {
    let home = host.path("").display().to_string();
    let text = host.text("umounted");
    text.lines()
        .map(|line| format!("/{}", line.strip_prefix(&home).unwrap()))
        .collect()
}

#[test]
fn what_the_host_mounts_itself_stays_mounted_and_is_emptied_of_what_is_new() {
    let pods = "/var/lib/kubelet/pods";
    let (own, other) = ("/var/lib/kubelet/own disk", "/var/lib/kubelet/plugins");
    let volume = "/var/lib/kubelet/pods/uid/volumes/a b";
    let host = mounted(&[pods, own, other, volume, "/srv"], &[own, "/srv"], &[pods]);
    for (path, content) in [
        ("var/lib/kubelet/pods/lost+found", "before"),
        ("var/lib/kubelet/pods/new", "pod"),
        ("var/lib/kubelet/config.yaml", "config"),
    ] {
        fs::write(host.path(path), content).unwrap();
    }
    let existed =
        ["", "/lost+found"].map(|name| format!("{}{name}\n", host.path(&pods[1..]).display()));
    fs::write(
        host.path("var/lib/baremetal/before/existed"),
        existed.concat(),
    )
    .unwrap();

    host.run(&step_of(&host, PhaseId::StopNode), &[]).ok();
    assert_eq!(umounted(&host)[..2], [volume, other]);
    assert!(
        umounted(&host)
            .iter()
            .all(|place| place != own && place != pods),
        "{:?}",
        umounted(&host)
    );

    let state = host.run(&step_of(&host, PhaseId::RemoveState), &[]);
    state.ok();
    for gone in [
        "var/lib/kubelet/pods/new",
        "var/lib/kubelet/config.yaml",
        "var/lib/kubelet/plugins",
    ] {
        assert!(!host.path(gone).exists(), "{gone}");
    }
    for kept in [
        "var/lib/kubelet/pods/lost+found",
        "var/lib/kubelet/own disk",
    ] {
        assert!(host.path(kept).exists(), "{kept}");
    }
}

#[test]
fn what_the_host_mounts_in_containerds_directory_stays_too() {
    let (noted, unknown) = ("/var/lib/containerd/noted", "/var/lib/containerd/unknown");
    let task = "/run/containerd/task/one";
    let host = mounted(&[noted, unknown, task], &[noted, unknown], &[noted]);
    fs::create_dir_all(host.path("var/lib/containerd/snapshots/1")).unwrap();
    for path in [
        "noted/lost+found",
        "noted/blob",
        "unknown/mine",
        "snapshots/1/file",
    ] {
        fs::write(host.path("var/lib/containerd").join(path), "x").unwrap();
    }
    let existed = format!("{}/lost+found\n", host.path(&noted[1..]).display());
    fs::write(host.path("var/lib/baremetal/before/existed"), existed).unwrap();
    host.run(&step_of(&host, PhaseId::RemoveRuntime), &[]).ok();
    assert_eq!(umounted(&host), [task]);
    for gone in ["snapshots", "noted/blob"] {
        assert!(
            !host.path("var/lib/containerd").join(gone).exists(),
            "{gone}"
        );
    }
    for kept in ["noted/lost+found", "unknown/mine"] {
        assert!(
            host.path("var/lib/containerd").join(kept).exists(),
            "{kept}"
        );
    }
}

#[test]
fn a_directory_that_is_a_link_is_unmounted_and_emptied_where_it_leads() {
    let volume = "/data/kubelet/pods/uid/volume";
    let host = mounted(&[volume], &[], &[]);
    fs::create_dir_all(host.path("var/lib")).unwrap();
    let link = host.path("var/lib/kubelet");
    symlink(host.path("data/kubelet"), &link).unwrap();
    fs::write(host.path("data/kubelet/config.yaml"), "config").unwrap();
    fs::write(host.path("data/kubelet/mine"), "mine").unwrap();
    let existed = format!(
        "{}\n{}\n",
        link.display(),
        host.path("data/kubelet/mine").display()
    );
    fs::write(host.path("var/lib/baremetal/before/existed"), existed).unwrap();

    host.run(&step_of(&host, PhaseId::StopNode), &[]).ok();
    assert_eq!(umounted(&host)[0], volume);
    host.run(&step_of(&host, PhaseId::RemoveState), &[]).ok();
    assert!(link.is_symlink());
    let left: Vec<_> = fs::read_dir(host.path("data/kubelet"))
        .unwrap()
        .map(|one| one.unwrap().file_name())
        .collect();
    assert_eq!(left, ["mine"]);

    // A note that knows nothing of where the link leads says of nothing there that it is ours.
    fs::write(host.path("data/kubelet/config.yaml"), "config").unwrap();
    fs::remove_file(host.path("var/lib/baremetal/before/mounts")).unwrap();
    host.run(&step_of(&host, PhaseId::RemoveState), &[]).ok();
    assert!(host.path("data/kubelet/config.yaml").exists());
}

#[test]
fn pods_of_clusters_in_containers_on_this_machine_live_on() {
    const SHIM: &str = "/usr/bin/containerd-shim-runc-v2 -namespace k8s.io -id x";
    for tree in ["unified", "controllers"] {
        let host = mounted(&[], &[], &[]);
        let (top, nested) = if tree == "unified" {
            fs::write(host.path("sys/fs/cgroup/cgroup.controllers"), "cpu").unwrap();
            ("kubepods.slice", "lxc.payload.kind/kubepods.slice")
        } else {
            ("cpu/kubepods", "cpu/docker/0a/kubepods")
        };
        let shim = process(&host, "1", SHIM);
        let docker = process(&host, "1", &SHIM.replace("k8s.io", "moby"));
        let theirs = process(&host, "2", SHIM);
        let [pod, nested_pod] = [top, nested].map(|group| {
            let child = process(&host, "1", "pause");
            let group = host.path("sys/fs/cgroup").join(group).join("pod1");
            fs::create_dir_all(&group).unwrap();
            fs::write(group.join("cgroup.procs"), format!("0\n{}\n", child.id())).unwrap();
            child
        });
        host.run(&step_of(&host, PhaseId::StopNode), &[]).ok();
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert_eq!(
            [shim, docker, theirs, pod, nested_pod].map(lived),
            [false, true, true, false, true],
            "{tree}"
        );
    }
}

//! One snippet for each mistake and its exact message at its exact place.

use super::{BASE, complaints};

/// Changes of [`BASE`] (`("", text)` adds lines at the end), and all that is said about the result.
type Case = (
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

#[track_caller]
fn check(cases: &[Case]) {
    let mut wrong = String::new();
    for (changes, says) in cases {
        let mut text = BASE.to_owned();
        for (from, to) in *changes {
            if from.is_empty() {
                text.push_str(to);
            } else {
                assert!(text.contains(from), "{from} is not in the text");
                text = text.replacen(from, to, 1);
            }
        }
        let said = complaints(&text);
        if said != *says {
            wrong.push_str(&format!("{changes:?}\nsaid {said:#?}\nnot  {says:#?}\n\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_base_is_right() {
    check(&[(&[], &[])]);
}

#[test]
fn keys_and_yaml() {
    const CASES: &[Case] = &[
        (
            &[("", "kube_proxy: iptables\n")],
            &["11:1: kube_proxy: unknown key `kube_proxy`; write `kube-proxy`"],
        ),
        (
            &[("", "pods: 10.1.0.0/16\n")],
            &["11:1: pods: unknown key `pods`; it belongs in `network`"],
        ),
        (
            &[("", "frobnicate: 1\n")],
            &[
                "11:1: frobnicate: unknown key `frobnicate`; known are addons, allow-even-control-planes, artifacts, cluster, control-plane, defaults, endpoint, groups, harbor, hosts, kube-proxy, kubelet, kubernetes, lab, longhorn, metallb, network, registries, run, runtime, ssh, system",
            ],
        ),
        (
            &[("w1: {address:", "w1: {adress:")],
            &["9:8: hosts.w1.adress: unknown key `adress`; write `address`"],
        ),
        (
            &[("w1: {address: 10.0.0.21}", "w1: {ansible_host: 10.0.0.21}")],
            &["9:8: hosts.w1.ansible_host: unknown key `ansible_host`; write `address`"],
        ),
        (
            &[("ssh: {user: ops}", "ssh: {user: ops, password: hunter2}")],
            &[
                "4:18: ssh.password: unknown key `password`; write `sudo-password` for sudo (ssh itself logs in with a key or an agent)",
            ],
        ),
        (
            &[("  w2: {address: 10.0.0.22}", "  w1: {address: 10.0.0.22}")],
            &["10:3: hosts: `w1` is there already, in line 9; keep one of the two"],
        ),
        (
            &[("", "cluster: again\n")],
            &["11:1: `cluster` is there already, in line 1; keep one of the two"],
        ),
        (
            &[("cluster: demo\n", "")],
            &["1:1: `cluster` is missing; add it: name of the cluster"],
        ),
        (
            &[("kubernetes: 1.33.4\n", "")],
            &["1:1: `kubernetes` is missing; add the version, such as `kubernetes: 1.33.4`"],
        ),
        (
            &[("endpoint: 10.0.0.10\n", "")],
            &[
                "1:1: `endpoint` is missing; add a free address of the hosts' network as virtual IP, such as `endpoint: 10.0.0.10`",
            ],
        ),
        (
            &[("  w1: {address: 10.0.0.21}", "  w1: {role: worker}")],
            &["9:7: hosts.w1: `address` is missing; add it: where SSH connects"],
        ),
        (
            &[("  w1: {address: 10.0.0.21}", "  w1:")],
            &["9:5: hosts.w1: has no value; write one, or remove the key"],
        ),
        (
            &[("  w1: {address: 10.0.0.21}", "  w1: [10.0.0.21]")],
            &[
                "9:7: hosts.w1: is a list; write an address such as `10.0.0.11`, or `{address: 10.0.0.11, role: worker}`",
            ],
        ),
        (
            &[("  w1: {address: 10.0.0.21}", "\tw1: {address: 10.0.0.21}")],
            &[
                "9:2: this is not YAML: tabs disallowed within this context (block indentation); indent with spaces, not with tabs",
            ],
        ),
        (
            &[("  w1: {address: 10.0.0.21}", "   w1: {address: 10.0.0.21}")],
            &[
                "9:4: this is not YAML: while parsing a block mapping, did not find expected key; check the indentation here and in the line above: keys of one mapping stand in one column",
            ],
        ),
        (
            &[("  w1: {address: 10.0.0.21}", "  w1: {address: 10.0.0.21")],
            &[
                "10:5: this is not YAML: while parsing a flow mapping, did not find expected ',' or '}'; check quotes, brackets and indentation here and in the line above",
            ],
        ),
        (
            &[("ssh: {user: ops}", "ssh: {user: {{ user }}}")],
            &["4:14: a key must be plain text; quote text that begins with `{` or `[`"],
        ),
        (
            &[("ssh: {user: ops}", "ssh: !vault abc")],
            &[
                "4:6: the tag `!vault` means nothing here; remove it (secrets come from `{file: PATH}`, `{env: NAME}` or `prompt`)",
            ],
        ),
        (
            &[("", "---\nmore: 1\n")],
            &[
                "11:1: a second document begins here; an inventory is one document: remove `---`, or keep the rest in a file of its own",
            ],
        ),
        (
            &[("", "defaults: {<<: nothing}\n")],
            &["11:16: `<<` merges a mapping; write `<<: *name` with the anchor of a mapping"],
        ),
        (
            &[("", "groups: &g {a: *g}\n")],
            &["11:16: this alias stands inside its own anchor; write the value out"],
        ),
        (
            &[("", "metallb: *nowhere\n")],
            &[
                "11:10: this is not YAML: while parsing node, found unknown anchor; check quotes, brackets and indentation here and in the line above",
            ],
        ),
        (
            &[("", "longhorn: yes\n")],
            &["11:11: longhorn: `yes` is not a boolean; write `true`"],
        ),
        (
            &[("", "allow-even-control-planes: 1\n")],
            &["11:28: allow-even-control-planes: `1` is not a boolean; write `true`"],
        ),
    ];
    check(CASES);
}

#[test]
fn values() {
    const CASES: &[Case] = &[
        (
            &[("cluster: demo", "cluster: Demo_1")],
            &[
                "1:10: cluster: `Demo_1` is not a name that Kubernetes takes (a-z, 0-9 and `-`, at most 63 characters, a letter or digit at both ends); write `demo-1`",
            ],
        ),
        (
            &[("kubernetes: 1.33.4", "kubernetes: latest")],
            &["2:13: kubernetes: `latest` is not a Kubernetes version; write one such as `1.33.4`"],
        ),
        (
            &[("kubernetes: 1.33.4", "kubernetes: 1.27.3")],
            &[
                "2:13: kubernetes: Kubernetes 1.27.3 is not supported; write a version from 1.28 to 1.36, such as `1.36.4`",
            ],
        ),
        (
            &[("kubernetes: 1.33.4", "kubernetes: 1.37")],
            &[
                "2:13: kubernetes: Kubernetes 1.37.0 is not supported; write a version from 1.28 to 1.36, such as `1.36.4`",
            ],
        ),
        (
            &[("ssh: {user: ops}", "ssh: {user: ops, port: 70000}")],
            &["4:24: ssh.port: 70000 is out of range; write a number from 1 to 65535"],
        ),
        (
            &[("ssh: {user: ops}", "ssh: {user: ops, port: ssh}")],
            &["4:24: ssh.port: `ssh` is not a whole number; write one from 1 to 65535"],
        ),
        (
            &[("ssh: {user: ops}", "ssh: {user: -oProxyCommand=x}")],
            &["4:13: ssh.user: `-oProxyCommand=x` cannot be used; write a login name"],
        ),
        (
            &[("ssh: {user: ops}", "ssh: {jump: 'a b'}")],
            &["4:13: ssh.jump: `a b` cannot be used; write `USER@HOST:PORT`"],
        ),
        (
            &[("ssh: {user: ops}", "ssh: {key: no-such-key}")],
            &[
                "4:12: ssh.key: `no-such-key` cannot be used: there is no such file; looked for no-such-key",
            ],
        ),
        (
            &[("ssh: {user: ops}", "ssh: {sudo-password: hunter2}")],
            &[
                "4:22: ssh.sudo-password: a secret never stands in the inventory; write `{file: PATH}`, `{env: NAME}` or `prompt`",
            ],
        ),
        (
            &[(
                "ssh: {user: ops}",
                "ssh: {sudo-password: {file: a, env: B}}",
            )],
            &[
                "4:22: ssh.sudo-password: needs exactly one source; write `{file: PATH}` or `{env: NAME}`",
            ],
        ),
        (
            &[(
                "ssh: {user: ops}",
                "ssh: {sudo-password: {env: 'not a name'}}",
            )],
            &[
                "4:28: ssh.sudo-password.env: is not the name of an environment variable; write the name, never the secret",
            ],
        ),
        (
            &[("10.0.0.21}", "10.0.0.321}")],
            &[
                "9:17: hosts.w1.address: `10.0.0.321` is not an IP address; write one such as `10.0.0.11` or `fd00::11`",
            ],
        ),
        (
            &[("10.0.0.21}", "10.0.0.021}")],
            &[
                "9:17: hosts.w1.address: `10.0.0.021` is ambiguous because of its leading zeros; write `10.0.0.21`",
            ],
        ),
        (
            &[("10.0.0.21}", "10.0.0.21/24}")],
            &[
                "9:17: hosts.w1.address: `10.0.0.21/24` is a network; write the address alone: `10.0.0.21`",
            ],
        ),
        (
            &[("10.0.0.21}", "10.0.0.21:22}")],
            &[
                "9:17: hosts.w1.address: `10.0.0.21:22` has a port; write `10.0.0.21` here and the port as `ssh: {port: 22}`",
            ],
        ),
        (
            &[("10.0.0.21}", "ops@10.0.0.21}")],
            &[
                "9:17: hosts.w1.address: `ops@10.0.0.21` has a user; write `10.0.0.21` here and the user as `ssh: {user: ops}`",
            ],
        ),
        (
            &[("10.0.0.21}", "w1.example.org}")],
            &[
                "9:17: hosts.w1.address: `w1.example.org` is a name, and the cluster needs an address of the node; add `node-ip: ADDRESS`",
            ],
        ),
        (
            &[("  w1:", "  W_1:")],
            &[
                "9:3: hosts.W_1: `W_1` is not a name that Kubernetes takes (a-z, 0-9, `-` and `.`, a letter or digit at both ends); write `w-1`",
            ],
        ),
        (
            &[(
                "w1: {address: 10.0.0.21}",
                "w1: {address: 10.0.0.21, role: wroker}",
            )],
            &["9:34: hosts.w1.role: `wroker` is unknown; write `worker`"],
        ),
        (
            &[(
                "w1: {address: 10.0.0.21}",
                "w1: {address: 10.0.0.21, role: master}",
            )],
            &["9:34: hosts.w1.role: `master` is unknown; write `control-plane`"],
        ),
        (
            &[(
                "w1: {address: 10.0.0.21}",
                "w1: {address: 10.0.0.21, taints: [gpu]}",
            )],
            &["9:37: hosts.w1.taints[0]: `gpu` has no effect; write `gpu:NoSchedule`"],
        ),
        (
            &[(
                "w1: {address: 10.0.0.21}",
                "w1: {address: 10.0.0.21, taints: ['gpu=1:noschedule']}",
            )],
            &[
                "9:37: hosts.w1.taints[0]: `gpu=1:noschedule` has the unknown effect `noschedule`; write `gpu=1:NoSchedule` (or PreferNoSchedule, NoExecute)",
            ],
        ),
        (
            &[(
                "w1: {address: 10.0.0.21}",
                "w1: {address: 10.0.0.21, taints: ['a=1:NoExecute', 'a=2:NoExecute']}",
            )],
            &["9:36: hosts.w1.taints: `a` has the effect NoExecute twice; keep one"],
        ),
        (
            &[(
                "w1: {address: 10.0.0.21}",
                "w1: {address: 10.0.0.21, taints: {a: b}}",
            )],
            &["9:36: hosts.w1.taints: is a mapping; write a list"],
        ),
        (
            &[(
                "w1: {address: 10.0.0.21}",
                "w1: {address: 10.0.0.21, labels: {'a b': c}}",
            )],
            &[
                "9:44: hosts.w1.labels.a b: `a b=c` has no valid key; write `name` or `example.org/name` (letters, digits, `-`, `_`, `.`)",
            ],
        ),
        (
            &[(
                "w1: {address: 10.0.0.21}",
                "w1: {address: 10.0.0.21, labels: {a: 'b c'}}",
            )],
            &[
                "9:40: hosts.w1.labels.a: `a=b c` is no valid label value; write at most 63 letters, digits, `-`, `_` and `.`, a letter or digit at both ends",
            ],
        ),
        (
            &[(
                "w1: {address: 10.0.0.21}",
                "w1: {address: 10.0.0.21, interface: 'a/b'}",
            )],
            &[
                "9:39: hosts.w1.interface: `a/b` is no network interface; write its name as `ip link` shows it, such as `eth0`",
            ],
        ),
        (
            &[(
                "w1: {address: 10.0.0.21}",
                "w1: {address: 10.0.0.21, data-disks: [mnt]}",
            )],
            &[
                "9:40: hosts.w1.data-disks: `mnt` is not an absolute path; write a mount point such as `/var/lib/longhorn`",
            ],
        ),
        (
            &[(
                "w1: {address: 10.0.0.21}",
                "w1: {address: 10.0.0.21, data-disks: [{path: /a, reserved: 10GB}]}",
            )],
            &[
                "9:62: hosts.w1.data-disks[0].reserved: `10GB` is no quantity; write one such as `500m`, `2`, `512Mi` or `20Gi`",
            ],
        ),
        (
            &[(
                "w1: {address: 10.0.0.21}",
                "w1: {address: 10.0.0.21, group: gpus}",
            )],
            &["9:35: hosts.w1.group: there is no group `gpus`; add it: `groups: {gpus: {…}}`"],
        ),
        (
            &[(
                "w1: {address: 10.0.0.21}",
                "w1: {address: 10.0.0.21, bmc: {address: 10.1.0.1, protocol: ilo}}",
            )],
            &["9:63: hosts.w1.bmc.protocol: `ilo` is unknown; write `redfish` or `ipmi`"],
        ),
        (
            &[("", "run: {connect-timeout: 15}\n")],
            &[
                "11:24: run.connect-timeout: `15` is no duration; write a number with its unit, such as `500ms`, `15s`, `10m` or `4h`",
            ],
        ),
        (
            &[("", "run: {connect-timeout: 20s}\n")],
            &[
                "11:24: run.connect-timeout: is too long to tell in time that a host is unreachable; write at most `15s`",
            ],
        ),
        (
            &[("", "run: {parallel: 0}\n")],
            &["11:17: run.parallel: 0 is out of range; write a number from 1 to 1000"],
        ),
        (
            &[("", "system: {swap: never}\n")],
            &["11:16: system.swap: `never` is unknown; write `off` or `allow`"],
        ),
        (
            &[(
                "",
                "artifacts: {bundle: a.tgz, mirror: 'https://m.example'}\n",
            )],
            &["11:12: artifacts: needs exactly one of `mirror: URL` and `bundle: PATH`"],
        ),
        (
            &[("", "artifacts: {mirror: m.example}\n")],
            &[
                "11:21: artifacts.mirror: `m.example` is no URL; write one such as `https://mirror.example.org`",
            ],
        ),
        (
            &[(
                "",
                "registries: {'https://docker.io': 'https://m.example'}\n",
            )],
            &[
                "11:14: registries.https://docker.io: a registry is named by host and port; write `docker.io`",
            ],
        ),
        (
            &[("", "registries: {docker.io: {fallback: false}}\n")],
            &[
                "11:14: registries.docker.io: has neither mirrors nor trust; write a mirror's URL, or `{ca: FILE}`",
            ],
        ),
        (
            &[("", "registries: {docker.io: {ca: no-such.pem}}\n")],
            &[
                "11:30: registries.docker.io.ca: `no-such.pem` cannot be read: there is no such file; looked for no-such.pem",
            ],
        ),
        (
            &[("", "runtime: {version: 2.2.1}\n")],
            &[
                "11:20: runtime.version: the distribution decides the version of its package; remove this, or add `source: artifact`",
            ],
        ),
    ];
    check(CASES);
}

#[test]
fn endpoint() {
    const CASES: &[Case] = &[
        (
            &[("endpoint: 10.0.0.10", "endpoint: 10.0.0.10/24")],
            &[
                "3:11: endpoint: `10.0.0.10/24` has a prefix length, which belongs to a VIP; write `10.0.0.10`, or `{vip: 10.0.0.10/24}`",
            ],
        ),
        (
            &[(
                "endpoint: 10.0.0.10",
                "endpoint: https://api.example.org:6443",
            )],
            &[
                "3:11: endpoint: `https://api.example.org:6443` is a URL; write host and port alone: `api.example.org:6443`",
            ],
        ),
        (
            &[("endpoint: 10.0.0.10", "endpoint: 10.0.0.11")],
            &[
                "3:11: endpoint: 10.0.0.11 is the address of `cp1`; write a free address of the hosts' network",
            ],
        ),
        (
            &[("endpoint: 10.0.0.10", "endpoint: {external: 10.0.0.11}")],
            &[
                "3:22: endpoint.external: 10.0.0.11 is the address of `cp1` alone, and the API would go down with it; write a free address as `vip`",
            ],
        ),
        (
            &[(
                "endpoint: 10.0.0.10",
                "endpoint: {vip: 10.0.0.10, external: a.example.org}",
            )],
            &["3:11: endpoint: has both `vip` and `external`; keep one of the two"],
        ),
        (
            &[("endpoint: 10.0.0.10", "endpoint: {port: 6443}")],
            &["3:11: endpoint: needs `vip: ADDRESS` or `external: HOST:PORT`"],
        ),
        (
            &[(
                "endpoint: 10.0.0.10",
                "endpoint: {vip: 10.0.0.10, router-id: 256}",
            )],
            &["3:39: endpoint.router-id: 256 is out of range; write a number from 1 to 255"],
        ),
        (
            &[(
                "endpoint: 10.0.0.10",
                "endpoint: {vip: 10.0.0.10, router-id: 0}",
            )],
            &["3:39: endpoint.router-id: 0 is out of range; write a number from 1 to 255"],
        ),
        (
            &[("endpoint: 10.0.0.10", "endpoint: {vip: 10.9.0.10/24}")],
            &[
                "3:17: endpoint.vip: 10.9.0.10 is to be held by cp1 (10.0.0.11), cp2 (10.0.0.12), cp3 (10.0.0.13), outside of its network 10.9.0.0/24; write a VIP of the hosts' network, or the right prefix length",
            ],
        ),
        (
            &[("endpoint: 10.0.0.10", "endpoint: {vip: 10.0.0.255/24}")],
            &[
                "3:17: endpoint.vip: 10.0.0.255 is the network or broadcast address of 10.0.0.0/24; write another",
            ],
        ),
        (
            &[("endpoint: 10.0.0.10", "endpoint: {vip: 10.0.0.10/40}")],
            &[
                "3:17: endpoint.vip: `10.0.0.10/40` has no valid prefix length; write one such as `10.0.0.10/24`, or the address alone",
            ],
        ),
        (
            &[("endpoint: 10.0.0.10", "endpoint: fd00::10")],
            &[
                "3:11: endpoint: fd00::10 is of another family than the addresses of cp1 (10.0.0.11), cp2 (10.0.0.12), cp3 (10.0.0.13); write a virtual IP of the hosts' network",
            ],
        ),
        (
            &[("endpoint: 10.0.0.10", "endpoint: 10.244.0.10")],
            &[
                "3:11: endpoint: 10.244.0.10 lies in the pod network 10.244.0.0/16 (the default); write another `network.pods`",
            ],
        ),
        (
            &[(
                "endpoint: 10.0.0.10",
                "endpoint: {vip: 10.0.0.10, held-by: load-balancers}",
            )],
            &[
                "3:37: endpoint.held-by: no host has the role `load-balancer`; give it to two hosts, or write `held-by: control-planes`",
            ],
        ),
        (
            &[(
                "w1: {address: 10.0.0.21}",
                "w1: {address: 10.0.0.21, role: load-balancer}",
            )],
            &[
                "9:34: hosts.w1.role: a load balancer has nothing to do; write `endpoint: {vip: ADDRESS, held-by: load-balancers}`, or remove the host",
            ],
        ),
        (
            &[(
                "endpoint: 10.0.0.10",
                "endpoint: {vip: 10.0.0.10, port: 6444}",
            )],
            &[
                "3:11: endpoint: haproxy listens on 6444 of the same hosts as kube-apiserver; write another `apiserver-port`",
            ],
        ),
        (
            &[(
                "endpoint: 10.0.0.10",
                "endpoint: {vip: 10.0.0.10, haproxy: {stats-port: 10250}}",
            )],
            &[
                "3:50: endpoint.haproxy.stats-port: kubelet listens on 10250 of the same hosts as haproxy's monitor page; write another `stats-port`",
            ],
        ),
        (
            &[(
                "endpoint: 10.0.0.10",
                "endpoint: {vip: 10.0.0.10, advert-interval: 500ms}",
            )],
            &[
                "3:45: endpoint.advert-interval: VRRP takes whole seconds from `1s` to `255s`; write `1s`",
            ],
        ),
        (
            &[(
                "endpoint: 10.0.0.10",
                "endpoint: {external: api.example.org, router-id: 5}",
            )],
            &[
                "3:39: endpoint.router-id: has no meaning for an external endpoint, for which nothing is installed; remove it",
            ],
        ),
        (
            &[(
                "endpoint: 10.0.0.10",
                "endpoint: {vip: 10.0.0.10, name: api_x}",
            )],
            &[
                "3:34: endpoint.name: `api_x` is not a name that Kubernetes takes (a-z, 0-9, `-` and `.`, a letter or digit at both ends); write `api-x`",
            ],
        ),
        (
            &[
                (
                    "cp1: {address: 10.0.0.11,",
                    "cp1: {address: 10.0.0.11, vrrp-priority: 200,",
                ),
                (
                    "cp2: {address: 10.0.0.12,",
                    "cp2: {address: 10.0.0.12, vrrp-priority: 200,",
                ),
            ],
            &[
                "7:44: hosts.cp2.vrrp-priority: 200 is the priority of `cp1` too; give each holder of the VIP its own",
            ],
        ),
        (
            &[
                (
                    "endpoint: 10.0.0.10",
                    "endpoint: {vip: 10.0.0.10, held-by: load-balancers}",
                ),
                (
                    "w1: {address: 10.0.0.21}",
                    "w1: {address: 10.0.0.21, role: [load-balancer, worker]}",
                ),
            ],
            &[
                "9:34: hosts.w1.role: a load balancer is no node; give it the role `load-balancer` alone",
            ],
        ),
    ];
    check(CASES);
}

#[test]
fn hosts_and_networks() {
    const CASES: &[Case] = &[
        (
            &[("  cp3: {address: 10.0.0.13, role: control-plane}\n", "")],
            &[
                "5:1: hosts: 2 control planes tolerate no more failures than 1; use 1 or 3, or write `allow-even-control-planes: true`",
            ],
        ),
        (
            &[
                ("role: control-plane", "role: worker"),
                ("role: control-plane", "role: worker"),
                ("role: control-plane", "role: worker"),
            ],
            &[
                "5:1: hosts: no host is a control plane; write `role: control-plane` for one or three of them",
            ],
        ),
        (
            &[
                ("  w1: {address: 10.0.0.21}\n", ""),
                ("  w2: {address: 10.0.0.22}\n", ""),
                ("", "metallb: 10.0.0.200-10.0.0.209\n"),
            ],
            &[
                "5:1: hosts: no host may run workloads; add a worker, or write `role: [control-plane, worker]`",
            ],
        ),
        (
            &[("10.0.0.22}", "10.0.0.21}")],
            &[
                "10:17: hosts.w2.address: 10.0.0.21 is the address of `w1` too; write the host's own",
            ],
        ),
        (
            &[("10.0.0.22}", "10.9.0.22, node-ip: 10.0.0.21}")],
            &[
                "10:37: hosts.w2.node-ip: 10.0.0.21 is the node address of `w1` too; write the host's own",
            ],
        ),
        (
            &[("10.0.0.22}", "10.0.0.22, node-ip: [10.0.0.22, 10.0.0.23]}")],
            &[
                "10:37: hosts.w2.node-ip: takes one address, or an IPv4 and then an IPv6 one; write `[10.0.0.11, fd00::11]`",
            ],
        ),
        (
            &[("10.0.0.22}", "10.0.0.22, node-ip: [10.0.0.22, fd00::22]}")],
            &[
                "10:37: hosts.w2.node-ip: fd00::22 is of no use while pods have one network; write an IPv6 network in `network.pods` and `network.services` too",
            ],
        ),
        (
            &[("10.0.0.22}", "10.244.3.22}")],
            &[
                "10:17: hosts.w2.address: w2 (10.244.3.22) lies in the pod network 10.244.0.0/16 (the default); write another `network.pods`",
            ],
        ),
        (
            &[("10.0.0.22}", "10.100.0.22}")],
            &[
                "10:17: hosts.w2.address: w2 (10.100.0.22) lies in the service network 10.96.0.0/12 (the default); write another `network.services`",
            ],
        ),
        (
            &[("10.0.0.22}", "0.0.0.0}")],
            &[
                "10:17: hosts.w2.address: 0.0.0.0 cannot be a host's address; write the one that `ip address` shows on it",
            ],
        ),
        (
            &[("", "network: {pods: 10.244.0.1/16}\n")],
            &["11:17: network.pods: `10.244.0.1/16` has host bits set; write `10.244.0.0/16`"],
        ),
        (
            &[("", "network: {pods: 10.244.0.0}\n")],
            &[
                "11:17: network.pods: `10.244.0.0` is an address; write a network such as `10.244.0.0/16`",
            ],
        ),
        (
            &[("", "network: {pods: 10.96.0.0/16}\n")],
            &[
                "11:17: network.pods: the service network 10.96.0.0/12 (the default) and the pod network 10.96.0.0/16 overlap; write networks that are apart",
            ],
        ),
        (
            &[("", "network: {pods: [10.244.0.0/16, 10.245.0.0/16]}\n")],
            &[
                "11:17: network.pods: takes one network, or an IPv4 and an IPv6 one; write `[10.244.0.0/16, fd00:10:244::/56]`",
            ],
        ),
        (
            &[("", "network: {pods: [10.244.0.0/16, 'fd00:1::/56']}\n")],
            &[
                "11:17: network.pods: pods have 2 networks and services 1 network; write one network, or an IPv4 and an IPv6 one, for both",
            ],
        ),
        (
            &[(
                "",
                "network: {pods: [10.244.0.0/16, 'fd00:1::/56'], services: ['fd00:2::/112', 10.96.0.0/16]}\n",
            )],
            &[
                "6:8: hosts.cp1: pods have IPv4 and IPv6, and the node one address; write `node-ip: [IPV4, IPV6]`",
                "7:8: hosts.cp2: pods have IPv4 and IPv6, and the node one address; write `node-ip: [IPV4, IPV6]`",
                "8:8: hosts.cp3: pods have IPv4 and IPv6, and the node one address; write `node-ip: [IPV4, IPV6]`",
                "9:7: hosts.w1: pods have IPv4 and IPv6, and the node one address; write `node-ip: [IPV4, IPV6]`",
                "10:7: hosts.w2: pods have IPv4 and IPv6, and the node one address; write `node-ip: [IPV4, IPV6]`",
                "11:59: network.services: has its families in another order than `pods`; write both with IPv4 first, or both with IPv6 first",
            ],
        ),
        (
            &[("", "network: {services: 10.0.0.0/8}\n")],
            &[
                "3:11: endpoint: 10.0.0.10 lies in the service network 10.0.0.0/8; write another `network.services`",
                "11:21: network.services: 10.0.0.0/8 is larger than kube-apiserver takes; write `10.0.0.0/12`",
                "11:21: network.services: cp1 (10.0.0.11) and 4 more lie in the service network 10.0.0.0/8; write another `network.services`",
                "11:21: network.services: the service network 10.0.0.0/8 and the pod network 10.244.0.0/16 (the default) overlap; write networks that are apart",
            ],
        ),
        (
            &[("", "network: {services: 172.16.0.0/11}\n")],
            &["11:21: network.services: `172.16.0.0/11` has host bits set; write `172.0.0.0/11`"],
        ),
        (
            &[("", "network: {pods: 10.244.0.0/23}\n")],
            &[
                "11:17: network.pods: 10.244.0.0/23 has room for 2 nodes with /24 each, and there are 5; write a network of /21 or shorter, or a longer `node-mask`",
            ],
        ),
        (
            &[("", "network: {node-mask: 12}\n")],
            &[
                "11:22: network.node-mask: /12 is no part of 10.244.0.0/16 for each node; write a length from 17 to 30",
            ],
        ),
        (
            &[("", "network: {node-mask: 26}\n")],
            &[
                "11:22: network.node-mask: kubelet allows 110 pods, and /26 has addresses for 62 on a node; write `maxPods: 62` or less, or a shorter `network.node-mask`",
            ],
        ),
        (
            &[("", "network: {node-mask: [24, 64]}\n")],
            &[
                "11:22: network.node-mask: has more values than there are pod networks; write one for each network",
            ],
        ),
        (
            &[("", "network: {plugin: weave}\n")],
            &[
                "11:19: network.plugin: `weave` is unknown; write `flannel`, `calico`, `cilium`, `none` or a mapping with keys such as `calico:`",
            ],
        ),
        (
            &[("", "network: {plugin: {flannel: {}, calico: {}}}\n")],
            &[
                "11:19: network.plugin: needs exactly one of `flannel`, `calico`, `cilium` and `manifests`",
            ],
        ),
        (
            &[("", "network: {plugin: {manifests: no-such.yaml}}\n")],
            &[
                "11:31: network.plugin.manifests: `no-such.yaml` cannot be used: there is no such file; looked for no-such.yaml",
            ],
        ),
        (
            &[("", "network: {dns-domain: Cluster.Local}\n")],
            &[
                "11:23: network.dns-domain: `Cluster.Local` is not a name that Kubernetes takes (a-z, 0-9, `-` and `.`, a letter or digit at both ends); write `cluster.local`",
            ],
        ),
        (
            &[("", "kubelet: {config: {maxPods: 300}}\n")],
            &[
                "11:29: kubelet.config.maxPods: kubelet allows 300 pods, and /24 has addresses for 254 on a node; write `maxPods: 254` or less, or a shorter `network.node-mask`",
            ],
        ),
        (
            &[("", "lab: {subnet: 10.9.0.0/24}\n")],
            &[
                "3:11: endpoint: 10.0.0.10 lies outside of the lab's network 10.9.0.0/24; write an address of it",
                "6:18: hosts.cp1.address: 10.0.0.11 lies outside of the lab's network 10.9.0.0/24; write an address of it",
                "7:18: hosts.cp2.address: 10.0.0.12 lies outside of the lab's network 10.9.0.0/24; write an address of it",
                "8:18: hosts.cp3.address: 10.0.0.13 lies outside of the lab's network 10.9.0.0/24; write an address of it",
                "9:17: hosts.w1.address: 10.0.0.21 lies outside of the lab's network 10.9.0.0/24; write an address of it",
                "10:17: hosts.w2.address: 10.0.0.22 lies outside of the lab's network 10.9.0.0/24; write an address of it",
            ],
        ),
        (
            &[("10.0.0.22}", "10.0.0.1}"), ("", "lab: {}\n")],
            &[
                "10:17: hosts.w2.address: 10.0.0.1 is taken in 10.0.0.0/24 (network, gateway or broadcast); write another",
            ],
        ),
    ];
    check(CASES);
}

#[test]
fn kubernetes() {
    const CASES: &[Case] = &[
        (
            &[
                ("kubernetes: 1.33.4", "kubernetes: 1.30.4"),
                ("", "kube-proxy: nftables\n"),
            ],
            &[
                "11:13: kube-proxy: nftables needs Kubernetes 1.31 or newer, and this is 1.30.4; write `iptables`",
            ],
        ),
        (
            &[("", "kube-proxy: ebpf\n")],
            &[
                "11:13: kube-proxy: `ebpf` is unknown; write `nftables`, `iptables`, `ipvs` or a mapping with keys such as `config:`",
            ],
        ),
        (
            &[("", "kube-proxy: {config: {ipvs: {strictARP: false}}}\n")],
            &[
                "11:41: kube-proxy.config.ipvs.strictARP: kube-proxy would answer ARP for every Service address, which breaks MetalLB and the VIP; remove it: strict ARP is always on",
            ],
        ),
        (
            &[("", "kube-proxy: {config: {mode: ipvs}}\n")],
            &[
                "11:23: kube-proxy.config.mode: this field is set by baremetal; write `kube-proxy.mode`",
            ],
        ),
        (
            &[("", "kube-proxy: {enabled: false}\n")],
            &[
                "11:23: kube-proxy.enabled: flannel needs kube-proxy; remove it, or use a plugin that replaces kube-proxy, such as `cilium`",
            ],
        ),
        (
            &[("", "kubelet: {args: {node-ip: 10.0.0.1}}\n")],
            &[
                "11:18: kubelet.args.node-ip: this flag is set by baremetal; write the host's `node-ip`",
            ],
        ),
        (
            &[("", "kubelet: {args: {--v: 4}}\n")],
            &["11:18: kubelet.args.--v: flags are written without dashes; write `v`"],
        ),
        (
            &[("", "kubelet: {config: {failSwapOn: false}}\n")],
            &[
                "11:20: kubelet.config.failSwapOn: this field is set by baremetal; write `system.swap`",
            ],
        ),
        (
            &[(
                "",
                "control-plane: {api-server: {args: {advertise-address: 10.0.0.11}}}\n",
            )],
            &[
                "11:37: control-plane.api-server.args.advertise-address: this flag is set by baremetal; write the host's `node-ip`",
            ],
        ),
        (
            &[(
                "",
                "control-plane: {api-server: {args: {secure-port: 7443}}}\n",
            )],
            &[
                "11:37: control-plane.api-server.args.secure-port: this flag is set by baremetal; write `endpoint.apiserver-port`",
            ],
        ),
        (
            &[(
                "",
                "control-plane: {controller-manager: {args: {cluster-cidr: 10.1.0.0/16}}}\n",
            )],
            &[
                "11:45: control-plane.controller-manager.args.cluster-cidr: this flag is set by baremetal; write `network.pods`",
            ],
        ),
        (
            &[("", "control-plane: {etcd: {args: {data-dir: /x}}}\n")],
            &[
                "11:31: control-plane.etcd.args.data-dir: this flag is set by baremetal; write `control-plane.etcd.data-dir`",
            ],
        ),
        (
            &[
                ("kubernetes: 1.33.4", "kubernetes: 1.30.4"),
                ("", "control-plane: {api-server: {env: {A: b}}}\n"),
            ],
            &[
                "11:30: control-plane.api-server.env: kubeadm takes environment variables from Kubernetes 1.31 on, and this is 1.30.4; remove them, or use `patches`",
            ],
        ),
        (
            &[
                ("kubernetes: 1.33.4", "kubernetes: 1.30.4"),
                (
                    "",
                    "control-plane: {api-server: {args: {oidc-x: [a, b]}}}\n",
                ),
            ],
            &[
                "11:45: control-plane.api-server.args.oidc-x: kubeadm repeats a flag from Kubernetes 1.31 on, and this is 1.30.4; write one value",
            ],
        ),
        (
            &[("", "control-plane: {patches: {apiserver.yaml: {a: b}}}\n")],
            &[
                "11:27: control-plane.patches.apiserver.yaml: `apiserver.yaml` is no name of a kubeadm patch; write `TARGET+TYPE.yaml`, such as `kube-apiserver+strategic.yaml` (targets: kube-apiserver, kube-controller-manager, kube-scheduler, kubeletconfiguration, corednsdeployment, etcd; types: strategic, merge, json)",
            ],
        ),
        (
            &[(
                "",
                "control-plane: {patches: {kube-apiserver+strategic.yaml: no-such.yaml}}\n",
            )],
            &[
                "11:58: control-plane.patches.kube-apiserver+strategic.yaml: `no-such.yaml` cannot be read: there is no such file; looked for no-such.yaml",
            ],
        ),
        (
            &[("", "control-plane: {encryption: rot13}\n")],
            &[
                "11:29: control-plane.encryption: `rot13` is unknown; write `true` or `false`, `secretbox`, `aescbc`, `aesgcm` or a mapping with keys such as `key:`",
            ],
        ),
        (
            &[("", "control-plane: {encryption: {key: c2VjcmV0}}\n")],
            &[
                "11:35: control-plane.encryption.key: a secret never stands in the inventory; write `{file: PATH}`, `{env: NAME}` or `prompt`",
            ],
        ),
        (
            &[("", "control-plane: {audit: {policy: no-such.yaml}}\n")],
            &[
                "11:33: control-plane.audit.policy: `no-such.yaml` cannot be read: there is no such file; looked for no-such.yaml",
            ],
        ),
        (
            &[(
                "",
                "control-plane: {guarantees: {resources: {apiserver: {cpu: 1, memory: 1Gi}}}}\n",
            )],
            &[
                "11:42: control-plane.guarantees.resources.apiserver: `apiserver` is no component of the control plane; write `kube-apiserver` (of kube-apiserver, kube-controller-manager, kube-scheduler, etcd)",
            ],
        ),
        (
            &[(
                "",
                "control-plane: {guarantees: {resources: {etcd: {cpu: one}}}}\n",
            )],
            &[
                "11:48: control-plane.guarantees.resources.etcd: `memory` is missing; add it: memory",
                "11:54: control-plane.guarantees.resources.etcd.cpu: `one` is no quantity; write one such as `500m`, `2`, `512Mi` or `20Gi`",
            ],
        ),
        (
            &[("", "control-plane: {guarantees: {reserved-cpus: 3-1}}\n")],
            &[
                "11:45: control-plane.guarantees.reserved-cpus: `3-1` is no list of CPUs; write one such as `0-1` or `0,2`",
            ],
        ),
        (
            &[("", "control-plane: {cert-sans: ['a b']}\n")],
            &[
                "11:29: control-plane.cert-sans[0]: `a b` is neither an address nor a DNS name; write one such as `api.example.org`",
            ],
        ),
        (
            &[("", "control-plane: {api_server: {}}\n")],
            &["11:17: control-plane.api_server: unknown key `api_server`; write `api-server`"],
        ),
    ];
    check(CASES);
}

#[test]
fn services() {
    const CASES: &[Case] = &[
        (
            &[("", "metallb: 10.0.0.219-10.0.0.200\n")],
            &[
                "11:10: metallb: `10.0.0.219-10.0.0.200` runs backwards; write `10.0.0.200-10.0.0.219`",
            ],
        ),
        (
            &[("", "metallb: 10.0.0.5-10.0.0.15\n")],
            &[
                "3:11: endpoint: 10.0.0.10 lies in the MetalLB pool `default` (10.0.0.5-10.0.0.15), so that a Service could get it; take it out of the pool",
                "6:18: hosts.cp1.address: 10.0.0.11 lies in the MetalLB pool `default` (10.0.0.5-10.0.0.15), whose addresses must be free; take it out of the pool",
                "7:18: hosts.cp2.address: 10.0.0.12 lies in the MetalLB pool `default` (10.0.0.5-10.0.0.15), whose addresses must be free; take it out of the pool",
                "8:18: hosts.cp3.address: 10.0.0.13 lies in the MetalLB pool `default` (10.0.0.5-10.0.0.15), whose addresses must be free; take it out of the pool",
            ],
        ),
        (
            &[("", "metallb: 10.0.0.20-10.0.0.21\n")],
            &[
                "9:17: hosts.w1.address: 10.0.0.21 lies in the MetalLB pool `default` (10.0.0.20-10.0.0.21), whose addresses must be free; take it out of the pool",
            ],
        ),
        (
            &[("", "metallb: 10.0.0.193/27\n")],
            &["11:10: metallb: `10.0.0.193/27` has host bits set; write `10.0.0.192/27`"],
        ),
        (
            &[("", "metallb: 10.244.9.0/24\n")],
            &[
                "11:10: metallb: 10.244.9.0/24 overlaps the pod network 10.244.0.0/16 (the default); write addresses of the hosts' network",
            ],
        ),
        (
            &[(
                "",
                "metallb: {pools: {a: 10.0.0.200-10.0.0.209, b: {addresses: [10.0.0.209/32]}}}\n",
            )],
            &[
                "11:61: metallb.pools.b.addresses[0]: 10.0.0.209/32 overlaps 10.0.0.200-10.0.0.209 of pool `a`; each address belongs to one pool",
            ],
        ),
        (
            &[("", "metallb: {pools: {}}\n")],
            &[
                "11:10: metallb: has no pool; write a range such as `metallb: 10.0.0.200-10.0.0.219`",
            ],
        ),
        (
            &[("", "metallb: {}\n")],
            &["11:10: metallb: `pools` is missing; add it: pools of addresses by name"],
        ),
        (
            &[(
                "",
                "metallb: {pools: {a: {addresses: 10.0.0.200/30, l2: false}}}\n",
            )],
            &[
                "11:22: metallb.pools.a: its addresses would be announced by nothing; write `l2: true`, or `bgp: true` with `peers`",
            ],
        ),
        (
            &[(
                "",
                "metallb: {pools: {a: {addresses: 10.0.0.200/30, bgp: true}}}\n",
            )],
            &[
                "11:54: metallb.pools.a.bgp: there is no BGP peer to announce to; add `peers`, or write `l2: true`",
            ],
        ),
        (
            &[(
                "",
                "metallb: {pools: {a: {addresses: 10.0.0.200/30, bgp: {peers: [tor2], communities: [vpm]}}}, peers: {tor1: {my-asn: 1, peer-asn: 2, address: 10.0.0.1}}, communities: {vpn: '1:2'}}\n",
            )],
            &[
                "11:63: metallb.pools.a.bgp.peers[0]: there is no peer `tor2`; write `tor1`",
                "11:84: metallb.pools.a.bgp.communities[0]: there is no community `vpm`; write `vpn`",
            ],
        ),
        (
            &[(
                "",
                "metallb: {bgp-mode: native, pools: {a: 'fd00:9::/120'}, peers: {tor1: {my-asn: 1, peer-asn: 2, address: fd00::1, bfd-profile: fast}}, bfd-profiles: {fast: {}}}\n",
            )],
            &[
                "11:40: metallb.pools.a: the native mode announces no IPv6 addresses by BGP; write `bgp-mode: frr-k8s`",
                "11:105: metallb.peers.tor1.address: the native mode talks to IPv4 peers only; write `bgp-mode: frr-k8s`",
                "11:127: metallb.peers.tor1.bfd-profile: the native mode has no BFD; write `bgp-mode: frr-k8s`",
            ],
        ),
        (
            &[(
                "",
                "metallb: {pools: {a: 10.0.0.200/30}, peers: {tor1: {my-asn: 1, peer-asn: 2, address: 10.0.0.1, bfd-profile: fats, hold-time: 2s}}, bfd-profiles: {fast: {}}}\n",
            )],
            &[
                "11:109: metallb.peers.tor1.bfd-profile: there is no BFD profile `fats`; write `fast`",
                "11:126: metallb.peers.tor1.hold-time: BGP needs a hold time of at least three seconds; write `3s` or more",
            ],
        ),
        (
            &[(
                "",
                "metallb: {pools: {a: 10.0.0.200/30}, peers: {tor1: {my-asn: 1, peer-asn: 2, address: 10.0.0.1, keepalive-time: 90s, router-id: 'fd00::1'}}}\n",
            )],
            &[
                "11:112: metallb.peers.tor1.keepalive-time: must be shorter than the hold time of 90s; write `30s`",
                "11:128: metallb.peers.tor1.router-id: a BGP router id is an IPv4 address; write one such as `10.0.0.11`",
            ],
        ),
        (
            &[(
                "",
                "metallb: {pools: {a: 10.0.0.200/30}, peers: {tor1: {my-asn: 1, address: 10.0.0.1, password: hunter2}}}\n",
            )],
            &[
                "11:52: metallb.peers.tor1: `peer-asn` is missing; add it: AS number of the router",
                "11:93: metallb.peers.tor1.password: a secret never stands in the inventory; write `{file: PATH}`, `{env: NAME}` or `prompt`",
            ],
        ),
        (
            &[(
                "",
                "metallb: {pools: {a: 10.0.0.200/30}, communities: {vpn: 1}}\n",
            )],
            &[
                "11:57: metallb.communities.vpn: `1` is no BGP community; write one such as `64512:100` or `large:64512:1:2`",
            ],
        ),
        (
            &[("", "metallb: {pools: {A: 10.0.0.200/30}, bgp-mode: fr}\n")],
            &[
                "11:19: metallb.pools.A: `A` is not a name that Kubernetes takes (a-z, 0-9 and `-`, at most 63 characters, a letter or digit at both ends); write `a`",
                "11:48: metallb.bgp-mode: `fr` is unknown; write `frr`",
            ],
        ),
        (
            &[("", "longhorn: {replicas: 3}\n")],
            &[
                "11:22: longhorn.replicas: 3 copies cannot lie on 2 storage nodes (w1, w2); write at most 2",
            ],
        ),
        (
            &[("", "longhorn: {nodes: [w1, w3]}\n")],
            &[
                "11:24: longhorn.nodes[1]: there is no host or group `w3`; write the name of a host or of a group with hosts",
            ],
        ),
        (
            &[(
                "",
                "longhorn: {storage-classes: {longhorn: {}, fast: {default: true, replicas: 5}}}\n",
            )],
            &[
                "11:30: longhorn.storage-classes.longhorn: the class `longhorn` is always there; give this one another name",
                "11:60: longhorn.storage-classes.fast.default: `longhorn` is the default class already; write `longhorn.default-class: false`, or remove this",
                "11:76: longhorn.storage-classes.fast.replicas: 5 copies cannot lie on 2 storage nodes (w1, w2); write at most 2",
            ],
        ),
        (
            &[(
                "",
                "longhorn: {recurring-jobs: {nightly: {cron: '0 2 * *', task: snap}}}\n",
            )],
            &[
                "11:45: longhorn.recurring-jobs.nightly.cron: `0 2 * *` is no cron schedule; write five fields such as `0 2 * * *`, or `@daily`",
                "11:62: longhorn.recurring-jobs.nightly.task: `snap` is unknown; write `snapshot`, `snapshot-force-create`, `snapshot-cleanup`, `snapshot-delete`, `backup`, `backup-force-create`, `filesystem-trim` or `system-backup`",
            ],
        ),
        (
            &[(
                "",
                "longhorn: {recurring-jobs: {nightly: {cron: '@daily', task: backup}}}\n",
            )],
            &[
                "11:61: longhorn.recurring-jobs.nightly.task: there is nowhere to back up to; add `longhorn.backup`, or write `snapshot`",
            ],
        ),
        (
            &[(
                "",
                "longhorn: {backup: {url: 'ftp://x', credentials: {KEY: hunter2}}}\n",
            )],
            &[
                "11:26: longhorn.backup.url: `ftp://x` is no backup target; write `s3://BUCKET@REGION/`, `nfs://HOST:/PATH`, `cifs://HOST/SHARE` or `azblob://CONTAINER@core.windows.net/`",
                "11:56: longhorn.backup.credentials.KEY: a secret never stands in the inventory; write `{file: PATH}`, `{env: NAME}` or `prompt`",
            ],
        ),
        (
            &[(
                "",
                "harbor: {host: 10.0.0.200, admin-password: Harbor12345}\n",
            )],
            &[
                "11:9: harbor: has nowhere to store images; add `longhorn: true`, or write `storage-class`",
                "11:9: harbor: needs an address of its own; add `metallb` with a range of free addresses",
                "11:44: harbor.admin-password: a secret never stands in the inventory; write `{file: PATH}`, `{env: NAME}` or `prompt`",
            ],
        ),
        (
            &[(
                "",
                "harbor: {host: 10.0.0.100, admin-password: prompt}\nlonghorn: true\nmetallb: 10.0.0.200/30\n",
            )],
            &["11:16: harbor.host: 10.0.0.100 lies in no MetalLB pool; write an address of one"],
        ),
        (
            &[(
                "",
                "harbor: {host: r.example.org, admin-password: prompt}\n",
            )],
            &[
                "11:9: harbor: has nowhere to store images; add `longhorn: true`, or write `storage-class`",
                "11:9: harbor: needs an address of its own; add `metallb` with a range of free addresses",
            ],
        ),
        (
            &[("", "addons: {web: ./no-such.yaml}\n")],
            &[
                "11:15: addons.web: `./no-such.yaml` cannot be used: there is no such file; looked for ./no-such.yaml",
            ],
        ),
        (
            &[("", "addons: {web: {namespace: web}}\n")],
            &[
                "11:15: addons.web: needs exactly one of `chart`, `kustomize`, `manifests` and `artifact`",
            ],
        ),
        (
            &[(
                "",
                "addons: {web: {artifact: x, repo: 'https://charts.example.org', namespace-labels: {a: b}}}\n",
            )],
            &[
                "11:29: addons.web.repo: has a meaning for charts only; remove it, or add `chart`",
                "11:65: addons.web.namespace-labels: belong to a namespace; add `namespace: NAME`",
            ],
        ),
        (
            &[("", "addons: {web: {chart: ./web-1.tgz, wait: [web, {}]}}\n")],
            &[
                "11:23: addons.web.chart: `./web-1.tgz` cannot be used: there is no such file; looked for ./web-1.tgz",
                "11:43: addons.web.wait[0]: `web` cannot be rolled out; write `deployment/NAME`, `daemonset/NAME` or `statefulset/NAME`",
                "11:48: addons.web.wait[1]: needs exactly one of `endpoints: SERVICE` and `resource: KIND/NAME`",
            ],
        ),
        (
            &[("", "addons: {Web: {artifact: x}}\n")],
            &[
                "11:10: addons.Web: `Web` is not a name that Kubernetes takes (a-z, 0-9 and `-`, at most 63 characters, a letter or digit at both ends); write `web`",
            ],
        ),
        (
            &[(
                "",
                "addons: {metallb: {artifact: x}}\nmetallb: 10.0.0.200/30\n",
            )],
            &[
                "11:10: addons.metallb: `metallb` is installed by the inventory's own `metallb`; remove one of the two",
            ],
        ),
    ];
    check(CASES);
}

#[test]
fn many_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = "\
# Everything a tired person does at two in the morning.
clster: homelab
kubernetes: 1.27
endpoint: 10.0.0.205
ssh:
  user: ops
  pasword: hunter2
network:
  pods: 10.244.0.1/16
kube_proxy: ipvs
metallb:
  pools:
    default: 10.0.0.200-10.0.0.219
    extra: {addresses: 10.0.0.210/32, l2: maybe}
hosts:
  cp1: {address: 10.0.0.11, role: controlplane}
  cp2: {adress: 10.0.0.12, role: control-plane}
  w1:
    address: 10.0.0.21
    taints: [gpu=true]
    labels: {rack: a, rack: b}
  w1: 10.0.0.22
  W2: 10.0.0.21
control-plane:
  api-server: {args: {secure-port: 443}}
longhorn: on
";
    let error = super::load(text).unwrap_err();
    insta::assert_snapshot!(error.to_string());
}

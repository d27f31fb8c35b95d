//! What is made, and what hosts saw of it.

use std::collections::{BTreeMap, BTreeSet};

use baremetal::{
    inventory::Cluster,
    observe::TrialPod,
    phases::{
        preflight::Level,
        verify::{
            Pairs, Said, balanced, judge,
            stored::{self, Stored},
            trial::{self, Storage, Trial},
        },
    },
};

use super::{INVENTORY, lines, load, seen};

pub fn trial_of(cluster: &Cluster) -> Trial {
    let image = "registry.k8s.io/coredns/coredns:v1.12.0";
    Trial {
        by: "root@desk".to_owned(),
        since: "2026-11-21T08:15:00Z".to_owned(),
        ..Trial::new(cluster, Some(image), "0000cafe").unwrap()
    }
}

#[test]
fn what_is_made_is_what_was_looked_at() {
    let cluster = load(INVENTORY);
    let mut trial = trial_of(&cluster);
    trial.storage = Some(Storage {
        first: "w1".to_owned(),
        second: None,
    });
    insta::assert_snapshot!("objects", trial.manifest().unwrap());
    let pod = trial.move_volume("w1", "volume-1", None);
    let pod: serde_json::Value = serde_json::from_slice(&pod.attachments[0].content).unwrap();
    insta::assert_snapshot!("volume-pod", serde_json::to_string_pretty(&pod).unwrap());
    let own =
        "verify: {image: 'registry.example:5000/web:2', args: [serve], port: 9000, path: /up}\n";
    let text = INVENTORY.replace(
        "metallb: 10.0.0.200-10.0.0.219\n",
        "metallb: {pools: {by-name: {addresses: 10.0.0.200-10.0.0.219, auto-assign: false}}}\n",
    ) + own;
    insta::assert_snapshot!(
        "objects-own-image",
        trial_of(&load(&text)).manifest().unwrap()
    );
    // Every document is YAML with the namespace of its own.
    for document in serde_yaml::Deserializer::from_str(&trial.manifest().unwrap()) {
        let value: serde_json::Value = serde::Deserialize::deserialize(document).unwrap();
        let meta = &value["metadata"];
        let space = if value["kind"] == "Namespace" {
            &meta["name"]
        } else {
            &meta["namespace"]
        };
        assert_eq!(space, "baremetal-verify-0000cafe", "{value}");
    }
}

#[test]
fn without_an_image_nothing_is_made() {
    assert_eq!(Trial::new(&load(INVENTORY), None, "x"), None);
    let own = load(&format!("{INVENTORY}verify: {{image: web}}\n"));
    assert_eq!(Trial::new(&own, None, "x").unwrap().image, "web");
}

fn pod(node: &str, last: u8) -> TrialPod {
    TrialPod {
        name: format!("node-{node}"),
        node: node.to_owned(),
        uid: "u".to_owned(),
        ip: format!("10.244.{last}.2"),
        ready: true,
        why: String::new(),
    }
}

#[test]
fn pods_that_do_not_reach_each_other_are_named_with_both_ends() {
    let cluster = load(INVENTORY);
    let names = ["cp1", "cp2", "cp3", "w1", "w2"];
    let pods: Vec<TrialPod> = names
        .iter()
        .zip(1..)
        .map(|(node, last)| pod(node, last))
        .collect();
    let all_ok = |from: &str| {
        let others = names.iter().filter(|name| **name != from);
        Ok(Pairs::Tried(
            others.map(|name| ((*name).to_owned(), Said::Ok)).collect(),
        ))
    };
    let pairs: BTreeMap<_, _> = names
        .iter()
        .map(|name| ((*name).to_owned(), all_ok(name)))
        .collect();
    let judged = |stand_in, pods: Vec<TrialPod>, pairs: &BTreeMap<_, _>| {
        lines(&judge::pods(&cluster, stand_in, &Ok(pods), pairs))
    };
    assert_eq!(judged(false, pods.clone(), &pairs), [""; 0]);
    assert_eq!(judged(true, pods.clone(), &pairs).len(), 5);
    let mut one_way = pairs.clone();
    if let Ok(Pairs::Tried(tried)) = one_way.get_mut("w1").unwrap() {
        tried.insert("w2".to_owned(), Said::Failed("no answer".to_owned()));
    }
    assert_eq!(
        judged(false, pods.clone(), &one_way),
        ["FAIL pods w1: its pod 10.244.4.2 does not reach the pods on w2 (no answer)"]
    );
    let mut sick = pods.clone();
    sick[4].ready = false;
    sick[4].why = "ErrImagePull: no route to registry".to_owned();
    assert_eq!(
        judged(false, sick, &pairs),
        ["FAIL pods w2: the pod for it does not run: ErrImagePull: no route to registry"]
    );
    assert_eq!(
        judged(false, pods[..4].to_vec(), &pairs),
        ["FAIL pods w2: the pod for it does not run: the API shows none"]
    );
    let mut fewer = pairs.clone();
    fewer.remove("w2");
    fewer.insert(
        "w1".to_owned(),
        Ok(Pairs::Untried("no namespace".to_owned())),
    );
    assert_eq!(
        judged(false, pods, &fewer),
        [
            "skip pods w1: not checked: no namespace",
            "skip pods w2: not checked: the host cannot be worked on: its pod was asked from outside alone"
        ]
    );
    let unknown = Err("forbidden".to_owned());
    assert_eq!(
        lines(&judge::pods(&cluster, false, &unknown, &pairs)).len(),
        5
    );
}

#[test]
fn the_address_must_be_of_a_pool() {
    let cluster = load(INVENTORY);
    let address = "10.0.0.200".parse().unwrap();
    let fine = balanced::balanced(&cluster, "cp1", &Ok(Some(address)));
    assert_eq!(fine.found, "a Service got 10.0.0.200 of pool default");
    assert_eq!(fine.level, Level::Passed);
    for (got, found) in [
        (Ok(None), "a Service got no address within 20 s"),
        (
            Ok(Some("10.0.0.99".parse().unwrap())),
            "a Service got 10.0.0.99, which is of no pool of the inventory",
        ),
        (
            Err("not found".to_owned()),
            "the Service is not known: not found",
        ),
    ] {
        let one = balanced::balanced(&cluster, "cp1", &got);
        assert_eq!((one.level, one.found.as_str()), (Level::Failure, found));
    }
}

#[test]
fn exactly_one_node_must_answer_for_the_address() {
    let cluster = load(INVENTORY);
    let seen = seen(&cluster);
    let address = "10.0.0.200".parse().unwrap();
    let macs = |macs: &[&str]| -> Result<BTreeSet<String>, String> {
        Ok(macs.iter().map(|mac| (*mac).to_owned()).collect())
    };
    let answered = |stand_in, answers: &[(&str, Result<BTreeSet<String>, String>)]| {
        let answers = answers
            .iter()
            .map(|(host, said)| ((*host).to_owned(), said.clone()))
            .collect();
        let one = balanced::answered(&cluster, &seen, stand_in, address, &answers);
        (one.level, one.found)
    };
    let w1 = "52:54:00:00:00:21";
    let one = [
        ("cp1", macs(&[w1])),
        ("cp2", macs(&[w1])),
        ("w1", macs(&[])),
    ];
    assert_eq!(
        answered(false, &one),
        (
            Level::Passed,
            format!("w1 ({w1}) answers for 10.0.0.200, and nobody else")
        )
    );
    assert_eq!(answered(true, &one).0, Level::Skipped);
    let nobody = [("cp1", macs(&[])), ("cp2", macs(&[]))];
    assert_eq!(
        answered(false, &nobody),
        (Level::Failure, "nobody answers for 10.0.0.200".to_owned())
    );
    let two = [("cp1", macs(&[w1])), ("w1", macs(&["52:54:00:00:00:99"]))];
    assert_eq!(
        answered(false, &two),
        (
            Level::Failure,
            format!("w1 ({w1}) and a stranger (52:54:00:00:00:99) answer for 10.0.0.200 at once")
        )
    );
    for (answers, found) in [
        (
            vec![],
            "no host has an interface in the network of 10.0.0.200",
        ),
        (
            vec![("cp1", macs(&[w1]))],
            "one host alone can ask, and it does not hear itself",
        ),
        (
            vec![("cp1", macs(&[w1])), ("cp2", Err("no python3".to_owned()))],
            "no python3",
        ),
    ] {
        assert_eq!(
            answered(false, &answers),
            (Level::Skipped, format!("not checked: {found}"))
        );
    }
}

#[test]
fn hosts_that_are_in_the_network_of_the_address_ask_for_it() {
    let cluster = load(INVENTORY);
    let seen = seen(&cluster);
    let address = "10.0.0.200".parse().unwrap();
    let asks = trial::arp_asks(&cluster, &seen, address);
    let hosts: Vec<_> = asks
        .iter()
        .map(|ask| (ask.host.as_str(), ask.interface.as_str()))
        .collect();
    assert_eq!(hosts, [("cp1", "eth0"), ("cp2", "eth0"), ("cp3", "eth0")]);
    assert_eq!(
        trial::arp_asks(&cluster, &seen, "192.0.2.1".parse().unwrap()),
        []
    );
}

#[test]
fn an_address_that_is_announced_by_bgp_is_not_asked_for_by_arp() {
    let bgp = "metallb: {pools: {routed: {addresses: 10.0.0.200-10.0.0.219}}, peers: {tor: {address: 10.0.0.1, my-asn: 64512, peer-asn: 64513}}}";
    let cluster = load(&INVENTORY.replace("metallb: 10.0.0.200-10.0.0.219", bgp));
    let one = balanced::answered(
        &cluster,
        &seen(&cluster),
        false,
        "10.0.0.200".parse().unwrap(),
        &BTreeMap::new(),
    );
    assert_eq!(
        (one.level, one.found.as_str()),
        (
            Level::Skipped,
            "not checked: its pool is announced by BGP, not by ARP"
        )
    );
}

#[test]
fn http_must_come_through_to_this_machine() {
    let cluster = load(INVENTORY);
    let through = |cluster: &Cluster, stand_in, answer: Result<u16, &str>| {
        let address = "10.0.0.200".parse().unwrap();
        balanced::came_through(
            cluster,
            "cp1",
            stand_in,
            address,
            &answer.map_err(str::to_owned),
        )
        .level
    };
    assert_eq!(through(&cluster, false, Ok(200)), Level::Passed);
    assert_eq!(through(&cluster, false, Ok(503)), Level::Failure);
    assert_eq!(through(&cluster, false, Err("timeout")), Level::Failure);
    assert_eq!(through(&cluster, true, Ok(200)), Level::Skipped);
    let behind = load(&INVENTORY.replace("longhorn: true", "ssh: {jump: bastion}"));
    assert_eq!(through(&behind, false, Err("timeout")), Level::Skipped);
    assert_eq!(through(&behind, false, Ok(404)), Level::Failure);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of what can go wrong")]
fn a_volume_must_keep_what_was_written() {
    let there = Storage {
        first: "w1".to_owned(),
        second: Some("w2".to_owned()),
    };
    let kept = Stored {
        begun: Some(Ok(())),
        written: Some(Said::Ok),
        moved: Some(Ok(())),
        read: Some(Said::Ok),
    };
    assert_eq!(lines(&stored::stored(&there, &kept)), [""; 0]);
    let why = |text: &str| Said::Failed(text.to_owned());
    for (stored, expected) in [
        (
            Stored {
                begun: Some(Err("its claim is Pending: no space".to_owned())),
                ..Stored::default()
            },
            vec![
                "FAIL storage w1: a pod with a volume does not run: its claim is Pending: no space",
                "skip storage-move w2: not checked: there is no volume that could move",
            ],
        ),
        (
            Stored {
                written: Some(why("nothing is mounted on x")),
                ..kept.clone()
            },
            vec![
                "FAIL storage w1: nothing is mounted on x",
                "skip storage-move w2: not checked: there is no volume that could move",
            ],
        ),
        (
            Stored {
                moved: Some(Err("Multi-Attach error".to_owned())),
                read: None,
                ..kept.clone()
            },
            vec!["FAIL storage-move w2: the pod does not run here after w1: Multi-Attach error"],
        ),
        (
            Stored {
                read: Some(why("the file that was written is not there")),
                ..kept.clone()
            },
            vec!["FAIL storage-move w2: the file that was written is not there"],
        ),
        (
            Stored::default(),
            vec![
                "skip storage w1: not checked: it was not come to",
                "skip storage-move w2: not checked: there is no volume that could move",
            ],
        ),
    ] {
        assert_eq!(lines(&stored::stored(&there, &stored)), expected);
    }
    let alone = Storage {
        second: None,
        ..there
    };
    let once = Stored {
        moved: None,
        read: None,
        ..kept
    };
    assert_eq!(
        lines(&stored::stored(&alone, &once)),
        [
            "skip storage-move w1: not checked: no second node that stores is Ready and can be worked on"
        ]
    );
}

#[test]
fn why_a_volume_does_not_come_is_what_kubernetes_says_last() {
    let printed = |ready: &str, phase: &str| {
        format!(
            "%% claim 0\n{{\"status\": {{\"phase\": \"{phase}\"}}}}\n%% events 0\n{{\"items\": [\
             {{\"type\": \"Warning\", \"message\": \"old\", \"lastTimestamp\": \"2026-01-01T00:00:00Z\"}},\
             {{\"type\": \"Warning\", \"message\": \"no space\", \"lastTimestamp\": \"2026-01-02T00:00:00Z\"}},\
             {{\"type\": \"Normal\", \"message\": \"fine\", \"lastTimestamp\": \"2026-01-03T00:00:00Z\"}}]}}\n\
             %% pod 0\n{{\"metadata\": {{\"uid\": \"abc\"}}, \"status\": {{\"phase\": \"Pending\", \"conditions\": [{{\"type\": \"Ready\", \"status\": \"{ready}\"}}]}}}}\n"
        )
    };
    assert_eq!(
        stored::volume_pod(&printed("True", "Bound")).unwrap().uid,
        "abc"
    );
    assert_eq!(
        stored::volume_pod(&printed("False", "Bound")).unwrap_err(),
        "no space"
    );
    assert_eq!(
        stored::volume_pod(&printed("False", "Pending")).unwrap_err(),
        "its claim is Pending: no space"
    );
    let gone = "%% pod 1\n%% pod.err 0\npods \"volume-1\" not found\n";
    assert_eq!(
        stored::volume_pod(gone).unwrap_err(),
        "pods \"volume-1\" not found"
    );
}

#[test]
fn leftovers_and_refusals_of_the_api_are_failures() {
    let stuck = Err("still there after 180 s: namespace/baremetal-verify-1".to_owned());
    assert_eq!(
        judge::cleaned("cp1", "baremetal-verify-1", &stuck).level,
        Level::Failure
    );
    assert_eq!(
        judge::cleaned("cp1", "baremetal-verify-1", &Ok(())).level,
        Level::Passed
    );
    assert_eq!(
        judge::not_made("cp1", "denied by policy").level,
        Level::Failure
    );
    let cluster = load(INVENTORY);
    let none = judge::none_made(&cluster, "cp1", "the API does not answer");
    assert_eq!(none.len(), 10);
    assert!(none.iter().all(|one| one.level == Level::Skipped));
}

//! Disks, file systems, and what Longhorn needs of a host.

use std::collections::BTreeMap;

use super::{Found, Level, Look};
use crate::observe::stores;

const GIB: u64 = 1024 * 1024 * 1024;

/// One `disk=` line of the facts.
struct Disk<'a> {
    path: &'a str,
    available: u64,
    free_inodes: u64,
    inodes: u64,
    mount: &'a str,
}

fn disks<'a>(look: &Look<'a>) -> Vec<Disk<'a>> {
    look.facts
        .all("disk")
        .iter()
        .filter_map(|line| {
            // A path of ours has no blank; a mount point may.
            let mut words = line.splitn(5, ' ');
            let path = words.next()?;
            let available = words.next()?.parse::<u64>().ok()? * 1024;
            words.next()?;
            let (free, all) = words.next()?.split_once(':')?;
            Some(Disk {
                path,
                available,
                free_inodes: free.parse().unwrap_or_default(),
                inodes: all.parse().unwrap_or_default(),
                mount: words.next()?,
            })
        })
        .collect()
}

/// Bytes that must be free for a path, with those below which it will be tight.
fn room(look: &Look<'_>, path: &str) -> (u64, u64) {
    if look.host.lab {
        return (GIB, GIB);
    }
    let cluster = look.cluster;
    match path {
        _ if path == cluster.runtime.root => (8 * GIB, 20 * GIB),
        _ if path == cluster.control_plane.etcd_data_dir => (2 * GIB, 8 * GIB),
        "/var/lib/baremetal" if look.host.is_node() => (2 * GIB, 2 * GIB),
        "/var/lib/kubelet" => (2 * GIB, 5 * GIB),
        "/usr/local/bin" | "/var/log" | "/" => (GIB / 2, GIB),
        _ => (GIB, GIB),
    }
}

pub(super) fn disk(look: &Look<'_>) -> Vec<Found> {
    let disks = disks(look);
    if disks.is_empty() {
        return vec![Found::unknown(
            "df printed nothing",
            "free space",
            "look at `df -h` on the host",
        )];
    }
    // Paths on one file system share its room: the largest need decides.
    let mut mounts: BTreeMap<&str, (&Disk<'_>, u64, u64)> = BTreeMap::new();
    for disk in &disks {
        let (least, wanted) = room(look, disk.path);
        let entry = mounts.entry(disk.mount).or_insert((disk, 0, 0));
        if least > entry.1 {
            *entry = (disk, least, wanted.max(entry.2));
        }
    }
    let mut found = Vec::new();
    for (mount, (disk, least, wanted)) in mounts {
        let free = format!("{} free on {mount}", size(disk.available));
        let fix = "free space, or mount a larger disk there";
        if disk.available < least {
            let needed = format!("{} for {}", size(least), disk.path);
            found.push(Found::new(look.sizing(), free, needed, fix));
        } else if disk.available < wanted && !look.joined() {
            let needed = format!("{} for {} to last", size(wanted), disk.path);
            found.push(Found::new(Level::Warning, free, needed, fix));
        }
        // File systems that make inodes as they need them say that they have none.
        if disk.inodes > 0 && disk.free_inodes < 20_000 {
            let free = format!("{} inodes free on {mount}", disk.free_inodes);
            let needed = format!("20000 for {}", disk.path);
            let fix = "remove small files, or make the file system anew with more inodes";
            found.push(Found::new(look.sizing(), free, needed, fix));
        }
    }
    found
}

fn size(bytes: u64) -> String {
    if bytes >= GIB {
        format!("{}.{} GiB", bytes / GIB, bytes % GIB * 10 / GIB)
    } else {
        format!("{} MiB", bytes / (1024 * 1024))
    }
}

pub(super) fn file_system(look: &Look<'_>) -> Vec<Found> {
    look.facts
        .all("read-only")
        .iter()
        .map(|path| {
            Found::new(
                Level::Failure,
                format!("{path} cannot be written to"),
                "a writable file system",
                "remount it writable; image-based systems with a read-only /usr or /etc are not supported",
            )
        })
        .collect()
}

pub(super) fn noexec(look: &Look<'_>) -> Vec<Found> {
    look.facts
        .all("noexec")
        .iter()
        .map(|path| {
            Found::new(
                Level::Failure,
                format!("{path} is mounted noexec"),
                "programs that may run from there",
                "remount it with exec",
            )
        })
        .collect()
}

/// Whether the kernel has a module that Longhorn needs.
fn module(look: &Look<'_>, name: &str, wanted: bool, why: &str) -> Vec<Found> {
    let has = look.facts.all("module").iter().any(|one| one == name);
    if has || !wanted || look.cluster.longhorn.is_none() || !look.host.is_node() {
        return Vec::new();
    }
    vec![Found::new(
        look.real(),
        format!("the kernel has no module {name}"),
        why,
        "install the modules of the running kernel (`kernel-modules-extra`, `linux-modules-extra-$(uname -r)`), and reboot where a newer kernel waits",
    )]
}

pub(super) fn iscsi(look: &Look<'_>) -> Vec<Found> {
    module(
        look,
        "iscsi_tcp",
        true,
        "iSCSI, over which Longhorn attaches its volumes",
    )
}

pub(super) fn nfs(look: &Look<'_>) -> Vec<Found> {
    let wanted = look.cluster.longhorn.as_ref().is_some_and(|one| one.rwx);
    module(
        look,
        "nfs",
        wanted,
        "NFS, over which volumes with many writers are mounted",
    )
}

pub(super) fn crypt(look: &Look<'_>) -> Vec<Found> {
    let wanted = look
        .cluster
        .longhorn
        .as_ref()
        .is_some_and(|one| one.encryption);
    module(
        look,
        "dm_crypt",
        wanted,
        "dm_crypt, by which volumes are encrypted",
    )
}

pub(super) fn multipath(look: &Look<'_>) -> Vec<Found> {
    let facts = look.facts;
    if look.cluster.longhorn.is_none()
        || !look.host.is_node()
        || !facts.unit_active("multipathd.service")
    {
        return Vec::new();
    }
    let maps = facts.all("multipath").len();
    vec![Found::new(
        Level::Warning,
        format!("multipathd runs, with {maps} maps"),
        "Longhorn's devices left alone by it: it takes them away from pods",
        "put `blacklist { device { vendor \"IET\" product \"VIRTUAL-DISK\" } }` into /etc/multipath/conf.d/longhorn.conf and restart multipathd, or disable it where nothing needs it",
    )]
}

/// kubeadm refuses a directory that holds anything: a file system's own `lost+found` is enough.
pub(super) fn etcd_directory(look: &Look<'_>) -> Vec<Found> {
    let others = look.facts.all("etcd-other");
    let begun = look.joined() || look.facts.kube.etcd_data;
    if others.is_empty() || begun || !look.host.is_control_plane() {
        return Vec::new();
    }
    let directory = &look.cluster.control_plane.etcd_data_dir;
    let names: Vec<&str> = others.iter().take(3).map(String::as_str).collect();
    let more = if others.len() > 3 { ", …" } else { "" };
    vec![Found::new(
        Level::Failure,
        format!("{directory} is not empty: {}{more}", names.join(", ")),
        "an empty directory for etcd, or none: kubeadm takes no other",
        format!(
            "of a disk of its own name a directory below: `control-plane: {{etcd: {{data-dir: {}/data}}}}`",
            directory.trim_end_matches('/')
        ),
    )]
}

/// Whether a device is the disk, or a partition of it: `/dev/sdb1`, `/dev/nvme0n1p1`.
fn is_part(device: &str, disk: &str) -> bool {
    device.strip_prefix(disk).is_some_and(|rest| {
        let number = rest.strip_prefix('p').unwrap_or(rest);
        number.chars().all(|letter| letter.is_ascii_digit())
    })
}

/// The device of a place, if another one than `wanted` or none is mounted there. A partition of it is it.
fn misplaced(look: &Look<'_>, place: &str, wanted: &str) -> Option<String> {
    let known = look.facts.about("device-is", wanted)?;
    let mounts = look.facts.all("mounted");
    let mounted = mounts.iter().rev().find_map(|line| {
        let (at, device) = line.split_once(' ')?;
        (at == place).then_some(device)
    });
    match mounted {
        Some(device) if is_part(device, known) => None,
        Some(device) => Some(format!("{device} is mounted on {place}")),
        None => Some(format!("nothing is mounted on {place}")),
    }
}

pub(super) fn data_disk(look: &Look<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    let mounted: BTreeMap<&str, &str> = disks(look)
        .iter()
        .map(|disk| (disk.path, disk.mount))
        .collect();
    for disk in &look.host.data_disks {
        if let Some(device) = &disk.device
            && !look.facts.all("device").contains(device)
        {
            found.push(Found::new(
                Level::Failure,
                format!("no block device {device}"),
                format!("the disk for {}", disk.path),
                "attach it, or name the right device under `data-disks` in the inventory",
            ));
        }
        let other = (disk.device.as_deref())
            .and_then(|device| Some((device, misplaced(look, &disk.path, device)?)));
        if let Some((device, found_there)) = other {
            found.push(Found::new(
                look.real(),
                found_there,
                format!("{device} there: volumes would fill another disk"),
                format!(
                    "mount it, and see that /etc/fstab has it: `findmnt {}`",
                    disk.path
                ),
            ));
        } else if mounted.get(disk.path.as_str()) == Some(&"/") && !look.host.lab {
            found.push(Found::new(
                Level::Warning,
                format!("{} is on the root file system", disk.path),
                "a disk of its own: volumes that fill up fill the host",
                format!(
                    "make a file system on the disk and mount it on {}",
                    disk.path
                ),
            ));
        }
    }
    let own = look.cluster.longhorn.as_ref().filter(|_| {
        look.host.data_disks.is_empty() && !look.host.lab && stores(look.cluster, look.host)
    });
    if let Some(longhorn) = own
        && mounted.get(longhorn.data_path.as_str()) == Some(&"/")
        && !look.joined()
    {
        found.push(Found::new(
            Level::Warning,
            format!("{} is on the root file system", longhorn.data_path),
            "a disk of its own: volumes that fill up fill the host",
            format!("mount a disk on {}", longhorn.data_path),
        ));
    }
    found
}

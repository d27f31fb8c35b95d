//! Which capabilities lab hosts go without.

/// Linux capabilities by number, from 0 (`include/uapi/linux/capability.h`).
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The clock is the machine's: no lab host may set it.
const NEVER: &str = "SYS_TIME";

/// Capabilities to leave out: the clock, and those outside the engine's own bounding set, which it cannot give.
///
/// `status` is `/proc/<pid>/status` of the engine, `last` the number of the kernel's last capability.
pub fn dropped(status: &str, last: usize) -> Vec<&'static str> {
    let bounding = status
        .lines()
        .find_map(|line| line.strip_prefix("CapBnd:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(u64::MAX);
    NAMES
        .iter()
        .enumerate()
        .take(last + 1)
        .filter(|(number, name)| bounding >> number & 1 == 0 || **name == NEVER)
        .map(|(_, name)| *name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_lacks_is_not_asked_for() {
        let status = "Name:\tdockerd\nCapEff:\t000001fffeffffff\nCapBnd:\t000001fffeffffff\n";
        assert_eq!(dropped(status, 40), ["SYS_RESOURCE", "SYS_TIME"]);
        assert_eq!(dropped("CapBnd:\t000001ffffffffff\n", 40), ["SYS_TIME"]);
    }

    #[test]
    fn capabilities_that_the_kernel_does_not_know_are_not_missing() {
        assert_eq!(dropped("CapBnd:\t0000003fffffffff\n", 37), ["SYS_TIME"]);
        assert_eq!(dropped("", 40), ["SYS_TIME"]);
    }
}

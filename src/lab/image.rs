//! The image of lab hosts: Debian or Ubuntu with systemd and sshd, and a package repository inside.
//!
//! Its base is `lab.image` where the inventory names one, else a minimal system made by debootstrap from the machine's own package
//! sources. The tag is a hash of the recipe and the base, so the image is made once and made again only when either changes.

use std::{fmt::Write as _, fs, path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, Result};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
};

use super::{container::strings, engine::Engine};
use crate::{
    failure::{Code, Failure},
    inventory::Lab,
    report::Reporter,
    templates,
};

/// Label of every image that a lab made; `baremetal.lab=<cluster>` is not on them because labs share them.
pub const LABEL: &str = "baremetal.lab.image";

/// What a freshly installed server has.
const BASE: &str = "systemd systemd-sysv dbus openssh-server sudo iproute2 iputils-ping iputils-arping procps kmod \
    curl ca-certificates openssl conntrack iptables nftables ethtool socat ebtables gpgv util-linux netbase less perl python3";

/// What is installed from the repository inside the image when somebody asks for it.
const POOL: &str = "haproxy keepalived containerd runc chrony open-iscsi nfs-common cryptsetup cryptsetup-bin dmsetup ipset ipvsadm \
    jq python3-apt rsync tar gzip xz-utils zstd multipath-tools lvm2 parted \
    xfsprogs apparmor logrotate psmisc lsof tcpdump netcat-openbsd bash-completion gnupg cron rsyslog bind9-dnsutils iperf3 strace";

/// The same for packages that exclude one of the others.
const CLASHING: &str = "systemd-timesyncd ntpsec";

/// Longest time for one step of making an image.
const TIMEOUT: Duration = Duration::from_mins(20);

#[derive(Serialize)]
struct Recipe {
    base: Vec<&'static str>,
    pool: Vec<&'static str>,
    clashing: Vec<&'static str>,
    entrypoint: &'static str,
}

/// The script that turns a minimal system into a lab host.
fn provision_script() -> Result<String> {
    let words = |text: &'static str| text.split_whitespace().collect();
    templates::render(
        "lab/provision.sh.j2",
        Recipe {
            base: words(BASE),
            pool: words(POOL),
            clashing: words(CLASHING),
            entrypoint: templates::text("lab/entrypoint.sh").trim_end(),
        },
    )
}

/// The image's name, which is made first where it is not there.
pub async fn ensure(engine: &Engine, lab: &Lab, reporter: &Reporter) -> Result<String> {
    let script = provision_script()?;
    match &lab.image {
        Some(base) => {
            if engine.image_id(base).await.is_none() {
                pull(engine, base, reporter).await?;
            }
            let id = engine
                .image_id(base)
                .await
                .with_context(|| format!("lab.image: {base} cannot be read"))?;
            let image = name(&script, &id);
            if engine.image_id(&image).await.is_none() {
                provision(engine, &script, base, &image, None, reporter).await?;
            }
            Ok(image)
        }
        None => from_this_machine(engine, &script, reporter).await,
    }
}

async fn from_this_machine(engine: &Engine, script: &str, reporter: &Reporter) -> Result<String> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let (id, codename) = (
        os_release(&release, "ID"),
        os_release(&release, "VERSION_CODENAME"),
    );
    let image = name(script, &format!("{id} {codename}"));
    if engine.image_id(&image).await.is_some() {
        return Ok(image);
    }
    let sources = sources(&id, &codename).await?;
    // The kernel must allow devices and programs here, which /tmp on tmpfs often does not.
    let directory = tempfile::Builder::new()
        .prefix("baremetal-lab.")
        .tempdir_in("/var/tmp")
        .context("/var/tmp")?;
    let base = format!("baremetal-lab-base:{codename}");
    if engine.image_id(&base).await.is_none() {
        debootstrap(engine, &sources, &base, directory.path(), reporter).await?;
    }
    let offered = directory.path().join("sources");
    fs::create_dir_all(&offered)?;
    fs::write(offered.join("sources.list"), &sources.list)?;
    fs::write(offered.join("apt.conf"), &sources.settings)?;
    provision(engine, script, &base, &image, Some(&offered), reporter).await?;
    Ok(image)
}

/// `baremetal-lab:<hash of recipe and base>`.
fn name(script: &str, base: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(script);
    digest.update([0]);
    digest.update(base);
    let hash = digest
        .finalize()
        .iter()
        .take(6)
        .fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
    format!("baremetal-lab:{hash}")
}

/// The machine's own package sources.
struct Sources {
    codename: String,
    mirror: String,
    /// As a `sources.list`.
    list: String,
    /// apt settings that bear on downloads: proxies, retries, checks.
    settings: String,
}

async fn sources(id: &str, codename: &str) -> Result<Sources> {
    let origin = match id {
        "debian" => "Debian",
        "ubuntu" => "Ubuntu",
        _ => {
            return Err(Failure::new(
                Code::Preflight,
                format!(
                    "lab: this machine runs `{id}`; images can be made on Debian and Ubuntu only"
                ),
            )
            .hint("name a Debian or Ubuntu base image in the inventory: `lab: {image: …}`")
            .into());
        }
    };
    let targets = text_of(
        "apt-get",
        &[
            "indextargets",
            "--format",
            "$(ORIGIN)\t$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)",
            "Created-By: Packages",
        ],
    )
    .await?;
    let (list, mirror) = read_targets(&targets, origin, codename);
    let Some(mirror) = mirror else {
        return Err(Failure::new(
            Code::Preflight,
            format!("lab: apt knows no package list of {origin} {codename}"),
        )
        .hint("run `apt-get update`, or name a base image in the inventory: `lab: {image: …}`")
        .into());
    };
    let settings = text_of("apt-config", &["dump", "Acquire"]).await?;
    let kept = ["http", "https", "Check", "Retries", "Force", "Allow"];
    let settings = settings
        .lines()
        .filter(|line| {
            line.strip_prefix("Acquire::")
                .is_some_and(|rest| kept.iter().any(|name| rest.starts_with(name)))
        })
        .fold(String::new(), |text, line| text + line + "\n");
    Ok(Sources {
        codename: codename.to_owned(),
        mirror,
        list,
        settings,
    })
}

/// A `sources.list` of the distribution's own repositories, and the mirror of the release itself.
fn read_targets(targets: &str, origin: &str, codename: &str) -> (String, Option<String>) {
    let mut list = String::new();
    let mut mirror = None;
    for line in targets.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [from, uri, release, component] = fields[..] else {
            continue;
        };
        if from != origin || !release.starts_with(codename) {
            continue;
        }
        // Writing to a string cannot fail.
        let _ = writeln!(list, "deb {uri} {release} {component}");
        if release == codename {
            mirror.get_or_insert_with(|| uri.to_owned());
        }
    }
    (list, mirror)
}

async fn debootstrap(
    engine: &Engine,
    sources: &Sources,
    base: &str,
    directory: &Path,
    reporter: &Reporter,
) -> Result<()> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if !status.lines().any(|line| {
        line.strip_prefix("Uid:")
            .is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0"))
    }) {
        return Err(Failure::new(
            Code::Preflight,
            "lab: the image of the hosts is not there yet, and only root can make it with debootstrap",
        )
        .hint("run this once as root, or name a base image in the inventory: `lab: {image: …}`")
        .into());
    }
    reporter.note(format!(
        "lab image: debootstrap of {} (once, about a minute)",
        sources.codename
    ));
    let root = directory.join("root");
    // In a mount namespace of its own nothing stays mounted, however it ends.
    let mut command = Command::new("unshare");
    command
        .args([
            "--mount",
            "--propagation=private",
            "debootstrap",
            "--variant=minbase",
        ])
        .arg(&sources.codename)
        .arg(&root)
        .arg(&sources.mirror);
    finish("debootstrap", &mut command)
        .await
        .map_err(|error| with_hint(&error, "install debootstrap: `apt-get install debootstrap`"))?;
    import(engine, &root, base).await
}

/// Feeds the directory to the engine's `import`.
async fn import(engine: &Engine, root: &Path, base: &str) -> Result<()> {
    let mut tar = Command::new("tar")
        .arg("--directory")
        .arg(root)
        .args(["--numeric-owner", "--create", "."])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("tar")?;
    let archive: Stdio = tar
        .stdout
        .take()
        .context("tar has no output")?
        .try_into()
        .context("tar's output")?;
    let label = format!("--change=LABEL {LABEL}=base");
    let imported = engine
        .command(&strings(&["import", &label, "-", base]))
        .stdin(archive)
        .output()
        .await?;
    let archived = tar.wait().await?;
    anyhow::ensure!(
        imported.status.success() && archived.success(),
        "lab image: import failed: {}",
        String::from_utf8_lossy(&imported.stderr).trim()
    );
    Ok(())
}

async fn pull(engine: &Engine, base: &str, reporter: &Reporter) -> Result<()> {
    reporter.note(format!("lab image: pulling {base}"));
    finish(
        &format!("pull of {base}"),
        &mut engine.command(&strings(&["pull", base])),
    )
    .await
    .map_err(|error| {
        with_hint(
            &error,
            "lab.image must name an image of Debian or Ubuntu that can be pulled",
        )
    })
}

/// Runs the recipe in a container of `base` and keeps the outcome as `image`.
async fn provision(
    engine: &Engine,
    script: &str,
    base: &str,
    image: &str,
    sources: Option<&Path>,
    reporter: &Reporter,
) -> Result<()> {
    reporter.note(format!("lab image: making {image} from {base}"));
    let builder = format!("baremetal_build_{}", std::process::id());
    let mut args = strings(&[
        "run",
        "--interactive",
        &format!("--name={builder}"),
        &format!("--label={LABEL}=build"),
        "--network=host",
    ]);
    if let Some(directory) = sources {
        args.push(format!("--volume={}:/sources:ro", directory.display()));
    }
    args.extend(strings(&["--entrypoint=/bin/sh", base, "-s"]));
    let outcome = async {
        let child = engine
            .command(&args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let made = feed(child, script, |line| {
            reporter.note(format!("lab image: {line}"));
        });
        tokio::time::timeout(TIMEOUT, made)
            .await
            .with_context(|| format!("lab image: not done after {} s", TIMEOUT.as_secs()))??;
        engine
            .run(&strings(&[
                "commit",
                "--change=ENTRYPOINT [\"/usr/local/sbin/lab-entrypoint\"]",
                "--change=CMD []",
                &format!("--change=LABEL {LABEL}=host"),
                &builder,
                image,
            ]))
            .await
    }
    .await;
    // Whatever happened, the container is of no further use.
    let removed = engine.run(&strings(&["rm", "--force", &builder])).await;
    outcome?;
    removed.map(drop)
}

/// Gives the script to a shell, reports each line that it prints and fails with the end of its stderr.
async fn feed(mut child: Child, script: &str, report: impl Fn(&str)) -> Result<()> {
    let mut stdin = child.stdin.take().context("no input")?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let mut stderr = child.stderr.take().context("no stderr")?;
    let mut noise = Vec::new();
    let write = async {
        // A shell that ends early tells more by its status than by a broken pipe.
        let _ = stdin.write_all(script.as_bytes()).await;
        drop(stdin);
    };
    let read = async {
        while let Ok(Some(line)) = lines.next_line().await {
            report(&line);
        }
    };
    let collect = stderr.read_to_end(&mut noise);
    let ((), (), collected) = tokio::join!(write, read, collect);
    collected?;
    let status = child.wait().await?;
    anyhow::ensure!(
        status.success(),
        "lab image: the recipe failed ({status}):\n{}",
        tail(&noise)
    );
    Ok(())
}

/// Runs a command to its end; its output is shown only when it fails.
async fn finish(what: &str, command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(TIMEOUT, output)
        .await
        .with_context(|| format!("{what}: not done after {} s", TIMEOUT.as_secs()))?
        .with_context(|| format!("{what}: cannot be run"))?;
    let mut text = output.stdout;
    text.extend(&output.stderr);
    anyhow::ensure!(output.status.success(), "{what} failed:\n{}", tail(&text));
    Ok(())
}

async fn text_of(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .await
        .with_context(|| format!("{program}: cannot be run"))?;
    anyhow::ensure!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The last lines of an output.
fn tail(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

fn with_hint(error: &anyhow::Error, hint: &str) -> anyhow::Error {
    Failure::new(Code::Preflight, format!("lab image: {error:#}"))
        .hint(hint)
        .into()
}

/// A value of `/etc/os-release`, without quotes; empty where there is none.
fn os_release(text: &str, key: &str) -> String {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .map(|value| value.trim_matches('"').to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distributions_own_sources_are_taken() {
        let targets = "Debian\thttp://mirror.test/debian/\tbookworm\tmain\n\
            Debian\thttp://mirror.test/debian/\tbookworm-updates\tmain\n\
            Debian\thttp://mirror.test/security/\tbookworm-security\tmain\n\
            Node Source\thttps://other.test/\tnodistro\tmain\n\
            \thttps://nameless.test/\tbookworm\tmain\n\
            Debian\thttp://mirror.test/debian/\ttrixie\tmain\n";
        let (list, mirror) = read_targets(targets, "Debian", "bookworm");
        assert_eq!(mirror.as_deref(), Some("http://mirror.test/debian/"));
        assert_eq!(
            list,
            "deb http://mirror.test/debian/ bookworm main\n\
             deb http://mirror.test/debian/ bookworm-updates main\n\
             deb http://mirror.test/security/ bookworm-security main\n"
        );
        assert_eq!(
            read_targets(targets, "Ubuntu", "noble"),
            (String::new(), None)
        );
    }

    #[test]
    fn the_tag_follows_recipe_and_base() {
        let tag = name("recipe", "debian bookworm");
        assert_eq!(tag, name("recipe", "debian bookworm"));
        assert_ne!(tag, name("recipe", "debian trixie"));
        assert_ne!(tag, name("recipe 2", "debian bookworm"));
        assert_eq!(tag.len(), "baremetal-lab:".len() + 12);
    }

    #[test]
    fn the_distribution_is_read() {
        let text =
            "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(os_release(text, "ID"), "debian");
        assert_eq!(os_release(text, "VERSION_CODENAME"), "bookworm");
        assert_eq!(os_release(text, "ID_LIKE"), "");
    }

    /// shellcheck, if it is there, finds nothing; `sh -n` is always there.
    #[test]
    fn scripts_are_clean() {
        let scripts = [
            provision_script().unwrap(),
            templates::text("lab/entrypoint.sh").to_owned(),
        ];
        for script in scripts {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), &script).unwrap();
            for (program, args) in [("sh", ["-n"].as_slice()), ("shellcheck", &["--shell=sh"])] {
                let checked = std::process::Command::new(program)
                    .args(args)
                    .arg(file.path())
                    .output();
                match checked {
                    Ok(out) => assert!(
                        out.status.success(),
                        "{program}: {}{}",
                        String::from_utf8_lossy(&out.stdout),
                        String::from_utf8_lossy(&out.stderr)
                    ),
                    Err(error) => assert_eq!(program, "shellcheck", "{error}"),
                }
            }
        }
    }

    #[tokio::test]
    async fn a_recipe_that_fails_shows_the_end_of_its_errors() {
        let run = |script: &'static str| async move {
            let child = Command::new("sh")
                .arg("-s")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let said = std::cell::RefCell::new(Vec::new());
            let outcome = feed(child, script, |line| {
                said.borrow_mut().push(line.to_owned());
            })
            .await;
            (outcome, said.into_inner())
        };
        let (outcome, said) = run("echo one; echo two").await;
        outcome.unwrap();
        assert_eq!(said, ["one", "two"]);
        let (outcome, _) = run("echo 'E: no such package' >&2; exit 3").await;
        assert!(
            outcome
                .unwrap_err()
                .to_string()
                .contains("E: no such package")
        );
    }
}

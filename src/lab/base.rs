//! What the image of lab hosts starts from: a pulled image, or a minimal system made by debootstrap.

use std::{fmt::Write as _, fs, path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, Result};
use tokio::process::Command;

use super::{container::strings, engine::Engine, image::LABEL};
use crate::{
    failure::{Code, Failure},
    report::Reporter,
};

/// Longest time for one step of making an image.
pub const TIMEOUT: Duration = Duration::from_mins(20);

/// The machine's own package sources.
pub struct Sources {
    codename: String,
    mirror: String,
    /// As a `sources.list`.
    pub list: String,
    /// apt settings that bear on downloads: proxies, retries, checks.
    pub settings: String,
}

pub async fn sources(id: &str, codename: &str) -> Result<Sources> {
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

pub async fn debootstrap(
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

pub async fn pull(engine: &Engine, base: &str, reporter: &Reporter) -> Result<()> {
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
pub fn tail(output: &[u8]) -> String {
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
pub fn os_release(text: &str, key: &str) -> String {
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
    fn the_distribution_is_read() {
        let text =
            "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(os_release(text, "ID"), "debian");
        assert_eq!(os_release(text, "VERSION_CODENAME"), "bookworm");
        assert_eq!(os_release(text, "ID_LIKE"), "");
    }
}

//! Asking local programs what they are: only those for this machine's architecture, with a limit on time.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use semver::Version;

/// A program that takes longer is not asked.
const LIMIT: Duration = Duration::from_secs(20);

/// Kubernetes' name of this machine's architecture.
pub fn local_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// What a program says its version is; `None` where it does not run here or says none.
pub fn version_of(file: &Path, name: &str) -> Option<String> {
    let args: &[&str] = match name {
        "kubeadm" => &["version", "-o", "short"],
        "kubectl" => &["version", "--client"],
        "helm" => &["version", "--short"],
        "etcdctl" | "etcdutl" => &["version"],
        _ => &["--version"],
    };
    let text = output(file, name, args)?;
    text.split(|c: char| c.is_whitespace() || c == ',')
        .map(|word| word.trim_start_matches('v'))
        .find(|word| word.contains('.') && Version::parse(word).is_ok())
        // Build metadata (`3.18.4+gd80839c`) names no release.
        .map(|word| word.split('+').next().unwrap_or(word).to_owned())
}

/// The images that a kubeadm wants for its release; `None` where it does not run here.
pub fn kubeadm_images(kubeadm: &Path, version: &Version) -> Option<Vec<String>> {
    let release = format!("v{version}");
    let args = ["config", "images", "list", "--kubernetes-version", &release];
    let text = output(kubeadm, "kubeadm", &args)?;
    let images: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(|line| line.contains('/') && !line.contains(' '))
        .map(str::to_owned)
        .collect();
    (!images.is_empty()).then_some(images)
}

/// What a program prints when it ends well. It is run from a private copy of its own name: files of a bundle need not be executable.
pub fn output(file: &Path, name: &str, args: &[&str]) -> Option<String> {
    let directory = tempfile::tempdir().ok()?;
    let copy = directory.path().join(Path::new(name).file_name()?);
    fs::copy(file, &copy).ok()?;
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o700)).ok()?;
    let out = fs::File::create(directory.path().join("out")).ok()?;
    let mut child = Command::new(&copy)
        .args(args)
        .current_dir(directory.path())
        .env("HOME", directory.path())
        .env_remove("KUBECONFIG")
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().ok()? {
            let text = fs::read_to_string(directory.path().join("out")).ok()?;
            return status.success().then_some(text);
        }
        if started.elapsed() > LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

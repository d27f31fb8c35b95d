//! `baremetal bundle …`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum, ValueHint};
use semver::Version;

#[derive(Debug, Subcommand)]
pub enum BundleCommand {
    /// Make a bundle from what upstream publishes; needs internet, or a mirror
    #[command(
        after_help = "Examples:\n  baremetal bundle create --kubernetes 1.36.4 bundle/\n  baremetal bundle create --inventory inventory.yaml --arch amd64 \\\n    --arch arm64 bundle.tar.gz"
    )]
    Create(BundleCreate),
    /// Add local files to a bundle, or make one of them: binaries, image archives, CNI plugins, charts, manifests
    #[command(
        after_help = "Examples:\n  baremetal bundle add bundle/ kubeadm kubelet kubectl \\\n    cni-plugins-linux-amd64-v1.9.1.tgz images/*.tar\n  baremetal bundle add bundle/ metallb-native.yaml \\\n    --name metallb --version v0.16.1"
    )]
    Add(BundleAdd),
    /// Check every item: files, sizes, checksums, image references, and whether anything is missing for its Kubernetes
    #[command(after_help = "Example:\n  baremetal bundle verify bundle.tar.gz")]
    Verify {
        /// The bundle: a directory or an archive
        #[arg(value_hint = ValueHint::AnyPath)]
        bundle: PathBuf,
    },
    /// Show what a bundle holds
    #[command(after_help = "Example:\n  baremetal bundle show bundle/ -o json")]
    Show {
        /// The bundle: a directory or an archive
        #[arg(value_hint = ValueHint::AnyPath)]
        bundle: PathBuf,
        /// How it is printed
        #[arg(long, short, value_enum, default_value_t = ShowFormat::Table)]
        output: ShowFormat,
    },
    /// Pack a bundle's directory into one archive
    #[command(after_help = "Example:\n  baremetal bundle pack bundle/ bundle.tar.gz")]
    Pack {
        /// The bundle's directory
        #[arg(value_hint = ValueHint::DirPath)]
        bundle: PathBuf,
        /// The archive to write: .tar, .tar.gz or .tgz
        #[arg(value_hint = ValueHint::FilePath)]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["inventory", "kubernetes"]))]
pub struct BundleCreate {
    /// Everything that this inventory needs
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub inventory: Option<PathBuf>,
    /// A plain cluster of this Kubernetes version, without add-ons
    #[arg(long, value_name = "VERSION")]
    pub kubernetes: Option<Version>,
    /// Architecture of the hosts; may be given several times
    #[arg(long, value_name = "ARCH", default_value = "amd64", value_parser = ["amd64", "arm64"])]
    pub arch: Vec<String>,
    /// Another version of a component than the catalog's; may be given several times
    #[arg(long = "component", value_name = "NAME=VERSION", value_parser = component)]
    pub components: Vec<(String, String)>,
    /// URL prefix that replaces upstream's scheme and host; charts are taken from `<URL>/charts`
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
    /// Pull every image from this registry, as `HOST[:PORT][/PATH]`, instead of from its own
    #[arg(long, value_name = "REGISTRY")]
    pub registry: Option<String>,
    /// A directory to make or complete, or an archive to write (.tar, .tar.gz, .tgz)
    #[arg(value_hint = ValueHint::AnyPath)]
    pub out: PathBuf,
}

fn component(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(name, version)| !name.is_empty() && !version.is_empty())
        .map(|(name, version)| (name.to_owned(), version.to_owned()))
        .ok_or_else(|| "write it as NAME=VERSION, such as helm=3.18.4".to_owned())
}

#[derive(Debug, Args)]
pub struct BundleAdd {
    /// The bundle's directory; made when it is missing
    #[arg(value_hint = ValueHint::DirPath)]
    pub bundle: PathBuf,
    /// Files to add
    #[arg(required = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// What the files are, where they do not tell
    #[arg(long, value_enum)]
    pub kind: Option<KindArg>,
    /// Name of the item, for a single file
    #[arg(long)]
    pub name: Option<String>,
    /// Version of the item, where the file does not tell
    #[arg(long)]
    pub version: Option<String>,
    /// Architecture of the hosts that the files are for; any when neither this nor the file says one
    #[arg(long, value_parser = ["amd64", "arm64"])]
    pub arch: Option<String>,
    /// Reference of an image in the archive, where the archive does not tell; may be given several times
    #[arg(long = "image", value_name = "REFERENCE")]
    pub images: Vec<String>,
    /// Kubernetes version of a new bundle, where no kubeadm tells
    #[arg(long, value_name = "VERSION")]
    pub kubernetes: Option<Version>,
    /// Text to show on every run that uses the bundle; empty removes it
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    Binary,
    Archive,
    Image,
    Chart,
    Manifest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShowFormat {
    Table,
    Json,
}

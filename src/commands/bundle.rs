//! `baremetal bundle create | add | verify | show | pack`.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::{
    artifacts::{
        self, Kind, add,
        bundle::{Bundle, Entry},
        cache_directory, create, packed, verify,
    },
    cli::{BundleAdd, BundleCommand, BundleCreate, KindArg, ShowFormat},
    failure::{Code, Failure},
    inventory,
    report::text::count,
};

/// Runs one of the commands; results go to stdout.
pub fn run(command: &BundleCommand) -> Result<Code> {
    match command {
        BundleCommand::Create(args) => run_create(args),
        BundleCommand::Add(args) => run_add(args),
        BundleCommand::Verify { bundle } => run_verify(bundle),
        BundleCommand::Show { bundle, output } => {
            let list = packed::list(bundle)?;
            match output {
                ShowFormat::Table => print(&table(&list))?,
                ShowFormat::Json => print(&format!("{}\n", serde_json::to_string_pretty(&list)?))?,
            }
            Ok(Code::Done)
        }
        BundleCommand::Pack { bundle, out } => run_pack(bundle, out),
    }
}

fn run_create(args: &BundleCreate) -> Result<Code> {
    let cluster = args.inventory.as_deref().map(inventory::load).transpose()?;
    let version = match (&cluster, &args.kubernetes) {
        (Some(cluster), _) => cluster.version.clone(),
        (None, Some(version)) => version.clone(),
        (None, None) => anyhow::bail!("the command line asks for one of the two"),
    };
    let order = create::Order {
        version,
        cluster: cluster.as_ref(),
        architectures: args.arch.clone(),
        components: args.components.clone(),
        mirror: args.mirror.clone(),
        registry: args.registry.clone(),
    };
    if !packed::is_archive_name(&args.out) {
        let bundle = create::create(&order, &args.out, &progress)?;
        print(&table(&bundle))?;
        return Ok(Code::Done);
    }
    // Kept beside the archive until the archive is whole, so that a broken run goes on where it was.
    let mut name = args.out.clone().into_os_string();
    name.push(".partial");
    let directory = PathBuf::from(name);
    let bundle = create::create(&order, &directory, &progress)?;
    packed::pack(&directory, &bundle, &args.out)?;
    std::fs::remove_dir_all(&directory)?;
    print(&table(&bundle))?;
    Ok(Code::Done)
}

/// Progress goes to stderr.
fn progress(line: &str) {
    use std::io::Write as _;
    // Nobody to tell it to is no failure.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

fn run_add(args: &BundleAdd) -> Result<Code> {
    if args.files.len() > 1 && (args.name.is_some() || !args.images.is_empty()) {
        let message = "--name and --image are about one file, and there are several";
        return Err(Failure::new(Code::Usage, message).into());
    }
    let hints = add::Hints {
        kind: args.kind.map(Kind::from),
        name: args.name.clone(),
        version: args.version.clone(),
        arch: args.arch.clone(),
        images: args.images.clone(),
        kubernetes: args.kubernetes.clone(),
        note: args.note.clone(),
    };
    let added = add::add(&args.bundle, &args.files, &hints)?;
    print(&rows(&added))?;
    Ok(Code::Done)
}

fn run_verify(path: &Path) -> Result<Code> {
    let report = verify::verify(path, cache_directory().as_deref())?;
    let mut out = String::new();
    for note in &report.notes {
        let _ = writeln!(out, "note: {note}");
    }
    if !report.problems.is_empty() {
        print(&out)?;
        return Err(artifacts::problems_failure(path, &report.problems).into());
    }
    let _ = writeln!(
        out,
        "{}: Kubernetes {}, {}, {}; every item is there and right",
        path.display(),
        report.bundle.kubernetes,
        count(report.bundle.items.len(), "item"),
        size(report.size)
    );
    print(&out)?;
    Ok(Code::Done)
}

fn run_pack(directory: &Path, out: &Path) -> Result<Code> {
    if !packed::is_archive_name(out) {
        let message = format!(
            "{} does not say what kind of archive to write",
            out.display()
        );
        let hint = "name it .tar, .tar.gz or .tgz";
        return Err(Failure::new(Code::Usage, message).hint(hint).into());
    }
    let report = verify::verify(directory, cache_directory().as_deref())?;
    if !report.problems.is_empty() {
        return Err(artifacts::problems_failure(directory, &report.problems).into());
    }
    packed::pack(directory, &report.bundle, out)?;
    let bytes = out.metadata().map_or(0, |meta| meta.len());
    print(&format!("{}: {}\n", out.display(), size(bytes)))?;
    Ok(Code::Done)
}

/// The whole list as a table.
fn table(bundle: &Bundle) -> String {
    let total: u64 = bundle.items.iter().filter_map(|entry| entry.size).sum();
    let mut out = format!(
        "Kubernetes {}, {}, {}\n",
        bundle.kubernetes,
        count(bundle.items.len(), "item"),
        size(total)
    );
    if let Some(note) = &bundle.note {
        let _ = writeln!(out, "{note}");
    }
    out.push('\n');
    out.push_str(&rows(&bundle.items));
    out
}

fn rows(entries: &[Entry]) -> String {
    let head = ["KIND", "NAME", "VERSION", "ARCH", "SIZE", "FILE"].map(str::to_owned);
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by_key(|entry| {
        (
            Kind::parse(&entry.kind),
            &entry.name,
            &entry.version,
            &entry.arch,
        )
    });
    let rows: Vec<[String; 6]> = std::iter::once(head)
        .chain(sorted.into_iter().map(row))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; 6] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let _ = match column {
                4 => write!(line, "{cell:>width$}  "),
                _ => write!(line, "{cell:<width$}  "),
            };
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

fn row(entry: &Entry) -> [String; 6] {
    [
        entry.kind.clone(),
        entry.name.clone(),
        entry.version.clone(),
        entry.arch.clone().unwrap_or_else(|| "any".to_owned()),
        entry.size.map_or_else(|| "?".to_owned(), size),
        entry.file.clone(),
    ]
}

/// `12.3 MiB`.
fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes * 10 / 1024;
    let mut units = ["KiB", "MiB", "GiB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    while tenths >= 10_240
        && let Some(next) = units.next()
    {
        tenths /= 1024;
        unit = next;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Binary => Self::Binary,
            KindArg::Archive => Self::Archive,
            KindArg::Image => Self::Image,
            KindArg::Chart => Self::Chart,
            KindArg::Manifest => Self::Manifest,
        }
    }
}

/// Results go to stdout; a reader that closed it early is no failure of ours.
fn print(text: &str) -> Result<()> {
    use std::io::Write as _;
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

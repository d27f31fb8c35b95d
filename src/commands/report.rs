//! `baremetal report`: a run afterwards, as one HTML file.

use std::{
    fmt::Write as _,
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    cli::ReportArgs,
    engine,
    failure::{Code, Failure},
    report::{
        text::{self, count, printable},
        timeline::{self, Timeline},
    },
};

pub fn run(args: &ReportArgs) -> Result<Code> {
    if args.run.is_none() && !args.last {
        if let Some(out) = &args.out {
            let message = format!("which run is to be drawn in {}?", out.display());
            let hint = "name one, or give `--last`; `baremetal report` lists them";
            return Err(Failure::new(Code::Usage, message).hint(hint).into());
        }
        return list(&kept(args.cluster.as_deref())?);
    }
    let (name, timeline) = match &args.run {
        Some(run) => named(run, args.cluster.as_deref())?,
        None => newest(args.cluster.as_deref())?,
    };
    let page = timeline::page(&timeline)?;
    let out = match &args.out {
        Some(out) if out.as_os_str() == "-" => {
            super::print(&page)?;
            return Ok(Code::Done);
        }
        Some(out) => out.clone(),
        None => PathBuf::from(format!("{name}.html")),
    };
    write(&out, &page)?;
    super::print(&format!("{}\n", out.display()))?;
    Ok(Code::Done)
}

/// A log that is kept.
struct Kept {
    /// `2026-11-21T08-15-00Z-4711`: begins with the time.
    name: String,
    cluster: String,
    path: PathBuf,
}

/// Newest first.
fn kept(cluster: Option<&str>) -> Result<Vec<Kept>> {
    let runs = engine::runs()?;
    let mut kept = Vec::new();
    for directory in entries(&runs)? {
        let of = file_name(&directory);
        if cluster.is_some_and(|wanted| wanted != of) || !directory.is_dir() {
            continue;
        }
        for path in entries(&directory)? {
            let name = path.file_stem().map(|name| name.to_string_lossy());
            if let Some(name) = name.filter(|_| path.extension().is_some_and(|end| end == "log")) {
                kept.push(Kept {
                    name: name.into_owned(),
                    cluster: of.clone(),
                    path: path.clone(),
                });
            }
        }
    }
    kept.sort_by(|one, other| (&other.name, &one.cluster).cmp(&(&one.name, &other.cluster)));
    if kept.is_empty() {
        let of = cluster.map_or_else(String::new, |cluster| format!(" of {cluster}"));
        let message = format!("no run{of} is kept in {}", runs.display());
        return Err(Failure::new(Code::Usage, message)
            .hint(
                "runs are kept by the machine and the user that ran them; \
                 what a pipeline kept of `--output json` is drawn too: baremetal report FILE",
            )
            .into());
    }
    Ok(kept)
}

/// What is in a directory; nothing where there is none.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Ok(entries) => Ok(entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", directory.display())),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn read(path: &Path) -> Result<Timeline> {
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Timeline::read(&String::from_utf8_lossy(&bytes)).map_err(|error| {
        Failure::new(
            Code::Usage,
            format!("{} tells of no run: {error}", path.display()),
        )
        .hint("`baremetal report` lists the runs that can be drawn")
        .into()
    })
}

/// The newest run of which anything is told.
fn newest(cluster: Option<&str>) -> Result<(String, Timeline)> {
    let kept = kept(cluster)?;
    let found = kept
        .iter()
        .find_map(|kept| Some((kept.name.clone(), read(&kept.path).ok()?)));
    match found {
        Some(found) => Ok(found),
        None => Ok((kept[0].name.clone(), read(&kept[0].path)?)),
    }
}

/// A file, else the run whose name begins so.
fn named(run: &Path, cluster: Option<&str>) -> Result<(String, Timeline)> {
    if run.is_file() {
        let name = run.file_stem().map(|name| name.to_string_lossy());
        return Ok((name.unwrap_or_default().into_owned(), read(run)?));
    }
    let wanted = run.display().to_string();
    let kept = kept(cluster)?;
    let like: Vec<&Kept> = kept
        .iter()
        .filter(|kept| kept.name.starts_with(&wanted))
        .collect();
    let refuse = |message: String, all: &[&Kept]| {
        let names: Vec<&str> = all.iter().take(5).map(|kept| kept.name.as_str()).collect();
        let hint = format!("{}; `baremetal report` lists all", names.join(", "));
        anyhow::Error::new(Failure::new(Code::Usage, message).hint(hint))
    };
    match like.as_slice() {
        [one] => Ok((one.name.clone(), read(&one.path)?)),
        [] => Err(refuse(
            format!("`{wanted}` is neither a file nor the name of a run"),
            &kept.iter().collect::<Vec<_>>(),
        )),
        several => Err(refuse(
            format!("{} begin with `{wanted}`", count(several.len(), "run")),
            several,
        )),
    }
}

/// One line per run, newest first.
fn list(kept: &[Kept]) -> Result<Code> {
    let mut rows = vec![["RUN", "CLUSTER", "COMMAND", "TOOK", "RESULT"].map(str::to_owned)];
    for one in kept {
        let (command, took, result) = match read(&one.path) {
            Ok(run) => (
                run.command.clone(),
                text::duration(run.total()),
                result(&run),
            ),
            Err(_) => (String::new(), String::new(), "tells nothing".to_owned()),
        };
        rows.push([one.name.clone(), one.cluster.clone(), command, took, result]);
    }
    let mut out = String::new();
    let width = |column: usize| {
        rows.iter()
            .map(|row| console::measure_text_width(&row[column]))
            .max()
    };
    let widths: [usize; 4] = std::array::from_fn(|column| width(column).unwrap_or(0));
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let padding = width.saturating_sub(console::measure_text_width(cell)) + 2;
            let _ = write!(line, "{cell}{:padding$}", "");
        }
        let _ = writeln!(out, "{line}{}", row[4]);
    }
    super::print(&printable(&out))?;
    Ok(Code::Done)
}

fn result(run: &Timeline) -> String {
    match &run.end {
        None => "cut short, or still running".to_owned(),
        Some(end) if end.code == 0 => end.message.clone(),
        Some(end) => format!("exit {}: {}", end.code, end.message),
    }
}

/// For its owner alone, as the log is; whole or not at all.
fn write(path: &Path, page: &str) -> Result<()> {
    let context = || format!("{} cannot be written", path.display());
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))
        .with_context(context)?;
    file.write_all(page.as_bytes()).with_context(context)?;
    file.persist(path).with_context(context)?;
    Ok(())
}

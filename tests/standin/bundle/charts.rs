//! Small charts and manifests under the names of the real ones.

use anyhow::Result;

use super::archives;

/// A chart of the bundle; its files are compiled in.
pub struct Chart {
    pub name: &'static str,
    pub version: &'static str,
    pub app_version: &'static str,
    pub values: &'static str,
    pub template: &'static str,
}

macro_rules! chart {
    ($name:literal, $version:literal, $app:literal) => {
        Chart {
            name: $name,
            version: $version,
            app_version: $app,
            values: include_str!(concat!("../charts/", $name, "/values.yaml")),
            template: include_str!(concat!("../charts/", $name, "/template.yaml")),
        }
    };
}

pub const ALL: &[Chart] = &[
    chart!("longhorn", "1.12.1", "v1.12.1"),
    chart!("harbor", "1.19.1", "2.15.1"),
    chart!("tigera-operator", "v3.31.7", "v3.31.7"),
    chart!("cilium", "1.20.1", "1.20.1"),
    chart!("metallb", "0.16.1", "v0.16.1"),
];

pub const METALLB_MANIFEST: &str = include_str!("../charts/metallb.yaml");

/// The chart as `helm package` would make it.
pub fn archive(chart: &Chart) -> Result<Vec<u8>> {
    let name = chart.name;
    let description = format!(
        "apiVersion: v2\nname: {name}\nversion: {}\nappVersion: {}\ndescription: stand-in for the chart {name}, a test double\n",
        chart.version, chart.app_version
    );
    let files = [
        ("Chart.yaml", description.as_str()),
        ("values.yaml", chart.values),
        ("templates/stand-in.yaml", chart.template),
    ]
    .map(|(path, text)| (format!("{name}/{path}"), 0o644, text.as_bytes().to_vec()));
    archives::gzip(&archives::tar(&files)?)
}

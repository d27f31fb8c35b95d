//! `baremetal schema`.

use anyhow::Result;

use crate::{cli::SchemaKind, failure::Code, inventory, report, status::Status};

pub fn run(kind: SchemaKind) -> Result<Code> {
    let schema = match kind {
        SchemaKind::Inventory => inventory::published_schema(),
        SchemaKind::Events => report::events_schema().to_value(),
        SchemaKind::Status => schemars::schema_for!(Status).to_value(),
    };
    super::print(&format!("{}\n", serde_json::to_string_pretty(&schema)?))?;
    Ok(Code::Done)
}

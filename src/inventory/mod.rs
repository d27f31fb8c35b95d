//! What the user wrote → [`Cluster`]. Pure but for reading the files that the inventory names.
//!
//! ```text
//! text ──yaml──▶ tree with positions ──walk (schema)──▶ value ──resolve──▶ Cluster ──rules──▶ mistakes or Cluster
//! ```
//!
//! Every step goes on after a mistake, so that one run shows them all.

mod cluster;
mod context;
mod diagnostic;
pub mod edit;
mod forms;
mod keys;
mod kubespray;
mod load;
mod outline;
mod resolve;
mod rules;
mod schema;
mod select;
mod services;
mod walk;
mod yaml;

pub use cluster::*;
pub use forms::{check as check_form, duration as parse_duration};
pub use keys::nearest;
pub use load::{LoadOptions, converted, json_schema, load, load_text, load_with, published_schema};
pub use outline::{Outline, outline};
pub use select::select;
pub use services::*;

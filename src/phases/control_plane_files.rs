//! Files that kubeadm does not copy: patches, audit policy, encryption configuration.

use super::Context;
use crate::resources::Resource;

pub(super) fn resources(_context: &Context<'_>) -> Vec<Resource> {
    Vec::new()
}

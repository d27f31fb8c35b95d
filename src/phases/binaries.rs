//! kubeadm, kubelet, kubectl, crictl, CNI plugins, helm and the kubelet unit.

use super::Context;
use crate::resources::Resource;

pub(super) fn resources(_context: &Context<'_>) -> Vec<Resource> {
    Vec::new()
}

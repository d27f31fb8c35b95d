# The pod that holds the volume runs on another node from now on, or for the first time.
# Arguments: namespace, the pod that ends (or empty). Attachment `pod.yaml`: the pod that begins.
space=$1 old=$2
[ -z "$old" ] || kube -n "$space" delete pod "$old" --ignore-not-found --timeout=120s >/dev/null
kube apply --server-side --field-manager=baremetal-verify -f "$BM/pod.yaml"

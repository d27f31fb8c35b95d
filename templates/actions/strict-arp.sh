# Changes kube-proxy's live configuration, then rolls its pods. The hash on both says whether the pods run with it.
# Attachments: config-map.json and daemon-set.json, merge patches.
kube -n kube-system patch configmap kube-proxy --type merge --patch-file "$BM/config-map.json"
kube -n kube-system patch daemonset kube-proxy --type merge --patch-file "$BM/daemon-set.json"
kube -n kube-system rollout status daemonset/kube-proxy --timeout=300s

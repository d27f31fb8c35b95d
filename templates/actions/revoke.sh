# On a healthy control plane: takes back what a join was given, whether the join succeeded or not.
# Attachment: token (its public half names it).
kube -n kube-system delete secret kubeadm-certs --ignore-not-found
IFS= read -r token <"$BM/token" || [ -n "$token" ]
kubeadm token delete "${token%%.*}" --kubeconfig "$admin"

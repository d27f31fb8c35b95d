# On a healthy control plane: takes back what a join was given, whether the join succeeded or not.
# Attachment: token (one on a line; the public half names it).
kube -n kube-system delete secret kubeadm-certs --ignore-not-found
while IFS= read -r token || [ -n "$token" ]; do
	kube -n kube-system delete secret "bootstrap-token-${token%%.*}" --ignore-not-found
done <"$BM/token"

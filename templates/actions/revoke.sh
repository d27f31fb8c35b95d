# On a healthy control plane: takes back what a join was given, whether the join succeeded or not.
# Attachment: token (one on a line; the public half names it).
kube -n kube-system delete secret kubeadm-certs --ignore-not-found
# With every upload of certificates kubeadm makes a token that lets nobody in and ends them after two hours: they are gone already.
kube -n kube-system get secrets -o 'jsonpath={range .items[*]}{.metadata.name}{" "}{.data.description}{"\n"}{end}' >"$BM/tokens"
while read -r name description; do
	case $name in bootstrap-token-*) ;; *) continue ;; esac
	case $(printf %s "$description" | base64 -d) in
	"Proxy for managing TTL for the kubeadm-certs secret") kube -n kube-system delete secret "$name" --ignore-not-found ;;
	esac
done <"$BM/tokens"
while IFS= read -r token || [ -n "$token" ]; do
	kube -n kube-system delete secret "bootstrap-token-${token%%.*}" --ignore-not-found
done <"$BM/token"

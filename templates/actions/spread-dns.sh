# CoreDNS's pods come onto several nodes.
places() {
	kube -n kube-system get pods -l k8s-app=kube-dns -o 'jsonpath={range .items[*]}{.spec.nodeName}{"\n"}{end}' |
		grep . | sort -u | wc -l
}

spread() { [ "$(places)" -gt 1 ]; }

several_ready() { [ "$(kube get nodes --no-headers | grep -Ec '^[^ ]+ +Ready ')" -gt 1 ]; }

if ! within 90 several_ready; then
	say "no second node is ready: CoreDNS stays where it is"
	exit 0
fi
if [ "$(places)" -gt 1 ]; then
	say "CoreDNS runs on several nodes already"
	exit 0
fi
# One pod is made anew, away from the other: the scheduler keeps pods of DNS apart where it can. A rollout of both would count the
# old ones too, and could end with both new ones side by side.
pod=$(kube -n kube-system get pods -l k8s-app=kube-dns -o 'jsonpath={.items[0].metadata.name}')
kube -n kube-system delete pod "$pod" --timeout=90s
kube -n kube-system rollout status deployment/coredns --timeout=180s
within 60 spread || say "CoreDNS is still on one node: the scheduler found no better place"

# CoreDNS's pods come onto several nodes.
places() {
	kube -n kube-system get pods -l k8s-app=kube-dns -o 'jsonpath={range .items[*]}{.spec.nodeName}{"\n"}{end}' |
		grep . | sort -u | wc -l
}

several_ready() { [ "$(kube get nodes --no-headers | grep -Ec '^[^ ]+ +Ready ')" -gt 1 ]; }

if ! within 90 several_ready; then
	say "no second node is ready: CoreDNS stays where it is"
	exit 0
fi
if [ "$(places)" -gt 1 ]; then
	say "CoreDNS runs on several nodes already"
	exit 0
fi
# New pods keep away from each other, as far as the scheduler can see to it.
kube -n kube-system rollout restart deployment/coredns
kube -n kube-system rollout status deployment/coredns --timeout=180s

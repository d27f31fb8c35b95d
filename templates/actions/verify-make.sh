# Removes what a verification that was killed has left, then makes what this one needs (attachment `objects.yaml`).
if ! swept; then
	say "removing what an earlier verification has left"
	sweep 180 || fail "what an earlier verification has left does not go: $(spaces | tr '\n' ' ')$(volumes | tr '\n' ' ')"
fi
kube apply --server-side --field-manager=baremetal-verify -f "$BM/objects.yaml"

# `node NAME` chooses a node; the functions after it change that node. A node that has not joined is left out: its join says why.
node() {
	node=$1
	there=yes
	kube get node "$node" -o name >/dev/null || there=no
	[ "$there" = yes ] || say "$node is not in the cluster: its labels and taints wait"
}

label() { [ "$there" = no ] || kube label node "$node" --overwrite "$@"; }
annotate() { [ "$there" = no ] || kube annotate node "$node" --overwrite "$@"; }
taint() { [ "$there" = no ] || kube taint node "$node" --overwrite "$@"; }


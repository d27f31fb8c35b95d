# What was done to this node is undone. Argument: node.
kube patch node "$1" --type merge --patch-file "$BM/unmark.json"

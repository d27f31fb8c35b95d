# No new pods come to this node. Argument: node.
mark "$1"

# While the facts of a control plane are collected, its own member of etcd is asked, in the background: each answer is a file of
# its own in $BM/seen, so that one that does not come keeps back no other. Runs in a subshell of the script of facts.
seen=$BM/seen

# ask NAME COMMAND...: its output is section NAME.
ask() {
	asked=$seen/$1
	shift
	{
		"$@" >"$asked.out" 2>"$asked.err" && echo 0 >"$asked.part" || echo $? >"$asked.part"
		mv "$asked.part" "$asked.status"
	} &
}

# Of this member alone: who does not answer is told by asking there.
member() { etcd --dial-timeout 1s --command-timeout 2s "$@"; }

ask etcd-status member endpoint status --write-out json
ask etcd-health member endpoint health
ask etcd-members member member list
wait
: >"$seen/complete"

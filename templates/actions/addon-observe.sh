# Read-only: every question runs in the background and answers into a file; the files are printed at the end.
seen=$BM/seen
mkdir "$seen"
TMPDIR=$BM
export TMPDIR

# Whether the API says in file $1 that it cannot answer just now: a member of etcd or an apiserver goes, comes, or hands over.
passing() {
	grep -qE 'etcdserver: (leader changed|no leader|request timed out)|Unable to connect to the server|was refused - did you|unexpected EOF|connection reset by peer|server is currently unable|Too Many Requests' "$1"
}

# Runs "$@" in the background; its output is section $1.
ask() {
	ask_section=$seen/$1
	shift
	{
		ask_again=4
		while :; do
			"$@" >"$ask_section.out" 2>"$ask_section.err" && ask_status=0 || ask_status=$?
			if [ "$ask_status" = 0 ] || [ "$ask_again" = 0 ] || ! passing "$ask_section.err"; then break; fi
			ask_again=$((ask_again - 1))
			sleep 1
		done
		echo "$ask_status" >"$ask_section.status"
	} &
}

differs() { kube diff --server-side --force-conflicts "--field-manager=$1" --concurrency=4 -f "$2"; }

# Whether the live objects of add-on $1 are those of way $2…
manifest_of() {
	manifest_name=$1
	base "$manifest_name"
	if [ -s "$BM/$manifest_name.base.yaml" ]; then differs baremetal-base "$BM/$manifest_name.base.yaml" || return $?; fi
	render "$@" >"$BM/$manifest_name.rendered.yaml" || return 2
	manifest_status=0
	differs baremetal "$BM/$manifest_name.rendered.yaml" || manifest_status=$?
	if [ -f "$BM/$manifest_name.owned" ]; then
		superfluous "$manifest_name" >"$BM/$manifest_name.left"
		sed 's/^/-/' "$BM/$manifest_name.left"
		if [ -s "$BM/$manifest_name.left" ] && [ "$manifest_status" = 0 ]; then return 1; fi
	fi
	return "$manifest_status"
}

# Values of release $1 in namespace $2, once its namespace and Secrets are as they should be.
release_of() {
	base "$1"
	if [ -s "$BM/$1.base.yaml" ]; then differs baremetal-base "$BM/$1.base.yaml" || return $?; fi
	helm --kubeconfig "$admin" get values "$1" --namespace "$2" --output json
}

answers() {
	wait
	for answer in "$seen"/*.status; do
		answer=${answer%.status}
		printf '%%%% %s %s\n' "${answer##*/}" "$(cat "$answer.status")"
		cat "$answer.out"
		printf '\n%%%% %s.err 0\n' "${answer##*/}"
		tail -n 5 "$answer.err"
		printf '\n'
	done
}

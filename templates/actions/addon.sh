# What observing and installing an add-on have in common. An add-on NAME is given by attachments that begin with its name.

# The namespace and Secrets of add-on $1: NAME.namespace is a manifest, NAME.secrets lists Secrets whose values are attachments.
base() {
	base_out=$BM/$1.base.yaml
	: >"$base_out"
	if [ -f "$BM/$1.namespace" ]; then cat "$BM/$1.namespace" >>"$base_out"; fi
	[ -f "$BM/$1.secrets" ] || return 0
	while read -r base_word base_first base_second base_third; do
		case $base_word in
		secret)
			printf -- '---\napiVersion: v1\nkind: Secret\nmetadata: {namespace: "%s", name: "%s"}\ntype: "%s"\ndata:\n' \
				"$base_first" "$base_second" "$base_third"
			;;
		value) printf '  "%s": "%s"\n' "$base_first" "$(base64 <"$BM/$base_second" | tr -d '\n')" ;;
		esac
	done <"$BM/$1.secrets" >>"$base_out"
}

# Objects of add-on $1 that are live and that its manifest no longer has, one `kind/name` a line: NAME.owned is a line with their
# namespace, then one with each kind; NAME.kept has those of the manifest. A kind that nobody has defined has no objects.
superfluous() {
	{
		read -r left_namespace
		while read -r left_kind; do
			kube -n "$left_namespace" get "$left_kind" -l "baremetal.dev/objects-of=$1" --ignore-not-found -o name 2>/dev/null </dev/null || :
		done
	} <"$BM/$1.owned" | grep -vxFf "$BM/$1.kept" || :
}

# What controllers write into their own objects is not ours to say.
without_ca_bundles() { sed '/^ *caBundle:/d' "$@"; }

# Prints the manifest of add-on $1 made by way $2 from $3…
render() {
	render_name=$1 render_way=$2
	shift 2
	case $render_way in
	file) cat "$BM/$render_name.yaml" ;;
	artifact) without_ca_bundles "$@" ;;
	kustomize)
		mkdir -p "$BM/$render_name.d"
		tar -xf "$BM/$render_name.tar" -C "$BM/$render_name.d"
		kubectl kustomize "$BM/$render_name.d/$1"
		;;
	overlay)
		mkdir -p "$BM/$render_name.d"
		render_index=0
		for render_source in "$@"; do
			without_ca_bundles "$render_source" >"$BM/$render_name.d/$render_index.yaml"
			render_index=$((render_index + 1))
		done
		cp "$BM/$render_name.kustomization" "$BM/$render_name.d/kustomization.yaml"
		kubectl kustomize "$BM/$render_name.d"
		;;
	esac
}

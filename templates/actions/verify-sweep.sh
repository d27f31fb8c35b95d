# Namespaces that verifications made, and the volumes of claims in them: the end of all that a verification leaves.
spaces() { kube get namespaces -l baremetal.dev/verify=yes -o name; }

volumes() {
	kube get persistentvolumes -o 'jsonpath={range .items[*]}{.metadata.name}{" "}{.spec.claimRef.namespace}{"\n"}{end}' |
		sed -n 's/^\([^ ]*\) baremetal-verify-.*/\1/p'
}

swept() {
	swept_spaces=$(spaces) && swept_volumes=$(volumes) || return 1
	[ -z "$swept_spaces$swept_volumes" ]
}

# Asks for the end of all of it, once more where it was asked before: an API that hands over may have lost that.
swept_again() {
	# A class that retains volumes would keep what was only made to be looked at.
	for volume in $(volumes); do
		kube patch persistentvolume "$volume" --type merge -p '{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}' >/dev/null || :
	done
	for space in $(spaces); do
		kube delete "$space" --wait=false --ignore-not-found >/dev/null || :
	done
	swept
}

# Removes all of it within $1 seconds.
sweep() {
	swept && return 0
	within "$1" swept_again
}

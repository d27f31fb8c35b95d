# A pod's volume, from its node: through the kubelet's mount, so that the pod's image needs no shell.
# Arguments: `write` or `read`, the pod's uid, what is written or must be found. Prints `ok` or `fail WHY`.
way=$1 uid=$2 content=$3
mount=
for directory in "/var/lib/kubelet/pods/$uid/volumes/kubernetes.io~csi"/*/mount; do
	[ -d "$directory" ] && mount=$directory
done
if [ -z "$mount" ]; then
	echo "fail the kubelet has no volume for the pod in /var/lib/kubelet/pods/$uid/volumes"
	exit 0
fi
# Without the mount it would be a directory of the node's own disk that keeps everything.
if [ "$(stat -c %d "$mount")" = "$(stat -c %d "${mount%/mount}")" ]; then
	echo "fail nothing is mounted on $mount"
	exit 0
fi
file=$mount/baremetal-verify
case $way in
write)
	if ! printf '%s\n' "$content" >"$file" 2>"$BM/why" || ! sync "$file" 2>"$BM/why"; then
		echo "fail it cannot be written: $(tail -n 1 "$BM/why")"
		exit 0
	fi
	;;
read)
	if ! [ -f "$file" ]; then
		echo 'fail the file that was written is not there'
		exit 0
	fi
	;;
esac
if [ "$(cat "$file" 2>/dev/null)" = "$content" ]; then
	echo ok
else
	echo 'fail it gives back something else than was written'
fi

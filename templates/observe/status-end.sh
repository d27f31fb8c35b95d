# What was asked beside the facts, as far as it has come a second after them.
seen=$BM/seen
tries=0
while [ -d "$seen" ] && [ ! -e "$seen/complete" ] && [ "$tries" -lt 10 ]; do
	sleep 0.1
	tries=$((tries + 1))
done
for answer in "$seen"/*.status; do
	[ -f "$answer" ] || continue
	answer=${answer%.status}
	printf '%%%% %s %s\n' "${answer##*/}" "$(cat "$answer.status")"
	cat "$answer.out"
	printf '\n%%%% %s.err 0\n' "${answer##*/}"
	tail -n 5 "$answer.err"
	printf '\n'
done
exit 0

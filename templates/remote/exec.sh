# Runs a command of the user's; what it makes is as readable as what a login makes. What it prints is marked, so that no line of it is taken for a word to the
# engine; without a buffer (GNU sed), so that what a killed command had said is not lost.
{ (umask 022 && exec sh "$BM/command"); echo $? >"$BM/status"; } | sed -u 's/^/./'
read -r status <"$BM/status"
exit "$status"

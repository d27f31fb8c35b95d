# Runs a command of the user's. What it prints is marked, so that no line of it is taken for a word to the
# engine; without a buffer (GNU sed), so that what a killed command had said is not lost.
{ sh "$BM/command"; echo $? >"$BM/status"; } | sed -u 's/^/./'
read -r status <"$BM/status"
exit "$status"

# Removes everything that verifications made.
sweep 180 || fail "still there after 180 s: $(spaces | tr '\n' ' ')$(volumes | tr '\n' ' ')"

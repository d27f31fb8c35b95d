# Whether this host has the virtual IP. Argument: virtual IP.
if ip -o addr show | grep -qF " $1/"; then echo yes; else echo no; fi

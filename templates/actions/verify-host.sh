# On each host: does the endpoint answer with the cluster's own CA, does the cluster's DNS answer, and who holds the virtual IP?
#
# Prints `api ok|fail WHY`, `dns ok|fail|skip WHY` and `holds yes|no`; with `fail` for an end, what is not so ends in status 1 too.
#
# Arguments: endpoint HOST:PORT, virtual IP (or empty), name of the secret that carries the answer, whether this is a node (yes or
# no), end (`fail` or `tell`), seconds for the API and seconds for DNS to answer, then address (or empty: not asked) and port of
# the cluster's DNS, the name to ask for, the type of its record (1: A, 28: AAAA) and the address it must have, in hexadecimal.
endpoint=$1 vip=$2 answer=$3 is_node=$4 ends=$5 api_patience=$6 dns_patience=$7 dns=$8 dns_port=$9
shift 9
name=$1 type=$2 wanted=$3
conf=/etc/kubernetes/kubelet.conf

through_endpoint() { kubectl --kubeconfig "$conf" --server "https://$endpoint" --request-timeout=5s get --raw "$1"; }

ready() { through_endpoint /readyz >"$BM/ready" 2>"$BM/ready.err"; }

api() {
	if within "$api_patience" ready; then
		echo ok
	else
		echo "fail $(grep . "$BM/ready.err" | tail -n 1)"
	fi
}

# The question for the address of $name, as a format of printf.
question() {
	question_text='\102\115\001\000\000\001\000\000\000\000\000\000'
	question_rest=$name.
	while [ -n "$question_rest" ]; do
		question_label=${question_rest%%.*}
		question_rest=${question_rest#*.}
		question_text=$question_text$(printf '\\%03o' "${#question_label}")$question_label
	done
	printf '%s\\000\\000\\%03o\\000\\001' "$question_text" "$type"
}

# bash opens sockets, and every distribution has it. One write is one datagram: bash itself would cut it at what looks like a line end.
# shellcheck disable=SC2016  # bash's own variables
ask_dns() {
	timeout 2 bash -c 'exec 3<>"/dev/udp/$1/$2" && cat "$3" >&3 && dd bs=4096 count=1 <&3' bash "$dns" "$dns_port" "$BM/question" 2>/dev/null |
		od -An -v -tx1 | tr -d ' \n'
}

resolves() {
	resolves_hex=$(ask_dns)
	case $resolves_hex in
	424d???0*"$wanted") return 0 ;;
	'') resolves_why='no answer within 2 s' ;;
	424d???0*) resolves_why='another address is in the answer' ;;
	424d???2*) resolves_why='it answers SERVFAIL' ;;
	424d???3*) resolves_why='it answers NXDOMAIN' ;;
	424d???5*) resolves_why='it answers REFUSED' ;;
	*) resolves_why='the answer is not understood' ;;
	esac
	printf '%s\n' "$resolves_why" >"$BM/dns.why"
	return 1
}

known() { through_endpoint /version >"$BM/version"; }

ask_cluster_dns() {
	if ! within "$api_patience" known; then
		echo 'skip the API, which says what kind of cluster this is, does not answer'
		return 0
	fi
	case $(cat "$BM/version") in
	*stand-in*)
		echo 'skip Kubernetes is a stand-in, which runs no CoreDNS'
		return 0
		;;
	esac
	if ! command -v bash >/dev/null; then
		echo 'skip there is no bash on the host, which opens the socket'
		return 0
	fi
	# shellcheck disable=SC2059  # it is made to be a format
	printf "$(question)" >"$BM/question"
	if within "$dns_patience" resolves; then
		echo ok
	else
		echo "fail $(cat "$BM/dns.why")"
	fi
}

if [ "$is_node" = yes ]; then
	if [ -n "$dns" ]; then ask_cluster_dns >"$BM/dns" & fi
	api >"$BM/api"
	printf 'api %s\n' "$(cat "$BM/api")"
	wait
	if [ -n "$dns" ]; then printf 'dns %s\n' "$(cat "$BM/dns")"; fi
fi
holds=no
if [ -n "$vip" ] && ip -o addr show | grep -qF " $vip/"; then holds=yes; fi
printf 'holds %s\n' "$holds"
printf '::secret %s %s\n' "$answer" "$holds"
[ "$ends" = fail ] && [ "$is_node" = yes ] || exit 0
if grep -q '^fail' "$BM/api"; then
	fail "https://$endpoint/readyz does not answer with the cluster's CA from here: $(cut -d ' ' -f 2- "$BM/api")"
fi
[ -n "$dns" ] || exit 0
case $(cat "$BM/dns") in
fail*) fail "the cluster's DNS at $dns does not answer here for $name: $(cut -d ' ' -f 2- "$BM/dns")" ;;
skip*) say "the cluster's DNS was not asked: $(cut -d ' ' -f 2- "$BM/dns")" ;;
esac

# Read-only: waits until pods run on every node and the Service has an address, then tells what there is.
# Arguments: namespace, seconds for the pods, seconds for the address (0: no Service is asked for).
space=$1 pods=$2 address=$3

has_address() {
	[ -n "$(kube -n "$space" get service outside -o 'jsonpath={.status.loadBalancer.ingress[0].ip}')" ]
}

ask rollout kube -n "$space" rollout status daemonset/node "--timeout=${pods}s"
if [ "$address" != 0 ]; then ask address within "$address" has_address; fi
wait
ask pods kube -n "$space" get pods -l app=node -o json
if [ "$address" != 0 ]; then ask service kube -n "$space" get service outside -o json; fi
answers

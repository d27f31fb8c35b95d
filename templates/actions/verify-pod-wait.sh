# Read-only: waits until a pod runs, then tells what there is of it and its claim. Arguments: namespace, pod, seconds.
space=$1 pod=$2 seconds=$3
ask ready kube -n "$space" wait "pod/$pod" --for=condition=Ready "--timeout=${seconds}s"
wait
ask pod kube -n "$space" get pod "$pod" -o json
ask claim kube -n "$space" get persistentvolumeclaim data -o json
ask events kube -n "$space" get events -o json
answers

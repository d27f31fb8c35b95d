# Read-only: the cluster as its own parts tell it. Argument: endpoint of this host's member of etcd.
etcd_endpoint=$1
ask nodes kube --request-timeout=8s get nodes -o json
ask version kube --request-timeout=8s get --raw /version
ask coredns kube --request-timeout=8s -n kube-system get deployment coredns --ignore-not-found -o json
ask etcd-members etcd member list
ask etcd-health etcd endpoint health --cluster
ask etcd-status etcd endpoint status --cluster -w json
answers

# What the cluster has that ends with it, as `key=value` lines; what cannot be read is left out. Reads only. Argument: etcd endpoint.
etcd_endpoint=$1
kube --request-timeout=10s get nodes -o 'jsonpath={range .items[*]}{"node="}{.metadata.name}{"\n"}{end}' 2>/dev/null || :
kube --request-timeout=10s get persistentvolumes \
	-o 'jsonpath={range .items[*]}{"volume="}{.metadata.name}{" "}{.spec.capacity.storage}{" "}{.spec.claimRef.namespace}{" "}{.spec.claimRef.name}{"\n"}{end}' 2>/dev/null || :
kube --request-timeout=10s -n longhorn-system get volumes.longhorn.io -o name 2>/dev/null | sed 's/^/longhorn=/' || :
etcd member list 2>/dev/null | sed -n 's/^[^,]*,[^,]*, \([^,]*\), \([^,]*\),.*/member=\1 \2/p' || :
echo end=yes

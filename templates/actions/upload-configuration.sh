# On a healthy control plane: the cluster's own copy of kubeadm's and the kubelets' configuration becomes that of the file.
# Attachment: kubeadm.yaml.
alone
within 60 api_ready || fail "the API does not answer /readyz"
run kubeadm init phase upload-config all --config "$BM/kubeadm.yaml"

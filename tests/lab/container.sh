# Installs containerd from the host's own repository, makes an image of a shell and runs it with the systemd cgroup driver.
set -eu
DEBIAN_FRONTEND=noninteractive apt-get -qq -y install containerd >/dev/null 2>&1
containerd config default | sed 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' > /etc/containerd/config.toml
systemctl restart containerd
cd "$(mktemp -d)"
mkdir root
cp --parents /bin/dash root
ldd /bin/dash | grep -o '/lib[^ ]*' | while read -r library; do cp -L --parents "$library" root; done
tar -C root -cf layer.tar .
printf '{"architecture":"%s","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$(dpkg --print-architecture)" "$(sha256sum layer.tar | cut -d' ' -f1)" > config.json
printf '[{"Config":"config.json","RepoTags":["example.test/shell:1"],"Layers":["layer.tar"]}]' > manifest.json
tar -cf image.tar manifest.json config.json layer.tar
ctr -n k8s.io images import image.tar >/dev/null
ctr -n k8s.io run --rm --runc-systemd-cgroup --cgroup system.slice:ctr:one example.test/shell:1 one \
    /bin/dash -c 'echo hello from a container'

# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_baremetal_global_optspecs
    string join \n h/help V/version
end

function __fish_baremetal_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_baremetal_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_baremetal_using_subcommand
    set -l cmd (__fish_baremetal_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c baremetal -n "__fish_baremetal_needs_command" -s h -l help -d 'Print help'
complete -c baremetal -n "__fish_baremetal_needs_command" -s V -l version -d 'Print version'
complete -c baremetal -n "__fish_baremetal_needs_command" -f -a "up" -d 'Make the hosts of an inventory the cluster that it describes; run again, it changes nothing'
complete -c baremetal -n "__fish_baremetal_needs_command" -f -a "plan" -d 'Show what `up` would do, in execution order, with the difference of every file; changes nothing'
complete -c baremetal -n "__fish_baremetal_needs_command" -f -a "add-node" -d 'Join hosts to a cluster that runs; nothing else is touched but what must learn of them'
complete -c baremetal -n "__fish_baremetal_needs_command" -f -a "check" -d 'Run every preflight check on every host; changes nothing'
complete -c baremetal -n "__fish_baremetal_needs_command" -f -a "maintenance" -d 'Take a node out of service for a while, and bring it back'
complete -c baremetal -n "__fish_baremetal_needs_command" -f -a "remove-node" -d 'Drain nodes, take them out of etcd and the cluster, reset their hosts and edit the inventory; dead machines too'
complete -c baremetal -n "__fish_baremetal_needs_command" -f -a "init" -d 'Write a first inventory: asks, looks at the hosts, and proposes what fits them'
complete -c baremetal -n "__fish_baremetal_needs_command" -f -a "render" -d 'Write every file of every host into a directory, without connecting to any'
complete -c baremetal -n "__fish_baremetal_needs_command" -f -a "rebuild" -d 'End the cluster and make it again on the same hosts, keeping what `up` would not change; for pipelines'
complete -c baremetal -n "__fish_baremetal_needs_command" -f -a "reset" -d 'Give hosts back as they were before `up`: asks for the cluster\'s name first; running it again changes nothing'
complete -c baremetal -n "__fish_baremetal_needs_command" -f -a "kubeconfig" -d 'Fetch the administrator\'s kubeconfig into a file that only you can read'
complete -c baremetal -n "__fish_baremetal_needs_command" -f -a "exec" -d 'Run a command on many hosts, as root, with the connections and limits of `up`'
complete -c baremetal -n "__fish_baremetal_needs_command" -f -a "ssh" -d 'Open a shell on a host, or run a command there, with the inventory\'s user, port, key and jump host'
complete -c baremetal -n "__fish_baremetal_needs_command" -f -a "report" -d 'Draw a run as one HTML file: hosts on a time axis, why it took so long, what failed; lists the runs kept'
complete -c baremetal -n "__fish_baremetal_needs_command" -f -a "bundle" -d 'Make, extend and check bundles of binaries, images, charts and manifests for use without internet'
complete -c baremetal -n "__fish_baremetal_needs_command" -f -a "lab" -d 'Hosts made from the inventory\'s `lab:` block'
complete -c baremetal -n "__fish_baremetal_needs_command" -f -a "schema" -d 'Print a JSON Schema, for editors and pipelines'
complete -c baremetal -n "__fish_baremetal_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c baremetal -n "__fish_baremetal_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c baremetal -n "__fish_baremetal_using_subcommand up" -l bundle -d 'Take binaries, images and charts from this bundle (a directory or an archive) and nothing from the internet' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand up" -l kubernetes -d 'Kubernetes version, instead of the inventory\'s' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand up" -l parallel -d 'Work on at most this many hosts at once' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand up" -l skip-check -d 'Leave out a preflight check; may be given several times' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand up" -s o -l output -d 'How progress and results are printed' -r -f -a "text\t'A live view on a terminal, plain lines elsewhere'
json\t'One event per line on stdout'"
complete -c baremetal -n "__fish_baremetal_using_subcommand up" -l junit -d 'Write a JUnit file of the run' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand up" -l limit -d 'Only these hosts: names, globs, `group:NAME`, `role:NAME`, `!` for all but, separated by commas' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand up" -l accept-new-host-keys -d 'Accept the keys of hosts that are not in `known_hosts` yet; a changed key stops always'
complete -c baremetal -n "__fish_baremetal_using_subcommand up" -s v -l verbose -d 'Show every change of every step'
complete -c baremetal -n "__fish_baremetal_using_subcommand up" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c baremetal -n "__fish_baremetal_using_subcommand plan" -l bundle -d 'Take binaries, images and charts from this bundle (a directory or an archive) and nothing from the internet' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand plan" -l kubernetes -d 'Kubernetes version, instead of the inventory\'s' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand plan" -l parallel -d 'Work on at most this many hosts at once' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand plan" -l skip-check -d 'Leave out a preflight check; may be given several times' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand plan" -s o -l output -d 'How progress and results are printed' -r -f -a "text\t'A live view on a terminal, plain lines elsewhere'
json\t'One event per line on stdout'"
complete -c baremetal -n "__fish_baremetal_using_subcommand plan" -l junit -d 'Write a JUnit file of the run' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand plan" -l limit -d 'Only these hosts: names, globs, `group:NAME`, `role:NAME`, `!` for all but, separated by commas' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand plan" -l accept-new-host-keys -d 'Accept the keys of hosts that are not in `known_hosts` yet; a changed key stops always'
complete -c baremetal -n "__fish_baremetal_using_subcommand plan" -s v -l verbose -d 'Show every change of every step'
complete -c baremetal -n "__fish_baremetal_using_subcommand plan" -l exit-code -d 'Exit with 7 when there is something to do'
complete -c baremetal -n "__fish_baremetal_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -l bundle -d 'Take binaries, images and charts from this bundle (a directory or an archive) and nothing from the internet' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -l kubernetes -d 'Kubernetes version, instead of the inventory\'s' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -l parallel -d 'Work on at most this many hosts at once' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -l skip-check -d 'Leave out a preflight check; may be given several times' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -s o -l output -d 'How progress and results are printed' -r -f -a "text\t'A live view on a terminal, plain lines elsewhere'
json\t'One event per line on stdout'"
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -l junit -d 'Write a JUnit file of the run' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -l address -d 'Where SSH connects, for a single new host' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -l node-ip -d 'Address in the cluster network, where `--address` is not one; twice for IPv4 and IPv6' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -l role -d 'What the host is; may be given twice. Default: worker' -r -f -a "control-plane\t''
worker\t''
load-balancer\t''"
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -l group -d 'Group of the inventory; may be given several times' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -l label -d 'Label of the node; may be given several times' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -l taint -d 'Taint of the node; may be given several times' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -l interface -d 'Network interface for the virtual IP and flannel' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -l data-disk -d 'Mount point for Longhorn; may be given several times' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -l ssh-user -d 'Login user' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -l ssh-port -d 'Port of sshd' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -l ssh-jump -d 'Jump host, as `ssh -J` takes it' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -l accept-new-host-keys -d 'Accept the keys of hosts that are not in `known_hosts` yet; a changed key stops always'
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -s v -l verbose -d 'Show every change of every step'
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -l write-first -d 'Write new hosts into the inventory before they join, not after'
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -l dry-run -d 'Show what would be done, and change nothing'
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -s y -l yes -d 'Do not ask on a terminal whether to go on'
complete -c baremetal -n "__fish_baremetal_using_subcommand add-node" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c baremetal -n "__fish_baremetal_using_subcommand check" -l bundle -d 'Take binaries, images and charts from this bundle (a directory or an archive) and nothing from the internet' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand check" -l kubernetes -d 'Kubernetes version, instead of the inventory\'s' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand check" -l parallel -d 'Work on at most this many hosts at once' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand check" -l skip-check -d 'Leave out a preflight check; may be given several times' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand check" -s o -l output -d 'How progress and results are printed' -r -f -a "text\t'A live view on a terminal, plain lines elsewhere'
json\t'One event per line on stdout'"
complete -c baremetal -n "__fish_baremetal_using_subcommand check" -l junit -d 'Write a JUnit file of the run' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand check" -l limit -d 'Only these hosts: names, globs, `group:NAME`, `role:NAME`, `!` for all but, separated by commas' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand check" -l accept-new-host-keys -d 'Accept the keys of hosts that are not in `known_hosts` yet; a changed key stops always'
complete -c baremetal -n "__fish_baremetal_using_subcommand check" -s v -l verbose -d 'Show every change of every step'
complete -c baremetal -n "__fish_baremetal_using_subcommand check" -l offline -d 'Check the inventory and the artifacts, and connect to no host'
complete -c baremetal -n "__fish_baremetal_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and not __fish_seen_subcommand_from on off help" -s h -l help -d 'Print help'
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and not __fish_seen_subcommand_from on off help" -f -a "on" -d 'Cordon and drain a node, and write on it who did so, when and why'
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and not __fish_seen_subcommand_from on off help" -f -a "off" -d 'Undo what `on` did, and no more than that'
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and not __fish_seen_subcommand_from on off help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l bundle -d 'Take binaries, images and charts from this bundle (a directory or an archive) and nothing from the internet' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l kubernetes -d 'Kubernetes version, instead of the inventory\'s' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l parallel -d 'Work on at most this many hosts at once' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l skip-check -d 'Leave out a preflight check; may be given several times' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from on" -s o -l output -d 'How progress and results are printed' -r -f -a "text\t'A live view on a terminal, plain lines elsewhere'
json\t'One event per line on stdout'"
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l junit -d 'Write a JUnit file of the run' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l reason -d 'Why; written on the node for others to read' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l drain-timeout -d 'How long pods may take to leave; after that, what is in the way is named and the node is as it was before' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l accept-new-host-keys -d 'Accept the keys of hosts that are not in `known_hosts` yet; a changed key stops always'
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from on" -s v -l verbose -d 'Show every change of every step'
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l delete-unmanaged-pods -d 'Let pods go that have no controller, so that nobody makes them again'
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from on" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from off" -l bundle -d 'Take binaries, images and charts from this bundle (a directory or an archive) and nothing from the internet' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from off" -l kubernetes -d 'Kubernetes version, instead of the inventory\'s' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from off" -l parallel -d 'Work on at most this many hosts at once' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from off" -l skip-check -d 'Leave out a preflight check; may be given several times' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from off" -s o -l output -d 'How progress and results are printed' -r -f -a "text\t'A live view on a terminal, plain lines elsewhere'
json\t'One event per line on stdout'"
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from off" -l junit -d 'Write a JUnit file of the run' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from off" -l accept-new-host-keys -d 'Accept the keys of hosts that are not in `known_hosts` yet; a changed key stops always'
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from off" -s v -l verbose -d 'Show every change of every step'
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from off" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from help" -f -a "on" -d 'Cordon and drain a node, and write on it who did so, when and why'
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from help" -f -a "off" -d 'Undo what `on` did, and no more than that'
complete -c baremetal -n "__fish_baremetal_using_subcommand maintenance; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c baremetal -n "__fish_baremetal_using_subcommand remove-node" -l bundle -d 'Take binaries, images and charts from this bundle (a directory or an archive) and nothing from the internet' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand remove-node" -l kubernetes -d 'Kubernetes version, instead of the inventory\'s' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand remove-node" -l parallel -d 'Work on at most this many hosts at once' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand remove-node" -l skip-check -d 'Leave out a preflight check; may be given several times' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand remove-node" -s o -l output -d 'How progress and results are printed' -r -f -a "text\t'A live view on a terminal, plain lines elsewhere'
json\t'One event per line on stdout'"
complete -c baremetal -n "__fish_baremetal_using_subcommand remove-node" -l junit -d 'Write a JUnit file of the run' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand remove-node" -l yes -d 'Name of the cluster, instead of being asked for it' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand remove-node" -l drain-timeout -d 'How long pods may take to leave; after that, what is in the way is named and the node is as it was before' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand remove-node" -l replicas-timeout -d 'How long Longhorn may take to rebuild replicas elsewhere; after that, the node is as it was before' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand remove-node" -l lose-volume -d 'Let this volume of Longhorn\'s die with the node, which has its last healthy replica; may be given several times' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand remove-node" -l accept-new-host-keys -d 'Accept the keys of hosts that are not in `known_hosts` yet; a changed key stops always'
complete -c baremetal -n "__fish_baremetal_using_subcommand remove-node" -s v -l verbose -d 'Show every change of every step'
complete -c baremetal -n "__fish_baremetal_using_subcommand remove-node" -l dead -d 'The machines are dead: no SSH to them is tried, nothing is drained and reset'
complete -c baremetal -n "__fish_baremetal_using_subcommand remove-node" -l delete-unmanaged-pods -d 'Let pods go that have no controller, so that nobody makes them again'
complete -c baremetal -n "__fish_baremetal_using_subcommand remove-node" -l keep-entry -d 'Leave the entries in the inventory, for machines that come back under the same names'
complete -c baremetal -n "__fish_baremetal_using_subcommand remove-node" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l host -d 'A host: `NAME ADDRESS [ROLE…]` or `[USER@]ADDRESS`; may be given several times' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l hosts-file -d 'A list of hosts, one a line, written as for `--host`' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l ssh-host -d 'Hosts of the ssh configuration, by name or with `*`; may be given several times' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l ssh-config -d 'ssh configuration instead of `~/.ssh/config`' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l from-kubespray -d 'Convert an inventory of kubespray\'s, with its group variables, and list what cannot be carried over' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l cluster -d 'Name of the cluster' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l kubernetes -d 'Kubernetes version' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l control-planes -d 'How many of the hosts, from the first, are control planes, where no host has a role' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l user -d 'User to log in as; `none` leaves it to ssh' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l key -d 'Private key file; left to ssh when not given' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l jump -d 'Jump host, as `ssh -J` takes it; left to ssh when not given' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l endpoint -d 'Where the API is reached: a free address, or `HOST:PORT` of a load balancer of your own' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l interface -d 'Interface for the virtual IP and the pod network; `auto` takes the one with each host\'s address' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l metallb -d 'Addresses for Services of type `LoadBalancer`, such as `10.0.0.200-10.0.0.219`; `none` leaves MetalLB out' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l pods -d 'Pod network' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l services -d 'Service network' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l longhorn -d 'Replicated storage by Longhorn: `yes` or `no`' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l yes -d 'Take what is proposed for every question that has no flag'
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l offline -d 'Connect to no host: propose from the addresses alone'
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l accept-new-host-keys -d 'Accept the keys of hosts that are not in `known_hosts` yet; a changed key stops always'
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -l force -d 'Overwrite the inventory when it is there'
complete -c baremetal -n "__fish_baremetal_using_subcommand init" -s h -l help -d 'Print help'
complete -c baremetal -n "__fish_baremetal_using_subcommand render" -l out -d 'Directory to write to; one directory per host is made in it' -r -f -a "(__fish_complete_directories)"
complete -c baremetal -n "__fish_baremetal_using_subcommand render" -l limit -d 'Only these hosts: names, globs, `group:NAME`, `role:NAME`, `!` for all but, separated by commas' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand render" -l bundle -d 'Take binaries, images and charts from this bundle (a directory or an archive) and nothing from the internet' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand render" -l kubernetes -d 'Kubernetes version, instead of the inventory\'s' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand render" -s h -l help -d 'Print help'
complete -c baremetal -n "__fish_baremetal_using_subcommand rebuild" -l bundle -d 'Take binaries, images and charts from this bundle (a directory or an archive) and nothing from the internet' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand rebuild" -l kubernetes -d 'Kubernetes version, instead of the inventory\'s' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand rebuild" -l parallel -d 'Work on at most this many hosts at once' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand rebuild" -l skip-check -d 'Leave out a preflight check; may be given several times' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand rebuild" -s o -l output -d 'How progress and results are printed' -r -f -a "text\t'A live view on a terminal, plain lines elsewhere'
json\t'One event per line on stdout'"
complete -c baremetal -n "__fish_baremetal_using_subcommand rebuild" -l junit -d 'Write a JUnit file of the run' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand rebuild" -l yes -d 'Name of the cluster, instead of being asked for it' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand rebuild" -l accept-new-host-keys -d 'Accept the keys of hosts that are not in `known_hosts` yet; a changed key stops always'
complete -c baremetal -n "__fish_baremetal_using_subcommand rebuild" -s v -l verbose -d 'Show every change of every step'
complete -c baremetal -n "__fish_baremetal_using_subcommand rebuild" -l longhorn-data -d 'Remove Longhorn\'s data on the hosts\' disks too'
complete -c baremetal -n "__fish_baremetal_using_subcommand rebuild" -l recreate-lab -d 'Destroy the hosts of the inventory\'s `lab:` block and make them anew first'
complete -c baremetal -n "__fish_baremetal_using_subcommand rebuild" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c baremetal -n "__fish_baremetal_using_subcommand reset" -l bundle -d 'Take binaries, images and charts from this bundle (a directory or an archive) and nothing from the internet' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand reset" -l kubernetes -d 'Kubernetes version, instead of the inventory\'s' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand reset" -l parallel -d 'Work on at most this many hosts at once' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand reset" -l skip-check -d 'Leave out a preflight check; may be given several times' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand reset" -s o -l output -d 'How progress and results are printed' -r -f -a "text\t'A live view on a terminal, plain lines elsewhere'
json\t'One event per line on stdout'"
complete -c baremetal -n "__fish_baremetal_using_subcommand reset" -l junit -d 'Write a JUnit file of the run' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand reset" -l yes -d 'Name of the cluster, instead of being asked for it' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand reset" -l although-member -d 'Reset a NAME although it is a member of a cluster that goes on; say why' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand reset" -l accept-new-host-keys -d 'Accept the keys of hosts that are not in `known_hosts` yet; a changed key stops always'
complete -c baremetal -n "__fish_baremetal_using_subcommand reset" -s v -l verbose -d 'Show every change of every step'
complete -c baremetal -n "__fish_baremetal_using_subcommand reset" -l packages -d 'Remove packages that `up` installed too, unless something else has come to need them'
complete -c baremetal -n "__fish_baremetal_using_subcommand reset" -l longhorn-data -d 'Remove Longhorn\'s data on the hosts\' disks too'
complete -c baremetal -n "__fish_baremetal_using_subcommand reset" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c baremetal -n "__fish_baremetal_using_subcommand kubeconfig" -l bundle -d 'Take binaries, images and charts from this bundle (a directory or an archive) and nothing from the internet' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand kubeconfig" -l kubernetes -d 'Kubernetes version, instead of the inventory\'s' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand kubeconfig" -l parallel -d 'Work on at most this many hosts at once' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand kubeconfig" -l skip-check -d 'Leave out a preflight check; may be given several times' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand kubeconfig" -s o -l output -d 'How progress and results are printed' -r -f -a "text\t'A live view on a terminal, plain lines elsewhere'
json\t'One event per line on stdout'"
complete -c baremetal -n "__fish_baremetal_using_subcommand kubeconfig" -l junit -d 'Write a JUnit file of the run' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand kubeconfig" -l out -d 'File to write, mode 0600; `<cluster>.kubeconfig` beside the inventory when left out' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand kubeconfig" -l accept-new-host-keys -d 'Accept the keys of hosts that are not in `known_hosts` yet; a changed key stops always'
complete -c baremetal -n "__fish_baremetal_using_subcommand kubeconfig" -s v -l verbose -d 'Show every change of every step'
complete -c baremetal -n "__fish_baremetal_using_subcommand kubeconfig" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c baremetal -n "__fish_baremetal_using_subcommand exec" -l limit -d 'Only these hosts: names, globs, `group:NAME`, `role:NAME`, `!` for all but, separated by commas' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand exec" -l timeout -d 'Kill the command on a host after so many seconds' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand exec" -l parallel -d 'Work on at most this many hosts at once' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand exec" -s o -l output -d 'How results are printed' -r -f -a "text\t'A live view on a terminal, plain lines elsewhere'
json\t'One event per line on stdout'"
complete -c baremetal -n "__fish_baremetal_using_subcommand exec" -l accept-new-host-keys -d 'Accept the keys of hosts that are not in `known_hosts` yet; a changed key stops always'
complete -c baremetal -n "__fish_baremetal_using_subcommand exec" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c baremetal -n "__fish_baremetal_using_subcommand ssh" -s h -l help -d 'Print help'
complete -c baremetal -n "__fish_baremetal_using_subcommand report" -l cluster -d 'Only runs of this cluster' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand report" -l out -d 'File to write, mode 0600, `-` for stdout; `<run>.html` in this directory when left out' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand report" -l last -d 'The newest run'
complete -c baremetal -n "__fish_baremetal_using_subcommand report" -s h -l help -d 'Print help'
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and not __fish_seen_subcommand_from create add verify show pack help" -s h -l help -d 'Print help'
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and not __fish_seen_subcommand_from create add verify show pack help" -f -a "create" -d 'Make a bundle from what upstream publishes; needs internet, or a mirror'
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and not __fish_seen_subcommand_from create add verify show pack help" -f -a "add" -d 'Add local files to a bundle, or make one of them: binaries, image archives, CNI plugins, charts, manifests'
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and not __fish_seen_subcommand_from create add verify show pack help" -f -a "verify" -d 'Check every item: files, sizes, checksums, image references, and whether anything is missing for its Kubernetes'
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and not __fish_seen_subcommand_from create add verify show pack help" -f -a "show" -d 'Show what a bundle holds'
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and not __fish_seen_subcommand_from create add verify show pack help" -f -a "pack" -d 'Pack a bundle\'s directory into one archive'
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and not __fish_seen_subcommand_from create add verify show pack help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from create" -l inventory -d 'Everything that this inventory needs' -r -F
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from create" -l kubernetes -d 'A plain cluster of this Kubernetes version, without add-ons' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from create" -l arch -d 'Architecture of the hosts; may be given several times' -r -f -a "amd64\t''
arm64\t''"
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from create" -l component -d 'Another version of a component than the catalog\'s; may be given several times' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from create" -l mirror -d 'URL prefix that replaces upstream\'s scheme and host; charts are taken from `<URL>/charts`' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from create" -l registry -d 'Pull every image from this registry, as `HOST[:PORT][/PATH]`, instead of from its own' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from add" -l kind -d 'What the files are, where they do not tell' -r -f -a "binary\t''
archive\t''
image\t''
chart\t''
manifest\t''"
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from add" -l name -d 'Name of the item, for a single file' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from add" -l version -d 'Version of the item, where the file does not tell' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from add" -l arch -d 'Architecture of the hosts that the files are for; any when neither this nor the file says one' -r -f -a "amd64\t''
arm64\t''"
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from add" -l image -d 'Reference of an image in the archive, where the archive does not tell; may be given several times' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from add" -l kubernetes -d 'Kubernetes version of a new bundle, where no kubeadm tells' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from add" -l note -d 'Text to show on every run that uses the bundle; empty removes it' -r
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from show" -s o -l output -d 'How it is printed' -r -f -a "table\t''
json\t''"
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from pack" -s h -l help -d 'Print help'
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from help" -f -a "create" -d 'Make a bundle from what upstream publishes; needs internet, or a mirror'
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from help" -f -a "add" -d 'Add local files to a bundle, or make one of them: binaries, image archives, CNI plugins, charts, manifests'
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Check every item: files, sizes, checksums, image references, and whether anything is missing for its Kubernetes'
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show what a bundle holds'
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from help" -f -a "pack" -d 'Pack a bundle\'s directory into one archive'
complete -c baremetal -n "__fish_baremetal_using_subcommand bundle; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c baremetal -n "__fish_baremetal_using_subcommand lab; and not __fish_seen_subcommand_from up status down ssh help" -s h -l help -d 'Print help'
complete -c baremetal -n "__fish_baremetal_using_subcommand lab; and not __fish_seen_subcommand_from up status down ssh help" -f -a "up" -d 'Make the hosts and leave them bare'
complete -c baremetal -n "__fish_baremetal_using_subcommand lab; and not __fish_seen_subcommand_from up status down ssh help" -f -a "status" -d 'Show the hosts'
complete -c baremetal -n "__fish_baremetal_using_subcommand lab; and not __fish_seen_subcommand_from up status down ssh help" -f -a "down" -d 'Remove the hosts and everything made for them'
complete -c baremetal -n "__fish_baremetal_using_subcommand lab; and not __fish_seen_subcommand_from up status down ssh help" -f -a "ssh" -d 'Open a shell on a host, or run a command there'
complete -c baremetal -n "__fish_baremetal_using_subcommand lab; and not __fish_seen_subcommand_from up status down ssh help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c baremetal -n "__fish_baremetal_using_subcommand lab; and __fish_seen_subcommand_from up" -s h -l help -d 'Print help'
complete -c baremetal -n "__fish_baremetal_using_subcommand lab; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c baremetal -n "__fish_baremetal_using_subcommand lab; and __fish_seen_subcommand_from down" -s h -l help -d 'Print help'
complete -c baremetal -n "__fish_baremetal_using_subcommand lab; and __fish_seen_subcommand_from ssh" -s h -l help -d 'Print help'
complete -c baremetal -n "__fish_baremetal_using_subcommand lab; and __fish_seen_subcommand_from help" -f -a "up" -d 'Make the hosts and leave them bare'
complete -c baremetal -n "__fish_baremetal_using_subcommand lab; and __fish_seen_subcommand_from help" -f -a "status" -d 'Show the hosts'
complete -c baremetal -n "__fish_baremetal_using_subcommand lab; and __fish_seen_subcommand_from help" -f -a "down" -d 'Remove the hosts and everything made for them'
complete -c baremetal -n "__fish_baremetal_using_subcommand lab; and __fish_seen_subcommand_from help" -f -a "ssh" -d 'Open a shell on a host, or run a command there'
complete -c baremetal -n "__fish_baremetal_using_subcommand lab; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c baremetal -n "__fish_baremetal_using_subcommand schema" -s h -l help -d 'Print help'
complete -c baremetal -n "__fish_baremetal_using_subcommand completions" -s h -l help -d 'Print help'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and not __fish_seen_subcommand_from up plan add-node check maintenance remove-node init render rebuild reset kubeconfig exec ssh report bundle lab schema completions help" -f -a "up" -d 'Make the hosts of an inventory the cluster that it describes; run again, it changes nothing'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and not __fish_seen_subcommand_from up plan add-node check maintenance remove-node init render rebuild reset kubeconfig exec ssh report bundle lab schema completions help" -f -a "plan" -d 'Show what `up` would do, in execution order, with the difference of every file; changes nothing'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and not __fish_seen_subcommand_from up plan add-node check maintenance remove-node init render rebuild reset kubeconfig exec ssh report bundle lab schema completions help" -f -a "add-node" -d 'Join hosts to a cluster that runs; nothing else is touched but what must learn of them'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and not __fish_seen_subcommand_from up plan add-node check maintenance remove-node init render rebuild reset kubeconfig exec ssh report bundle lab schema completions help" -f -a "check" -d 'Run every preflight check on every host; changes nothing'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and not __fish_seen_subcommand_from up plan add-node check maintenance remove-node init render rebuild reset kubeconfig exec ssh report bundle lab schema completions help" -f -a "maintenance" -d 'Take a node out of service for a while, and bring it back'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and not __fish_seen_subcommand_from up plan add-node check maintenance remove-node init render rebuild reset kubeconfig exec ssh report bundle lab schema completions help" -f -a "remove-node" -d 'Drain nodes, take them out of etcd and the cluster, reset their hosts and edit the inventory; dead machines too'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and not __fish_seen_subcommand_from up plan add-node check maintenance remove-node init render rebuild reset kubeconfig exec ssh report bundle lab schema completions help" -f -a "init" -d 'Write a first inventory: asks, looks at the hosts, and proposes what fits them'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and not __fish_seen_subcommand_from up plan add-node check maintenance remove-node init render rebuild reset kubeconfig exec ssh report bundle lab schema completions help" -f -a "render" -d 'Write every file of every host into a directory, without connecting to any'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and not __fish_seen_subcommand_from up plan add-node check maintenance remove-node init render rebuild reset kubeconfig exec ssh report bundle lab schema completions help" -f -a "rebuild" -d 'End the cluster and make it again on the same hosts, keeping what `up` would not change; for pipelines'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and not __fish_seen_subcommand_from up plan add-node check maintenance remove-node init render rebuild reset kubeconfig exec ssh report bundle lab schema completions help" -f -a "reset" -d 'Give hosts back as they were before `up`: asks for the cluster\'s name first; running it again changes nothing'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and not __fish_seen_subcommand_from up plan add-node check maintenance remove-node init render rebuild reset kubeconfig exec ssh report bundle lab schema completions help" -f -a "kubeconfig" -d 'Fetch the administrator\'s kubeconfig into a file that only you can read'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and not __fish_seen_subcommand_from up plan add-node check maintenance remove-node init render rebuild reset kubeconfig exec ssh report bundle lab schema completions help" -f -a "exec" -d 'Run a command on many hosts, as root, with the connections and limits of `up`'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and not __fish_seen_subcommand_from up plan add-node check maintenance remove-node init render rebuild reset kubeconfig exec ssh report bundle lab schema completions help" -f -a "ssh" -d 'Open a shell on a host, or run a command there, with the inventory\'s user, port, key and jump host'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and not __fish_seen_subcommand_from up plan add-node check maintenance remove-node init render rebuild reset kubeconfig exec ssh report bundle lab schema completions help" -f -a "report" -d 'Draw a run as one HTML file: hosts on a time axis, why it took so long, what failed; lists the runs kept'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and not __fish_seen_subcommand_from up plan add-node check maintenance remove-node init render rebuild reset kubeconfig exec ssh report bundle lab schema completions help" -f -a "bundle" -d 'Make, extend and check bundles of binaries, images, charts and manifests for use without internet'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and not __fish_seen_subcommand_from up plan add-node check maintenance remove-node init render rebuild reset kubeconfig exec ssh report bundle lab schema completions help" -f -a "lab" -d 'Hosts made from the inventory\'s `lab:` block'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and not __fish_seen_subcommand_from up plan add-node check maintenance remove-node init render rebuild reset kubeconfig exec ssh report bundle lab schema completions help" -f -a "schema" -d 'Print a JSON Schema, for editors and pipelines'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and not __fish_seen_subcommand_from up plan add-node check maintenance remove-node init render rebuild reset kubeconfig exec ssh report bundle lab schema completions help" -f -a "completions" -d 'Print the completion script of a shell'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and not __fish_seen_subcommand_from up plan add-node check maintenance remove-node init render rebuild reset kubeconfig exec ssh report bundle lab schema completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and __fish_seen_subcommand_from maintenance" -f -a "on" -d 'Cordon and drain a node, and write on it who did so, when and why'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and __fish_seen_subcommand_from maintenance" -f -a "off" -d 'Undo what `on` did, and no more than that'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and __fish_seen_subcommand_from bundle" -f -a "create" -d 'Make a bundle from what upstream publishes; needs internet, or a mirror'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and __fish_seen_subcommand_from bundle" -f -a "add" -d 'Add local files to a bundle, or make one of them: binaries, image archives, CNI plugins, charts, manifests'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and __fish_seen_subcommand_from bundle" -f -a "verify" -d 'Check every item: files, sizes, checksums, image references, and whether anything is missing for its Kubernetes'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and __fish_seen_subcommand_from bundle" -f -a "show" -d 'Show what a bundle holds'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and __fish_seen_subcommand_from bundle" -f -a "pack" -d 'Pack a bundle\'s directory into one archive'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and __fish_seen_subcommand_from lab" -f -a "up" -d 'Make the hosts and leave them bare'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and __fish_seen_subcommand_from lab" -f -a "status" -d 'Show the hosts'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and __fish_seen_subcommand_from lab" -f -a "down" -d 'Remove the hosts and everything made for them'
complete -c baremetal -n "__fish_baremetal_using_subcommand help; and __fish_seen_subcommand_from lab" -f -a "ssh" -d 'Open a shell on a host, or run a command there'

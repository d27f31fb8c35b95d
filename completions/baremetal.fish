complete --keep-order --exclusive --command baremetal --arguments "(BAREMETAL_COMPLETE=fish baremetal -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"

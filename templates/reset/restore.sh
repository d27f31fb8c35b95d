# put_back PREFIX: what was at paths that begin so before, deepest first; what was not there goes.
put_back() {
    awk '{ line[NR] = $0 } END { for (i = NR; i > 0; i--) print line[i] }' "$before/paths" 2>/dev/null >"$BM/.paths"
    while IFS= read -r noted_line; do
        path=/${noted_line#*/}
        case $path in "$1"*) ;; *) continue ;; esac
        # shellcheck disable=SC2086  # four words before the path
        set -- "$1" ${noted_line%%/*}
        # What came with a package that went with us was never the host's own.
        if was purged "$path"; then
            put_away
            continue
        fi
        case $2 in
            absent) put_away ;;
            file) put_file "$3" "$4" "$5" ;;
            link) put_link "$5" ;;
            directory) put_directory "$3" "$4" ;;
        esac
    done <"$BM/.paths"
}

# A directory in which others have put something stays.
put_away() {
    if [ -d "$path" ] && [ ! -L "$path" ]; then
        rmdir -- "$path" 2>/dev/null
        return 0
    fi
    rm -f -- "$path" 2>"$out" || fail "$(cat "$out")"
}

put_file() {
    [ -f "$before/content/$3" ] || fail "the note of what was in $path is damaged"
    [ ! -d "$path" ] || return 0
    if ! cmp -s -- "$before/content/$3" "$path"; then
        mkdir -p -- "${path%/*}" 2>/dev/null
        new=${path%/*}/.baremetal-new
        rm -f -- "$new"
        try "$path cannot be written" cp -- "$before/content/$3" "$new"
        try "$path cannot be written" chmod "$1" -- "$new"
        chown "$2" -- "$new"
        # In place where it is a mount point.
        if ! mv -f -T -- "$new" "$path" 2>/dev/null; then
            { cat -- "$new" >"$path"; } 2>"$out" || fail "$path cannot be written: $(cat "$out")"
            rm -f -- "$new"
        fi
    fi
    chmod "$1" -- "$path" && chown "$2" -- "$path"
    ! have restorecon || restorecon -- "$path" 2>/dev/null
    return 0
}

put_link() {
    read -r target <"$before/content/$1" || fail "the note of where $path led is damaged"
    if [ "$(readlink -- "$path" 2>/dev/null)" != "$target" ]; then ln -sfnT -- "$target" "$path" 2>"$out" || fail "$(cat "$out")"; fi
}

put_directory() {
    [ -d "$path" ] || mkdir -p -- "$path" 2>/dev/null
    chmod "$1" -- "$path" && chown "$2" -- "$path"
}

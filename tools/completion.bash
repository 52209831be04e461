# Completion of make targets and of the playbooks' own words, for bash:  source tools/completion.bash
# It reads what stands in the checkout in which it is used, so that it is never older than that.

_sluice_make() {
    local word=${COMP_WORDS[COMP_CWORD]}
    [ -f Makefile ] || return
    # After the target: the variables that it takes.
    mapfile -t COMPREPLY < <(compgen -W "$(sed -En 's/^([a-z-]+):.*##.*/\1/p; s/^([A-Z]+) \?=.*/\1=/p' Makefile)" -- "$word")
    [[ ${COMPREPLY[*]} != *= ]] || compopt -o nospace
}

_sluice_playbook() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} playbook own
    COMPREPLY=()
    [ -d playbooks ] || return
    case $before in
    -e | --extra-vars)
        # What the playbook's head and messages name, and every setting of the roles.
        for playbook in "${COMP_WORDS[@]}"; do
            [ -f "$playbook" ] || continue
            own+=" $(grep -Eoh -- "(-e|--extra-vars) '?[a-z_]+=" "$playbook" | grep -Eo '[a-z_]+=$' | sort -u | tr '\n' ' ')"
        done
        own+=" $(sed -En 's/^\| `([a-z]+_[a-z0-9_]+)` \|.*/\1=/p' docs/reference.md 2>/dev/null | tr '\n' ' ')"
        mapfile -t COMPREPLY < <(compgen -W "$own" -- "$word")
        compopt -o nospace
        ;;
    -i | --inventory) mapfile -t COMPREPLY < <(compgen -G "inventories/${word#inventories/}*") ;;
    *) mapfile -t COMPREPLY < <(compgen -G "playbooks/${word#playbooks/}*.yml") ;;
    esac
}

complete -o default -F _sluice_make make
complete -o default -F _sluice_playbook ansible-playbook

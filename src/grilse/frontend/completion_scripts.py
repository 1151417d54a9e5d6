"""The scripts by which shells ask for completions.

Knows nothing of what is completed; each script sets ``_GRILSE_COMPLETE``, ``COMP_WORDS`` and ``COMP_CWORD`` as click's
own scripts do.
"""

from __future__ import annotations

_BASH = """\
_grilse_complete() {
    local IFS=$'\\n'
    COMPREPLY=($(COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD _GRILSE_COMPLETE=bash_complete "$1"))
}
complete -o nospace -F _grilse_complete grilse
"""

_ZSH = """\
#compdef grilse
_grilse_complete() {
    local word text
    local -a answer words_only texts
    answer=("${(@f)$(COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) _GRILSE_COMPLETE=zsh_complete grilse)}")
    for word text in "${answer[@]}"; do
        [[ -n $word ]] || continue
        words_only+=("$word")
        texts+=("${word% }${text:+  -- $text}")
    done
    (( ${#words_only} )) && compadd -Q -S '' -l -d texts -- "${words_only[@]}"
}
compdef _grilse_complete grilse
"""

_FISH = """\
function _grilse_complete
    env _GRILSE_COMPLETE=fish_complete COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -ct) grilse
end
complete --no-files --command grilse --arguments "(_grilse_complete)"
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}

"""`ralph completion bash|zsh|fish`: the script that lets a shell complete what is typed.

The scripts ask `ralph --complete SHELL WORD...` and never evaluate what it answers: a kind (`words`, `markdown`,
`files`, `folders`), then for `words` a line `value<TAB>what it is` for each. Paths are the shell's own business.
"""

from __future__ import annotations

from ralph.cli.arguments import did_you_mean
from ralph.cli.output import say
from ralph.errors import Exit, RalphError

BASH = r"""# ralph's completion for bash. In ~/.bashrc:  eval "$(ralph completion bash)"
_ralph_complete() {
    local kind="" line word="${COMP_WORDS[COMP_CWORD]}" program="$1"
    [[ $word == "=" ]] && word=""
    type -P -- "$program" >/dev/null || program=ralph
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ -z $kind ]]; then kind="$line"; else COMPREPLY+=("${line%%$'\t'*}"); fi
    done < <("$program" --complete bash "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    [[ $kind == markdown || $kind == files || $kind == folders ]] || return 0
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do
        [[ ${line##*/} == .* && ${word##*/} != .* ]] && continue
        if [[ $kind == files || -d $line || ($kind == markdown && $line == *.md) ]]; then COMPREPLY+=("$line"); fi
    done < <(compgen -f -- "$word")
}
complete -F _ralph_complete ralph
"""
ZSH = r"""#compdef ralph
# ralph's completion for zsh. In ~/.zshrc, below compinit:  eval "$(ralph completion zsh)"
_ralph() {
    local -a lines values shown
    local line program="${words[1]}"
    (( $+commands[$program] )) || [[ -x $program ]] || program=ralph
    lines=("${(@f)$("$program" --complete zsh "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    [[ $PREFIX == --*=* ]] && compset -P '*='
    case "${lines[1]}" in
        markdown) _files -g '*.md' ;;
        files) _files ;;
        folders) _files -/ ;;
        words)
            for line in "${(@)lines[2,-1]}"; do
                values+=("${line%%$'\t'*}")
                shown+=("${line/$'\t'/  }")
            done
            (( $#values )) && compadd -l -V ralph -d shown -a values ;;
    esac
}
if [[ "${funcstack[1]}" == _ralph ]]; then _ralph "$@"; else compdef _ralph ralph; fi
"""
FISH = r"""# ralph's completion for fish:  ralph completion fish > ~/.config/fish/completions/ralph.fish
function __ralph_complete
    set -l typed (commandline -opc)
    set -l word (commandline -ct)
    set -l lines (command ralph --complete fish $typed[2..-1] "$word" 2>/dev/null)
    switch "$lines[1]"
        case words
            test (count $lines) -gt 1; and printf '%s\n' $lines[2..-1]
        case markdown
            __fish_complete_suffix "$word" .md
        case files
            __fish_complete_path "$word"
        case folders
            __fish_complete_directories "$word"
    end
end
complete -c ralph -f -k -a '(__ralph_complete)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def completion(shell: str) -> int:
    """Print the script."""
    if shell not in SCRIPTS:
        cure = f"{did_you_mean(shell, SCRIPTS)}There is one for {', '.join(SCRIPTS)}."
        raise RalphError(f"there is no completion for `{shell}`", cure)
    say(SCRIPTS[shell].rstrip("\n"))
    return Exit.DONE

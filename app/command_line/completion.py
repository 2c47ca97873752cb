"""Scripts that complete the command line in a shell: they ask the program itself, by Typer's protocol."""

from enum import StrEnum

COMPLETE_VARIABLE = "_JOB_PROFILER_COMPLETE"

_BASH = """\
_job_profiler() {
    local IFS=$'\\n'
    local words="${COMP_WORDS[*]}"
    COMPREPLY=($(COMP_WORDS="$words" COMP_CWORD=$COMP_CWORD VARIABLE=complete_bash "$1" 2>/dev/null))
}
complete -o default -F _job_profiler job-profiler
"""
_ZSH = """\
#compdef job-profiler
_job_profiler() {
    eval "$(_TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" VARIABLE=complete_zsh job-profiler 2>/dev/null)"
}
compdef _job_profiler job-profiler
"""
_FISH = """\
function _job_profiler
    set --local --export VARIABLE complete_fish
    set --local --export _TYPER_COMPLETE_FISH_ACTION $argv[1]
    set --local --export _TYPER_COMPLETE_ARGS (commandline -cp)
    job-profiler
end
complete --command job-profiler --no-files \\
    --arguments "(_job_profiler get-args)" --condition "_job_profiler is-args"
"""


class Shell(StrEnum):
    """The shells with a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def script(shell: Shell) -> str:
    """The text that the shell evaluates."""
    text = {Shell.BASH: _BASH, Shell.ZSH: _ZSH, Shell.FISH: _FISH}[shell]
    return text.replace("VARIABLE", COMPLETE_VARIABLE).rstrip()

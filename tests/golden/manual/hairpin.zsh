#compdef hairpin
# zsh completion for hairpin, as `hairpin completion zsh` prints it
_hairpin() {
    local context state state_descr line
    typeset -A opt_args
    local -a commands=(
        'paint:put colour on it'
        'rest:do nothing'
        'help:say how a command is used'
    )
    _arguments -C '1: :->command' '*:: :->arguments'
    case $state in
        command) _describe command commands ;;
        arguments)
            case $words[1] in
                help) _describe command commands ;;
                paint) _arguments '-c+[with which]:red|green|RGB:(red green)' '--colour=[with which]:red|green|RGB:(red green)' '--quiet[no chatter]' '--keep=-[where to stay]::HOST: ' ':FILE:_files' '*:RULE: ' '--help[say how it is used]' ;;
                rest) _arguments '--help[say how it is used]' ;;
            esac ;;
    esac
}
if [[ $funcstack[1] == _hairpin ]]; then _hairpin "$@"; else compdef _hairpin hairpin; fi

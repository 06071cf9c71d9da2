# bash completion for hairpin, as `hairpin completion bash` prints it
_hairpin() {
    local word=${COMP_WORDS[COMP_CWORD]} words=''
    case "$COMP_CWORD ${COMP_WORDS[1]} ${COMP_WORDS[COMP_CWORD - 1]} $word" in
        1\ *) words='paint rest help' ;;
        2\ help\ *) words='paint rest' ;;
        *\ paint\ -c\ * | *\ paint\ --colour\ *) words='red green' ;;
        *\ paint\ *\ -*) words='--colour --quiet --keep --help' ;;
        *\ rest\ *\ -*) words='--help' ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o default -F _hairpin hairpin

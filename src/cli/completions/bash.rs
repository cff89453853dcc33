//! Completion for bash, 3.2 and later.

use std::fmt::Write as _;

use super::{Page, Values, options_with_values};

pub(super) fn script(pages: &[Page]) -> String {
    let options = options_with_values(pages);
    let names: Vec<&str> = options.iter().map(|(name, _)| *name).collect();
    let commands: Vec<String> = pages.iter().skip(1).map(|page| format!("'{}'", page.command)).collect();
    let mut values = String::new();
    let mut words = String::new();
    // Writing to a String cannot fail.
    for (name, kind) in &options {
        let action = match kind {
            Values::Words(words) => format!("COMPREPLY=($(compgen -W '{}' -- \"$cur\"))", words.join(" ")),
            Values::Files => "compopt -o default 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\"))".to_owned(),
            Values::Any => continue,
        };
        let _ = writeln!(values, "            {name}) {action} ;;");
    }
    for page in pages {
        let candidates: Vec<&str> = page.candidates().iter().map(|candidate| candidate.word).collect();
        let _ = writeln!(words, "        '{}') words='{}' ;;", page.command, candidates.join(" "));
    }
    format!(
        r#"# Completion of barnabas for bash: source <(barnabas completions bash)
_barnabas() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} command='' option='' word words='' index
    COMPREPLY=()
    # Which command it is; option: the one whose value comes next. bash splits --key=value at the sign.
    for ((index = 1; index < COMP_CWORD; index++)); do
        word=${{COMP_WORDS[index]}}
        if [[ -n $option ]]; then
            [[ $word == '=' ]] || option=''
            continue
        fi
        case "$word" in
            {options}) option=$word ;;
            -*) ;;
            *)
                case "$command $word" in
                    {commands}) command+=" $word" ;;
                esac
                ;;
        esac
    done
    if [[ -n $option ]]; then
        [[ $cur != '=' ]] || cur=''
        case "$option" in
{values}        esac
        return
    fi
    case "$command" in
{words}    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}
complete -F _barnabas barnabas
"#,
        options = names.join(" | "),
        commands = commands.join(" | "),
    )
}

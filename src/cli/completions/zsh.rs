//! Completion for zsh.

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
            Values::Words(words) => format!("compadd -- {}", words.join(" ")),
            Values::Files => "_files".to_owned(),
            Values::Any => continue,
        };
        let _ = writeln!(values, "            {name}) {action} ;;");
    }
    for page in pages {
        let _ = writeln!(words, "        '{}') candidates=(", page.command);
        for candidate in page.candidates() {
            let word = candidate.word.replace(':', "\\:");
            let description = candidate.description.replace('\'', "'\\''");
            let _ = writeln!(words, "            '{word}:{description}'");
        }
        words.push_str("        ) ;;\n");
    }
    format!(
        r#"#compdef barnabas
# Completion of barnabas for zsh: barnabas completions zsh > "${{fpath[1]}}/_barnabas"
_barnabas() {{
    local command='' option='' word index
    local -a candidates
    # Which command it is; option: the one whose value comes next.
    for ((index = 2; index < CURRENT; index++)); do
        word=${{words[index]}}
        if [[ -n $option ]]; then
            option=''
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
    if [[ -z $option && $PREFIX == --*=* ]]; then
        option=${{PREFIX%%=*}}
        compset -P 1 '*='
    fi
    if [[ -n $option ]]; then
        case "$option" in
{values}        esac
        return
    fi
    case "$command" in
{words}    esac
    _describe barnabas candidates
}}
if [[ ${{funcstack[1]}} == _barnabas ]]; then
    _barnabas "$@"
else
    compdef _barnabas barnabas
fi
"#,
        options = names.join(" | "),
        commands = commands.join(" | "),
    )
}

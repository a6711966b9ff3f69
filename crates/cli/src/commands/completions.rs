//! `longhaul completions`: the script with which a shell completes command lines.

use analyse::Verdict;
use clap::{Arg, Command};
use clap_complete::Shell;

use crate::{
    flags::{self, CompletionsArgs},
    output::print,
};

/// Prints the completions for a shell.
pub(super) fn completions(args: &CompletionsArgs) -> anyhow::Result<Verdict> {
    print(&script(args.shell))?;
    Ok(Verdict::Good)
}

fn script(shell: Shell) -> String {
    let mut definition = flags::definition();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut definition, "longhaul", &mut script);
    with_lists(shell, String::from_utf8_lossy(&script).into_owned(), &definition)
}

/// Makes a script complete each name of a list, such as that of `--protocol`. clap's scripts complete the first one only.
fn with_lists(shell: Shell, script: String, definition: &Command) -> String {
    let commands = std::iter::once(definition).chain(definition.get_subcommands());
    let lists =
        commands.flat_map(Command::get_arguments).filter(|flag| flag.get_value_delimiter() == Some(','));
    lists.fold(script, |script, list| match shell {
        Shell::Bash => in_bash(&script, &names(list)),
        Shell::Zsh => in_zsh(&script, &names(list)),
        _ => script,
    })
}

/// Returns the possible names of a list, separated by spaces; empty if it has other values.
fn names(list: &Arg) -> String {
    let names = list.get_possible_values();
    names.iter().map(|name| name.get_name().to_owned()).collect::<Vec<_>>().join(" ")
}

/// Completes the name after the last comma, with what is before it as the prefix.
fn in_bash(script: &str, names: &str) -> String {
    script.replace(
        &format!(r#"compgen -W "{names}" -- "${{cur}}""#),
        &format!(r#"compgen -P "${{cur%"${{cur##*,}}"}}" -W "{names}" -- "${{cur##*,}}""#),
    )
}

fn in_zsh(script: &str, names: &str) -> String {
    script.replace(&format!(":({names})'"), &format!(":_sequence compadd - {names}'"))
}

#[cfg(test)]
mod tests {
    use std::process::Command as Process;

    use super::*;

    #[test]
    fn bash_completes_each_name_of_a_list() {
        let complete = |words: &str| {
            let ask = format!(
                "{}\nCOMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
                 _longhaul longhaul \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[*]}}\"",
                script(Shell::Bash)
            );
            let output = Process::new("bash").args(["-c", &ask]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        assert_eq!(complete("longhaul bench --protocol h3"), "h3");
        assert_eq!(complete("longhaul bench --protocol h1c,h2,h3"), "h1c,h2,h3");
        assert_eq!(complete("longhaul bench --protocol h1,quic"), "h1,quic h1,quic-ceiling");
        assert_eq!(complete("longhaul bench --direction up,d"), "up,down");
    }

    #[test]
    fn zsh_gets_a_sequence_of_names() {
        let script = script(Shell::Zsh);
        assert!(script.contains(":LIST:_sequence compadd - up down both'"));
        assert!(!script.contains(":LIST:("));
    }
}

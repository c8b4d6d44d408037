//! Help texts.

use clap::CommandFactory;
use ledg_cli::args::Cli;

/// The long help of a command path, at a fixed width.
fn help(path: &[&str]) -> String {
    let mut command = Cli::command().term_width(100);
    command.build();
    let mut found = &mut command;
    for name in path {
        found = found.find_subcommand_mut(name).unwrap();
    }
    found.render_long_help().to_string()
}

#[test]
fn help_of_every_command() {
    let paths: [&[&str]; 19] = [
        &[],
        &["predict"],
        &["compare"],
        &["report"],
        &["hardware"],
        &["hardware", "list"],
        &["hardware", "show"],
        &["hardware", "check"],
        &["hardware", "detect"],
        &["measure"],
        &["calibrate"],
        &["explain"],
        &["graph"],
        &["man"],
        &["plugin"],
        &["plugin", "new"],
        &["plugin", "check"],
        &["plugin", "list"],
        &["completions"],
    ];
    for path in paths {
        insta::assert_snapshot!(["help", path.join("_").as_str()].join("_").trim_end_matches('_'), help(path));
    }
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

//! Manual pages and completions: all commands are in them.

use clap::CommandFactory;
use ledg_cli::args::Cli;

use super::support::Bench;

/// The pages that there should be, `ledg-cost` and below.
fn pages(command: &clap::Command, name: &str) -> Vec<String> {
    let subs = command.get_subcommands().filter(|sub| sub.get_name() != "help");
    let below = subs.flat_map(|sub| pages(sub, &format!("{name}-{}", sub.get_name())));
    std::iter::once(format!("{name}.1")).chain(below).collect()
}

#[test]
fn every_command_has_a_page() {
    let bench = Bench::new();
    bench.ok("man --output-dir pages/man1");
    let mut written: Vec<String> = std::fs::read_dir(bench.path().join("pages/man1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut wanted = pages(&Cli::command(), "ledg-cost");
    written.sort();
    wanted.sort();
    assert_eq!(written, wanted);
    let page = std::fs::read_to_string(bench.path().join("pages/man1/ledg-cost-predict.1")).unwrap();
    for part in [".TH ledg-cost-predict 1", ".SH NAME", ".SH OPTIONS", "\\-\\-resume", "Exit codes:"] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
}

#[test]
fn the_main_page_goes_to_stdout() {
    let page = Bench::new().ok("man");
    assert!(page.contains(".TH ledg-cost 1") && page.contains("ledg\\-cost\\-report(1)"), "{page}");
}

#[test]
fn completions_know_every_command() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = bench.ok(&format!("completions {shell}"));
        for command in Cli::command().get_subcommands() {
            assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
        }
    }
}

//! Parses the command line, runs it, chooses the exit code.
#![deny(unsafe_code)]
use clap::error::ErrorKind as Refusal;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::time::Instant;
use yoto_gpu::bench::version;
use yoto_gpu::cli::check::run_table;
use yoto_gpu::cli::signals::Signals;
use yoto_gpu::cli::{
    Cli, Command, bench, convert, devices, evaluate, evaluate_panel, export, inspect, pages,
    predict, report, run, simulate,
};

fn main() -> ExitCode {
    let begin = Instant::now();
    ask_no_display();
    let matches = Cli::command().try_get_matches().unwrap_or_else(|e| {
        let verbose = std::env::args_os().any(|a| a == "--verbose");
        if e.kind() == Refusal::DisplayVersion && verbose {
            // whoever closed stdout does not want to know
            let _ = std::io::stdout().write_all(version::verbose().as_bytes());
            std::process::exit(0);
        }
        e.exit()
    });
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|e| e.exit());
    if cli.verbose {
        tell(
            "error: --verbose goes with --version\n\nFor more information, try 'yoto-gpu --help'.",
        );
        return ExitCode::from(2);
    }
    let signals = Signals::catch();
    let outcome = match cli.command {
        Command::Train(mut args) => {
            if let Err(what) = args.config.source.resolve(args.resume) {
                return usage("train", &what);
            }
            let given = matches
                .subcommand()
                .map(|(_, m)| given(m))
                .unwrap_or_default();
            run::run(*args, &given, &signals)
        }
        Command::EvaluatePanel(mut args) => {
            if let Err(what) = args.config.resolve() {
                return usage("evaluate-panel", &what);
            }
            evaluate_panel::run(*args, &signals)
        }
        Command::Predict(args) => match args.format() {
            Ok(format) => predict::run(&args, format),
            Err(what) => return usage("predict", &what),
        },
        Command::Evaluate(args) => match args.resolve() {
            Ok(()) => evaluate::run(&args),
            Err(what) => return usage("evaluate", &what),
        },
        Command::Inspect(args) => inspect::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Completions(args) => Ok(pages::completions(&args)),
        Command::Man(args) => pages::man(&args),
        Command::Bench(args) if args.check.check => return check(&args),
        Command::Bench(args) => bench::run(&args, begin),
    };
    match outcome {
        Ok(outcome) => match std::io::stdout().write_all(outcome.text.as_bytes()) {
            Err(e) if e.kind() != ErrorKind::BrokenPipe => {
                tell(&format!(
                    "error: stdout cannot be written: {e}\nhint: files that were asked for are written; see what stdout goes to"
                ));
                ExitCode::FAILURE
            }
            _ if outcome.stopped => ExitCode::from(130),
            _ => ExitCode::SUCCESS,
        },
        Err(failure) => {
            tell(&format!("error: {}\nhint: {}", failure.what, failure.hint));
            ExitCode::FAILURE
        }
    }
}

/// Mesa's layer that puts devices in order asks the display server for its device. Without a session there is none, and
/// libwayland says "error: XDG_RUNTIME_DIR is invalid" for each time that it is asked; devices are chosen here anyway.
#[expect(unsafe_code, reason = "no other thread runs that reads variables")]
fn ask_no_display() {
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    let session = set("XDG_RUNTIME_DIR");
    // who orders devices by these wants the layer
    let ordered = set("MESA_VK_DEVICE_SELECT") || set("DRI_PRIME");
    if cfg!(target_os = "linux") && !session && !ordered {
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}

/// Wrong usage that clap does not see.
fn usage(command: &str, what: &str) -> ExitCode {
    tell(&format!(
        "error: {what}\n\nFor more information, try 'yoto-gpu {command} --help'."
    ));
    ExitCode::from(2)
}

/// `bench --check`: 0 where every kernel is right on every device.
fn check(args: &bench::BenchArgs) -> ExitCode {
    match run_table(args) {
        Ok((text, right)) => match std::io::stdout().write_all(text.as_bytes()) {
            Err(e) if e.kind() != ErrorKind::BrokenPipe => {
                tell(&format!(
                    "error: stdout cannot be written: {e}\nhint: check the disk"
                ));
                ExitCode::FAILURE
            }
            _ if right => ExitCode::SUCCESS,
            _ => {
                tell(
                    "error: a kernel is out of its bounds\nhint: see the lines with FAILED; \
                     --device cpu trains without an adapter",
                );
                ExitCode::FAILURE
            }
        },
        Err(failure) => {
            tell(&format!("error: {}\nhint: {}", failure.what, failure.hint));
            ExitCode::FAILURE
        }
    }
}

/// Writes to stderr, to whoever still listens.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Names of the arguments that stand on the command line.
fn given(matches: &ArgMatches) -> Vec<String> {
    let on_line =
        |id: &&clap::Id| matches.value_source(id.as_str()) == Some(ValueSource::CommandLine);
    matches
        .ids()
        .filter(on_line)
        .map(ToString::to_string)
        .collect()
}

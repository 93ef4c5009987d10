//! `yoto-gpu completions` and `yoto-gpu man`: what shells and man(1) know of the command line.
use super::Cli;
use super::place::is_stdout;
use super::run::{Failure, Outcome};
use crate::error::OutputError;
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use std::path::{Path, PathBuf};

/// Flags of `completions`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  yoto-gpu completions bash > /etc/bash_completion.d/yoto-gpu
  yoto-gpu completions zsh > ~/.zfunc/_yoto-gpu
  yoto-gpu completions fish > ~/.config/fish/completions/yoto-gpu.fish")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Flags of `man`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  yoto-gpu man train | man -l -
  yoto-gpu man --out ~/.local/share/man/man1")]
pub struct ManArgs {
    /// Subcommand whose page is printed, such as train or bench-compare [default: the program's]
    #[arg(value_name = "COMMAND")]
    pub page: Option<String>,
    /// Directory for the pages of all subcommands; - prints one page
    #[arg(long, value_name = "DIR", default_value = "-")]
    pub out: PathBuf,
}

/// The script for a shell.
#[must_use]
pub fn completions(args: &CompletionsArgs) -> Outcome {
    let mut bytes = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "yoto-gpu", &mut bytes);
    Outcome {
        text: String::from_utf8_lossy(&bytes).into_owned(),
        stopped: false,
    }
}

/// A page, or all of them into a directory.
///
/// # Errors
/// No such subcommand; a directory that cannot be written.
pub fn man(args: &ManArgs) -> Result<Outcome, Failure> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    collect(&command, "yoto-gpu", &mut pages)?;
    let text = if is_stdout(&args.out) {
        one(&pages, args.page.as_deref())?
    } else {
        if args.page.is_some() {
            return Err(Failure {
                what: "COMMAND and --out DIR do not go together".into(),
                hint: "all pages are written to DIR; leave COMMAND out".into(),
            });
        }
        write(&pages, &args.out)?;
        String::new()
    };
    Ok(Outcome {
        text,
        stopped: false,
    })
}

/// A page by its name, such as `yoto-gpu-train`.
type Page = (String, String);

fn collect(command: &Command, name: &str, pages: &mut Vec<Page>) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    clap_mangen::Man::new(command.clone())
        .title(name)
        .source(concat!("yoto-gpu ", env!("CARGO_PKG_VERSION")))
        .render(&mut bytes)
        .map_err(|e| Failure {
            what: format!("the page of {name} could not be made: {e}"),
            hint: "report this as a bug".into(),
        })?;
    pages.push((
        name.to_owned(),
        String::from_utf8_lossy(&bytes).into_owned(),
    ));
    for sub in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        collect(sub, &format!("{name}-{}", sub.get_name()), pages)?;
    }
    Ok(())
}

fn one(pages: &[Page], command: Option<&str>) -> Result<String, Failure> {
    let wanted = match command {
        Some(command) => format!("yoto-gpu-{}", command.replace(' ', "-")),
        None => "yoto-gpu".into(),
    };
    let found = pages.iter().find(|p| p.0 == wanted);
    found.map(|p| p.1.clone()).ok_or_else(|| {
        let names = pages.iter().filter_map(|p| p.0.strip_prefix("yoto-gpu-"));
        Failure {
            what: format!("there is no subcommand {:?}", command.unwrap_or_default()),
            hint: format!("pages are: {}", names.collect::<Vec<_>>().join(", ")),
        }
    })
}

fn write(pages: &[Page], folder: &Path) -> Result<(), OutputError> {
    let failed = |path: &Path, e: &std::io::Error| {
        OutputError::new(
            format!("{} cannot be written: {e}", path.display()),
            "name a directory that you may write to",
        )
    };
    std::fs::create_dir_all(folder).map_err(|e| failed(folder, &e))?;
    for (name, text) in pages {
        let path = folder.join(format!("{name}.1"));
        let beside = path.with_extension("tmp");
        std::fs::write(&beside, text)
            .and_then(|()| std::fs::rename(&beside, &path))
            .map_err(|e| failed(&path, &e))?;
    }
    Ok(())
}

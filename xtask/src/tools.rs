//! Finding the tools that the steps use, and installing what can be installed in seconds.

use crate::steps::Context;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The wheel of `typos` that CI and contributors agree on: another version knows other words.
const TYPOS: &str = "typos==1.52.0";

/// Whether a program runs and is content.
pub(crate) fn answers(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Shows what is about to run, without the environment that every step has.
pub(crate) fn announce(command: &Command) {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    println!("$ {}", words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "));
}

/// Runs a command with its output shown.
fn works(mut command: Command) -> bool {
    announce(&command);
    command.stdin(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Sees to a software Vulkan driver, with which the GPU tests run where there is no GPU. Returns what was found or done.
pub(crate) fn software_vulkan(context: &Context) -> Result<String, String> {
    if !cfg!(target_os = "linux") {
        return Ok("the system's own".to_owned());
    }
    if has_vulkan() {
        return Ok("present".to_owned());
    }
    apt_install(context, &["mesa-vulkan-drivers", "libvulkan1"])?;
    if has_vulkan() {
        Ok("installed".to_owned())
    } else {
        Err("no Vulkan driver after the installation".to_owned())
    }
}

fn has_vulkan() -> bool {
    let library = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib"].iter().any(|folder| {
        let folder = Path::new(folder);
        let below = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        std::iter::once(folder.to_path_buf())
            .chain(below)
            .any(|folder| folder.join("libvulkan.so.1").exists())
    });
    let driver = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"]
        .iter()
        .any(|folder| fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()));
    library && driver
}

/// Installs packages of a Debian-like distribution, as root or through a sudo that asks nothing.
fn apt_install(context: &Context, packages: &[&str]) -> Result<(), String> {
    let names = packages.join(" ");
    if !answers(context.command("apt-get").arg("--version")) {
        return Err(format!("there is no apt-get here; install by hand what this system calls {names}"));
    }
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if !root && !answers(context.command("sudo").args(["-n", "true"])) {
        return Err(format!("not permitted to install packages; run: sudo apt-get install {names}"));
    }
    let apt = |arguments: &[&str]| {
        let mut command = context.command(if root { "env" } else { "sudo" });
        if !root {
            command.args(["-n", "env"]);
        }
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments);
        works(command)
    };
    let install = [&["install", "-y", "--no-install-recommends"], packages].concat();
    // The lists of a fresh machine are empty, those of an old one may name files that are gone.
    if (apt(&["update"]) && apt(&install)) || apt(&install) {
        Ok(())
    } else {
        Err(format!("apt-get could not install {names}"))
    }
}

/// `typos`: the one on the path, or the wheel in an environment of its own beside the built files.
pub(crate) fn typos(context: &Context) -> Result<PathBuf, String> {
    if answers(context.command("typos").arg("--version")) {
        return Ok(PathBuf::from("typos"));
    }
    let folder = context.target.join("xtask-tools").join("python");
    let programs = folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let typos = programs.join("typos");
    if answers(context.command(&typos).arg("--version")) {
        return Ok(typos);
    }
    let python = ["python3", "python"]
        .into_iter()
        .find(|python| answers(context.command(*python).arg("--version")))
        .ok_or("typos is not installed, and neither is Python, which would fetch it")?;
    let environment = || {
        let mut command = context.command(python);
        command.args(["-m", "venv", "--clear"]).arg(&folder);
        works(command)
    };
    if !environment() && (apt_install(context, &["python3-venv"]).is_err() || !environment()) {
        return Err("typos is not installed, and Python could not make an environment for it".to_owned());
    }
    let mut install = context.command(programs.join("python"));
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary=:all:",
        TYPOS,
    ]);
    if works(install) && answers(context.command(&typos).arg("--version")) {
        Ok(typos)
    } else {
        Err("typos is not installed, and its wheel could not be fetched".to_owned())
    }
}

/// `cargo-deny`: the one on the path, or the one that [`install_slow_tools`] built.
pub(crate) fn cargo_deny(context: &Context) -> Option<PathBuf> {
    let built = context.target.join("xtask-tools").join("bin").join("cargo-deny");
    [PathBuf::from("cargo-deny"), built]
        .into_iter()
        .find(|program| answers(context.command(program).arg("--version")))
}

/// Builds what takes minutes. Apart from the checks, since these should not surprise anybody with a long build.
pub(crate) fn install_slow_tools(context: &Context) -> bool {
    if cargo_deny(context).is_some() {
        println!("cargo-deny is installed");
        return true;
    }
    let mut command = context.cargo(&["install", "--locked", "cargo-deny", "--root"]);
    command.arg(context.target.join("xtask-tools"));
    works(command)
}

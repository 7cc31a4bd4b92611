use std::path::Path;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use plumb_engine::demo;
use plumb_store::hub::{Cancel, Hub, HubError, ModelRef, Progress};
use serde_json::json;

use crate::args::{Models, ModelsCommand};
use crate::follow::print_json;

pub(crate) fn run(args: Models) -> anyhow::Result<ExitCode> {
    match args.command {
        ModelsCommand::List { json } => list(json),
        ModelsCommand::Get { id, json } => get(&id, json),
        ModelsCommand::Verify { model, json } => verify(&model, json),
        ModelsCommand::Random { config, seed, dtype, out, json } => {
            let params = plumb_vlm::random::write_random_checkpoint(&config, &out, seed, dtype.into())?;
            if json {
                print_json(&json!({ "folder": out, "parameters": params, "seed": seed }))?;
            } else {
                println!("{params} random parameters in {}", out.display());
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn list(json: bool) -> anyhow::Result<ExitCode> {
    let hub = Hub::from_env()?;
    let models = hub.list()?;
    if json {
        print_json(&models)?;
        return Ok(ExitCode::SUCCESS);
    }
    if models.is_empty() {
        println!(
            "no models in {}\nget one: plumbline models get HuggingFaceTB/SmolVLM2-500M-Video-Instruct",
            hub.config().cache.display()
        );
    }
    for model in &models {
        let licence = &model.licence;
        let state = if model.is_complete() {
            "complete".to_owned()
        } else {
            format!("partial, missing {}", model.missing.join(", "))
        };
        println!("{:56} {:>8.1} MB  {state} · {licence}", model.repo, model.bytes as f64 / 1e6);
    }
    Ok(ExitCode::SUCCESS)
}

/// A bar of bytes, and Ctrl-C as the wish to stop.
fn watched(hidden: bool) -> anyhow::Result<(ProgressBar, Cancel)> {
    let bar = if hidden { ProgressBar::hidden() } else { ProgressBar::no_length() };
    let template = "{msg:<40!} {bar:24} {bytes}/{total_bytes} · {bytes_per_sec} · {eta} left";
    bar.set_style(ProgressStyle::with_template(template)?);
    let cancel = Cancel::default();
    let stop = cancel.clone();
    ctrlc::set_handler(move || stop.cancel())?;
    Ok((bar, cancel))
}

fn show(bar: &ProgressBar, p: &Progress) {
    bar.set_length(p.total);
    bar.set_position(p.done);
    bar.set_message(p.file.clone());
}

fn get(id: &str, json: bool) -> anyhow::Result<ExitCode> {
    let hub = Hub::from_env()?;
    let id = match ModelRef::parse(id)? {
        ModelRef::Hub(id) => id,
        ModelRef::Local(path) => anyhow::bail!("{} is a folder here already", path.display()),
    };
    let plan = hub.plan(&id)?;
    let licence = &plan.licence;
    if !json {
        eprintln!(
            "{id}: {:.1} MB, {:.1} MB to fetch, licence {licence}",
            plan.total_bytes() as f64 / 1e6,
            plan.remaining_bytes() as f64 / 1e6
        );
    }
    let (bar, cancel) = watched(json)?;
    let snapshot = match hub.download(&plan, &mut |p| show(&bar, p), &cancel) {
        Err(HubError::Cancelled) if cancel.is_cancelled() => {
            bar.abandon();
            eprintln!("stopped; the same command goes on where this one was");
            return Ok(ExitCode::from(crate::INTERRUPTED));
        }
        other => other?,
    };
    bar.finish_and_clear();
    if json {
        print_json(
            &json!({ "id": id.to_string(), "folder": snapshot.folder, "commit": snapshot.commit, "licence": plan.licence }),
        )?;
    } else {
        println!("{}", snapshot.folder.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn verify(model: &str, json: bool) -> anyhow::Result<ExitCode> {
    let hub = Hub::from_env()?;
    let (bar, cancel) = watched(json)?;
    let model = if model == demo::NAME {
        ModelRef::Local(plumb_engine::Pack::find()?.model()?)
    } else {
        ModelRef::parse(model)?
    };
    let report = hub.verify(&model, &mut |p| show(&bar, p), &cancel)?;
    bar.finish_and_clear();
    if json {
        print_json(&report)?;
    } else {
        for file in &report.files {
            let state = match (&file.expected, file.is_damaged()) {
                (None, _) => "no hash to compare with",
                (Some(_), false) => "ok",
                (Some(_), true) => "DAMAGED",
            };
            println!("{}  {}  {state}", file.found, Path::new(&file.name).display());
        }
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(crate::FAILURE) })
}

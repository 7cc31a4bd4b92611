use std::process::ExitCode;

use plumb_engine::device::{self, DeviceChoice, OpenDevice};
use plumb_engine::selfcheck::{self, SelfCheck};
use plumb_nn::cpu;
use plumb_store::hub::Hub;
use serde_json::json;

use crate::args::Doctor;
use crate::follow::print_json;

pub(crate) fn run(args: &Doctor) -> anyhow::Result<ExitCode> {
    let adapters = device::adapters();
    let open = futures_lite::future::block_on(device::open(args.device))?;
    let check = futures_lite::future::block_on(selfcheck::run(&open))?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let level = cpu::level().map_or("portable", cpu::Level::name);
    let memory = memory_mib();
    let passed = check.passed;
    if args.json {
        print_json(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "cpu": { "instructions": level, "threads": threads, "memory_mib": memory },
            "adapters": adapters,
            "chosen": { "backend": open.backend, "name": open.name, "why": open.why, "f16": device::has_f16(&open.device) },
            "self_check": check,
        }))?;
        return Ok(code(passed));
    }
    println!("plumbline {}", env!("CARGO_PKG_VERSION"));
    println!("cpu        {threads} threads, {level} kernels; weights in f32, f16 or bf16, sums in f32");
    if let Some((total, available)) = memory {
        println!("memory     {total} MiB, {available} MiB available");
    }
    if adapters.is_empty() {
        println!("gpu        no adapter (no Vulkan, Metal or DX12 driver answers)");
    }
    for a in &adapters {
        println!("gpu:{}      {} · {} {} · {}", a.index, a.name, a.api, a.kind, a.driver);
        println!(
            "           f16 {}, largest tensor {} MiB, largest buffer {} MiB",
            if a.f16 { "yes" } else { "no" },
            a.max_binding_bytes >> 20,
            a.max_buffer_bytes >> 20
        );
    }
    println!("--device {} uses {}: {}", args.device, open.name, open.why);
    println!("{}", check_sentence(&open, &check));
    Ok(code(passed))
}

pub(super) fn code(passed: bool) -> ExitCode {
    if passed { ExitCode::SUCCESS } else { ExitCode::from(crate::FAILURE) }
}

fn check_sentence(open: &OpenDevice, check: &SelfCheck) -> String {
    if check.passed {
        format!(
            "self check: a tiny SmolVLM on {} gives the logits of transformers 5.23 to {:.1e} relative",
            open.name, check.relative_error
        )
    } else {
        format!(
            "self check FAILED: logits differ from transformers 5.23 by {:.1e} relative, tokens {}; do not trust results \
             of {}",
            check.relative_error,
            if check.tokens_agree { "agree" } else { "differ" },
            open.name
        )
    }
}

/// What this program runs on, and whether it computes right there.
pub(super) fn head(json: bool) -> anyhow::Result<(DeviceChoice, bool)> {
    let open = futures_lite::future::block_on(device::open(DeviceChoice::Auto))?;
    let check = futures_lite::future::block_on(selfcheck::run(&open))?;
    if json {
        print_json(&json!({
            "step": "machine",
            "version": env!("CARGO_PKG_VERSION"),
            "chosen": { "backend": open.backend, "name": open.name, "why": open.why },
            "self_check": check,
        }))?;
    } else {
        println!("plumbline {} on {}: {}", env!("CARGO_PKG_VERSION"), open.name, open.why);
        println!("{}", check_sentence(&open, &check));
    }
    // What has been found out need not be looked for again.
    let choice = if open.backend == "cpu" { DeviceChoice::Cpu } else { DeviceChoice::Auto };
    Ok((choice, check.passed))
}

/// What to do next.
pub(super) fn next(json: bool) -> anyhow::Result<()> {
    let models = Hub::from_env()?.list()?;
    let whole: Vec<&str> = models.iter().filter(|m| m.is_complete()).map(|m| m.repo.as_str()).collect();
    let model = whole.first().copied().unwrap_or("HuggingFaceTB/SmolVLM2-500M-Video-Instruct");
    if json {
        return print_json(&json!({ "step": "next", "models": whole, "suggested": model }));
    }
    if whole.is_empty() {
        println!("\nno large model is here yet; this downloads one (2 GB, its licence is shown first)");
        println!("  plumbline models get {model}");
    } else {
        println!("\nmodels here: {}", whole.join(", "));
    }
    println!("\nask about an image");
    println!("  plumbline ask --model {model} --image photo.jpg --question \"What is on the table?\"");
    println!("evaluate on CV-Bench (its two parquet files in a folder)");
    println!("  plumbline eval cv-bench/ --model {model} --out runs/first");
    println!("everything else: plumbline --help");
    Ok(())
}

/// Total and available memory in MiB, where the system tells.
fn memory_mib() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let field = |name: &str| {
        let line = text.lines().find(|l| l.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
    };
    Some((field("MemTotal:")?, field("MemAvailable:")?))
}

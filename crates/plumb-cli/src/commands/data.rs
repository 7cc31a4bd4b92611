//! `scenes`, `lift`, `synth` and `verify`.

use std::process::ExitCode;

use plumb_engine::{Outcome, Request};
use plumb_geometry::Gravity;
use plumb_pipeline::{LiftReport, SynthReport, VerifyReport};

use crate::data_args::{Lift, Scenes, Synth, Verify};
use crate::follow::{self, Show, print_json};

fn run(request: Request) -> anyhow::Result<Option<Outcome>> {
    follow::run(request, Show::default())
}

fn stopped(what: &str) -> ExitCode {
    eprintln!("stopped; {what}");
    ExitCode::from(crate::INTERRUPTED)
}

pub(crate) fn scenes(args: &Scenes) -> anyhow::Result<ExitCode> {
    let Some(Outcome::Scenes(report)) = run(Request::Scenes(args.job()))? else {
        return Ok(stopped("the scenes that were written are whole, and the same command writes the rest"));
    };
    if args.json {
        print_json(&report)?;
    } else {
        let per_second = report.scenes as f64 / report.seconds.max(1e-9);
        println!(
            "{} scenes with {} objects in {} ({per_second:.1} a second)",
            report.scenes,
            report.objects,
            args.out.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn lift(args: &Lift) -> anyhow::Result<ExitCode> {
    let Some(Outcome::Lift(report)) = run(Request::Lift(args.job()?))? else {
        return Ok(stopped("the frames that were lifted are whole"));
    };
    if args.json {
        print_json(&report)?;
    } else {
        print_lift(&report);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_lift(report: &LiftReport) {
    for frame in &report.frames {
        println!("{}", frame.input);
        match &frame.gravity {
            Gravity::Known { direction: [x, y, z], sigma, .. } => {
                println!("  gravity  {x:.3} {y:.3} {z:.3} in the camera's frame, sigma {sigma:.2} degrees");
            }
            Gravity::Refused { refused } => println!("  gravity  refused: {refused}"),
        }
        match frame.camera_height {
            Some(height) => println!("  ground   {height:.2} m below the camera"),
            None => println!("  ground   none that is certain"),
        }
        println!("  points   {}", frame.points);
        println!("  objects  {} measured, {} left out", frame.objects, frame.left_out.len());
        for reason in &frame.left_out {
            println!("           {reason}");
        }
        println!("  lifted in {:.0} ms to {}", frame.lift_ms, frame.out.display());
    }
    for put_aside in &report.quarantined {
        println!("put aside: {}: {}", put_aside.input, put_aside.reason);
    }
    if !report.quarantined.is_empty() || report.frames.len() > 1 {
        println!("{} frames lifted, {} put aside", report.frames.len(), report.quarantined.len());
    }
}

pub(crate) fn synth(args: &Synth) -> anyhow::Result<ExitCode> {
    let Some(Outcome::Synth(report)) = run(Request::Synth(args.job()))? else {
        return Ok(stopped("nothing was written"));
    };
    if args.json {
        print_json(&report)?;
    } else {
        print_synth(&report, args);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_synth(report: &SynthReport, args: &Synth) {
    println!("{}", report.blind.score());
    for put_aside in &report.quarantined {
        println!("put aside: {}: {}", put_aside.input, put_aside.reason);
    }
    let rate = report.pairs as f64 / report.seconds.max(1e-9);
    println!(
        "{} pairs of {} scenes in {}, {} put aside · {} · {rate:.0} pairs a second, both passes and files included",
        report.pairs,
        report.scenes,
        args.out.display(),
        report.quarantined.len(),
        follow::duration(report.seconds),
    );
}

pub(crate) fn verify(args: &Verify) -> anyhow::Result<ExitCode> {
    let Some(Outcome::Verify(report)) = run(Request::Verify(args.job()))? else {
        return Ok(stopped("nothing is known of the rest"));
    };
    if args.json {
        print_json(&report)?;
    } else {
        print_verify(&report);
    }
    Ok(if report.all_right() { ExitCode::SUCCESS } else { ExitCode::from(crate::FAILURE) })
}

fn print_verify(report: &VerifyReport) {
    for finding in &report.findings {
        println!("row {}: {}", finding.row, finding.reason);
        if !finding.question.is_empty() {
            println!("    {}\n    {}", finding.question, finding.answer);
        }
    }
    for (kind, count) in &report.by_kind {
        println!("{:<22} {:>9} {:>9} right", kind.name(), count.pairs, count.right);
    }
    let words = if report.text_checked { "" } else { ", words not compared" };
    println!(
        "{} pairs of {} scenes: {} right, {} wrong, {} undecided, {} unreadable{words}",
        report.pairs, report.scenes, report.right, report.wrong, report.undecided, report.unreadable
    );
}

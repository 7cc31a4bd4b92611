//! What an export is written as: a table, everything, and pictures within a page.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use plumb_bench::sample::letter;
use serde_json::json;

use super::export::Document;
use super::pictures::Small;

/// One line a sample.
///
/// # Errors
/// A sentence, where a line cannot be written.
pub(super) fn csv(document: &Document) -> Result<String, String> {
    const HEAD: [&str; 19] = [
        "row",
        "id",
        "task",
        "kind",
        "source",
        "question",
        "options",
        "right_letter",
        "right",
        "chosen_letter",
        "chosen",
        "verdict",
        "probability_of_right",
        "probabilities",
        "seconds",
        "answer",
        "error",
        "flagged",
        "note",
    ];
    let failed = |e: &dyn std::fmt::Display| format!("the run has no table: {e}");
    let data = &document.data;
    let mut out = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    out.write_record(HEAD).map_err(|e| failed(&e))?;
    for (at, (sample, row)) in data.samples().iter().zip(&data.rows).enumerate() {
        let answer = data.answer(at);
        let note = document.note(&sample.id);
        let option = |i: Option<usize>| i.and_then(|i| sample.options.get(i)).cloned().unwrap_or_default();
        let number = |v: Option<f64>| v.map_or_else(String::new, |v| v.to_string());
        let probabilities = answer.and_then(|a| a.probabilities.as_ref());
        let probabilities = probabilities
            .map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
            .unwrap_or_default();
        let fields: [String; HEAD.len()] = [
            sample.row.to_string(),
            sample.id.clone(),
            sample.task.name().to_owned(),
            sample.kind.name().to_owned(),
            sample.source.clone(),
            sample.question.clone(),
            sample.options.join(" | "),
            sample.gold_letter().to_string(),
            option(Some(sample.gold)),
            row.chosen.map_or_else(String::new, |c| letter(c).to_string()),
            option(row.chosen),
            row.verdict.name().to_owned(),
            number(row.right_probability),
            probabilities,
            number(row.seconds),
            answer.and_then(|a| a.raw.clone()).unwrap_or_default(),
            answer.and_then(|a| a.error.clone()).unwrap_or_default(),
            if note.flagged { "yes" } else { "" }.to_owned(),
            note.text,
        ];
        out.write_record(&fields).map_err(|e| failed(&e))?;
    }
    let bytes = out.into_inner().map_err(|e| failed(&e))?;
    String::from_utf8(bytes).map_err(|e| failed(&e))
}

/// Everything: what the run is, its scores, and every sample with its answer.
pub(super) fn json(document: &Document) -> Result<String, String> {
    let data = &document.data;
    let run = document.run().ok_or("there is no run to export")?;
    let samples: Vec<_> = data
        .samples()
        .iter()
        .zip(&data.rows)
        .enumerate()
        .map(|(at, (sample, row))| {
            let note = document.note(&sample.id);
            json!({
                "sample": sample,
                "verdict": row.verdict.name(),
                "answer": data.answer(at),
                "flagged": note.flagged,
                "note": note.text,
            })
        })
        .collect();
    let all = json!({
        "manifest": run.manifest,
        "parser": run.parser,
        "report": run.report,
        "without_pictures": run.blind,
        "samples": samples,
    });
    serde_json::to_string_pretty(&all).map_err(|e| format!("the run has no JSON: {e}"))
}

/// A picture as a `data:` address.
pub(super) fn data_url(small: &Small) -> Option<String> {
    let mut bytes = Vec::new();
    let (w, h) = (u32::try_from(small.size[0]).ok()?, u32::try_from(small.size[1]).ok()?);
    let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 82);
    encoder.encode(&small.rgb, w, h, image::ExtendedColorType::Rgb8).ok()?;
    Some(format!("data:image/jpeg;base64,{}", STANDARD.encode(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::super::export::tests::document;
    use super::*;

    #[test]
    fn fields_keep_commas_quotes_and_lines() {
        let text = csv(&document()).unwrap();
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines.len(), 4, "a head, two rows, nothing");
        let columns = lines[0].split(',').count();
        assert_eq!(columns, 19);
        assert_eq!(
            lines[1],
            "0,0,Depth,3D,,\"Which is\nnearer <b>?\",\"lamp, red | so\"\"fa\",A,\"lamp, red\",B,\"so\"\"fa\",wrong,0.25,,0.5,,,yes,\
             \"a, \"\"b\"\"\""
        );
        assert_eq!(lines[2].split(',').count(), columns);
        assert!(lines[2].contains(",not asked,"));
    }

    #[test]
    fn pictures_are_addresses() {
        let small = Small { size: [8, 8], rgb: vec![120; 192] };
        assert!(data_url(&small).unwrap().starts_with("data:image/jpeg;base64,/9j/"));
        assert_eq!(data_url(&Small { size: [0, 0], rgb: Vec::new() }), None);
    }
}

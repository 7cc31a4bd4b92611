use burn::tensor::Device;
use futures_lite::future::block_on;
use plumb_train::config::TrainConfig;
use plumb_train::run::{Control, TrainEvent, Trainer};
use plumb_vlm::{ModelConfig, ModelFiles, Processor, SmolVlm};

fn main() {
    let file = std::env::args().nth(1).unwrap();
    let resume = std::env::args().any(|a| a == "--resume");
    let config = TrainConfig::from_toml(&file, &std::fs::read_to_string(&file).unwrap()).unwrap();
    let mut files = ModelFiles::from_folder(config.model.as_ref()).unwrap();
    let model = ModelConfig::from_json(files.require("config.json").unwrap()).unwrap();
    let processor = Processor::load(&files, &model, config.longest_edge).unwrap();
    let model = block_on(SmolVlm::load(&mut files, &Device::flex(), config.precision)).unwrap();
    let mut trainer = match block_on(Trainer::new(config, model, processor, "dev".into(), resume)) {
        Ok(t) => t,
        Err(e) => {
            eprintln!("{e}");
            return;
        }
    };
    let mut sum = (0.0, 0);
    let start = std::time::Instant::now();
    let r = block_on(trainer.run(&mut |event| {
        match event {
            TrainEvent::Plan(p) => println!("{p:#?}"),
            TrainEvent::Step { metrics: m, total, .. } => {
                sum.0 += m.loss.unwrap();
                sum.1 += 1;
                if m.step % 25 == 0 {
                    println!(
                        "{}/{total} loss {:.4} norm {:.2} lr {:.1e} {:.0} tok/s {:.2} s/step {:.0} s",
                        m.step,
                        sum.0 / sum.1 as f32,
                        m.grad_norm.unwrap_or(f32::NAN),
                        m.lr.unwrap(),
                        m.tokens_per_s.unwrap(),
                        m.step_seconds.unwrap(),
                        start.elapsed().as_secs_f64()
                    );
                    sum = (0.0, 0);
                }
            }
            other => println!("{other:?}"),
        }
        Control::Go
    }));
    println!("{r:?}");
}

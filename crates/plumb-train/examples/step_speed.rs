use burn::tensor::Device;
use futures_lite::future::block_on;
use plumb_train::batch::{Batch, Frames};
use plumb_train::config::MethodConfig;
use plumb_train::loss::Objective;
use plumb_train::optimizer::AdamWConfig;
use plumb_train::{Learner, backprop, method};
use plumb_vlm::{ModelFiles, SmolVlm};
use std::time::Instant;

fn main() {
    let folder = std::env::args().nth(1).unwrap();
    let cached = std::env::args().any(|a| a == "--cached");
    let keep = std::env::args().any(|a| a == "--keep");
    let device = Device::flex();
    let mut files = ModelFiles::from_folder(folder.as_ref()).unwrap();
    let mut model = block_on(SmolVlm::load(&mut files, &device, None)).unwrap();
    let config = MethodConfig::default().adapter(model.config(), None).unwrap();
    let start = block_on(method::initial(&mut model, &config, 1)).unwrap();
    let learn = method::attach(&mut model, &start).unwrap();
    let mut learner = Learner::new(model, learn, AdamWConfig::default()).unwrap().with_recompute(!keep);
    println!("{} trainable", learner.num_trainable());
    for round in 0..5u32 {
        let mut state = round.wrapping_mul(747796405).wrapping_add(2891336453);
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state
        };
        let side = 512;
        let pixels: Vec<f32> = (0..3 * side * side).map(|_| (next() >> 8) as f32 / 8388608.0 - 1.0).collect();
        let image = learner.model().config().image_token_id;
        let mut ids: Vec<u32> = vec![1];
        ids.extend(vec![image; 64]);
        ids.extend((0..64).map(|_| next() % 49000));
        let mut flags = vec![false; 129];
        for f in flags.iter_mut().skip(121) {
            *f = true;
        }
        let rows = (0..64).map(|i| (i + 1, i)).collect();
        let frames = Frames::Pixels { pixels: pixels.clone(), frames: 1, height: side, width: side };
        let frames = if cached {
            Frames::Features(backprop::image_features(learner.model(), &pixels, 1, side, side))
        } else {
            frames
        };
        let batch = Batch::new(vec![(ids, flags, rows)], frames);
        let t = Instant::now();
        let out = block_on(learner.pass(&batch, &Objective::cross_entropy(8), None)).unwrap();
        let p = t.elapsed();
        let s = block_on(learner.step(|_| 1e-4)).unwrap();
        println!(
            "loss {:.4} norm {:.4} pass {:.3} s, step {:.3} s",
            out.objective,
            s.grad_norm,
            p.as_secs_f64(),
            t.elapsed().as_secs_f64()
        );
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|l| l.starts_with("VmHWM")).unwrap());
}

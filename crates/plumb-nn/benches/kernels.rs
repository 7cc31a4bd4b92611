//! The operations that carry a 500M model, at its shapes. Inputs differ from one iteration to the next.

use burn::tensor::{DType, Device, Distribution, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use plumb_nn::{Activation, HeadLayout, ops};

fn random(rows: usize, cols: usize, device: &Device) -> Tensor<2> {
    Tensor::random([rows, cols], Distribution::Uniform(-1.0, 1.0), device)
}

fn linear(c: &mut Criterion) {
    let device = Device::flex();
    let mut group = c.benchmark_group("linear");
    // Vision fc1, prompt gate|up, one decoded token of gate|up and of the output head.
    for (m, k, n) in [
        (1024, 768, 3072),
        (129, 960, 5120),
        (8, 960, 5120),
        (9, 960, 5120),
        (1, 960, 5120),
        (1, 960, 49_280),
    ] {
        for dtype in [DType::F32, DType::F16, DType::BF16] {
            // Enough weights that they do not stay in the cache from one iteration to the next.
            let count = (100_000_000 / (n * k)).clamp(2, 24);
            let weights: Vec<Tensor<2>> = (0..count).map(|_| random(n, k, &device).cast(dtype)).collect();
            let inputs: Vec<Tensor<2>> = (0..5).map(|_| random(m, k, &device)).collect();
            let mut i = 0;
            group.throughput(Throughput::Elements((2 * m * k * n) as u64));
            group.bench_function(format!("{m}x{k}x{n} {dtype:?}"), |b| {
                b.iter(|| {
                    i += 1;
                    ops::linear(inputs[i % 5].clone(), &weights[i % count], None, Activation::Identity, None)
                });
            });
        }
    }
    group.finish();
}

fn attention(c: &mut Criterion) {
    let device = Device::flex();
    let layout = HeadLayout { heads: 12, kv_heads: 12, dim: 64 };
    let inputs: Vec<Tensor<2>> = (0..3).map(|_| random(1024, layout.fused(), &device)).collect();
    let mut i = 0;
    c.bench_function("attention of one frame, 1024 patches, 12 heads", |b| {
        b.iter(|| {
            i += 1;
            ops::frame_attention(inputs[i % 3].clone(), 1, layout)
        });
    });
}

criterion_group!(benches, linear, attention);
criterion_main!(benches);

//! Which device computes.

use std::sync::Mutex;

use burn::tensor::wgpu::wgpu;
use burn::tensor::{DType, Device, DeviceKind};
use plumb_nn::cpu;
use serde::{Deserialize, Serialize};

use crate::error::{EngineError, Result};

/// What the person asked for: `auto`, `cpu`, `gpu` or `gpu:N`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// A real GPU where there is one, else the CPU. A software rasteriser is slower than the CPU path and never chosen.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The best adapter, or the one of this index in [`adapters`].
    Gpu(Option<usize>),
}

impl std::str::FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu(None)),
            _ => text
                .strip_prefix("gpu:")
                .and_then(|n| n.parse().ok())
                .map(|n| Self::Gpu(Some(n)))
                .ok_or_else(|| format!("{text:?} is no device; expected auto, cpu, gpu or gpu:N")),
        }
    }
}

impl std::fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu(None) => f.write_str("gpu"),
            Self::Gpu(Some(n)) => write!(f, "gpu:{n}"),
        }
    }
}

/// One graphics adapter of this machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Adapter {
    /// Its number for `--device gpu:N`.
    pub index: usize,
    /// The driver's name for it.
    pub name: String,
    /// `Vulkan`, `Metal`, `Dx12` or `Gl`.
    pub api: String,
    /// `DiscreteGpu`, `IntegratedGpu`, `VirtualGpu`, `Cpu` (a software rasteriser) or `Other`.
    pub kind: String,
    /// Driver and its version.
    pub driver: String,
    /// Whether half-precision arithmetic is reported.
    pub f16: bool,
    /// The largest buffer that a kernel can bind, in bytes: the largest tensor.
    pub max_binding_bytes: u64,
    /// The largest buffer, in bytes.
    pub max_buffer_bytes: u64,
    #[serde(skip)]
    device: Option<DeviceKind>,
}

impl Adapter {
    /// Its name in fingerprints: that of the driver, and the API.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{} ({})", self.name, self.api)
    }

    /// Whether it computes on the CPU.
    #[must_use]
    pub fn is_software(&self) -> bool {
        self.kind == "Cpu"
    }
}

/// The adapters of the first graphics API that has a real GPU, or else of the first that has any. The order of APIs
/// and the numbering within each kind are those by which burn finds them again.
#[must_use]
pub fn adapters() -> Vec<Adapter> {
    let apis = if cfg!(target_vendor = "apple") {
        vec![wgpu::Backend::Metal]
    } else {
        vec![wgpu::Backend::Vulkan, wgpu::Backend::Dx12, wgpu::Backend::Gl]
    };
    let mut software = Vec::new();
    for api in apis {
        let found = probe(api);
        if found.iter().any(|a| !a.is_software()) {
            return found;
        }
        if software.is_empty() {
            software = found;
        }
    }
    software
}

fn probe(api: wgpu::Backend) -> Vec<Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: api.into(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let mut counts = [0usize; 3];
    let mut count = |i: usize| {
        counts[i] += 1;
        counts[i] - 1
    };
    futures_lite::future::block_on(instance.enumerate_adapters(api.into()))
        .iter()
        .enumerate()
        .map(|(index, adapter)| {
            let info = adapter.get_info();
            let limits = adapter.limits();
            let device = match info.device_type {
                wgpu::DeviceType::DiscreteGpu => Some(DeviceKind::DiscreteGpu(count(0))),
                wgpu::DeviceType::IntegratedGpu => Some(DeviceKind::IntegratedGpu(count(1))),
                wgpu::DeviceType::VirtualGpu => Some(DeviceKind::VirtualGpu(count(2))),
                wgpu::DeviceType::Cpu => Some(DeviceKind::Cpu),
                wgpu::DeviceType::Other => None,
            };
            Adapter {
                index,
                name: info.name.clone(),
                api: format!("{api:?}"),
                kind: format!("{:?}", info.device_type),
                driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
                f16: adapter.features().contains(wgpu::Features::SHADER_F16),
                max_binding_bytes: limits.max_storage_buffer_binding_size,
                max_buffer_bytes: limits.max_buffer_size,
                device,
            }
        })
        .collect()
}

/// A device that is open, and its name in fingerprints.
#[derive(Clone, Debug)]
pub struct OpenDevice {
    /// burn's device.
    pub device: Device,
    /// `cpu` or `gpu`.
    pub backend: &'static str,
    /// The adapter's name and API, or the CPU's instructions.
    pub name: String,
    /// Why this one, in a sentence.
    pub why: String,
}

/// The adapter that `choice` means, or `None` for the CPU, and why.
///
/// # Errors
/// When a GPU was asked for that is not there.
pub fn decide(choice: DeviceChoice, adapters: &[Adapter]) -> Result<(Option<&Adapter>, String)> {
    let rank = |a: &&Adapter| match a.kind.as_str() {
        "DiscreteGpu" => 0,
        "IntegratedGpu" => 1,
        "VirtualGpu" => 2,
        "Other" => 3,
        _ => 4,
    };
    let best = adapters.iter().min_by_key(rank);
    match choice {
        DeviceChoice::Cpu => Ok((None, "asked for".into())),
        DeviceChoice::Gpu(None) => match best {
            Some(adapter) => Ok((Some(adapter), "the best adapter of this machine".into())),
            None => Err(EngineError::NoAdapter),
        },
        DeviceChoice::Gpu(Some(index)) => match adapters.iter().find(|a| a.index == index) {
            Some(adapter) => Ok((Some(adapter), "asked for".into())),
            None if adapters.is_empty() => Err(EngineError::NoAdapter),
            None => Err(EngineError::NoSuchAdapter { index, found: adapters.len() }),
        },
        DeviceChoice::Auto => match best.filter(|a| !a.is_software()) {
            Some(adapter) => Ok((Some(adapter), "the best GPU of this machine".into())),
            None if best.is_some() => Ok((
                None,
                "there is no GPU but a software rasteriser, which is slower than the CPU path".into(),
            )),
            None => Ok((None, "there is no GPU".into())),
        },
    }
}

/// The CPU's name in fingerprints, with the instructions that are used.
#[must_use]
pub fn cpu_name() -> String {
    format!("cpu {}", cpu::level().map_or("portable", cpu::Level::name))
}

/// The choice that means the device of this `backend` and `name` (see [`OpenDevice`]); the best GPU where that one is not
/// among `adapters`.
#[must_use]
pub fn choice_of(backend: &str, name: &str, adapters: &[Adapter]) -> DeviceChoice {
    if backend == "cpu" {
        return DeviceChoice::Cpu;
    }
    DeviceChoice::Gpu(
        adapters.iter().find(|adapter| adapter.full_name() == name).map(|adapter| adapter.index),
    )
}

/// Opens the device that `choice` means.
///
/// # Errors
/// When a GPU was asked for that is not there or does not start.
pub async fn open(choice: DeviceChoice) -> Result<OpenDevice> {
    let adapters = if choice == DeviceChoice::Cpu { Vec::new() } else { adapters() };
    let (adapter, why) = decide(choice, &adapters)?;
    let Some(adapter) = adapter else {
        return Ok(OpenDevice { device: Device::flex(), backend: "cpu", name: cpu_name(), why });
    };
    let name = adapter.full_name();
    let kind = adapter.device.clone().unwrap_or_default();
    // A runtime can be set up once per process and adapter.
    static OPEN: Mutex<Vec<(DeviceKind, Device)>> = Mutex::new(Vec::new());
    let known =
        OPEN.lock().ok().and_then(|open| open.iter().find(|(k, _)| *k == kind).map(|(_, d)| d.clone()));
    let device = match known {
        Some(device) => device,
        None => {
            let device = Device::wgpu_options()
                .device_kind(kind.clone())
                .tasks_max(64)
                .init_async()
                .await
                .map_err(|e| EngineError::Device(format!("{name}: {e}")))?;
            if let Ok(mut open) = OPEN.lock() {
                open.push((kind, device.clone()));
            }
            device
        }
    };
    Ok(OpenDevice { device, backend: "gpu", name, why })
}

/// Whether `device` computes in half precision.
#[must_use]
pub fn has_f16(device: &Device) -> bool {
    device.supports_dtype(DType::F16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(index: usize, kind: &str) -> Adapter {
        Adapter {
            index,
            name: format!("a{index}"),
            api: "Vulkan".into(),
            kind: kind.into(),
            driver: String::new(),
            f16: false,
            max_binding_bytes: 0,
            max_buffer_bytes: 0,
            device: None,
        }
    }

    #[test]
    fn choices_parse_and_print() {
        for text in ["auto", "cpu", "gpu", "gpu:3"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        for text in ["", "GPU", "gpu:", "gpu:-1", "cuda"] {
            assert!(text.parse::<DeviceChoice>().unwrap_err().contains("auto, cpu, gpu or gpu:N"));
        }
    }

    #[test]
    fn a_device_is_found_again_by_its_name() {
        let all = [adapter(0, "Cpu"), adapter(1, "DiscreteGpu")];
        assert_eq!(choice_of("cpu", "cpu avx2", &all), DeviceChoice::Cpu);
        assert_eq!(choice_of("gpu", "a1 (Vulkan)", &all), DeviceChoice::Gpu(Some(1)));
        assert_eq!(choice_of("gpu", "a card that was taken out (Vulkan)", &all), DeviceChoice::Gpu(None));
    }

    #[test]
    fn auto_prefers_real_gpus_and_never_a_rasteriser() {
        let all = [adapter(0, "Cpu"), adapter(1, "IntegratedGpu"), adapter(2, "DiscreteGpu")];
        let pick = |choice, all: &[Adapter]| decide(choice, all).map(|(a, _)| a.map(|a| a.index));
        assert_eq!(pick(DeviceChoice::Auto, &all).unwrap(), Some(2));
        assert_eq!(pick(DeviceChoice::Auto, &all[..2]).unwrap(), Some(1));
        assert_eq!(pick(DeviceChoice::Auto, &all[..1]).unwrap(), None);
        assert_eq!(pick(DeviceChoice::Gpu(None), &all[..1]).unwrap(), Some(0));
        assert_eq!(pick(DeviceChoice::Cpu, &all).unwrap(), None);
        assert!(pick(DeviceChoice::Gpu(Some(9)), &all).unwrap_err().to_string().contains("GPU 9"));
        assert!(pick(DeviceChoice::Gpu(None), &[]).is_err());
    }
}

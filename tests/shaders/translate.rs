//! Every entry in the languages that drivers read.
use super::{Check, each, parse};
use naga::Module;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use yoto_gpu::kernels::{self, registry::Kernel};

/// SPIR-V (Vulkan), MSL (Metal) and HLSL (DirectX 12), entry by entry.
fn translates(_: &Kernel, module: &Module, info: &ModuleInfo) -> Check {
    use naga::back::{hlsl, msl, spv};
    let stage = naga::ShaderStage::Compute;
    for entry in &module.entry_points {
        let pipeline = spv::PipelineOptions {
            shader_stage: stage,
            entry_point: entry.name.clone(),
        };
        let options = spv::Options {
            // what every Vulkan device has
            capabilities: Some([spv::Capability::Shader].into_iter().collect()),
            ..Default::default()
        };
        let words = spv::write_vec(module, info, &options, Some(&pipeline));
        let words = words.map_err(|e| format!("SPIR-V: {e}"))?;
        let pipeline = msl::PipelineOptions {
            entry_point: Some((stage, entry.name.clone())),
            ..Default::default()
        };
        let options = msl::Options {
            lang_version: (2, 0),
            ..Default::default()
        };
        let metal = msl::write_string(module, info, &options, &pipeline);
        let (metal, names) = metal.map_err(|e| format!("MSL: {e}"))?;
        let name = names
            .entry_point_names
            .first()
            .cloned()
            .and_then(Result::ok);
        let pipeline = hlsl::PipelineOptions {
            entry_point: Some((stage, entry.name.clone())),
        };
        let (mut text, options) = (String::new(), hlsl::Options::default());
        let mut writer = hlsl::Writer::new(&mut text, &options, &pipeline);
        writer
            .write(module, info, None)
            .map_err(|e| format!("HLSL: {e}"))?;
        let whole = words.first() == Some(&0x0723_0203)
            && name.is_some_and(|n| metal.contains(&n))
            && text.contains("numthreads");
        if !whole {
            return Err(format!("{}: a translation is not whole", entry.name));
        }
    }
    Ok(())
}

#[test]
fn every_entry_translates() {
    each(translates);
    // valid where f16 is, which not every device has
    let text = "enable f16; @group(0) @binding(0) var<storage, read_write> b: array<f16>;
        @compute @workgroup_size(1) fn f() { b[0] = 1.0h; }";
    let module = parse(text).unwrap();
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    let info = validator.validate(&module).unwrap();
    let refusal = translates(&kernels::noise::KERNEL, &module, &info);
    assert!(refusal.is_err(), "f16 passes");
}

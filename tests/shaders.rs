//! Every shader file without a GPU: it parses, validates, is registered, matches what the host
//! believes of it, keeps its barriers out of branches, fits the default limits, and translates.
//! Each check is shown a broken shader that it must refuse.
#[path = "shaders/translate.rs"]
mod translate;
#[path = "common/uniform.rs"]
mod uniform;

use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, Scalar, StorageAccess, TypeInner};
use std::collections::BTreeSet;
use std::path::Path;
use yoto_gpu::kernels::registry::{self, Element, Entry, Kernel};
use yoto_gpu::kernels::{self, ALL};

type Check = Result<(), String>;

fn parse(wgsl: &str) -> Result<Module, String> {
    naga::front::wgsl::parse_str(wgsl).map_err(|e| e.emit_to_string(wgsl))
}

/// All flags, no capability.
fn validate(module: &Module) -> Result<ModuleInfo, String> {
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    validator
        .validate(module)
        .map_err(|e| format!("{:?}", e.into_inner()))
}

/// Applies a check to every kernel; messages name the file.
fn each(check: impl Fn(&Kernel, &Module, &ModuleInfo) -> Check) {
    assert!(ALL.len() >= 13, "the registry is whole");
    for kernel in ALL {
        let module = parse(&kernel.wgsl()).unwrap_or_else(|e| panic!("{}: {e}", kernel.stem));
        let info = validate(&module).unwrap_or_else(|e| panic!("{}: {e}", kernel.stem));
        check(kernel, &module, &info).unwrap_or_else(|e| panic!("{}: {e}", kernel.stem));
    }
}

/// A check must refuse a kernel's text with one change.
fn refused(
    kernel: &Kernel,
    from: &str,
    to: &str,
    check: impl Fn(&Kernel, &Module, &ModuleInfo) -> Check,
) {
    let text = kernel.wgsl();
    assert!(text.contains(from), "{from:?} is in {}", kernel.stem);
    let module = parse(&text.replace(from, to)).expect("the change parses");
    let info = validate(&module).expect("the change is valid");
    let outcome = check(kernel, &module, &info);
    assert!(
        outcome.is_err(),
        "{}: {to:?} instead of {from:?} passes",
        kernel.stem
    );
}

fn stems(folder: &str, ending: &str) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = std::fs::read_dir(&root).unwrap_or_else(|e| panic!("{}: {e}", root.display()));
    let name =
        |f: std::io::Result<std::fs::DirEntry>| f.unwrap().file_name().into_string().unwrap();
    files
        .filter_map(|f| name(f).strip_suffix(ending).map(String::from))
        .collect()
}

/// Stem of a kernel's file: its own, or that of the file of which it is a shape.
fn file(kernel: &Kernel) -> String {
    let shape =
        |(stem, tile): (&str, &str)| (tile.parse::<u32>().is_ok()).then(|| stem.to_string());
    let shape = kernel.stem.rsplit_once('_').and_then(shape);
    shape.unwrap_or_else(|| kernel.stem.into())
}

#[test]
fn files_and_registry_are_the_same() {
    let files = stems("shaders", ".wgsl");
    let names: BTreeSet<&str> = ALL.iter().map(|k| k.stem).collect();
    assert_eq!(names.len(), ALL.len(), "no kernel twice");
    let registered: BTreeSet<String> = ALL.iter().map(file).collect();
    assert_eq!(files, registered);
    for name in ["noise", "topk", "softmask", "sparse", "linear", "adamw"] {
        assert!(files.contains(name), "the walk saw {name}");
    }
    let common: BTreeSet<String> = registry::COMMON
        .iter()
        .map(|s| {
            s.path
                .trim_start_matches("shaders/common/")
                .trim_end_matches(".wgsl")
                .into()
        })
        .collect();
    assert_eq!(stems("shaders/common", ".wgsl"), common);
    for piece in registry::COMMON {
        let mut all = ALL.iter().chain(kernels::OPTIONAL);
        let used = all.any(|k| k.common.contains(piece));
        assert!(used, "{} is used", piece.path);
    }
    let (hosts, twins) = (stems("src/kernels", ".rs"), stems("src/reference", ".rs"));
    for stem in &files {
        assert!(hosts.contains(stem), "src/kernels/{stem}.rs");
        // other forms of the products in sparse.wgsl and first.wgsl, whose twins are theirs
        let form = stem.starts_with("tiled_");
        assert!(twins.contains(stem) || form, "src/reference/{stem}.rs");
    }
    for kernel in ALL {
        assert_eq!(kernel.source.path, format!("shaders/{}.wgsl", file(kernel)));
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(kernel.source.path);
        assert_eq!(std::fs::read_to_string(path).unwrap(), kernel.source.text);
        assert!(
            kernel.source.text.starts_with("// "),
            "{}: says what it does",
            kernel.stem
        );
    }
}

#[test]
fn every_file_validates_without_capabilities() {
    each(|_, _, _| Ok(()));
    assert!(
        parse("fn f() -> u32 { return 1.5; }")
            .and_then(|m| validate(&m).map(drop))
            .is_err()
    );
    assert!(parse("fn f( {").is_err());
    let wide = "@compute @workgroup_size(1) fn f() { var x = 1.5lf; x += 1.0lf; }";
    assert!(
        parse(wide).and_then(|m| validate(&m).map(drop)).is_err(),
        "f64 is a capability"
    );
}

#[test]
fn messages_map_back_to_file_and_line() {
    let kernel = &kernels::noise::KERNEL;
    let text = kernel.wgsl();
    let line = text.lines().position(|l| l.contains("fn perturb")).unwrap() + 1;
    let own = kernel
        .source
        .text
        .lines()
        .position(|l| l.contains("fn perturb"))
        .unwrap()
        + 1;
    assert_eq!(kernel.locate(line), ("shaders/noise.wgsl".into(), own));
    assert_ne!(kernel.locate(line).1, line);
    assert_eq!(kernel.locate(1), ("shaders/common/fold.wgsl".into(), 1));
}

/// The one uniform is `p`, at binding 0, and its struct is the host's.
fn params_match(kernel: &Kernel, module: &Module, _: &ModuleInfo) -> Check {
    let mut uniforms = module
        .global_variables
        .iter()
        .filter(|(_, g)| g.space == AddressSpace::Uniform);
    let (Some((_, p)), None) = (uniforms.next(), uniforms.next()) else {
        return Err("one uniform".into());
    };
    let place = p.binding.map(|b| (b.group, b.binding));
    if place != Some((0, 0)) || p.name.as_deref() != Some("p") {
        return Err(format!("the uniform is {:?} at {place:?}", p.name));
    }
    let ty = &module.types[p.ty];
    let TypeInner::Struct { members, span } = &ty.inner else {
        return Err("the uniform is a struct".into());
    };
    if ty.name.as_deref() != Some("Params") || *span as usize != kernel.params_size {
        return Err(format!(
            "{:?} of {span} bytes, not {}",
            ty.name, kernel.params_size
        ));
    }
    let mut layouter = naga::proc::Layouter::default();
    layouter
        .update(module.to_ctx())
        .map_err(|e| e.to_string())?;
    if layouter[p.ty].size != *span {
        return Err("the layouter disagrees".into());
    }
    let theirs: Result<Vec<_>, String> = members
        .iter()
        .map(|m| {
            let ty = match module.types[m.ty].inner {
                TypeInner::Scalar(Scalar::U32) => "u32",
                TypeInner::Scalar(Scalar::F32) => "f32",
                _ => return Err(format!("{:?} is no scalar", m.name)),
            };
            Ok((m.name.clone().unwrap_or_default(), m.offset as usize, ty))
        })
        .collect();
    let ours = kernel.fields.iter().zip(kernel.types);
    let ours: Vec<_> = ours.map(|(f, ty)| (f.0.to_string(), f.1, *ty)).collect();
    let theirs = theirs?;
    if ours == theirs {
        Ok(())
    } else {
        Err(format!("{ours:?} is not {theirs:?}"))
    }
}

#[test]
fn parameter_structs_match() {
    each(params_match);
    let kernel = &kernels::softmask::KERNEL;
    refused(
        kernel,
        "    n: u32,\n    k: u32,",
        "    k: u32,\n    n: u32,",
        params_match,
    );
    refused(
        kernel,
        "    tau: f32,",
        "    tau: f32,\n    more: f32,",
        params_match,
    );
    let (f, u) = ("beta: f32,\n}", "beta: f32,\n    pad: u32,\n}");
    refused(&kernels::noise::KERNEL, f, u, params_match);
    refused(&kernels::first::KERNEL, "width", "height", params_match);
    let mut wrong = kernels::first::KERNEL;
    wrong.types = &["u32", "f32"];
    assert!(
        params_match(
            &wrong,
            &parse(&wrong.wgsl()).unwrap(),
            &ModuleInfo::default()
        )
        .is_err()
    );
}

/// Entries, their workgroup sizes, and the storage buffers that each uses.
fn bindings_match(kernel: &Kernel, module: &Module, info: &ModuleInfo) -> Check {
    let names = |v: Vec<&str>| v.into_iter().map(String::from).collect::<BTreeSet<_>>();
    let theirs = names(
        module
            .entry_points
            .iter()
            .map(|e| e.name.as_str())
            .collect(),
    );
    let ours = names(kernel.entries.iter().map(|e| e.name).collect());
    if theirs != ours || kernel.entries.iter().any(|e| e.stem != kernel.stem) {
        return Err(format!("entries {ours:?}, not {theirs:?}"));
    }
    for (i, theirs) in module.entry_points.iter().enumerate() {
        let Some(entry) = kernel.entries.iter().find(|e| e.name == theirs.name) else {
            return Err(theirs.name.clone());
        };
        if theirs.workgroup_size != [entry.workgroup_size, 1, 1] {
            return Err(format!(
                "{}: {:?} invocations",
                entry.name, theirs.workgroup_size
            ));
        }
        let uses = info.get_entry_point(i);
        let mut found = BTreeSet::new();
        for (handle, global) in module.global_variables.iter() {
            let AddressSpace::Storage { access } = global.space else {
                continue;
            };
            let used = uses[handle];
            if used.is_empty() {
                continue;
            }
            let writes = access.contains(StorageAccess::STORE);
            if writes != used.contains(naga::valid::GlobalUse::WRITE) {
                return Err(format!("{}: {:?} is not written", entry.name, global.name));
            }
            let place = global.binding.map(|b| (b.group, b.binding));
            let TypeInner::Array { base, .. } = module.types[global.ty].inner else {
                return Err(format!("{:?} is no array", global.name));
            };
            let element = module.types[base].inner.clone();
            found.insert(format!("{:?} {place:?} {writes} {element:?}", global.name));
        }
        let expected: BTreeSet<String> = entry.bindings.iter().map(describe).collect();
        if found != expected || expected.len() != entry.bindings.len() {
            return Err(format!("{}: {found:?} is not {expected:?}", entry.name));
        }
    }
    Ok(())
}

fn describe(b: &registry::Binding) -> String {
    let element = TypeInner::Scalar(match b.element {
        Element::F32 => Scalar::F32,
        Element::U32 => Scalar::U32,
    });
    format!(
        "{:?} {:?} {} {element:?}",
        Some(b.name),
        Some((0, b.index)),
        b.writes
    )
}

#[test]
fn entries_and_bindings_match() {
    each(bindings_match);
    let kernel = &kernels::adamw::KERNEL;
    refused(kernel, "@binding(2)", "@binding(5)", bindings_match);
    refused(kernel, "read> grads", "read_write> grads", bindings_match);
    refused(
        kernel,
        "workgroup_size(256)",
        "workgroup_size(128)",
        bindings_match,
    );
    refused(
        kernel,
        "workgroup_size(256)",
        "workgroup_size(128, 2)",
        bindings_match,
    );
    refused(kernel, "fn adamw", "fn adamv", bindings_match);
    refused(kernel, "grads[i]", "0.0", bindings_match);
    const BINDINGS: &[registry::Binding] = &[
        kernels::ablate::ABLATE.bindings[0],
        registry::Binding {
            element: Element::U32,
            ..kernels::ablate::ABLATE.bindings[1]
        },
        kernels::ablate::ABLATE.bindings[2],
        kernels::ablate::ABLATE.bindings[3],
    ];
    let mut wrong = kernels::ablate::KERNEL;
    wrong.entries = &[Entry {
        bindings: BINDINGS,
        ..kernels::ablate::ABLATE
    }];
    let module = parse(&wrong.wgsl()).unwrap();
    assert!(bindings_match(&wrong, &module, &validate(&module).unwrap()).is_err());
}

/// Default limits of WebGPU.
fn limits_fit(kernel: &Kernel, module: &Module, info: &ModuleInfo) -> Check {
    let mut layouter = naga::proc::Layouter::default();
    layouter
        .update(module.to_ctx())
        .map_err(|e| e.to_string())?;
    for (i, entry) in module.entry_points.iter().enumerate() {
        let uses = info.get_entry_point(i);
        let (mut buffers, mut bytes) = (0, 0);
        for (handle, global) in module.global_variables.iter() {
            match global.space {
                _ if uses[handle].is_empty() => {}
                AddressSpace::Storage { .. } => buffers += 1,
                AddressSpace::WorkGroup => bytes += layouter[global.ty].size.next_multiple_of(16),
                _ => {}
            }
        }
        let invocations: u32 = entry.workgroup_size.iter().product();
        let fits =
            buffers <= 8 && bytes <= 16_384 && invocations <= 256 && kernel.params_size <= 256;
        if !fits {
            let name = &entry.name;
            return Err(format!(
                "{name}: {buffers} buffers, {bytes} bytes, {invocations} invocations"
            ));
        }
    }
    Ok(())
}

#[test]
fn default_limits_suffice() {
    each(limits_fit);
    let sparse = &kernels::sparse::KERNEL;
    refused(
        sparse,
        "total: array<f32, 2048>",
        "total: array<f32, 4096>",
        limits_fit,
    );
    let noise = &kernels::noise::KERNEL;
    refused(
        noise,
        "workgroup_size(256)",
        "workgroup_size(512)",
        limits_fit,
    );
    let mut text = String::from("@compute @workgroup_size(1) fn f() { var x = 0u;\n");
    for i in 0..9 {
        text += &format!("x += b{i}[0];\n");
    }
    text += "b0[1] = x; }\n";
    for i in 0..9 {
        text += &format!("@group(0) @binding({i}) var<storage, read_write> b{i}: array<u32>;\n");
    }
    let module = parse(&text).unwrap();
    assert!(
        limits_fit(noise, &module, &validate(&module).unwrap()).is_err(),
        "nine buffers"
    );
    // every launch, however large, stays within 65,535 groups a dimension
    for n in [1, 65_535, 65_536, 65_535 * 65_535] {
        let grid = registry::fold(n, 1);
        assert!(grid.iter().all(|g| *g <= 65_535), "{grid:?}");
        assert!(grid.iter().map(|g| u64::from(*g)).product::<u64>() >= n);
    }
}

fn barriers_are_uniform(_: &Kernel, module: &Module, _: &ModuleInfo) -> Check {
    let faults: Vec<String> = module
        .entry_points
        .iter()
        .flat_map(|e| uniform::faults(module, e))
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("; "))
    }
}

#[test]
fn barriers_are_reached_by_all() {
    each(barriers_are_uniform);
    let seen: usize = ALL
        .iter()
        .map(|k| {
            let module = parse(&k.wgsl()).unwrap();
            let count = |e: &naga::EntryPoint| uniform::barriers(&module, &e.function);
            module.entry_points.iter().map(count).sum::<usize>()
        })
        .sum();
    assert!(seen > 40, "the lint sees {seen} barriers");
    let head = "@group(0) @binding(0) var<uniform> n: u32;
        @group(0) @binding(1) var<storage, read> r: array<u32>;
        @group(0) @binding(2) var<storage, read_write> w: array<u32>;
        var<workgroup> s: u32;
        fn wait(x: u32) -> u32 { if (x > 3u) { workgroupBarrier(); } return x; }
        @compute @workgroup_size(64) fn f(@builtin(local_invocation_index) lane: u32,
            @builtin(workgroup_id) group: vec3<u32>) { var x = 0u; w[0] = lane; s = 1u;";
    let good = [
        "workgroupBarrier();",
        "if (n > 3u) { workgroupBarrier(); }",
        "if (r[group.x] > 3u) { return; } workgroupBarrier();",
        "for (var i = 0u; i < n; i++) { workgroupBarrier(); if (lane < i) { w[i] = i; } }",
        "for (var i = lane; i < n; i += 64u) { w[i] = i; } workgroupBarrier();",
        "loop { if (workgroupUniformLoad(&s) > 1u) { break; } workgroupBarrier(); }",
        "x = wait(n); if (x > 1u) { workgroupBarrier(); }",
        "for (var i = 0u; i < 9u; i++) { if (lane == i) { continue; } } workgroupBarrier();",
    ];
    let bad = [
        "if (lane < 3u) { workgroupBarrier(); }",
        "if (lane < 3u) { return; } workgroupBarrier();",
        "for (var i = lane; i < n; i += 64u) { workgroupBarrier(); }",
        "for (var i = 0u; i < w[0]; i++) { workgroupBarrier(); }",
        "for (var i = 0u; i < 9u; i++) { if (lane == i) { break; } workgroupBarrier(); }",
        "for (var i = 0u; i < 9u; i++) { workgroupBarrier(); if (lane == i) { break; } }",
        "for (var i = 0u; i < 9u; i++) { workgroupBarrier(); if (lane == i) { return; } }",
        "x = wait(lane);",
        "if (lane < 3u) { x = wait(n); }",
        "if (lane < 3u) { x = 1u; } if (x > 0u) { workgroupBarrier(); }",
        "x = s; if (x > 0u) { storageBarrier(); }",
        "if (lane < 3u) { x = workgroupUniformLoad(&s); }",
        "switch (lane) { case 1u: { workgroupBarrier(); } default: {} }",
    ];
    for (body, expected) in good
        .map(|b| (b, true))
        .into_iter()
        .chain(bad.map(|b| (b, false)))
    {
        let module = parse(&format!("{head} {body} }}")).unwrap_or_else(|e| panic!("{body}: {e}"));
        let faults = uniform::faults(&module, &module.entry_points[0]);
        assert_eq!(faults.is_empty(), expected, "{body}: {faults:?}");
    }
}

#[test]
fn entries_are_named_once() {
    let all: Vec<&Entry> = ALL.iter().flat_map(|k| k.entries).collect();
    let names: BTreeSet<_> = all.iter().map(|e| (e.stem, e.name)).collect();
    assert_eq!((names.len(), all.len()), (26, 26));
}

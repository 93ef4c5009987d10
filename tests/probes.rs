//! The kernels that need features, those that measure ceilings (`shaders/bench/`) and the optional forms
//! of others (`shaders/optional/`), without a GPU: registered, valid with the
//! capabilities that they name and with no fewer, entry points and uniform as the host believes.
#[path = "common/uniform.rs"]
mod uniform;

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, TypeInner};
use std::collections::BTreeSet;
use std::path::Path;
use yoto_gpu::kernels::ceiling::{Ceiling, PROBES};
use yoto_gpu::kernels::{OPTIONAL, linear::Linear, matrix_forward};

#[test]
fn every_file_is_registered() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders/bench");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| format!("shaders/bench/{}", f.unwrap().file_name().to_string_lossy()))
        .collect();
    let registered: BTreeSet<String> = PROBES.iter().map(|p| p.source.path.into()).collect();
    assert_eq!(files, registered);
    assert!(files.contains("shaders/bench/matrix.wgsl") && files.len() >= 4);
}

/// As naga names them.
fn named(names: &[&str]) -> Capabilities {
    let one = |n: &&str| Capabilities::from_name(n).unwrap_or_else(|| panic!("{n}"));
    names.iter().map(one).collect()
}

#[test]
fn each_is_valid_with_what_it_names_and_no_less() {
    for probe in PROBES {
        let text = probe.source.text;
        let module = naga::front::wgsl::parse_str(text)
            .unwrap_or_else(|e| panic!("{}: {}", probe.source.path, e.emit_to_string(text)));
        let valid = |capabilities| {
            let mut validator = Validator::new(ValidationFlags::all(), capabilities);
            validator.subgroup_stages(naga::valid::ShaderStages::COMPUTE);
            validator.subgroup_operations(naga::valid::SubgroupOperationSet::all());
            validator.validate(&module).map_err(|e| format!("{e:?}"))
        };
        let all = named(probe.capabilities);
        let info = valid(all).unwrap_or_else(|e| panic!("{}: {e}", probe.source.path));
        for one in probe.capabilities {
            let fewer = all.difference(named(&[one]));
            assert!(valid(fewer).is_err(), "{}: {one}", probe.source.path);
        }
        let entries: Vec<_> = module
            .entry_points
            .iter()
            .map(|e| (e.name.as_str(), e.workgroup_size))
            .collect();
        let host: Vec<_> = probe.entries.iter().map(|e| (e.0, [e.1, 1, 1])).collect();
        assert_eq!(entries, host);
        for entry in &module.entry_points {
            let faults = uniform::faults(&module, entry);
            assert!(faults.is_empty(), "{}: {faults:?}", probe.source.path);
            let barriers = uniform::barriers(&module, &entry.function);
            assert_eq!(barriers, usize::from(entry.name == "matrix_rate"));
        }
        let (_, p) = module
            .global_variables
            .iter()
            .find(|(_, g)| g.space == AddressSpace::Uniform)
            .expect("a uniform");
        let TypeInner::Struct { members, span } = &module.types[p.ty].inner else {
            panic!("the uniform is a struct");
        };
        let theirs: Vec<_> = members
            .iter()
            .map(|m| (m.name.as_deref().unwrap_or_default(), m.offset as usize))
            .collect();
        assert_eq!(theirs, Ceiling::FIELDS);
        assert_eq!(*span as usize, size_of::<Ceiling>());
        let options = naga::back::spv::Options {
            lang_version: (1, 4),
            ..Default::default()
        };
        naga::back::spv::write_vec(&module, &info, &options, None)
            .unwrap_or_else(|e| panic!("{}: {e}", probe.source.path));
    }
}

#[test]
fn the_optional_kernels_are_valid_with_what_they_name_and_no_less() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders/optional");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| {
            format!(
                "shaders/optional/{}",
                f.unwrap().file_name().to_string_lossy()
            )
        })
        .collect();
    let registered: BTreeSet<String> = OPTIONAL.iter().map(|k| k.source.path.into()).collect();
    assert_eq!(files, registered);
    assert!(files.contains("shaders/optional/matrix_forward.wgsl"));
    let (kernel, entry) = (&matrix_forward::KERNEL, &matrix_forward::FORWARD);
    let text = kernel.wgsl();
    let module = naga::front::wgsl::parse_str(&text)
        .unwrap_or_else(|e| panic!("{}", e.emit_to_string(&text)));
    let valid = |capabilities| {
        let mut validator = Validator::new(ValidationFlags::all(), capabilities);
        validator.subgroup_stages(naga::valid::ShaderStages::COMPUTE);
        validator.validate(&module).map_err(|e| format!("{e:?}"))
    };
    let all = named(matrix_forward::CAPABILITIES);
    let info = valid(all).unwrap();
    for one in matrix_forward::CAPABILITIES {
        assert!(valid(all.difference(named(&[one]))).is_err(), "{one}");
    }
    let [theirs] = &module.entry_points[..] else {
        panic!("one entry");
    };
    assert_eq!(
        (theirs.name.as_str(), theirs.workgroup_size),
        (entry.name, [entry.workgroup_size, 1, 1])
    );
    assert!(uniform::faults(&module, theirs).is_empty());
    assert_eq!(uniform::barriers(&module, &theirs.function), 4);
    let (mut bound, mut shared) = (BTreeSet::new(), 0);
    for (_, g) in module.global_variables.iter() {
        match g.space {
            AddressSpace::WorkGroup => shared += module.types[g.ty].inner.size(module.to_ctx()),
            AddressSpace::Uniform => {
                let TypeInner::Struct { members, span } = &module.types[g.ty].inner else {
                    panic!("the uniform is a struct");
                };
                let theirs: Vec<_> = members
                    .iter()
                    .map(|m| (m.name.as_deref().unwrap_or_default(), m.offset as usize))
                    .collect();
                assert_eq!(
                    (theirs, *span as usize),
                    (Linear::FIELDS.to_vec(), kernel.params_size)
                );
            }
            AddressSpace::Storage { access } => {
                let writes = access.contains(naga::StorageAccess::STORE);
                let place = g.binding.map(|b| b.binding).unwrap_or_default();
                bound.insert((place, g.name.clone().unwrap_or_default(), writes));
            }
            _ => panic!("{:?}", g.space),
        }
    }
    let ours = entry
        .bindings
        .iter()
        .map(|b| (b.index, b.name.to_owned(), b.writes));
    assert_eq!(bound, ours.collect());
    assert!(shared <= 16_384, "{shared} bytes of workgroup memory");
    let options = naga::back::spv::Options {
        lang_version: (1, 4),
        ..Default::default()
    };
    naga::back::spv::write_vec(&module, &info, &options, None).unwrap();
}

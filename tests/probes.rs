//! The kernels that measure ceilings (`shaders/bench/`), without a GPU: registered, valid with the
//! capabilities that they name and with no fewer, entry points and uniform as the host believes.
#[path = "common/uniform.rs"]
mod uniform;

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, TypeInner};
use std::collections::BTreeSet;
use std::path::Path;
use yoto_gpu::kernels::ceiling::{Ceiling, PROBES};

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

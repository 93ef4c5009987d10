//! Fills the workgroup memory of kernels with garbage before their first statement: devices need not
//! clear it (`src/gpu/record.rs` asks them not to), so no kernel may count on zeros.
use naga::AddressSpace;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use yoto_gpu::kernels::registry::Entry;

/// What stands in a variable of a WGSL type.
fn value(kind: &str) -> String {
    match kind {
        "f32" => "-7.7e33".into(),
        "u32" => "0xa5a5a5a5u".into(),
        vector => {
            let element = vector.split(['<', '>']).nth(1).expect("a vector");
            format!("{vector}({})", value(element))
        }
    }
}

/// Statements that fill a variable, declared as `NAME: TYPE;`.
fn fill(name: &str, kind: &str, invocations: u32) -> String {
    let Some(array) = kind.strip_prefix("array<") else {
        return format!("if (lane == 0u) {{ {name} = {}; }}", value(kind));
    };
    let array = array.strip_suffix('>').expect("an array ends");
    let (element, length) = array.rsplit_once(',').expect("an array has a length");
    let set = match element.strip_prefix("atomic<") {
        Some(_) => format!("atomicStore(&{name}[at_], {});", value("u32")),
        None => format!("{name}[at_] = {};", value(element)),
    };
    let length = length.trim();
    format!("for (var at_ = lane; at_ < u32({length}); at_ += {invocations}u) {{ {set} }}")
}

/// The text of a kernel with garbage in all that its entries use; how many variables that was.
pub fn garbage(wgsl: &str, entries: &[Entry]) -> (String, usize) {
    let module = naga::front::wgsl::parse_str(wgsl).expect("valid");
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    let info = validator.validate(&module).expect("valid");
    let (mut text, mut filled) = (wgsl.to_string(), 0);
    for (i, entry) in module.entry_points.iter().enumerate() {
        let known = entries.iter().find(|e| e.name == entry.name);
        let invocations = known.expect("registered").workgroup_size;
        let mut all = String::new();
        for (handle, variable) in module.global_variables.iter() {
            let used = !info.get_entry_point(i)[handle].is_empty();
            if used && variable.space == AddressSpace::WorkGroup {
                let name = variable.name.as_deref().expect("named");
                let declared = format!("var<workgroup> {name}: ");
                let from = wgsl.find(&declared).expect("declared") + declared.len();
                let kind = wgsl[from..].split(';').next().expect("declared");
                all += &fill(name, kind, invocations);
                filled += 1;
            }
        }
        if !all.is_empty() {
            let function = format!("\nfn {}(@builtin", entry.name);
            let begin = text.find(&function).expect("an entry");
            let open = "lane: u32) {";
            let body = begin + text[begin..].find(open).expect("a lane") + open.len();
            text.insert_str(body, &format!(" {all} workgroupBarrier(); "));
        }
    }
    (text, filled)
}

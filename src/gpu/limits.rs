//! What the kernels need of an adapter, what they use where it is there, and what one has.
use crate::error::DeviceError;
use crate::kernels::registry::{
    MAX_GROUPS, MAX_INVOCATIONS, MAX_STORAGE_BUFFERS, MAX_WORKGROUP_BYTES,
};
use crate::ops::{ALIGN, Result};
use serde::{Deserialize, Serialize};
use wgpu::Features;

/// A limit that the kernels depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitNeed {
    /// Name, as wgpu calls it.
    pub name: String,
    /// What the adapter has.
    pub has: u64,
    /// What the kernels need; 0 where more only makes pages larger.
    pub needs: u64,
    /// Whether `has` must be at most `needs` (alignments), not at least.
    pub at_most: bool,
}

impl LimitNeed {
    /// Whether it suffices.
    #[must_use]
    pub fn met(&self) -> bool {
        if self.at_most {
            self.has <= self.needs
        } else {
            self.has >= self.needs
        }
    }
}

/// A feature that an adapter may have and what this program does with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureUse {
    /// Name.
    pub name: String,
    /// Whether the adapter has it.
    pub has: bool,
    /// What for.
    pub used_for: String,
}

/// The features that are asked for where the adapter has them; none is needed.
pub(super) fn wanted(adapter: &wgpu::Adapter) -> Features {
    adapter.features() & (Features::TIMESTAMP_QUERY | Features::PIPELINE_CACHE)
}

/// Whether the adapter multiplies 16 x 16 tiles of f16 into f32.
pub(crate) fn has_matrix(adapter: &wgpu::Adapter) -> bool {
    use wgpu::CooperativeScalarType as Scalar;
    let all = Features::EXPERIMENTAL_COOPERATIVE_MATRIX | Features::SHADER_F16 | Features::SUBGROUP;
    adapter.features().contains(all)
        && adapter.cooperative_matrix_properties().iter().any(|p| {
            [p.m_size, p.n_size, p.k_size] == [16; 3]
                && p.ab_type == Scalar::F16
                && p.cr_type == Scalar::F32
        })
}

/// The features that `devices` tells of.
pub(super) fn features(adapter: &wgpu::Adapter) -> Vec<FeatureUse> {
    let has = adapter.features();
    let row = |name: &str, has, used_for: &str| FeatureUse {
        name: name.into(),
        has,
        used_for: used_for.into(),
    };
    let matrix = has_matrix(adapter);
    vec![
        row(
            "timestamp_query",
            has.contains(Features::TIMESTAMP_QUERY),
            "times the kernels in bench",
        ),
        row(
            "pipeline_cache",
            has.contains(Features::PIPELINE_CACHE),
            "keeps compiled kernels between runs",
        ),
        row(
            "shader_f16",
            has.contains(Features::SHADER_F16),
            "a ceiling in bench",
        ),
        row(
            "cooperative_matrix",
            matrix,
            "a ceiling in bench; dense layers with YOTO_MATRIX=1",
        ),
        row("subgroup", has.contains(Features::SUBGROUP), "not used"),
    ]
}

/// The limits of an adapter beside what the kernels need, in the order in which they are checked.
pub(super) fn rows(adapter: &wgpu::Adapter) -> Vec<LimitNeed> {
    let has = adapter.limits();
    let compute = wgpu::DownlevelFlags::COMPUTE_SHADERS;
    let flags = adapter.get_downlevel_capabilities().flags;
    let row = |name: &str, has: u64, needs: u64, at_most: bool| LimitNeed {
        name: name.into(),
        has,
        needs,
        at_most,
    };
    let mut rows = vec![row(
        "compute_shaders",
        u64::from(flags.contains(compute)),
        1,
        false,
    )];
    let least = least();
    macro_rules! at_least {
        ($($field:ident),+ $(,)?) => {
            $(rows.push(row(stringify!($field), has.$field.into(), least.$field.into(), false));)+
        };
    }
    at_least!(
        max_bind_groups,
        max_bindings_per_bind_group,
        max_dynamic_uniform_buffers_per_pipeline_layout,
        max_uniform_buffers_per_shader_stage,
        max_storage_buffers_per_shader_stage,
        max_compute_workgroup_storage_size,
        max_compute_invocations_per_workgroup,
        max_compute_workgroup_size_x,
        max_compute_workgroup_size_y,
        max_compute_workgroup_size_z,
        max_compute_workgroups_per_dimension,
        max_storage_buffer_binding_size,
        max_buffer_size,
    );
    macro_rules! at_most {
        ($($field:ident),+ $(,)?) => {
            $(rows.push(row(stringify!($field), has.$field.into(), least.$field.into(), true));)+
        };
    }
    at_most!(
        min_uniform_buffer_offset_alignment,
        min_storage_buffer_offset_alignment,
    );
    rows
}

/// The least that the kernels work with.
fn least() -> wgpu::Limits {
    wgpu::Limits {
        max_bind_groups: 1,
        max_bindings_per_bind_group: 16,
        max_dynamic_uniform_buffers_per_pipeline_layout: 1,
        max_uniform_buffers_per_shader_stage: 1,
        max_storage_buffers_per_shader_stage: MAX_STORAGE_BUFFERS,
        max_compute_workgroup_storage_size: MAX_WORKGROUP_BYTES,
        max_compute_invocations_per_workgroup: MAX_INVOCATIONS,
        max_compute_workgroup_size_x: MAX_INVOCATIONS,
        max_compute_workgroup_size_y: 1,
        max_compute_workgroup_size_z: 1,
        max_compute_workgroups_per_dimension: MAX_GROUPS,
        // pages fit any size
        max_storage_buffer_binding_size: 0,
        max_buffer_size: 0,
        // 256 is the worst that WebGPU allows, and ALIGN
        min_uniform_buffer_offset_alignment: 256,
        min_storage_buffer_offset_alignment: 256,
        ..wgpu::Limits::downlevel_webgl2_defaults()
    }
}

/// What the kernels need, and the largest buffers that the adapter has.
pub(super) fn needed(adapter: &wgpu::Adapter, name: &str) -> Result<wgpu::Limits> {
    if let Some(e) = missing(&rows(adapter), name) {
        return Err(e);
    }
    let (has, least) = (adapter.limits(), least());
    let mut limits = wgpu::Limits::downlevel_webgl2_defaults().or_worse_values_from(&has);
    macro_rules! take {
        ($($field:ident),+ $(,)?) => { $(limits.$field = least.$field;)+ };
    }
    take!(
        max_bind_groups,
        max_bindings_per_bind_group,
        max_dynamic_uniform_buffers_per_pipeline_layout,
        max_uniform_buffers_per_shader_stage,
        max_storage_buffers_per_shader_stage,
        max_compute_workgroup_storage_size,
        max_compute_invocations_per_workgroup,
        max_compute_workgroup_size_x,
        max_compute_workgroup_size_y,
        max_compute_workgroup_size_z,
        max_compute_workgroups_per_dimension,
        min_uniform_buffer_offset_alignment,
        min_storage_buffer_offset_alignment,
    );
    limits.max_storage_buffer_binding_size = has.max_storage_buffer_binding_size;
    limits.max_buffer_size = has.max_buffer_size;
    Ok(limits)
}

/// Words of the largest range that can be bound.
pub(super) fn max_elements(limits: &wgpu::Limits) -> usize {
    let bytes = limits
        .max_storage_buffer_binding_size
        .min(limits.max_buffer_size)
        .min(u64::from(u32::MAX));
    (bytes as usize / 4) / ALIGN * ALIGN
}

/// The first limit that does not suffice, as an error.
pub(super) fn missing(rows: &[LimitNeed], name: &str) -> Option<DeviceError> {
    let lacking = rows.iter().find(|r| !r.met())?;
    Some(DeviceError::Limit {
        adapter: name.into(),
        limit: lacking.name.clone(),
        has: lacking.has,
        needs: lacking.needs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_limit_that_does_not_suffice_is_named() {
        let row = |name: &str, has, at_most| LimitNeed {
            name: name.into(),
            has,
            needs: 8,
            at_most,
        };
        let fine = [row("a", 8, false), row("b", 8, true), row("c", 4, true)];
        assert!(missing(&fine, "card").is_none());
        for (bad, name) in [
            (row("d", 7, false), "d = 7"),
            (row("e", 16, true), "e = 16"),
        ] {
            let rows = [&fine[..], &[bad]].concat();
            let text = missing(&rows, "card").map(|e| e.to_string());
            assert!(text.is_some_and(|t| t.contains(name) && t.contains("needs 8")));
        }
    }
}

//! Ops on wgpu: device and limits, buffers, pipelines, recording of many steps.

// Shape of the tiles of linear.wgsl: invocations, rows and columns, terms of the sums that are in
// workgroup memory at a time, quads of rows and of columns that an invocation owns.
const LANES: u32 = 256u;
const TILE: u32 = 128u;
const DEPTH: u32 = 8u;
const ROW_QUADS: u32 = 2u;
const COLUMN_QUADS: u32 = 2u;

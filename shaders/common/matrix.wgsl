// Stands first in a file that uses cooperative matrices of f16.
enable f16;
enable wgpu_cooperative_matrix;

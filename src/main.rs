fn main() {
    println!("{:?}", hdf5::library_version());
    let _ = wgpu::Backends::all();
}

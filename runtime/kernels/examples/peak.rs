fn main() { println!("{}", cnasc_kernels::micro::peak::gflops(200)); }

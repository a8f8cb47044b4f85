//! From kernel calls to machine code: one function for each distinct kernel, and drivers that call them in order.
//!
//! Program × placement → a finished module. A driver takes the arena and the constants and adds to them offsets known now.

use super::emit::{Cpu, Emitter};
use super::kernel::{Arguments, Kernel};
use super::lower::Call;
use crate::CompileError;
use crate::micro::{Isa, Micro};
use cranelift_codegen::Context;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{AbiParam, InstBuilder, Signature};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{ArenaMemoryProvider, JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module};
use std::collections::BTreeMap;

/// Address space set aside for code. One range, so that functions reach each other; pages are used as they are needed.
const CODE_SPACE: usize = 64 << 20;

/// How code is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeOptions {
    /// Whether the code generator may reorder and simplify. Kernels are written in the order in which they should run, and lose
    /// by it: their sums come out one chain behind the other.
    pub optimize: bool,
    /// Whether it checks what it is given.
    pub verify: bool,
    /// What the code may use; all that the CPU has, if nothing is said.
    pub cpu: Option<Cpu>,
    /// Whose microkernels it calls; none for code that is generated from end to end.
    pub isa: Option<Isa>,
}

/// Generates functions into one module.
pub struct Generator {
    module: JITModule,
    context: Context,
    functions: FunctionBuilderContext,
    kernels: BTreeMap<Kernel, FuncId>,
    cpu: Cpu,
    /// The microkernels, in the order of [`Micro::ALL`].
    micro: Vec<FuncId>,
    bytes: u64,
}

/// Where a call finds its operands, in floats.
pub struct Places<'a> {
    /// By buffer, in the arena.
    pub buffers: &'a [u64],
    /// By section, in the constants.
    pub sections: &'a [u64],
    /// By kernel, the section of its table.
    pub tables: &'a BTreeMap<Kernel, usize>,
}

impl Generator {
    /// For the CPU that this runs on.
    pub fn new(options: CodeOptions) -> Result<Self, CompileError> {
        let isa = host(options)?;
        let cpu = options.cpu.unwrap_or_else(|| abilities(&isa));
        let mut builder = JITBuilder::with_isa(isa, cranelift_module::default_libcall_names());
        let memory = ArenaMemoryProvider::new_with_size(CODE_SPACE).map_err(failed)?;
        builder.memory_provider(Box::new(memory));
        let imports: Vec<(Micro, *const u8)> = Micro::ALL
            .into_iter()
            .filter_map(|micro| options.isa.and_then(|isa| isa.address(micro)).map(|address| (micro, address)))
            .collect();
        builder.symbols(imports.iter().map(|&(micro, address)| (micro.symbol(), address)));
        let mut module = JITModule::new(builder);
        let import = |&(micro, _): &(Micro, _)| {
            let mut signature = module.make_signature();
            signature.params.resize(micro.words(), AbiParam::new(I64));
            module.declare_function(micro.symbol(), Linkage::Import, &signature).map_err(failed)
        };
        let micro = imports.iter().map(import).collect::<Result<_, _>>()?;
        let context = module.make_context();
        let functions = FunctionBuilderContext::new();
        Ok(Self { module, context, functions, kernels: BTreeMap::new(), cpu, micro, bytes: 0 })
    }

    /// Generates the kernel's function, unless there is one.
    fn kernel(&mut self, kernel: &Kernel) -> Result<FuncId, CompileError> {
        if let Some(&id) = self.kernels.get(kernel) {
            return Ok(id);
        }
        let inputs = kernel.inputs();
        let name = format!("{}.{}", kernel.name(), self.kernels.len());
        let micro = self.micro.clone();
        let id = self.define(&name, inputs + 4, |emit, module| {
            let micro = micro.iter().map(|&id| module.declare_func_in_func(id, emit.builder().func)).collect();
            emit.import(micro);
            let params = emit.params().to_vec();
            let arguments = Arguments {
                inputs: params[..inputs].to_vec(),
                output: params[inputs],
                weights: params[inputs + 1],
                table: params[inputs + 2],
                scratch: params[inputs + 3],
            };
            kernel.emit(emit, &arguments);
        })?;
        self.kernels.insert(kernel.clone(), id);
        Ok(id)
    }

    /// Generates what makes one call.
    pub fn driver(&mut self, call: &Call, places: &Places<'_>) -> Result<FuncId, CompileError> {
        let kernel = self.kernel(&call.kernel)?;
        self.define("driver", 3, |emit, module| {
            let [arena, constants, scratch] = *emit.params() else { return };
            let buffers = call.inputs.iter().chain([&call.output]);
            let mut values: Vec<_> = buffers.map(|&buffer| emit.offset(arena, places.buffers[buffer])).collect();
            let sections = [call.weights, places.tables.get(&call.kernel).copied()];
            values.extend(
                sections.map(|section| {
                    section.map_or(constants, |section| emit.offset(constants, places.sections[section]))
                }),
            );
            values.push(scratch);
            let builder = emit.builder();
            let function = module.declare_func_in_func(kernel, builder.func);
            builder.ins().call(function, &values);
        })
    }

    /// Generates a function that takes so many pointers.
    fn define(
        &mut self,
        name: &str,
        params: usize,
        body: impl FnOnce(&mut Emitter<'_>, &mut JITModule),
    ) -> Result<FuncId, CompileError> {
        let mut signature: Signature = self.module.make_signature();
        signature.params.extend((0..params).map(|_| AbiParam::new(I64)));
        // Anonymous in the module, since drivers have no names of their own; the name is for a profile.
        let id = if name == "driver" {
            self.module.declare_anonymous_function(&signature)
        } else {
            self.module.declare_function(name, Linkage::Local, &signature)
        };
        let id = id.map_err(failed)?;
        self.context.func.signature = signature;
        let builder = FunctionBuilder::new(&mut self.context.func, &mut self.functions);
        let mut emit = Emitter::new(builder, self.cpu);
        body(&mut emit, &mut self.module);
        emit.finish(self.module.target_config());
        self.module.define_function(id, &mut self.context).map_err(failed)?;
        self.bytes += self.context.compiled_code().map_or(0, |code| u64::from(code.code_info().total_size));
        self.module.clear_context(&mut self.context);
        Ok(id)
    }

    /// Makes the code executable. Returns the module and the bytes of its code.
    pub fn finish(mut self) -> Result<(JITModule, u64), CompileError> {
        self.module.finalize_definitions().map_err(failed)?;
        Ok((self.module, self.bytes))
    }
}

fn host(options: CodeOptions) -> Result<OwnedTargetIsa, CompileError> {
    let mut flags = settings::builder();
    let level = if options.optimize { "speed" } else { "none" };
    let verify = if options.verify { "true" } else { "false" };
    // The module puts absolute addresses into calls.
    let list =
        [("opt_level", level), ("enable_verifier", verify), ("is_pic", "false"), ("use_colocated_libcalls", "false")];
    for (name, value) in list {
        flags.set(name, value).map_err(failed)?;
    }
    let builder = cranelift_native::builder().map_err(failed)?;
    builder.finish(settings::Flags::new(flags)).map_err(failed)
}

fn abilities(isa: &OwnedTargetIsa) -> Cpu {
    // A flag of x86 alone; the other CPUs that have vectors multiply and add.
    let flag = isa.isa_flags().into_iter().find(|flag| flag.name == "has_fma");
    let multiplies_and_adds = flag.is_none_or(|flag| flag.as_bool() == Some(true));
    Cpu { multiplies_and_adds, broadcasts_at_will: isa.name() == "x64" }
}

fn failed(error: impl std::fmt::Display) -> CompileError {
    CompileError::Code(error.to_string())
}

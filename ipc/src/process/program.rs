//! The modules (executable and shared libraries) that the loader mapped into this process.
//!
//! The only file that walks the loader's list. `code` and `image` ask it where the main program lies.

use std::ffi::{CStr, c_int, c_void};
use std::ops::{ControlFlow, Range};
use std::sync::OnceLock;

/// One program header, its place made absolute.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) kind: u32,
    pub(super) flags: u32,
    pub(super) align: usize,
    /// Where it lies in this process.
    pub(super) range: Range<usize>,
}

impl Segment {
    pub(super) fn is_executable(&self) -> bool {
        self.kind == libc::PT_LOAD && self.flags & libc::PF_X != 0
    }

    /// Whether it is mapped, can be read, and never changes.
    fn is_constant(&self) -> bool {
        let access = self.flags & (libc::PF_R | libc::PF_W);
        self.kind == libc::PT_LOAD && access == libc::PF_R
    }
}

/// The executable or one shared library.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// What the loader added to the addresses in the file; 0 for a program linked to a fixed place.
    pub(super) bias: usize,
    /// The path it was loaded from; empty for the main program.
    pub(super) name: String,
    pub(super) segments: Vec<Segment>,
}

impl Module {
    pub(super) fn has_code_at(&self, address: usize) -> bool {
        self.segments.iter().any(|segment| segment.is_executable() && segment.range.contains(&address))
    }
}

/// The module that the kernel was asked to run (for `ld.so PROGRAM`, that program).
pub(super) fn main_program() -> &'static Module {
    static PROGRAM: OnceLock<Module> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // The main program comes first on glibc and musl, linked statically or not.
        // A process without any module would have no code: then everything is refused.
        find_module(|_| true).unwrap_or_default()
    })
}

/// The name of the shared library whose code contains `address`.
pub(super) fn library_at(address: usize) -> Option<String> {
    find_module(|module| module.has_code_at(address)).map(|module| module.name)
}

/// The bytes at `range`, if they belong to a mapped segment of the main program that is never written.
pub(super) fn constant_bytes(range: Range<usize>) -> Option<&'static [u8]> {
    let inside = main_program().segments.iter().any(|segment| {
        segment.is_constant() && segment.range.start <= range.start && range.end <= segment.range.end
    });
    if !inside || range.is_empty() {
        return None;
    }
    let start = std::ptr::with_exposed_provenance::<u8>(range.start);
    // SAFETY: the range lies in a segment that the loader mapped readable and not writable, and the main
    // program is never unmapped.
    Some(unsafe { std::slice::from_raw_parts(start, range.len()) })
}

fn find_module(mut wanted: impl FnMut(&Module) -> bool) -> Option<Module> {
    let mut found = None;
    each_module(&mut |module| {
        if wanted(&module) {
            found = Some(module);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    found
}

type Visit<'a> = &'a mut dyn FnMut(Module) -> ControlFlow<()>;

fn each_module(mut visit: Visit<'_>) {
    let data = (&raw mut visit).cast::<c_void>();
    // SAFETY: `on_module` is called before this returns, with the `data` that points to `visit`.
    unsafe { libc::dl_iterate_phdr(Some(on_module), data) };
}

/// # Safety
///
/// `info` describes a loaded module, and `data` is the `Visit` that `each_module` holds.
unsafe extern "C" fn on_module(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    data: *mut c_void,
) -> c_int {
    // SAFETY: the loader passes a description that is valid during this call.
    let info = unsafe { &*info };
    // SAFETY: `each_module` passes a pointer to its own `Visit` and touches it only after the walk.
    let visit = unsafe { &mut *data.cast::<Visit<'_>>() };
    c_int::from(visit(describe(info)).is_break())
}

fn describe(info: &libc::dl_phdr_info) -> Module {
    let bias = info.dlpi_addr as usize;
    let headers = if info.dlpi_phdr.is_null() {
        &[][..]
    } else {
        // SAFETY: not null, and the loader gives the number of headers with their place.
        unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) }
    };
    let segments = headers.iter().map(|header| {
        // Wrapping: a bias is a difference, which may be negative.
        let start = bias.wrapping_add(header.p_vaddr as usize);
        let range = start..start.saturating_add(header.p_memsz as usize);
        Segment { kind: header.p_type, flags: header.p_flags, align: header.p_align as usize, range }
    });
    Module { bias, name: name(info), segments: segments.collect() }
}

fn name(info: &libc::dl_phdr_info) -> String {
    if info.dlpi_name.is_null() {
        return String::new();
    }
    // SAFETY: not null, and the loader keeps the name as a C string during the call.
    let name = unsafe { CStr::from_ptr(info.dlpi_name) };
    name.to_string_lossy().into_owned()
}

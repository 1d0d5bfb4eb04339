//! A function as a place in the main executable, the same in every process that runs it.
//!
//! Loaders put a program at another address each time; the distance from its load bias stays. The address of a
//! function is good for calling it and for nothing else: the linker may merge equal functions, so two
//! addresses that are equal do not mean the same name.

use thiserror::Error;

use super::program;

/// Where a function lives inside the main executable: the distance from its load bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeOffset(u64);

impl CodeOffset {
    /// The offset as it travels.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// An offset that came from another process; [`resolve`] checks it.
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }
}

/// Why an address or an offset is not code of the main program.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodeError {
    /// The function belongs to a shared library, which another process may load elsewhere or not at all.
    #[error(
        "the function lives in the shared library {library}, not in the main program; \
         pass a function of the main program"
    )]
    SharedLibrary {
        /// The library's path as the loader knows it.
        library: String,
    },
    /// The address is in no loaded module's code.
    #[error("address {address:#x} is not code of the main program")]
    NotCode {
        /// The address.
        address: usize,
    },
    /// The offset is outside the executable segments of the main program.
    #[error("offset {offset:#x} is not code of the main program")]
    OutOfRange {
        /// The offset.
        offset: u64,
    },
}

/// Finds the offset by which another process running this program finds `function`.
///
/// # Errors
///
/// [`CodeError::SharedLibrary`] names the library that `function` lives in; [`CodeError::NotCode`] if it is
/// no code at all.
pub fn locate(function: *const ()) -> Result<CodeOffset, CodeError> {
    let address = function.addr();
    let program = program::main_program();
    if program.has_code_at(address) {
        return Ok(CodeOffset(address.wrapping_sub(program.bias) as u64));
    }
    Err(match program::library_at(address) {
        Some(library) => CodeError::SharedLibrary { library },
        None => CodeError::NotCode { address },
    })
}

/// Finds the place in this process of what another process located at `offset`.
///
/// `Ok` means that it lies in an executable segment, not that a function of a certain type begins there: compare
/// [`image_id`](crate::image_id) before calling it, and a [`type_hash`] in the called function.
///
/// # Errors
///
/// [`CodeError::OutOfRange`] if `offset` is outside the code of the main program.
pub fn resolve(offset: CodeOffset) -> Result<*const (), CodeError> {
    let out_of_range = CodeError::OutOfRange { offset: offset.0 };
    let Ok(distance) = usize::try_from(offset.0) else {
        return Err(out_of_range);
    };
    let program = program::main_program();
    let address = program.bias.wrapping_add(distance);
    if !program.has_code_at(address) {
        return Err(out_of_range);
    }
    Ok(std::ptr::with_exposed_provenance(address))
}

/// A number for the name of a type (FNV-1a), the same in every process of one build.
///
/// It catches mistakes, not malice: names can collide.
pub const fn type_hash(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seven() -> i32 {
        7
    }

    #[test]
    fn a_function_of_the_program_is_found_again_at_its_offset() {
        let function: fn() -> i32 = seven;
        let offset = locate(function as *const ()).unwrap();
        let found = resolve(CodeOffset::from_raw(offset.get())).unwrap();
        assert_eq!(found, function as *const ());
        // SAFETY: `found` is the address of a function of exactly this type.
        let found = unsafe { std::mem::transmute::<*const (), fn() -> i32>(found) };
        assert_eq!(found(), 7);
    }

    #[test]
    fn data_and_the_heap_and_null_are_not_code() {
        static DATA: u64 = 5;
        let boxed = Box::new(1_u8);
        for address in [(&raw const DATA).cast(), (&raw const *boxed).cast(), std::ptr::null()] {
            assert_eq!(locate(address), Err(CodeError::NotCode { address: address.addr() }));
        }
    }

    #[test]
    fn an_offset_outside_the_code_is_refused() {
        let program = program::main_program();
        let code: Vec<_> = program.segments.iter().filter(|s| s.is_executable()).collect();
        let end = code.iter().map(|segment| segment.range.end).max().unwrap();
        let start = code.iter().map(|segment| segment.range.start).min().unwrap();
        for address in [start - 1, end, usize::MAX, 0] {
            let offset = address.wrapping_sub(program.bias) as u64;
            let error = resolve(CodeOffset::from_raw(offset)).unwrap_err();
            assert_eq!(error, CodeError::OutOfRange { offset });
        }
        assert!(resolve(CodeOffset::from_raw((start - program.bias) as u64)).is_ok());
        assert!(resolve(CodeOffset::from_raw((end - 1 - program.bias) as u64)).is_ok());
    }

    #[cfg(not(target_feature = "crt-static"))]
    #[test]
    fn a_function_of_a_shared_library_is_refused_and_the_library_is_named() {
        // SAFETY: the name is a C string; the result is only looked at.
        let function = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"getpid".as_ptr()) };
        let error = locate(function.cast_const().cast()).unwrap_err();
        let CodeError::SharedLibrary { library } = error else { panic!("{error}") };
        assert!(library.contains("libc"), "{library}");
    }

    #[test]
    fn the_hash_of_a_type_name_is_the_published_fnv_1a() {
        assert_eq!(type_hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(type_hash("foobar"), 0x8594_4171_f739_67e8);
        const { assert!(type_hash("u64") != type_hash("u32")) };
    }
}

//! `crypto_mb`, loaded at run time: its functions, and what must be true when they are called.
//!
//! The functions and their types are those of its header `crypto_mb/rsa.h`, interface 11, which the name of the file carries.
//! They read and write through arrays of eight pointers, one for each lane, and know all lengths from the size of the modulus.

#![expect(unsafe_code, reason = "a library in C is loaded and called; every block says why it may be")]

use std::ffi::{OsStr, c_int};

use libloading::os::unix::{Library as Handle, RTLD_LOCAL, RTLD_NOW, Symbol};
use vidpass_token::RsaParts;
use zeroize::Zeroizing;

use crate::lanes::{LANES, Size};

/// The library of the interface that this module knows, as the dynamic linker finds it: in the system's folders.
pub(crate) const FILE: &str = "libcrypto_mb.so.11";

/// Why nothing can be signed together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// The CPU lacks the instructions.
    #[error("this CPU has no AVX-512 IFMA, which `{FILE}` needs")]
    Cpu,
    /// The library is not there, or needs one that is not.
    #[error("`{FILE}` cannot be loaded; Debian's package libcrypto-mb11 has it")]
    Missing,
    /// The library is not the one that it should be.
    #[error("`{FILE}` has no function `{name}`")]
    Symbol {
        /// What it lacks.
        name: &'static str,
    },
}

/// The library, loaded into the process and able to run on its CPU.
pub(crate) struct Library {
    private_crt: PrivateCrt,
    public: Public,
    /// The bytes of scratch memory that the private and the public operation take, for each size.
    scratch: [(usize, usize); Size::ALL.len()],
    /// What the functions above are in: it goes last.
    _handle: Handle,
}

/// `mbx_rsa_private_crt_mb8`: input, output, p, q, dP, dQ, qInv, bits, method (null: by the bits), scratch.
type PrivateCrt = unsafe extern "C" fn(
    *const *const u8,
    *const *mut u8,
    *const *const u64,
    *const *const u64,
    *const *const u64,
    *const *const u64,
    *const *const u64,
    c_int,
    *const Method,
    *mut u8,
) -> u32;
/// `mbx_rsa_public_mb8`: input, output, n, bits, method (null: by the bits), scratch. The exponent is 65537.
type Public =
    unsafe extern "C" fn(*const *const u8, *const *mut u8, *const *const u64, c_int, *const Method, *mut u8) -> u32;
/// `mbx_is_crypto_mb_applicable`: features of a CPU (0: this one); not 0 where the library can run on it.
type IsApplicable = unsafe extern "C" fn(u64) -> c_int;
/// `mbx_get_algo_info`: an algorithm's number; the widths in which this CPU can do it, as bits.
type AlgorithmInfo = unsafe extern "C" fn(c_int) -> u64;
/// `mbx_RSA_private_crt_Method`, `mbx_RSA_pub65537_Method`: bits; null where there is no such method.
type MethodOf = unsafe extern "C" fn(c_int) -> *const Method;
/// `mbx_RSA_Method_BufSize`
type BufferSize = unsafe extern "C" fn(*const Method) -> c_int;

/// `mbx_RSA_Method`, which only the library looks into.
#[repr(C)]
struct Method {
    _opaque: [u8; 0],
}

impl Library {
    /// Loads the library of that name, and makes sure that its code can run on this CPU.
    pub(crate) fn load(file: impl AsRef<OsStr>) -> Result<Self, Unavailable> {
        let library = Loaded::open(file)?;
        if library.is_applicable()? { library.into_library() } else { Err(Unavailable::Cpu) }
    }

    /// Raises each input to its key's private exponent, by the Chinese remainder theorem. Says of each lane whether the library
    /// had nothing to object to; whether the result is right, it does not say.
    ///
    /// # Panics
    /// Where a length is not that of `size`: the library would read and write beyond.
    pub(crate) fn private(
        &self,
        size: Size,
        keys: [&RsaParts; LANES],
        inputs: &[Vec<u8>; LANES],
        outputs: &mut [Vec<u8>; LANES],
    ) -> [bool; LANES] {
        let (p, q) = pair(keys.map(RsaParts::primes));
        let (d_p, d_q) = pair(keys.map(RsaParts::exponents));
        let coefficients = keys.map(RsaParts::coefficient);
        for numbers in [p, q, d_p, d_q, coefficients] {
            assert!(numbers.iter().all(|number| number.len() == size.words() / 2));
        }
        let (input, output) = (self.inputs(size, inputs), self.outputs(size, outputs));
        // In words, which are wiped eight bytes at a time.
        let mut scratch = Zeroizing::new(vec![0_u64; self.scratch[size.index()].0.div_ceil(8)]);
        let [p, q, d_p, d_q, coefficients] = [p, q, d_p, d_q, coefficients].map(|numbers| numbers.map(<[u64]>::as_ptr));
        // SAFETY: `load` found that the code runs on this CPU. Every array has eight pointers. The library reads `bits / 8` bytes at
        // each input and `bits / 16` at each number, and writes `bits / 8` at each output: so long are they all, which is
        // asserted above and in `inputs` and `outputs`. Outputs are borrowed for writing, each by itself, so none overlaps
        // anything. The scratch memory has at least the size that the library asks for with this method, and with a null method
        // it takes this one. All of it outlives the call, of which the library keeps nothing.
        let status = unsafe {
            (self.private_crt)(
                input.as_ptr(),
                output.as_ptr(),
                p.as_ptr(),
                q.as_ptr(),
                d_p.as_ptr(),
                d_q.as_ptr(),
                coefficients.as_ptr(),
                size.bits(),
                std::ptr::null(),
                scratch.as_mut_ptr().cast(),
            )
        };
        lanes_of(status)
    }

    /// Raises each input to 65537, as [`Self::private`] does to the private exponent.
    ///
    /// # Panics
    /// As [`Self::private`]
    pub(crate) fn public(
        &self,
        size: Size,
        keys: [&RsaParts; LANES],
        inputs: &[Vec<u8>; LANES],
        outputs: &mut [Vec<u8>; LANES],
    ) -> [bool; LANES] {
        let moduli = keys.map(RsaParts::modulus);
        assert!(moduli.iter().all(|modulus| modulus.len() == size.words()));
        let moduli = moduli.map(<[u64]>::as_ptr);
        let (input, output) = (self.inputs(size, inputs), self.outputs(size, outputs));
        let mut scratch = vec![0_u8; self.scratch[size.index()].1];
        // SAFETY: as for the private operation; a modulus is read for `bits / 8` bytes, and so long are they all.
        let status = unsafe {
            (self.public)(
                input.as_ptr(),
                output.as_ptr(),
                moduli.as_ptr(),
                size.bits(),
                std::ptr::null(),
                scratch.as_mut_ptr(),
            )
        };
        lanes_of(status)
    }

    fn inputs(&self, size: Size, inputs: &[Vec<u8>; LANES]) -> [*const u8; LANES] {
        assert!(inputs.iter().all(|input| input.len() == size.bytes()));
        inputs.each_ref().map(|input| input.as_ptr())
    }

    fn outputs(&self, size: Size, outputs: &mut [Vec<u8>; LANES]) -> [*mut u8; LANES] {
        assert!(outputs.iter().all(|output| output.len() == size.bytes()));
        outputs.each_mut().map(|output| output.as_mut_ptr())
    }
}

/// The library before it is known whether its code can run.
struct Loaded(Handle);

impl Loaded {
    fn open(file: impl AsRef<OsStr>) -> Result<Self, Unavailable> {
        // SAFETY: loading a library runs its initialisers. This one has none of its own, and OpenSSL's, on which it leans, may
        // run in any program. The name has no folder, so the dynamic linker looks where whoever administers the machine has it
        // look: the file is as trustworthy as the C library that comes from there too. (Tests name a file of that package.)
        let handle = unsafe { Handle::open(Some(file), RTLD_NOW | RTLD_LOCAL) };
        handle.map(Self).map_err(|_| Unavailable::Missing)
    }

    fn is_applicable(&self) -> Result<bool, Unavailable> {
        let is_applicable = self.function::<IsApplicable>("mbx_is_crypto_mb_applicable")?;
        let info = self.function::<AlgorithmInfo>("mbx_get_algo_info")?;
        // SAFETY: it takes any number and looks at CPUID alone.
        let runs = unsafe { is_applicable(0) } != 0;
        let has_eight_lanes = |size: Size| {
            // SAFETY: it takes any number and looks at CPUID alone.
            let widths = unsafe { info(size.algorithm()) };
            widths & LANES as u64 != 0
        };
        Ok(runs && Size::ALL.into_iter().all(has_eight_lanes))
    }

    fn into_library(self) -> Result<Library, Unavailable> {
        let private_crt = *self.function::<PrivateCrt>("mbx_rsa_private_crt_mb8")?;
        let public = *self.function::<Public>("mbx_rsa_public_mb8")?;
        let scratch = Size::ALL.map(|size| {
            let private = self.scratch(size, "mbx_RSA_private_crt_Method")?;
            Ok((private, self.scratch(size, "mbx_RSA_pub65537_Method")?))
        });
        let [small, middle, large] = scratch;
        Ok(Library { private_crt, public, scratch: [small?, middle?, large?], _handle: self.0 })
    }

    /// How much scratch memory an operation takes with keys of this size.
    fn scratch(&self, size: Size, operation: &'static str) -> Result<usize, Unavailable> {
        let method = self.function::<MethodOf>(operation)?;
        let buffer_size = self.function::<BufferSize>("mbx_RSA_Method_BufSize")?;
        // SAFETY: it takes any number, and returns a table of its own or null.
        let method = unsafe { method(size.bits()) };
        // SAFETY: it takes such a table, or null, for which it returns 0.
        let bytes = unsafe { buffer_size(method) };
        usize::try_from(bytes).ok().filter(|bytes| *bytes > 0).ok_or(Unavailable::Symbol { name: operation })
    }

    fn function<F: Function>(&self, name: &'static str) -> Result<Symbol<F>, Unavailable> {
        // SAFETY: `F` is one of the types above, each of which is written beside the name of its only function or functions,
        // as the header declares them.
        unsafe { self.0.get(name.as_bytes()) }.map_err(|_| Unavailable::Symbol { name })
    }
}

/// The types that a function of the library may have.
trait Function {}
impl Function for PrivateCrt {}
impl Function for Public {}
impl Function for IsApplicable {}
impl Function for AlgorithmInfo {}
impl Function for MethodOf {}
impl Function for BufferSize {}

/// The status has four bits for each lane; 0 is good.
fn lanes_of(status: u32) -> [bool; LANES] {
    std::array::from_fn(|lane| status >> (lane * 4) & 0xf == 0)
}

fn pair(pairs: [[&[u64]; 2]; LANES]) -> ([&[u64]; LANES], [&[u64]; LANES]) {
    (pairs.map(|[first, _]| first), pairs.map(|[_, second]| second))
}

#[cfg(test)]
mod tests;

//! The allocators of the binary, and how soon they give memory back.
//!
//! Rust's is mimalloc, which is fast for many short-lived buffers on several threads. SQLite has the system's: its pages
//! come and go with each transaction, and mimalloc would give each of them back.
//!
//! By default mimalloc keeps freed memory for a second, and glibc keeps blocks of up to 32 MiB for good. The memory of
//! one large connector is then still there when the next one needs its own. The only other way to change this is by
//! environment variables that have to be set before the process starts.

use libmimalloc_sys::{mi_option_set, mi_option_t};
pub use mimalloc::MiMalloc;

/// The option for the time after which mimalloc gives freed memory back. The bindings lack its number (`mimalloc.h`).
const PURGE_DELAY: mi_option_t = 15;

/// Milliseconds after which mimalloc gives freed memory back. At once would make writes over many connections a few
/// percent slower.
const PURGE_DELAY_MS: libc::c_long = 10;

/// Bytes from which on glibc maps a block for itself, and gives it back when it is freed. By default they grow with what
/// is freed, up to 32 MiB. Fewer cost time where many connectors are written at once.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED_BYTES: libc::c_int = 1024 * 1024;

/// Makes the allocators give freed memory back to the system soon.
#[expect(unsafe_code, reason = "the allocators have their options in C only")]
pub fn give_back_soon() {
    // SAFETY: the call sets one number, atomically, and may be made at any time and from any thread.
    unsafe { mi_option_set(PURGE_DELAY, PURGE_DELAY_MS) };
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the call sets two numbers under glibc's own lock, and may be made at any time (mallopt(3)).
    let _can_only_fail_for_wrong_numbers = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES) };
}

/// The page of the crate, whose example has to compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "mimalloc has its options in C only")]
    fn the_number_is_that_of_the_delay() {
        // SAFETY: the call reads one number, atomically.
        let delay = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(delay(), 1000, "mimalloc's default, in milliseconds");
        give_back_soon();
        assert_eq!(delay(), PURGE_DELAY_MS);
    }
}

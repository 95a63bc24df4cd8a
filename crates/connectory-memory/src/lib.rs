//! The allocators of the binary, and how soon they return memory to the system.
//!
//! Rust code uses mimalloc, which is fast for many short-lived buffers on several threads. SQLite uses the system's
//! allocator: it allocates and frees its pages in each transaction, and mimalloc would return each of them to the
//! system.
//!
//! By default mimalloc keeps freed memory for a second, and glibc keeps blocks of up to 32 MiB forever. The process
//! then still has the memory of one large connector when the next one needs its own. The only other way to change this
//! is to set environment variables before the process starts.

use libmimalloc_sys::{mi_option_set, mi_option_t};
pub use mimalloc::MiMalloc;

/// The option for the time after which mimalloc returns freed memory. The bindings do not define its number; it is in
/// `mimalloc.h`.
const PURGE_DELAY: mi_option_t = 15;

/// The time in milliseconds after which mimalloc returns freed memory. With 10 ms, many creates per second would be 5 %
/// slower, because each burst of requests would get its memory from the system again.
const PURGE_DELAY_MS: libc::c_long = 100;

/// The size in bytes from which glibc maps each block separately, and returns it to the system when it is freed. By
/// default the threshold grows with the size of freed blocks, up to 32 MiB. A smaller threshold costs time when many
/// connectors are written at once.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED_BYTES: libc::c_int = 1024 * 1024;

/// Makes the allocators return freed memory to the system soon.
#[expect(unsafe_code, reason = "the allocators have their options in C only")]
pub fn give_back_soon() {
    // SAFETY: the call sets one number, atomically, and may be made at any time and from any thread.
    unsafe { mi_option_set(PURGE_DELAY, PURGE_DELAY_MS) };
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the call sets two numbers under glibc's own lock, and may be made at any time (mallopt(3)).
    let _can_only_fail_for_wrong_numbers = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES) };
}

/// The README, whose example must compile.
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

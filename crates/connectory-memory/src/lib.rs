//! The allocator of the binary: mimalloc, which is fast for many short-lived buffers on several threads.
//!
//! By default it keeps freed memory for a while, and longer where a thread does nothing any more. What is made of a
//! large connector then stays beside what is made of the next one, on another thread. Under an attack of everything at
//! once that was 65 MB more at the peak (344 instead of 278 MB), and nothing was faster for it. The only other way to
//! change it is an environment variable that has to be set before the process starts.

use libmimalloc_sys::{mi_option_eager_commit_delay, mi_option_set, mi_option_t};
pub use mimalloc::MiMalloc;

/// After how many milliseconds what is free is given back. The bindings lack its number, which is the next one after this
/// (`mimalloc.h`).
const PURGE_DELAY: mi_option_t = mi_option_eager_commit_delay + 1;

/// Makes the allocator give memory back to the system as soon as it is free.
#[expect(unsafe_code, reason = "mimalloc has its options in C only")]
pub fn give_back_at_once() {
    // SAFETY: the call sets one number, atomically, and may be made at any time and from any thread.
    unsafe { mi_option_set(PURGE_DELAY, 0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "mimalloc has its options in C only")]
    fn the_number_is_that_of_the_delay() {
        // SAFETY: the call reads one number, atomically.
        let delay = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(delay(), 10, "mimalloc's default, in milliseconds");
        give_back_at_once();
        assert_eq!(delay(), 0);
    }
}

//! The allocators of the binary, and how soon they give memory back.
//!
//! Rust's is mimalloc, which is fast for many short-lived buffers on several threads. SQLite has the system's: its pages
//! come and go with each transaction, and mimalloc would give each of them back.
//!
//! By default both keep what is freed for a while, and longer where a thread does nothing any more. What is made of a
//! large connector then stays beside what is made of the next one, on another thread. Giving everything back at once costs
//! a twentieth of the writes of small connectors. So it is done only while the process has more than a small one needs.
//! The only other way to set this is by environment variables that have to be there before the process starts.

use std::time::Duration;

use libmimalloc_sys::{mi_option_eager_commit_delay, mi_option_set, mi_option_t};
pub use mimalloc::MiMalloc;

/// After how many milliseconds what is free is given back. The bindings lack its number, which is the next one after this
/// (`mimalloc.h`).
const PURGE_DELAY: mi_option_t = mi_option_eager_commit_delay + 1;
/// mimalloc's own.
const USUAL_DELAY: std::ffi::c_long = 10;

/// Bytes of memory up to which the process may keep what is free. With 10,000 connectors it has less.
const SMALL_BYTES: usize = 160 * 1024 * 1024;
/// How often it is looked at how much there is.
const PAUSE: Duration = Duration::from_millis(20);

/// Bytes from which on glibc maps a block for itself, and gives it back when it is freed. By default they grow with what
/// is freed, up to 32 MiB. Fewer cost time where many connectors are written at once.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED_BYTES: libc::c_int = 1024 * 1024;

/// Makes the allocators give memory back to the system at once while the process has much of it; where that is not known,
/// always.
pub fn stay_small() {
    map_large_blocks();
    let watch = || {
        let mut is_small = true;
        set_delay(USUAL_DELAY);
        loop {
            let now_small = resident_bytes().is_some_and(|bytes| bytes <= SMALL_BYTES);
            if now_small != is_small {
                is_small = now_small;
                set_delay(if is_small { USUAL_DELAY } else { 0 });
            }
            std::thread::sleep(PAUSE);
        }
    };
    if resident_bytes().is_none() || std::thread::Builder::new().name("memory".to_owned()).spawn(watch).is_err() {
        set_delay(0);
    }
}

/// What the process has in memory, if the system says so (`proc_pid_statm(5)`).
fn resident_bytes() -> Option<usize> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split(' ').nth(1)?.parse::<usize>().ok()? * rustix::param::page_size())
}

#[expect(unsafe_code, reason = "mimalloc has its options in C only")]
fn set_delay(milliseconds: std::ffi::c_long) {
    // SAFETY: the call sets one number, atomically, and may be made at any time and from any thread.
    unsafe { mi_option_set(PURGE_DELAY, milliseconds) };
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "glibc has its options in C only")]
fn map_large_blocks() {
    // SAFETY: the call sets two numbers under glibc's own lock, and may be made at any time (`mallopt(3)`).
    let _can_only_fail_for_wrong_numbers = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn map_large_blocks() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "mimalloc has its options in C only")]
    fn the_number_is_that_of_the_delay() {
        // SAFETY: the call reads one number, atomically.
        let delay = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(delay(), USUAL_DELAY, "mimalloc's default, in milliseconds");
        set_delay(0);
        assert_eq!(delay(), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_says_how_much_there_is() {
        let before = resident_bytes().expect("Linux says so");
        let much = vec![1_u8; 64 * 1024 * 1024];
        assert!(resident_bytes().expect("Linux says so") >= before + much.len() / 2);
    }
}

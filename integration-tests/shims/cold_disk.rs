//! Loaded into a broker (LD_PRELOAD): while the file of GATE exists, whoever reads bytes below the folder of
//! COLD that are not in memory waits until it is gone, and adds a line to GATE's file with `.waits`
//! behind its name. A test compiles it.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::io::Write;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PAGE: i64 = 4096;
const RWF_NOWAIT: c_int = 8;
const EAGAIN: i32 = 11;

#[repr(C)]
struct IoVec {
    base: *mut c_void,
    len: usize,
}

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn preadv64v2(fd: c_int, vec: *const IoVec, count: c_int, at: i64, flags: c_int) -> isize;
}

/// The function that would have been called.
fn next(name: &CStr) -> *mut c_void {
    let rtld_next = -1isize as *mut c_void;
    unsafe { dlsym(rtld_next, name.as_ptr()) }
}

fn path_of(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

fn is_below(fd: RawFd, folder: &Path) -> bool {
    std::fs::read_link(format!("/proc/self/fd/{fd}")).is_ok_and(|file| file.starts_with(folder))
}

fn is_cold(fd: RawFd, from: i64, len: usize) -> bool {
    let end = from.saturating_add(i64::try_from(len).unwrap_or(i64::MAX));
    let mut at = from;
    while at < end {
        let mut byte = 0u8;
        let vec = IoVec {
            base: (&raw mut byte).cast(),
            len: 1,
        };
        let read = unsafe { preadv64v2(fd, &vec, 1, at, RWF_NOWAIT) };
        if read < 0 {
            return std::io::Error::last_os_error().raw_os_error() == Some(EAGAIN);
        }
        if read == 0 {
            return false;
        }
        at += PAGE - at % PAGE;
    }
    false
}

fn wait_at_gate(fd: RawFd, from: i64, len: usize) {
    let (Some(gate), Some(folder)) = (path_of("GATE"), path_of("COLD")) else {
        return;
    };
    if !gate.exists() || !is_below(fd, &folder) || !is_cold(fd, from, len) {
        return;
    }
    let mut open = std::fs::OpenOptions::new();
    if let Ok(mut log) = open.create(true).append(true).open(gate.with_extension("waits")) {
        let _ = writeln!(log, "{len} bytes at {from}");
    }
    while gate.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn pread64(fd: c_int, buffer: *mut c_void, len: usize, at: i64) -> isize {
    wait_at_gate(fd, at, len);
    let real: extern "C" fn(c_int, *mut c_void, usize, i64) -> isize =
        unsafe { std::mem::transmute(next(c"pread64")) };
    real(fd, buffer, len, at)
}

#[unsafe(no_mangle)]
pub extern "C" fn sendfile64(to: c_int, from: c_int, at: *mut i64, len: usize) -> isize {
    if !at.is_null() {
        wait_at_gate(from, unsafe { *at }, len);
    }
    let real: extern "C" fn(c_int, c_int, *mut i64, usize) -> isize =
        unsafe { std::mem::transmute(next(c"sendfile64")) };
    real(to, from, at, len)
}

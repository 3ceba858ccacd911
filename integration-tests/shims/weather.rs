//! Loaded into a server (LD_PRELOAD): while the file of SLOW_DISK exists each fdatasync takes 1.5 s, and
//! while the file of SET_CLOCK exists the wall clock is an hour ahead. A test compiles it.

use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::path::Path;
use std::time::Duration;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

#[repr(C)]
pub struct Timespec {
    seconds: c_long,
    nanoseconds: c_long,
}

const CLOCK_REALTIME: c_int = 0;

/// The function that would have been called.
fn next(name: &CStr) -> *mut c_void {
    let rtld_next = -1isize as *mut c_void;
    unsafe { dlsym(rtld_next, name.as_ptr()) }
}

fn is_there(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|file| Path::new(&file).exists())
}

#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(fd: c_int) -> c_int {
    if is_there("SLOW_DISK") {
        std::thread::sleep(Duration::from_millis(1500));
    }
    let real: extern "C" fn(c_int) -> c_int =
        unsafe { std::mem::transmute(next(c"fdatasync")) };
    real(fd)
}

#[unsafe(no_mangle)]
pub extern "C" fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int {
    let real: extern "C" fn(c_int, *mut Timespec) -> c_int =
        unsafe { std::mem::transmute(next(c"clock_gettime")) };
    let result = real(clock, time);
    if clock == CLOCK_REALTIME && result == 0 && is_there("SET_CLOCK") {
        unsafe { (*time).seconds += 3600 };
    }
    result
}

//! Buffers that outlive one call: a fresh allocation of several megabytes costs more in page faults than the
//! work that fills it.

use std::cell::RefCell;

/// A pointer that tasks of one call may share because each writes its own part.
#[derive(Clone, Copy)]
pub(crate) struct SendPtr(pub(crate) *mut f32);

impl SendPtr {
    pub(crate) fn get(self) -> *mut f32 {
        self.0
    }
}

// SAFETY: every use in this module tree hands out disjoint ranges to the tasks.
unsafe impl Send for SendPtr {}
// SAFETY: as above.
unsafe impl Sync for SendPtr {}

thread_local! {
    static FREE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Scratch memory of this thread, given back on drop; its content is unspecified. Several may be held at once
/// (a rayon worker can pick up another task while it waits): each has its own buffer.
///
/// A guard and not a closure: closures do not inherit the target features of the function around them, and a
/// vector intrinsic inside one becomes a call.
pub(crate) struct Scratch {
    buffer: Vec<f32>,
    len: usize,
}

impl Scratch {
    pub(crate) fn take(len: usize) -> Self {
        let mut buffer = FREE.with(|free| free.borrow_mut().pop()).unwrap_or_default();
        if buffer.len() < len {
            buffer = vec![0.0; len.next_power_of_two()];
        }
        Self { buffer, len }
    }

    pub(crate) fn floats(&mut self) -> &mut [f32] {
        &mut self.buffer[..self.len]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        FREE.with(|free| free.borrow_mut().push(buffer));
    }
}

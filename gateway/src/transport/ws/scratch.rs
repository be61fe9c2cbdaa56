//! The buffer that all connections of a thread read into, one after the other.

use std::cell::Cell;

/// Bytes that one read can bring.
pub(super) const SIZE: usize = 32 * 1024;

thread_local! {
    static SCRATCH: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// Lends the buffer for one poll. What is in it is rubbish before and lost after. A call inside of
/// `read` gets a buffer of its own.
pub(super) fn borrow<T>(read: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut scratch = SCRATCH.take().unwrap_or_else(|| vec![0; SIZE].into());
    let result = read(&mut scratch);
    SCRATCH.set(Some(scratch));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_borrow_inside_a_borrow_gets_other_memory() {
        borrow(|outer| {
            outer[0] = 1;
            borrow(|inner| inner[0] = 2);
            assert_eq!((outer[0], outer.len()), (1, SIZE));
        });
    }
}

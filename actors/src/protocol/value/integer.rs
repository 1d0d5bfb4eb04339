//! Whole numbers that can be changed in one step.

use bytemuck::Pod;

/// The integer types, from `u8` and `i8` to `u64` and `i64`, `usize` and `isize`.
pub trait Integer: Pod + Ord + sealed::Sealed {
    /// The sum; none if the type does not hold it.
    #[doc(hidden)]
    fn sum(self, other: Self) -> Option<Self>;
    /// The sum, around the end of the type.
    #[doc(hidden)]
    fn wrapping_sum(self, other: Self) -> Self;
}

mod sealed {
    #[expect(unnameable_types, reason = "it keeps the trait to these types")]
    pub trait Sealed {}
}

macro_rules! integers {
    ($($of:ty),+) => {$(
        impl sealed::Sealed for $of {}

        impl Integer for $of {
            #[inline]
            fn sum(self, other: Self) -> Option<Self> {
                self.checked_add(other)
            }

            #[inline]
            fn wrapping_sum(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
        }
    )+};
}

integers!(u8, i8, u16, i16, u32, i32, u64, i64, usize, isize);

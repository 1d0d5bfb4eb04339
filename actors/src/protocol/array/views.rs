//! Parts of arrays as `ndarray` sees them, in as many dimensions as one likes; with the feature `ndarray`.

use bytemuck::Pod;
use ndarray::{ArrayView, ArrayViewMut, Dimension, ShapeError, StrideShape};

use super::guard::{ArrayRead, ArrayWrite};

impl<T: Pod> ArrayRead<'_, T> {
    /// The elements in that shape, in place: `guard.view((rows, columns))`, row by row.
    ///
    /// # Errors
    ///
    /// `ShapeError` if the shape has more elements than the part.
    pub fn view<S, D>(&self, shape: S) -> Result<ArrayView<'_, T, D>, ShapeError>
    where
        S: Into<StrideShape<D>>,
        D: Dimension,
    {
        ArrayView::from_shape(shape, self)
    }
}

impl<T: Pod> ArrayWrite<'_, T> {
    /// The elements in that shape, in place, to be read.
    ///
    /// # Errors
    ///
    /// As [`ArrayRead::view`].
    pub fn view<S, D>(&self, shape: S) -> Result<ArrayView<'_, T, D>, ShapeError>
    where
        S: Into<StrideShape<D>>,
        D: Dimension,
    {
        ArrayView::from_shape(shape, self)
    }

    /// The elements in that shape, in place, to be written.
    ///
    /// # Errors
    ///
    /// As [`ArrayRead::view`].
    pub fn view_mut<S, D>(&mut self, shape: S) -> Result<ArrayViewMut<'_, T, D>, ShapeError>
    where
        S: Into<StrideShape<D>>,
        D: Dimension,
    {
        ArrayViewMut::from_shape(shape, self)
    }
}

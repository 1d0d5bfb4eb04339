//! Programs to learn from: short ones in `examples/examples/`, and `wordcount` in `src/bin/`.
//!
//! Each stands alone, so this library holds nothing; it is where the package says what it is for.

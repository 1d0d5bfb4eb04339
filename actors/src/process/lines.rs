//! Bytes as they come, cut into lines.

/// The longest line, in bytes: what is longer comes in pieces of this length.
pub(crate) const MAX_LINE_BYTES: usize = 1 << 20;

/// What has come and is no line yet. Lines end with a line feed, which is not part of them.
#[derive(Debug, Default)]
pub(crate) struct LineBuffer {
    bytes: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Up to here there is no line feed.
    looked: usize,
}

impl LineBuffer {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.looked -= self.start;
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole line, or a piece of one that is too long.
    pub(crate) fn line(&mut self) -> Option<&[u8]> {
        let begin = self.start;
        let fresh = &self.bytes[self.looked..];
        let feed = fresh.iter().position(|byte| *byte == b'\n').map(|at| self.looked + at);
        let (end, next) = match feed {
            Some(at) if at - begin <= MAX_LINE_BYTES => (at, at + 1),
            _ if self.bytes.len() - begin > MAX_LINE_BYTES => {
                (begin + MAX_LINE_BYTES, begin + MAX_LINE_BYTES)
            }
            _ => {
                self.looked = self.bytes.len();
                return None;
            }
        };
        (self.start, self.looked) = (next, next);
        Some(&self.bytes[begin..end])
    }

    /// What is left when nothing more comes: whole lines are to be taken before.
    pub(crate) fn rest(&mut self) -> Option<Vec<u8>> {
        let rest = self.bytes.split_off(self.start);
        *self = Self::default();
        Some(rest).filter(|rest| !rest.is_empty())
    }

    /// Takes what there is as bytes, up to as many as `buffer` has room for.
    pub(crate) fn take(&mut self, buffer: &mut [u8]) -> usize {
        let there = &self.bytes[self.start..];
        let count = there.len().min(buffer.len());
        buffer[..count].copy_from_slice(&there[..count]);
        self.start += count;
        self.looked = self.looked.max(self.start);
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(buffer: &mut LineBuffer) -> Vec<String> {
        std::iter::from_fn(|| buffer.line().map(|line| String::from_utf8_lossy(line).into_owned())).collect()
    }

    #[test]
    fn lines_are_cut_wherever_the_reads_end() {
        let text = "one\n\ntwo and\r\nthe rest";
        for size in 1..text.len() {
            let mut buffer = LineBuffer::default();
            let mut got = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                buffer.push(piece);
                got.extend(lines(&mut buffer));
            }
            assert_eq!(got, ["one", "", "two and\r"], "in pieces of {size}");
            assert_eq!(buffer.rest().as_deref(), Some(&b"the rest"[..]));
            assert_eq!(buffer.rest(), None);
        }
    }

    #[test]
    fn a_line_that_is_too_long_comes_in_pieces() {
        let mut buffer = LineBuffer::default();
        buffer.push(&vec![b'x'; MAX_LINE_BYTES]);
        assert_eq!(buffer.line(), None, "it may end just here");
        buffer.push(b"\n");
        assert_eq!(buffer.line().map(<[u8]>::len), Some(MAX_LINE_BYTES));
        buffer.push(&vec![b'x'; 2 * MAX_LINE_BYTES + 1]);
        buffer.push(b"\nshort\n");
        let lengths: Vec<_> = lines(&mut buffer).iter().map(String::len).collect();
        assert_eq!(lengths, [MAX_LINE_BYTES, MAX_LINE_BYTES, 1, 5]);
    }

    #[test]
    fn bytes_and_lines_may_be_taken_in_turn() {
        let mut buffer = LineBuffer::default();
        buffer.push(b"one\ntwo\nthree");
        let mut bytes = [0; 2];
        assert_eq!((buffer.take(&mut bytes), &bytes), (2, b"on"));
        assert_eq!(buffer.line(), Some(&b"e"[..]));
        buffer.push(b"\n");
        assert_eq!(lines(&mut buffer), ["two", "three"]);
        assert_eq!(buffer.take(&mut bytes), 0);
    }
}

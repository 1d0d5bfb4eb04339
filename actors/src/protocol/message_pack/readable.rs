//! Encoded values as text that people read, whatever their types were: much as JSON.

use std::fmt::{Result, Write};

/// The first `most` characters of what `bytes` hold, with `…` behind them if there is more.
///
/// Structs and tuples are lists, byte strings only their length. What is no value ends with `?`.
pub(crate) fn readable(bytes: &[u8], most: usize) -> String {
    let mut text = Text { text: String::new(), left: most };
    let mut bytes = Bytes(bytes);
    if bytes.value(&mut text).is_err() {
        text.text.push(if text.left == 0 { '…' } else { '?' });
    }
    text.text
}

/// Text of a limited length. What goes beyond is an error, which ends the reading: so neither long nor deep values cost more.
struct Text {
    text: String,
    left: usize,
}

impl Write for Text {
    fn write_str(&mut self, more: &str) -> Result {
        for one in more.chars() {
            self.left = self.left.checked_sub(1).ok_or(std::fmt::Error)?;
            self.text.push(one);
        }
        Ok(())
    }
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> std::result::Result<&'a [u8], std::fmt::Error> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(std::fmt::Error)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> std::result::Result<[u8; N], std::fmt::Error> {
        self.take(N)?.try_into().map_err(|_| std::fmt::Error)
    }

    /// A length of one, two or four bytes, for the first, second and third of three marks in a row.
    fn length(&mut self, of: u8) -> std::result::Result<usize, std::fmt::Error> {
        Ok(match of {
            0 => self.array::<1>()?[0].into(),
            1 => u16::from_be_bytes(self.array()?).into(),
            _ => u32::from_be_bytes(self.array()?) as usize,
        })
    }

    fn value(&mut self, out: &mut Text) -> Result {
        let mark = self.array::<1>()?[0];
        match mark {
            0..=0x7f => write!(out, "{mark}"),
            0x80..=0x8f => self.map(usize::from(mark & 0xf), out),
            0x90..=0x9f => self.list(usize::from(mark & 0xf), out),
            0xa0..=0xbf => self.text(usize::from(mark & 0x1f), out),
            0xc0 => write!(out, "null"),
            0xc2 => write!(out, "false"),
            0xc3 => write!(out, "true"),
            0xc4..=0xc6 => {
                let length = self.length(mark - 0xc4)?;
                self.take(length)?;
                write!(out, "<{length} bytes>")
            }
            0xca => write!(out, "{:?}", f32::from_be_bytes(self.array()?)),
            0xcb => write!(out, "{:?}", f64::from_be_bytes(self.array()?)),
            0xcc => write!(out, "{}", u8::from_be_bytes(self.array()?)),
            0xcd => write!(out, "{}", u16::from_be_bytes(self.array()?)),
            0xce => write!(out, "{}", u32::from_be_bytes(self.array()?)),
            0xcf => write!(out, "{}", u64::from_be_bytes(self.array()?)),
            0xd0 => write!(out, "{}", i8::from_be_bytes(self.array()?)),
            0xd1 => write!(out, "{}", i16::from_be_bytes(self.array()?)),
            0xd2 => write!(out, "{}", i32::from_be_bytes(self.array()?)),
            0xd3 => write!(out, "{}", i64::from_be_bytes(self.array()?)),
            0xd9..=0xdb => {
                let length = self.length(mark - 0xd9)?;
                self.text(length, out)
            }
            0xdc..=0xdd => {
                let length = self.length(mark - 0xdb)?;
                self.list(length, out)
            }
            0xde..=0xdf => {
                let length = self.length(mark - 0xdd)?;
                self.map(length, out)
            }
            0xe0..=0xff => write!(out, "{}", mark as i8),
            // Extensions, which no value of serde's has, and a mark that nothing has.
            0xc1 | 0xc7..=0xc9 | 0xd4..=0xd8 => Err(std::fmt::Error),
        }
    }

    fn text(&mut self, length: usize, out: &mut Text) -> Result {
        let text = self.take(length)?;
        // Only as much is looked at as may be shown, and a little that can't.
        let looked_at = text.len().min((out.left + 2) * 4);
        write!(out, "{:?}", String::from_utf8_lossy(&text[..looked_at]))
    }

    fn list(&mut self, length: usize, out: &mut Text) -> Result {
        out.write_str("[")?;
        for at in 0..length {
            out.write_str(if at > 0 { ", " } else { "" })?;
            self.value(out)?;
        }
        out.write_str("]")
    }

    fn map(&mut self, length: usize, out: &mut Text) -> Result {
        out.write_str("{")?;
        for at in 0..length {
            out.write_str(if at > 0 { ", " } else { "" })?;
            self.value(out)?;
            out.write_str(": ")?;
            self.value(out)?;
        }
        out.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use callboard_core::encode_into;
    use proptest::prelude::*;
    use serde::Serialize;

    use super::*;

    fn encoded(value: &(impl Serialize + ?Sized)) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_into(value, &mut bytes).unwrap();
        bytes
    }

    fn shown(value: &impl Serialize) -> String {
        readable(&encoded(value), 80)
    }

    #[test]
    fn values_read_much_as_they_are_written() {
        assert_eq!(shown(&()), "null");
        assert_eq!(shown(&(1_u8, -1_i8, 200_u8, -200_i16, 70_000_u32, i64::MIN, u64::MAX)), {
            "[1, -1, 200, -200, 70000, -9223372036854775808, 18446744073709551615]"
        });
        assert_eq!(shown(&(true, 1.5_f32, 0.1_f64, None::<u8>, "a \"word\"\n")), {
            "[true, 1.5, 0.1, null, \"a \\\"word\\\"\\n\"]"
        });
        assert_eq!(shown(&BTreeMap::from([("a", vec![1]), ("b", vec![])])), "{\"a\": [1], \"b\": []}");
        assert_eq!(shown(&serde_bytes::ByteBuf::from(vec![7; 300])), "<300 bytes>");
        assert_eq!(shown(&vec![0_u8; 20]), format!("[0{}]", ", 0".repeat(19)));
        assert_eq!(shown(&"ä".repeat(70)), format!("{:?}", "ä".repeat(70)));
    }

    #[test]
    fn what_is_long_is_cut_and_what_is_deep_too() {
        let long = shown(&"ä".repeat(100_000));
        assert_eq!(long, format!("\"{}…", "ä".repeat(79)));
        assert_eq!(shown(&vec![1_u8; 100_000]).chars().count(), 81);
        assert_eq!(readable(&[0x91; 1_000_000], 80), format!("{}…", "[".repeat(80)));
        assert_eq!(readable(&encoded(&(1, 2)), 6), "[1, 2]");
        assert_eq!(readable(&encoded(&(1, 2)), 5), "[1, 2…");
    }

    proptest! {
        #[test]
        fn bytes_of_any_kind_make_no_more_text_than_asked_for(bytes: Vec<u8>, most in 0_usize..100) {
            prop_assert!(readable(&bytes, most).chars().count() <= most + 1);
        }

        #[test]
        fn what_is_cut_short_says_so(number in 128_u64..) {
            prop_assert_eq!(readable(&encoded(&number)[..1], 80), "?");
        }
    }
}

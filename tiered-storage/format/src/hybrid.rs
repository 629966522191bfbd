//! Parquet's hybrid of runs and packed bits, in which levels and positions in a dictionary are stored.
//!
//! A run is its length, doubled, as a varint, then its number in as many bytes as it needs. Packed numbers are a count of
//! groups of eight, doubled and one more, as a varint, then the groups, lowest bit first.

use std::ops::Range;

use crate::error::{Error, corrupt};
use crate::varint::Cursor;

/// Numbers of a page, read one after the other.
#[derive(Default)]
pub(crate) struct HybridReader {
    /// Bits of each number.
    width: u32,
    /// What is not read yet of the part of the page where they are.
    rest: Range<usize>,
    left: u64,
    run: Run,
}

#[derive(Clone, Copy, Default)]
enum Run {
    #[default]
    None,
    Same(u32),
    /// Packed in the page from this bit on.
    Packed(usize),
}

impl HybridReader {
    /// Reads numbers of so many bits in this part of the page.
    pub(crate) fn new(width: u32, part: Range<usize>) -> Result<Self, Error> {
        if width > 32 {
            return Err(corrupt("a page has numbers of more than 32 bits"));
        }
        Ok(HybridReader { width, rest: part, left: 0, run: Run::None })
    }

    /// The next number.
    #[inline]
    pub(crate) fn next(&mut self, page: &[u8]) -> Result<u32, Error> {
        while self.left == 0 {
            self.open_run(page)?;
        }
        self.left -= 1;
        match &mut self.run {
            Run::None => Err(too_few()),
            Run::Same(number) => Ok(*number),
            Run::Packed(bit) => {
                let number = unpack(page, *bit, self.width)?;
                *bit += self.width as usize;
                Ok(number)
            }
        }
    }

    #[inline(never)]
    fn open_run(&mut self, page: &[u8]) -> Result<(), Error> {
        let mut cursor = Cursor::new(page.get(self.rest.clone()).ok_or_else(too_few)?);
        let head = cursor.unsigned()?;
        let (width, end) = (self.width as usize, self.rest.end);
        if head & 1 == 0 {
            let mut number = [0; 4];
            let bytes = cursor.take(width.div_ceil(8))?;
            number.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            self.run = Run::Same(u32::from_le_bytes(number));
            self.left = head >> 1;
        } else {
            let start = end - cursor.rest().len();
            // The last group may be cut short; what is missing is never asked for.
            let bytes = usize::try_from(head >> 1).unwrap_or(usize::MAX).saturating_mul(width);
            let bytes = bytes.min(cursor.rest().len());
            cursor.take(bytes)?;
            self.run = Run::Packed(start * 8);
            self.left = (bytes as u64 * 8).checked_div(u64::from(self.width)).unwrap_or(0);
        }
        self.rest.start = end - cursor.rest().len();
        Ok(())
    }
}

fn unpack(page: &[u8], bit: usize, width: u32) -> Result<u32, Error> {
    let bytes = page.get(bit / 8..).ok_or_else(too_few)?;
    let mut word = [0; 8];
    match bytes.first_chunk::<8>() {
        Some(whole) => word = *whole,
        None => word.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from),
    }
    let shifted = u64::from_le_bytes(word) >> (bit % 8);
    Ok((shifted & ((1 << width) - 1)) as u32)
}

fn too_few() -> Error {
    corrupt("a page has fewer numbers than values")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::varint::put_unsigned;

    /// The plainest encoding that has both: a run for each number that occurs several times, else a group of eight.
    fn encoded(numbers: &[(u32, u8)], width: u32) -> (Vec<u8>, Vec<u32>) {
        let cut = |number: u32| (u64::from(number) & ((1 << width) - 1)) as u32;
        let (mut out, mut all) = (vec![9, 9], Vec::new());
        for &(number, times) in numbers {
            if times > 0 {
                put_unsigned(&mut out, u64::from(times) << 1);
                out.extend_from_slice(&cut(number).to_le_bytes()[..width.div_ceil(8) as usize]);
                all.extend(std::iter::repeat_n(cut(number), usize::from(times)));
                continue;
            }
            put_unsigned(&mut out, 1 << 1 | 1);
            let group = (0..8).map(|step| cut(number.wrapping_add(step * 77)));
            let bits = group.clone().flat_map(|number| (0..width).map(move |bit| (number >> bit & 1) as u8));
            let bits: Vec<u8> = bits.collect();
            let byte = |bits: &[u8]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit);
            out.extend(bits.chunks(8).map(byte));
            all.extend(group);
        }
        (out, all)
    }

    proptest! {
        #[test]
        fn numbers_of_any_width_come_back(
            numbers in proptest::collection::vec((any::<u32>(), 0..20u8), 0..20),
            width in 1..=32u32,
        ) {
            let (page, expected) = encoded(&numbers, width);
            let mut reader = HybridReader::new(width, 2..page.len()).unwrap();
            for number in expected {
                prop_assert_eq!(reader.next(&page).unwrap(), number);
            }
            prop_assert!(reader.next(&page).is_err());
        }

        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..64), width in 0..=33u32) {
            if let Ok(mut reader) = HybridReader::new(width, 0..noise.len()) {
                for _ in 0..1000 {
                    if reader.next(&noise).is_err() {
                        break;
                    }
                }
            }
        }
    }
}

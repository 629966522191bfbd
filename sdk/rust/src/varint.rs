//! Kafka's variable-length integers: zigzag, seven bits to a byte, low bits first.

/// Takes a varint of up to 64 bits off the front of `input`. `None` if it is cut off or too long.
///
/// Five of them are read for each record, so those of one and two bytes, which are nearly all, are read in place.
#[inline(always)]
pub(crate) fn take_long(input: &mut &[u8]) -> Option<i64> {
    let (value, rest) = match *input {
        [first, rest @ ..] if *first < 0x80 => (unzigzag(u64::from(*first)), rest),
        [first, second, rest @ ..] if *second < 0x80 => {
            (unzigzag(u64::from(*first & 0x7f) | u64::from(*second) << 7), rest)
        }
        longer => take_longer(longer)?,
    };
    *input = rest;
    Some(value)
}

#[cold]
fn take_longer(mut input: &[u8]) -> Option<(i64, &[u8])> {
    let mut value = 0u64;
    let mut shift = 0;
    loop {
        let (&byte, rest) = input.split_first()?;
        input = rest;
        if shift == 63 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((unzigzag(value), input));
        }
        shift += 7;
        if shift > 63 {
            return None;
        }
    }
}

/// Takes a varint that has to fit 32 bits.
#[inline(always)]
pub(crate) fn take_int(input: &mut &[u8]) -> Option<i32> {
    i32::try_from(take_long(input)?).ok()
}

/// Takes a length and that many bytes; a length of -1 is a null.
#[inline(always)]
pub(crate) fn take_nullable<'a>(input: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = take_int(input)?;
    if length == -1 {
        return Some(None);
    }
    take_bytes(input, usize::try_from(length).ok()?).map(Some)
}

/// Takes `length` bytes.
#[inline(always)]
pub(crate) fn take_bytes<'a>(input: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (bytes, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(bytes)
}

/// Appends a varint. As in [`take_long`], one and two bytes are done in place.
#[inline]
pub(crate) fn put(out: &mut Vec<u8>, value: i64) {
    let raw = zigzag(value);
    if raw < 0x80 {
        out.push(raw as u8);
    } else if raw < 0x4000 {
        out.extend_from_slice(&[raw as u8 | 0x80, (raw >> 7) as u8]);
    } else {
        put_longer(out, raw);
    }
}

#[cold]
fn put_longer(out: &mut Vec<u8>, mut raw: u64) {
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

/// Appends a length and the bytes, or -1 for a null.
#[inline]
pub(crate) fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            put(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
        None => put(out, -1),
    }
}

/// How many bytes [`put`] appends.
#[inline]
pub(crate) fn len(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros() as usize;
    // `bits.div_ceil(7)` without the division, for 1 to 64 bits.
    (bits * 9 + 64) / 64
}

/// How many bytes [`put_nullable`] appends.
#[inline]
pub(crate) fn nullable_len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| len(bytes.len() as i64) + bytes.len())
}

#[inline]
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[inline]
fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn what_is_put_is_taken(value: i64, shift in 0u32..64, tail: Vec<u8>) {
            let value = value >> shift;
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            prop_assert_eq!(bytes.len(), len(value));
            bytes.extend_from_slice(&tail);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(take_long(&mut rest), Some(value));
            prop_assert_eq!(rest, tail.as_slice());
        }

        #[test]
        fn anything_may_be_read(bytes: Vec<u8>) {
            take_long(&mut bytes.as_slice());
            take_int(&mut bytes.as_slice());
            take_nullable(&mut bytes.as_slice());
        }
    }

    #[test]
    fn the_protocol_s_own_examples() {
        for (value, encoded) in [
            (0, vec![0]),
            (-1, vec![1]),
            (1, vec![2]),
            (63, vec![0x7e]),
            (64, vec![0x80, 1]),
            (150, vec![0xac, 2]),
        ] {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            assert_eq!(bytes, encoded);
        }
        assert_eq!(take_long(&mut [0x80; 11].as_slice()), None);
        assert_eq!(take_int(&mut [0xff, 0xff, 0xff, 0xff, 0x7f].as_slice()), None);
    }
}

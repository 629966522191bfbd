//! Zigzag variable-length integers, as Kafka (and protobuf's `sint`) has them.
//!
//! Like Kafka's reader, this takes padded encodings as long as they are no longer than the longest
//! one their type needs; unlike it, bits beyond the type are refused, not dropped.

use crate::error::RecordFault;

const MAX_I32_BYTES: u32 = 5;
const MAX_I64_BYTES: u32 = 10;

/// Takes an `i32` off the front of `input`.
#[inline]
pub(crate) fn take_i32(input: &mut &[u8]) -> Result<i32, RecordFault> {
    if let Some((&first, rest)) = input.split_first()
        && first < 0x80
    {
        *input = rest;
        return Ok(unzigzag(u64::from(first)) as i32);
    }
    let raw = take_unsigned(input, MAX_I32_BYTES)?;
    if raw > u64::from(u32::MAX) {
        return Err(RecordFault::VarintTooLong);
    }
    // Within 32 bits before, so within 32 bits after.
    Ok(unzigzag(raw) as i32)
}

/// Takes an `i64` off the front of `input`.
#[inline]
pub(crate) fn take_i64(input: &mut &[u8]) -> Result<i64, RecordFault> {
    if let Some((&first, rest)) = input.split_first()
        && first < 0x80
    {
        *input = rest;
        return Ok(unzigzag(u64::from(first)));
    }
    Ok(unzigzag(take_unsigned(input, MAX_I64_BYTES)?))
}

fn take_unsigned(input: &mut &[u8], max_bytes: u32) -> Result<u64, RecordFault> {
    let mut raw = 0u64;
    for at in 0..max_bytes {
        let Some((&byte, rest)) = input.split_first() else {
            return Err(RecordFault::Truncated);
        };
        *input = rest;
        let bits = u64::from(byte & 0x7f);
        if at == MAX_I64_BYTES - 1 && bits > 1 {
            return Err(RecordFault::VarintTooLong);
        }
        raw |= bits << (7 * at);
        if byte < 0x80 {
            return Ok(raw);
        }
    }
    Err(RecordFault::VarintTooLong)
}

fn unzigzag(raw: u64) -> i64 {
    (raw >> 1) as i64 ^ -((raw & 1) as i64)
}

/// Appends an integer (an `i32` and an `i64` of one value have one encoding).
#[inline]
pub(crate) fn put(out: &mut Vec<u8>, value: i64) {
    let mut raw = zigzag(value);
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

/// Bytes that [`put`] will append.
#[inline]
pub(crate) fn size(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_at_every_length() {
        let mut values = vec![0, i64::from(i32::MIN), i64::from(i32::MAX), i64::MIN, i64::MAX];
        for shift in 0..63 {
            values.extend([1i64 << shift, -(1i64 << shift), (1i64 << shift) - 1]);
        }
        for value in values {
            let mut out = Vec::new();
            put(&mut out, value);
            assert_eq!(out.len(), size(value), "{value}");
            assert_eq!(take_i64(&mut &out[..]), Ok(value));
            let as_i32 = take_i32(&mut &out[..]);
            assert_eq!(as_i32.ok(), i32::try_from(value).ok(), "{value}");
        }
    }

    #[test]
    fn takes_padding_but_nothing_beyond_the_type() {
        assert_eq!(take_i32(&mut &[0x82, 0x80, 0x80, 0x80, 0x00][..]), Ok(1));
        assert_eq!(take_i32(&mut &[0x82, 0x80, 0x80, 0x80, 0x80, 0x00][..]), Err(RecordFault::VarintTooLong));
        assert_eq!(take_i32(&mut &[0xff, 0xff, 0xff, 0xff, 0x0f][..]), Ok(i32::MIN));
        assert_eq!(take_i32(&mut &[0xff, 0xff, 0xff, 0xff, 0x1f][..]), Err(RecordFault::VarintTooLong));
        assert_eq!(take_i64(&mut &[0xff; 9][..]), Err(RecordFault::Truncated));
        assert_eq!(take_i64(&mut &[0xff; 10][..]), Err(RecordFault::VarintTooLong));
        let longest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(take_i64(&mut &longest[..]), Ok(i64::MIN));
        assert_eq!(take_i32(&mut &[][..]), Err(RecordFault::Truncated));
    }
}

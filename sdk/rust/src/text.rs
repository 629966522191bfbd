//! Bytes that should be text.
//!
//! Nearly all text is ASCII, and a guest pays for each turn of a loop, since the host may end it there. So ASCII is
//! looked for in larger pieces than the standard library takes on a 32-bit processor.

use std::str::{from_utf8, Utf8Error};

/// What one turn looks at.
const PIECE_BYTES: usize = 64;
const WORD_BYTES: usize = size_of::<u64>();
/// The bit that no ASCII character has.
const NOT_ASCII: u64 = 0x8080_8080_8080_8080;

/// The bytes as text, as [`from_utf8`] answers.
#[inline]
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, Utf8Error> {
    if !is_ascii(bytes) {
        return from_utf8(bytes);
    }
    #[allow(unsafe_code, reason = "ASCII is UTF-8, and every byte was found to be ASCII just above")]
    Ok(unsafe { std::str::from_utf8_unchecked(bytes) })
}

fn is_ascii(bytes: &[u8]) -> bool {
    let mut pieces = bytes.chunks_exact(PIECE_BYTES);
    let whole = pieces.by_ref().all(|piece| match <&[u8; PIECE_BYTES]>::try_from(piece) {
        // Of a length that the compiler knows, so that there is no loop within the loop.
        Ok(piece) => bits(piece) & NOT_ASCII == 0,
        Err(_) => piece.is_ascii(),
    });
    whole && bits(pieces.remainder()) & NOT_ASCII == 0
}

/// Which bits are set in any of its words. The last may be shorter.
#[inline(always)]
fn bits(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(WORD_BYTES);
    let rest = words.remainder().iter().fold(0, |bits, byte| bits | u64::from(*byte));
    words.fold(rest, |bits, word| bits | word.try_into().map_or(u64::MAX, u64::from_le_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of every length up to two pieces and a bit, with something else than ASCII at every place, and without.
    #[test]
    fn it_answers_as_the_standard_library_does() {
        for length in 0..2 * PIECE_BYTES + WORD_BYTES + 3 {
            let ascii = vec![b'a'; length];
            assert_eq!(utf8(&ascii), from_utf8(&ascii));
            for at in 0..length {
                for character in ["\u{7f}", "\u{80}", "é", "✈", "\u{10ffff}"] {
                    let mut bytes = ascii.clone();
                    for (place, byte) in bytes.iter_mut().skip(at).zip(character.bytes()) {
                        *place = byte;
                    }
                    assert_eq!(utf8(&bytes), from_utf8(&bytes), "{bytes:?}");
                }
            }
        }
    }
}

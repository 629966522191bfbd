//! Kafka's rules for topic names.

use crate::error::{Error, ErrorKind};

/// Longest topic name.
const MAX_NAME_BYTES: usize = 249;

/// Checks a topic name: 1 to 249 characters out of `[a-zA-Z0-9._-]`, neither `.` nor `..`.
pub fn validate(name: &str) -> Result<(), Error> {
    let problem = if name.is_empty() {
        "it is empty".to_owned()
    } else if name == "." || name == ".." {
        format!("it is {name:?}")
    } else if name.len() > MAX_NAME_BYTES {
        format!("it is longer than {MAX_NAME_BYTES} characters")
    } else if let Some(wrong) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || "._-".contains(*c))) {
        format!("it contains {wrong:?}; only ASCII letters and digits, '.', '_' and '-' may be used")
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::InvalidTopic, format!("topic name {name:?} is not valid: {problem}")))
}

/// What two names share that monitoring systems cannot tell apart: Kafka's metrics write `.` as `_`.
#[must_use]
pub fn collision_key(name: &str) -> String {
    name.replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_rules() {
        for good in ["a", "a.b_c-D9", "...", "__consumer_offsets", &"x".repeat(249)] {
            assert!(validate(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "ä", "a\0", &"x".repeat(250)] {
            assert_eq!(validate(bad).unwrap_err().kind, ErrorKind::InvalidTopic, "{bad}");
        }
        assert_eq!(collision_key("a.b"), collision_key("a_b"));
    }
}

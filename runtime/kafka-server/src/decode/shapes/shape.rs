//! The vocabulary in which shapes are written.

/// One struct of a request.
#[derive(Debug)]
pub(in crate::decode) struct Shape {
    /// First version with compact lengths and tagged fields.
    pub(in crate::decode) flexible_since: i16,
    /// In the order of the wire.
    pub(in crate::decode) fields: &'static [Field],
    /// Tagged fields that the decoder knows. It reads them by their own lengths and not by the size
    /// in front of them, so the walker has to know them too.
    pub(in crate::decode) tags: &'static [(u32, Kind)],
}

/// A field that exists from one version to another.
#[derive(Debug)]
pub(in crate::decode) struct Field {
    pub(in crate::decode) first: i16,
    pub(in crate::decode) last: i16,
    pub(in crate::decode) kind: Kind,
}

/// What a field looks like.
#[derive(Debug)]
pub(in crate::decode) enum Kind {
    /// So many bytes.
    Fixed(usize),
    /// A string, maybe null.
    Text,
    /// Bytes, maybe null.
    Blob,
    /// A struct, in place.
    Struct(&'static Shape),
    /// A byte that says whether a struct follows.
    OptionalStruct(&'static Shape),
    /// An array of values of so many bytes each.
    FixedList(usize),
    /// An array of strings.
    TextList,
    /// An array of structs.
    List(&'static Shape),
}

pub(super) const fn always(kind: Kind) -> Field {
    between(0, i16::MAX, kind)
}

pub(super) const fn since(first: i16, kind: Kind) -> Field {
    between(first, i16::MAX, kind)
}

pub(super) const fn until(last: i16, kind: Kind) -> Field {
    between(0, last, kind)
}

pub(super) const fn between(first: i16, last: i16, kind: Kind) -> Field {
    Field { first, last, kind }
}

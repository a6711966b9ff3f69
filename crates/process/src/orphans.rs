//! The signs by which orphans of a process tree are recognised.

/// An environment variable with a value of its own, which a program and its descendants inherit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark<'a> {
    /// The name of the variable.
    pub name: &'a str,
    /// The value, which no other tree has.
    pub value: &'a str,
}

/// The treatment of orphans whose environment lacks the variable of a [`Mark`], because they were started without it
/// or have overwritten it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmarked {
    /// They stay outside the tree.
    Left,
    /// They become members if their session is not that of the current process, as the session of a daemon. A program
    /// that the current process starts itself stays in its session. This is right only as long as one tree has orphans.
    /// In the process 1, which is the parent of everybody's orphans, the session is no sign.
    Adopted,
}

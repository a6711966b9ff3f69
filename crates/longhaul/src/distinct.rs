//! Lists without repetition.

/// Each item once, in the order of its first appearance.
pub(crate) fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    items.fold(Vec::new(), |mut unique, item| {
        if !unique.contains(&item) {
            unique.push(item);
        }
        unique
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_twice_is_kept_once() {
        assert_eq!(distinct([1, 2, 1, 3, 2].into_iter()), [1, 2, 3]);
    }
}

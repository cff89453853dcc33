//! A set that is a sorted vector: a `BTreeSet` costs some 6 KB of code for each type that is in one.

use std::borrow::Borrow;
use std::fmt;

/// Sorted, each value once. Built at once where it may be large: adding one by one in arbitrary order moves what is behind.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SortedSet<T>(Vec<T>);

impl<T> SortedSet<T> {
    /// An empty one, without memory of its own.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// In ascending order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// How many values.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The least value.
    pub fn first(&self) -> Option<&T> {
        self.0.first()
    }

    /// Takes the greatest value out.
    pub fn pop_last(&mut self) -> Option<T> {
        self.0.pop()
    }

    /// Drops all values.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Drops what `keep` says no to.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.0.retain(keep);
    }
}

impl<T: Ord> SortedSet<T> {
    /// Whether the value is in it.
    pub fn contains<Q: Ord + ?Sized>(&self, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.place_of(value).is_ok()
    }

    /// Adds a value, and says whether it is new.
    pub fn insert(&mut self, value: T) -> bool {
        let place = self.place_of(&value);
        if let Err(place) = place {
            self.0.insert(place, value);
        }
        place.is_err()
    }

    /// Takes a value out, and says whether it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.place_of(value).map(|place| self.0.remove(place)).is_ok()
    }

    fn place_of<Q: Ord + ?Sized>(&self, value: &Q) -> Result<usize, usize>
    where
        T: Borrow<Q>,
    {
        self.0.binary_search_by(|known| known.borrow().cmp(value))
    }
}

impl<T> Default for SortedSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for SortedSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.0).finish()
    }
}

impl<T: Ord> FromIterator<T> for SortedSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut values: Vec<T> = values.into_iter().collect();
        if !values.is_sorted() {
            values.sort();
        }
        values.dedup();
        Self(values)
    }
}

impl<T: Ord> Extend<T> for SortedSet<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        for value in values {
            self.insert(value);
        }
    }
}

impl<T> IntoIterator for SortedSet<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a SortedSet<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::SortedSet;

    #[test]
    fn is_sorted_and_has_each_value_once() {
        let mut set = SortedSet::from_iter([3, 1, 3, 2, 1]);
        assert!(set.iter().eq(&[1, 2, 3]));
        assert!(set.insert(0) && !set.insert(3));
        assert!(set.remove(&2) && !set.remove(&2));
        assert!(set.contains(&1) && !set.contains(&2));
        assert_eq!(format!("{set:?}"), "{0, 1, 3}");
        assert_eq!((set.first(), set.len()), (Some(&0), 3));
        assert_eq!(set.pop_last(), Some(3));
    }
}

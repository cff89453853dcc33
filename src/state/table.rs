//! Tables: all of them map bytes to bytes, and only this file reads and writes rows through redb.
//!
//! redb makes its whole B-tree anew for every pair of key and value types; a table with types of its own costs 25 KB of
//! the binary. So there is one pair, one kind of range, and few operations. What the bytes are is not known here: keys
//! are made in `key`, values in `codec`.

use redb::{
    AccessGuard, Range, ReadOnlyTable, ReadTransaction, ReadableTable, StorageError, TableDefinition, WriteTransaction,
};

use super::error::Fault;
use super::key::Key;

type Bytes = &'static [u8];
/// Bytes as redb lends them.
type Lent<'a> = AccessGuard<'a, Bytes>;

/// A table by its name.
#[derive(Clone, Copy)]
pub(super) struct Table(TableDefinition<'static, Bytes, Bytes>);

impl Table {
    pub(super) const fn named(name: &'static str) -> Self {
        Self(TableDefinition::new(name))
    }

    pub(super) fn reader(self, transaction: &ReadTransaction) -> Result<Reader, Fault> {
        Ok(Reader(transaction.open_table(self.0)?))
    }

    /// Creates the table where there is none.
    pub(super) fn writer(self, transaction: &WriteTransaction) -> Result<Writer<'_>, Fault> {
        Ok(Writer(transaction.open_table(self.0)?))
    }
}

/// What can be asked of a table in either kind of transaction.
pub(super) trait Rows {
    /// The value of a row.
    fn get(&self, key: &Key) -> Result<Option<Lent<'_>>, Fault>;

    /// All rows from `first` on whose keys begin with `prefix`, in the order of their keys.
    fn rows_from(&self, prefix: Key, first: &Key) -> Result<RowsOf<'_>, Fault>;

    /// All rows whose keys begin with `prefix`, in the order of their keys.
    fn rows(&self, prefix: Key) -> Result<RowsOf<'_>, Fault> {
        let first = prefix.clone();
        self.rows_from(prefix, &first)
    }
}

/// A table in a read transaction.
pub(super) struct Reader(ReadOnlyTable<Bytes, Bytes>);

impl Rows for Reader {
    fn get(&self, key: &Key) -> Result<Option<Lent<'_>>, Fault> {
        Ok(self.0.get(key.bytes())?)
    }

    fn rows_from(&self, prefix: Key, first: &Key) -> Result<RowsOf<'_>, Fault> {
        Ok(RowsOf { rows: self.0.range(first.bytes()..)?, prefix })
    }
}

/// A table in a write transaction.
pub(super) struct Writer<'t>(redb::Table<'t, Bytes, Bytes>);

impl Rows for Writer<'_> {
    fn get(&self, key: &Key) -> Result<Option<Lent<'_>>, Fault> {
        Ok(self.0.get(key.bytes())?)
    }

    fn rows_from(&self, prefix: Key, first: &Key) -> Result<RowsOf<'_>, Fault> {
        Ok(RowsOf { rows: self.0.range(first.bytes()..)?, prefix })
    }
}

impl Writer<'_> {
    /// Writes a row in the place of the one that may be there.
    pub(super) fn insert(&mut self, key: &Key, value: &[u8]) -> Result<(), Fault> {
        self.0.insert(key.bytes(), value)?;
        Ok(())
    }

    /// Deletes a row; its value, where there was one.
    pub(super) fn remove(&mut self, key: &Key) -> Result<Option<Lent<'_>>, Fault> {
        Ok(self.0.remove(key.bytes())?)
    }
}

/// Rows in the order of their keys: key and value of each.
pub(super) struct RowsOf<'a> {
    rows: Range<'a, Bytes, Bytes>,
    prefix: Key,
}

impl<'a> Iterator for RowsOf<'a> {
    type Item = Result<(Lent<'a>, Lent<'a>), StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next()?;
        let beyond = row.as_ref().is_ok_and(|(key, _)| !key.value().starts_with(self.prefix.bytes()));
        (!beyond).then_some(row)
    }
}

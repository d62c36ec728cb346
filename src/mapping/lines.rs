//! Lines of either database, read by the names of their columns.

/// Reads a struct from a row by the names of its fields.
///
/// In place of sqlx's derive: its macros run in the compiler, and with them a second build of both drivers and of the
/// runtime below them, a seventh of a cold build.
macro_rules! read_by_name {
    ($line:ident $columns:tt from $($row:ty),+) => {
        $(crate::mapping::lines::read_by_name!(@one $line $columns from $row);)+
    };
    (@one $line:ident { $($column:ident),+ $(,)? } from $row:ty) => {
        impl sqlx::FromRow<'_, $row> for $line {
            fn from_row(row: &$row) -> sqlx::Result<Self> {
                use sqlx::Row as _;
                Ok(Self {
                    $($column: row.try_get(stringify!($column))?),+
                })
            }
        }
    };
}
pub(super) use read_by_name;

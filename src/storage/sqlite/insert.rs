//! Many rows in one statement.

use std::sync::{Arc, LazyLock};

use sqlx::{AssertSqlSafe, SqliteConnection, error::BoxDynError, sqlite::SqliteArguments};

/// How many rows one statement takes. Every statement is a round trip to the thread of the
/// connection, and stays prepared, so there are few sizes. 256 rows of the widest table need 5632
/// of the 32766 parameters that a statement may have.
const SIZES: [usize; 5] = [256, 64, 16, 4, 1];

/// The statements of a table, one for each size.
pub(super) struct Insert([Arc<str>; SIZES.len()]);

/// A row to be inserted.
pub(super) trait Row: Sync {
    /// The statements of its table.
    const INSERT: &'static LazyLock<Insert>;

    /// Adds its values in the order of the columns.
    fn bind(&self, values: &mut SqliteArguments) -> Result<(), BoxDynError>;
}

impl Insert {
    /// From `INSERT INTO t (a, b)` and what follows the values.
    pub(super) fn new(head: &str, tail: &str) -> Self {
        let columns = head.matches(',').count() + 1;
        let row = format!("({})", vec!["?"; columns].join(","));
        Self(SIZES.map(|size| {
            let rows = vec![row.as_str(); size].join(",");
            format!("{head} VALUES {rows} {tail}").into()
        }))
    }
}

/// Inserts `rows` in order.
pub(super) async fn insert<R: Row>(
    connection: &mut SqliteConnection,
    rows: &[R],
) -> Result<(), sqlx::Error> {
    let Insert(statements) = &**R::INSERT;
    let mut rest = rows;
    for (size, statement) in SIZES.into_iter().zip(statements) {
        while let Some((rows, after)) = rest.split_at_checked(size) {
            rest = after;
            let mut values = SqliteArguments::default();
            for row in rows {
                row.bind(&mut values).map_err(sqlx::Error::Encode)?;
            }
            let statement = AssertSqlSafe(Arc::clone(statement));
            sqlx::query_with(statement, values).execute(&mut *connection).await?;
        }
    }
    Ok(())
}

//! Many rows in one statement.

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use sqlx::{Arguments as _, AssertSqlSafe, SqliteConnection, sqlite::SqliteArguments};

use crate::storage::sql::{
    nodes::NodeRow,
    rows::{
        MessageRow, ObservedRow, PacketRow, PositionRow, ReadingsRow, ReceptionRow, RefusalRow,
        Row, Unbindable, Values,
    },
};

/// How many rows one statement takes. Every statement is a round trip to the thread of the
/// connection, and stays prepared, so there are few sizes. 256 rows of the widest table need 5632
/// of the 32766 parameters that a statement may have.
const SIZES: [usize; 5] = [256, 64, 16, 4, 1];

/// The statements of a table.
pub(super) struct Insert {
    columns: usize,
    /// One for each size.
    statements: [Arc<str>; SIZES.len()],
}

/// A row whose statements are prepared.
pub(super) trait Inserted: Row {
    /// The statements of its table.
    const INSERT: &'static LazyLock<Insert>;
}

macro_rules! inserted {
    ($($row:ty),+ $(,)?) => {
        $(impl Inserted for $row {
            const INSERT: &'static LazyLock<Insert> = {
                static INSERT: LazyLock<Insert> = LazyLock::new(Insert::of::<$row>);
                &INSERT
            };
        })+
    };
}

inserted!(
    PacketRow<'_>,
    ReceptionRow<'_>,
    PositionRow<'_>,
    ReadingsRow<'_>,
    MessageRow<'_>,
    ObservedRow<'_>,
    RefusalRow<'_>,
    NodeRow,
);

impl Insert {
    fn of<R: Row>() -> Self {
        let (table, columns) = (R::TABLE, R::COLUMNS);
        let names: Vec<_> = columns.split(", ").collect();
        let row = format!("({})", vec!["?"; names.len()].join(","));
        let tail = if R::REPLACES {
            let set: Vec<_> =
                names[1..].iter().map(|name| format!("{name} = excluded.{name}")).collect();
            format!("ON CONFLICT ({}) DO UPDATE SET {}", names[0], set.join(", "))
        } else {
            String::new()
        };
        let statements = SIZES.map(|size| {
            let rows = vec![row.as_str(); size].join(",");
            format!("INSERT OR ROLLBACK INTO {table} ({columns}) VALUES {rows} {tail}").into()
        });
        Self { columns: names.len(), statements }
    }
}

/// Inserts `rows` in order.
pub(super) async fn insert<R: Inserted>(
    connection: &mut SqliteConnection,
    rows: &[R],
) -> Result<(), sqlx::Error> {
    let Insert { columns, statements } = &**R::INSERT;
    let mut rest = rows;
    for (size, statement) in SIZES.into_iter().zip(statements) {
        while let Some((rows, after)) = rest.split_at_checked(size) {
            rest = after;
            let mut values = SqliteArguments::default();
            values.reserve(columns * size, 0);
            for row in rows {
                row.put(&mut values).map_err(sqlx::Error::Encode)?;
            }
            let statement = AssertSqlSafe(Arc::clone(statement));
            sqlx::query_with(statement, values).execute(&mut *connection).await?;
        }
    }
    Ok(())
}

impl Values for SqliteArguments {
    fn integer(&mut self, value: impl Into<Option<i64>>) -> Result<(), Unbindable> {
        self.add(value.into())
    }

    fn number(&mut self, value: Option<f64>) -> Result<(), Unbindable> {
        self.add(value)
    }

    fn flag(&mut self, value: impl Into<Option<bool>>) -> Result<(), Unbindable> {
        self.add(value.into())
    }

    fn bytes(&mut self, value: &[u8]) -> Result<(), Unbindable> {
        self.add(value)
    }

    fn clean_text(&mut self, value: Option<Cow<'_, str>>) -> Result<(), Unbindable> {
        match value {
            Some(Cow::Borrowed(text)) => self.add(text),
            Some(Cow::Owned(text)) => self.add(text),
            None => self.add(None::<&str>),
        }
    }
}

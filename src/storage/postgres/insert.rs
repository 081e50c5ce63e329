//! Many rows in one statement: an array for each column.

use std::borrow::Cow;

use sqlx::{AssertSqlSafe, PgConnection};

use crate::storage::sql::rows::{Row, Unbindable, Values};

/// The values of one column.
enum Column {
    Integers(Vec<Option<i64>>),
    Numbers(Vec<Option<f64>>),
    Flags(Vec<Option<bool>>),
    Texts(Vec<Option<String>>),
    Bytes(Vec<Vec<u8>>),
}

impl Column {
    const fn array_type(&self) -> &'static str {
        match self {
            Self::Integers(_) => "int8[]",
            Self::Numbers(_) => "float8[]",
            Self::Flags(_) => "bool[]",
            Self::Texts(_) => "text[]",
            Self::Bytes(_) => "bytea[]",
        }
    }
}

/// Rows, turned into columns.
#[derive(Default)]
struct Table {
    columns: Vec<Column>,
    /// The column of the next value.
    at: usize,
}

/// Inserts `rows` in order.
pub(super) async fn insert<R: Row>(
    connection: &mut PgConnection,
    rows: &[R],
) -> Result<(), sqlx::Error> {
    let mut table = Table::default();
    for row in rows {
        table.at = 0;
        row.put(&mut table).map_err(sqlx::Error::Encode)?;
    }
    if table.columns.is_empty() {
        return Ok(());
    }
    let mut query = sqlx::query(AssertSqlSafe(statement::<R>(&table.columns)));
    for column in table.columns {
        query = match column {
            Column::Integers(values) => query.bind(values),
            Column::Numbers(values) => query.bind(values),
            Column::Flags(values) => query.bind(values),
            Column::Texts(values) => query.bind(values),
            Column::Bytes(values) => query.bind(values),
        };
    }
    query.execute(connection).await.map(drop)
}

/// The same text for every number of rows, so that it is prepared once.
fn statement<R: Row>(columns: &[Column]) -> String {
    let (table, names) = (R::TABLE, R::COLUMNS);
    let arrays: Vec<_> = columns
        .iter()
        .zip(1..)
        .map(|(column, number)| format!("${number}::{}", column.array_type()))
        .collect();
    let arrays = arrays.join(", ");
    let mut sql = format!("INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays})");
    if R::REPLACES {
        let mut names = names.split(", ");
        let key = names.next().unwrap_or_default();
        let set: Vec<_> = names.map(|name| format!("{name} = excluded.{name}")).collect();
        sql = format!("{sql} ON CONFLICT ({key}) DO UPDATE SET {}", set.join(", "));
    }
    sql
}

/// Adds a value to the next column, which the first row makes.
macro_rules! add {
    ($table:ident, $kind:ident, $value:expr) => {{
        let at = $table.at;
        $table.at += 1;
        if at == $table.columns.len() {
            $table.columns.push(Column::$kind(Vec::new()));
        }
        match $table.columns.get_mut(at) {
            Some(Column::$kind(values)) => {
                values.push($value);
                Ok(())
            }
            _ => Err(format!("column {at} holds values of another kind").into()),
        }
    }};
}

impl Values for Table {
    fn integer(&mut self, value: impl Into<Option<i64>>) -> Result<(), Unbindable> {
        add!(self, Integers, value.into())
    }

    fn number(&mut self, value: Option<f64>) -> Result<(), Unbindable> {
        add!(self, Numbers, value)
    }

    fn flag(&mut self, value: impl Into<Option<bool>>) -> Result<(), Unbindable> {
        add!(self, Flags, value.into())
    }

    fn bytes(&mut self, value: &[u8]) -> Result<(), Unbindable> {
        add!(self, Bytes, value.to_vec())
    }

    fn clean_text(&mut self, value: Option<Cow<'_, str>>) -> Result<(), Unbindable> {
        add!(self, Texts, value.map(Cow::into_owned))
    }
}

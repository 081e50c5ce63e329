//! Many rows in one statement: an array for each column.

use std::borrow::Cow;

use sqlx::{
    Arguments as _, AssertSqlSafe, Encode, PgConnection, Postgres, Type,
    encode::IsNull,
    postgres::{PgArgumentBuffer, PgArguments, PgHasArrayType, PgTypeInfo},
};
use tokio::task::yield_now;

use crate::storage::sql::rows::{Row, Unbindable, Values};

/// How many rows are encoded before others may go on.
const AT_A_STRETCH: usize = 256;

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Integer,
    Number,
    Flag,
    Text,
    Bytes,
}

impl Kind {
    const fn array(self) -> &'static str {
        match self {
            Self::Integer => "int8[]",
            Self::Number => "float8[]",
            Self::Flag => "bool[]",
            Self::Text => "text[]",
            Self::Bytes => "bytea[]",
        }
    }

    /// The number of the type in `pg_type`, which is the same in every database.
    const fn oid(self) -> u32 {
        match self {
            Self::Integer => 20,
            Self::Number => 701,
            Self::Flag => 16,
            Self::Text => 25,
            Self::Bytes => 17,
        }
    }

    fn array_type(self) -> PgTypeInfo {
        match self {
            Self::Integer => i64::array_type_info(),
            Self::Number => f64::array_type_info(),
            Self::Flag => bool::array_type_info(),
            Self::Text => String::array_type_info(),
            Self::Bytes => Vec::<u8>::array_type_info(),
        }
    }
}

/// The values of one column, as the server reads them.
struct Column {
    kind: Kind,
    count: i32,
    has_null: bool,
    /// Each value with its length before it.
    values: Vec<u8>,
}

impl Column {
    fn new(kind: Kind, rows: usize) -> Self {
        Self { kind, count: 0, has_null: false, values: Vec::with_capacity(rows * 12) }
    }

    fn push(&mut self, value: Option<&[u8]>) -> Result<(), Unbindable> {
        let length = value.map_or(Ok(-1), |value| i32::try_from(value.len()))?;
        self.values.extend_from_slice(&length.to_be_bytes());
        self.values.extend_from_slice(value.unwrap_or_default());
        self.has_null |= value.is_none();
        self.count += 1;
        Ok(())
    }
}

impl Type<Postgres> for Column {
    fn type_info() -> PgTypeInfo {
        Kind::Text.array_type()
    }
}

impl Encode<'_, Postgres> for Column {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, Unbindable> {
        const DIMENSIONS: i32 = 1;
        const FIRST: i32 = 1;
        for number in [DIMENSIONS, self.has_null.into()] {
            buffer.extend_from_slice(&number.to_be_bytes());
        }
        buffer.extend_from_slice(&self.kind.oid().to_be_bytes());
        for number in [self.count, FIRST] {
            buffer.extend_from_slice(&number.to_be_bytes());
        }
        buffer.extend_from_slice(&self.values);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.kind.array_type())
    }

    fn size_hint(&self) -> usize {
        20 + self.values.len()
    }
}

/// Rows, turned into columns.
#[derive(Default)]
struct Table {
    columns: Vec<Column>,
    /// The column of the next value.
    at: usize,
    rows: usize,
}

/// Rows of one table, as the server reads them.
pub(super) struct Insert {
    sql: String,
    arguments: PgArguments,
}

impl Insert {
    /// Of `rows` in order; none if there are none. What else the task does goes on meanwhile.
    pub(super) async fn of<R: Row>(rows: &[R]) -> Result<Option<Self>, sqlx::Error> {
        let mut table = Table { rows: rows.len(), ..Table::default() };
        for (nth, row) in rows.iter().enumerate() {
            if nth % AT_A_STRETCH == AT_A_STRETCH - 1 {
                yield_now().await;
            }
            table.at = 0;
            row.put(&mut table).map_err(sqlx::Error::Encode)?;
        }
        if table.columns.is_empty() {
            return Ok(None);
        }
        let sql = statement::<R>(&table.columns);
        let mut arguments = PgArguments::default();
        for column in table.columns {
            arguments.add(column).map_err(sqlx::Error::Encode)?;
        }
        Ok(Some(Self { sql, arguments }))
    }

    pub(super) async fn execute(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let Self { sql, arguments } = self;
        let insert = sqlx::query_with(AssertSqlSafe(sql), arguments);
        insert.execute(connection).await.map(drop)
    }
}

/// Inserts `rows` in order.
pub(super) async fn insert<R: Row>(
    connection: &mut PgConnection,
    rows: &[R],
) -> Result<(), sqlx::Error> {
    match Insert::of(rows).await? {
        Some(insert) => insert.execute(connection).await,
        None => Ok(()),
    }
}

/// The same text for every number of rows, so that it is prepared once. All arrays are as long, and
/// one behind `SELECT` is taken apart as its values are needed: behind `FROM`, each is first copied.
fn statement<R: Row>(columns: &[Column]) -> String {
    let (table, names) = (R::TABLE, R::COLUMNS);
    let arrays: Vec<_> = columns
        .iter()
        .zip(1..)
        .map(|(column, number)| format!("unnest(${number}::{})", column.kind.array()))
        .collect();
    let arrays = arrays.join(", ");
    let mut sql = format!("INSERT INTO {table} ({names}) SELECT {arrays}");
    if R::REPLACES {
        let mut names = names.split(", ");
        let key = names.next().unwrap_or_default();
        let set: Vec<_> = names.map(|name| format!("{name} = excluded.{name}")).collect();
        sql = format!("{sql} ON CONFLICT ({key}) DO UPDATE SET {}", set.join(", "));
    }
    sql
}

impl Table {
    /// Adds a value to the next column, which the first row makes.
    fn add(&mut self, kind: Kind, value: Option<&[u8]>) -> Result<(), Unbindable> {
        let at = self.at;
        self.at += 1;
        if at == self.columns.len() {
            self.columns.push(Column::new(kind, self.rows));
        }
        match self.columns.get_mut(at) {
            Some(column) if column.kind == kind => column.push(value),
            _ => Err(format!("column {at} holds values of another kind").into()),
        }
    }
}

impl Values for Table {
    fn integer(&mut self, value: impl Into<Option<i64>>) -> Result<(), Unbindable> {
        let value = value.into().map(i64::to_be_bytes);
        self.add(Kind::Integer, value.as_ref().map(<[u8; 8]>::as_slice))
    }

    fn number(&mut self, value: Option<f64>) -> Result<(), Unbindable> {
        let value = value.map(f64::to_be_bytes);
        self.add(Kind::Number, value.as_ref().map(<[u8; 8]>::as_slice))
    }

    fn flag(&mut self, value: impl Into<Option<bool>>) -> Result<(), Unbindable> {
        let value = value.into().map(|flag| [u8::from(flag)]);
        self.add(Kind::Flag, value.as_ref().map(<[u8; 1]>::as_slice))
    }

    fn bytes(&mut self, value: &[u8]) -> Result<(), Unbindable> {
        self.add(Kind::Bytes, Some(value))
    }

    fn clean_text(&mut self, value: Option<Cow<'_, str>>) -> Result<(), Unbindable> {
        self.add(Kind::Text, value.as_deref().map(str::as_bytes))
    }
}

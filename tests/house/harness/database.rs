//! The database of a running geocast, by another program's hand.

use std::path::Path;

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Decode, Sqlite, SqliteConnection, Type,
    sqlite::SqliteConnectOptions,
};

pub(crate) struct Database(SqliteConnection);

impl Database {
    /// The one that geocast keeps in `folder`.
    pub(crate) async fn in_folder(folder: &Path) -> Self {
        let file = SqliteConnectOptions::new().filename(folder.join("geocast.db"));
        Self(file.connect().await.unwrap())
    }

    pub(crate) async fn execute(&mut self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.0).await.unwrap();
    }

    /// The first column.
    pub(crate) async fn column<T>(&mut self, sql: &str) -> Vec<T>
    where
        T: Send + Unpin + Type<Sqlite> + for<'r> Decode<'r, Sqlite>,
    {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut self.0).await.unwrap()
    }

    /// Nothing of it is left in the files beside the database.
    pub(crate) async fn close(self) {
        self.0.close().await.unwrap();
    }

    pub(crate) async fn number(&mut self, sql: &str) -> i64 {
        self.column(sql).await[0]
    }
}

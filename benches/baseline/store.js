// Keeps every packet, every reception, every position, and the latest state of each node in SQLite.

import Database from "better-sqlite3";

const SCHEMA = `
CREATE TABLE IF NOT EXISTS nodes (
  id INTEGER PRIMARY KEY, long_name TEXT, short_name TEXT, hw_model TEXT, channel TEXT, last_heard INTEGER,
  latitude REAL, longitude REAL, altitude INTEGER, position_time INTEGER, battery_level INTEGER, voltage REAL);
CREATE TABLE IF NOT EXISTS packets (
  sender INTEGER, packet_id INTEGER, recipient INTEGER, port INTEGER, channel TEXT, payload BLOB, received_at INTEGER,
  PRIMARY KEY (sender, packet_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS receptions (
  sender INTEGER, packet_id INTEGER, gateway TEXT, snr REAL, rssi INTEGER, hop_limit INTEGER, received_at INTEGER);
CREATE TABLE IF NOT EXISTS positions (
  sender INTEGER, latitude REAL, longitude REAL, altitude INTEGER, time INTEGER);
CREATE INDEX IF NOT EXISTS positions_of_sender ON positions (sender, time);
`;

export class Store {
  constructor(path) {
    this.database = new Database(path);
    this.database.pragma("journal_mode = WAL");
    this.database.pragma("synchronous = FULL");
    this.database.exec(SCHEMA);
    const prepare = (sql) => this.database.prepare(sql);
    const packet = prepare("INSERT OR IGNORE INTO packets VALUES (?, ?, ?, ?, ?, ?, ?)");
    const reception = prepare("INSERT INTO receptions VALUES (?, ?, ?, ?, ?, ?, ?)");
    const position = prepare("INSERT INTO positions VALUES (?, ?, ?, ?, ?)");
    const node = prepare("INSERT OR REPLACE INTO nodes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    /** One transaction for all that a tick brought. */
    this.save = this.database.transaction((packets, receptions, positions, nodes) => {
      for (const row of packets) packet.run(row);
      for (const row of receptions) reception.run(row);
      for (const row of positions) position.run(row);
      for (const { number, record } of nodes) {
        const { longName, shortName, hwModel, channel, lastHeard, position: at, telemetry } = record;
        node.run(
          number, longName, shortName, hwModel, channel, lastHeard,
          at?.latitude, at?.longitude, at?.altitude, at?.time,
          telemetry?.batteryLevel, telemetry?.voltage,
        );
      }
    });
  }

  close() {
    this.database.close();
  }
}

// What is known now: nodes by number, and what the tick under way changed.

import { isWithin } from "./clients.js";
import * as meshtastic from "./meshtastic.js";

/** How long the copies of a packet may be apart. */
const DUPLICATES_MS = 15 * 60_000;

const idOf = (number) => `!${number.toString(16).padStart(8, "0")}`;

export class World {
  constructor() {
    this.revision = 0;
    this.nodes = new Map();
    this.received = 0;
    this.refused = 0;
    // Two generations of packets: one that is seen again within the time is in either.
    this.seen = new Set();
    this.seenBefore = new Set();
    this.turnedAt = Date.now();
    this.begin();
  }

  begin() {
    this.changes = new Map();
    this.packets = [];
    this.receptions = [];
    this.positions = [];
  }

  /** One publish: the first copy of a packet changes its sender, every copy is a reception. */
  take(payload) {
    this.received += 1;
    const now = Date.now();
    try {
      const envelope = meshtastic.readEnvelope(payload);
      const { from, id, gateway, rxSnr, rxRssi, hopLimit } = envelope;
      const isNew = !this.isDuplicate(`${from}:${id}`, now);
      const content = isNew ? meshtastic.open(envelope) : undefined;
      this.receptions.push([from, id, gateway, rxSnr, rxRssi, hopLimit, now]);
      if (content) this.merge(envelope, content, now);
    } catch {
      this.refused += 1;
    }
  }

  isDuplicate(key, now) {
    if (now - this.turnedAt > DUPLICATES_MS) {
      [this.seen, this.seenBefore, this.turnedAt] = [new Set(), this.seen, now];
    }
    if (this.seen.has(key) || this.seenBefore.has(key)) return true;
    this.seen.add(key);
    return false;
  }

  merge({ from, id, to, channel, rxTime }, { port, payload }, now) {
    this.packets.push([from, id, to, port, channel, payload, now]);
    const before = this.nodes.get(from);
    const record = before ?? { id: idOf(from), network: "meshtastic" };
    let change = this.changes.get(from);
    if (!change) {
      change = { number: from, record, before: { isKnown: before !== undefined, position: record.position }, news: {} };
      this.changes.set(from, change);
      this.nodes.set(from, record);
    }
    record.online = true;
    record.channel = channel;
    const heard = rxTime * 1000;
    record.lastHeard = heard > now - 86_400_000 && heard <= now ? heard : now;
    if (port === meshtastic.POSITION_APP) {
      const position = meshtastic.readPosition(payload, now);
      if (position && !(record.position?.time > position.time)) {
        record.position = position;
        change.news.position = true;
        this.positions.push([from, position.latitude, position.longitude, position.altitude, position.time]);
      }
    } else if (port === meshtastic.NODEINFO_APP) {
      Object.assign(record, meshtastic.readUser(payload));
      change.news.info = true;
    } else if (port === meshtastic.TELEMETRY_APP) {
      record.telemetry = { ...record.telemetry, ...meshtastic.readTelemetry(payload, now) };
      change.news.telemetry = true;
    }
  }

  /** Ends the tick: saves it, and returns its changes. */
  seal(store) {
    const changes = [...this.changes.values()];
    if (this.receptions.length > 0) store.save(this.packets, this.receptions, this.positions, changes);
    if (changes.length > 0) this.revision += 1;
    this.begin();
    return changes;
  }

  within(bounds) {
    return [...this.nodes.values()].filter((record) => isWithin(bounds, record.position));
  }
}

// The clients: each has its own WebSocket, its own filter, and its own JSON.

import { WebSocketServer } from "ws";

const HEARTBEAT_MS = 30_000;
const EVERYTHING = ["node", "position", "telemetry", "message", "status"];

/** A client that has not taken so much is sent nothing more, and a snapshot once it has. */
const MAX_BUFFERED_BYTES = 1 << 20;

export function isWithin(bounds, position) {
  if (!bounds) return true;
  if (!position) return false;
  const { latitude, longitude } = position;
  const { north, south, east, west } = bounds;
  if (latitude < south || latitude > north) return false;
  return west <= east ? longitude >= west && longitude <= east : longitude >= west || longitude <= east;
}

export class Clients {
  constructor(server, world, epoch, tickMs) {
    this.world = world;
    this.epoch = epoch;
    this.all = new Set();
    const sockets = new WebSocketServer({ server, path: "/api/ws", maxPayload: 16 << 10 });
    sockets.on("connection", (socket) => {
      const client = { socket, types: undefined, isFresh: false, isBehind: false, isAlive: true };
      this.all.add(client);
      socket.on("close", () => this.all.delete(client));
      socket.on("error", () => socket.terminate());
      socket.on("pong", () => { client.isAlive = true; });
      socket.on("message", (data) => { client.isAlive = true; this.hear(client, data); });
      const server = "geocast-baseline/1";
      const pulse = { tickMs, heartbeatMs: HEARTBEAT_MS, timeoutMs: 2 * HEARTBEAT_MS };
      this.send(client, { type: "hello", protocol: 1, server, epoch, revision: world.revision, ...pulse });
    });
    this.heartbeat = setInterval(() => this.ping(), HEARTBEAT_MS);
  }

  ping() {
    for (const client of this.all) {
      if (!client.isAlive) client.socket.terminate();
      client.isAlive = false;
      client.socket.ping();
    }
  }

  hear(client, data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      this.send(client, { type: "error", code: "invalid_message", message: "this is no JSON" });
      return;
    }
    switch (message?.type) {
      case "subscribe":
        client.bounds = [message.filter?.bounds].flat()[0];
        client.types = new Set(message.filter?.messageTypes ?? EVERYTHING);
        this.snapshot(client);
        break;
      case "request_snapshot":
        if (client.types) this.snapshot(client);
        break;
      case "unsubscribe":
        client.types = undefined;
        break;
      case "ping":
        this.send(client, { type: "pong", id: message.id, time: Date.now() });
        break;
      default:
        this.send(client, { type: "error", code: "unknown_type", message: "unknown type" });
    }
  }

  snapshot(client) {
    // It shows the tick under way half done: of what that changes, the client is told everything.
    client.isFresh = true;
    const nodes = this.world.within(client.bounds);
    const { epoch, world: { revision } } = this;
    this.send(client, { type: "snapshot", epoch, revision, full: true, nodes, removed: [], messages: [], more: false });
  }

  /** Tells everybody what changed: each change has the node's record, where it was, and what is new. */
  broadcast(changes) {
    for (const client of this.all) {
      if (!client.types) continue;
      if (client.socket.bufferedAmount > MAX_BUFFERED_BYTES) {
        client.isBehind = true;
      } else if (client.isBehind) {
        client.isBehind = false;
        this.snapshot(client);
      } else {
        this.tell(client, changes);
      }
    }
  }

  tell(client, changes) {
    const { bounds, types, isFresh } = client;
    client.isFresh = false;
    const ids = [], entered = [], updated = [], status = [], positions = [], telemetry = [];
    for (const { record, before, news } of changes) {
      if (!isWithin(bounds, record.position)) {
        if (isFresh || (before.isKnown && isWithin(bounds, before.position))) ids.push(record.id);
        continue;
      }
      if (isFresh || !before.isKnown || !isWithin(bounds, before.position)) {
        entered.push(record);
        continue;
      }
      const { id } = record;
      if (types.has("status")) status.push({ id, online: record.online, lastHeard: record.lastHeard });
      if (news.info && types.has("node")) {
        const { longName, shortName, hwModel, channel } = record;
        updated.push({ id, longName, shortName, hwModel, channel });
      }
      if (news.position && types.has("position")) positions.push({ id, ...record.position });
      if (news.telemetry && types.has("telemetry")) telemetry.push({ id, ...record.telemetry });
    }
    const { revision } = this.world;
    const frames = [
      { type: "node_status", revision, nodes: status },
      { type: "node_leave", revision, ids },
      { type: "node_enter", revision, nodes: entered },
      { type: "node_update", revision, nodes: updated },
      { type: "position_update", revision, positions },
      { type: "telemetry_update", revision, telemetry },
    ].filter((frame) => (frame.nodes ?? frame.ids ?? frame.positions ?? frame.telemetry).length > 0);
    const last = frames.at(-1);
    for (const frame of frames) this.send(client, frame === last ? frame : { ...frame, more: true });
  }

  send(client, message) {
    client.socket.send(JSON.stringify(message));
  }

  close() {
    clearInterval(this.heartbeat);
    for (const client of this.all) client.socket.close(1001);
  }
}

// Generated from src/http/protocol.rs by `cargo test`. Do not edit.

export type Bounds = { north: number, south: number, east: number, west: number, };

export type MessageType = "node" | "position" | "telemetry" | "message" | "status";

export type Filter = { bounds?: Bounds, nodeIds?: Array<string>, messageTypes?: Array<MessageType>, };

export type Resume = { epoch: string, revision: number, };

export type ClientMessage =
  | { "type": "subscribe", filter?: Filter, resume?: Resume, }
  | { "type": "unsubscribe" }
  | { "type": "request_snapshot" }
  | { "type": "ping", id?: number, };

export type PositionRecord = { latitude: number, longitude: number, altitude?: number, time: number, groundSpeed?: number, groundTrack?: number, satsInView?: number, precisionBits?: number, };

export type PositionUpdate = { id: string, } & PositionRecord;

/** Metrics by name (`batteryLevel`, `temperature`, ...); `time` is that of the newest reading. */
export type TelemetryRecord = { time: number, } & { [metric: string]: number };

export type TelemetryUpdate = { id: string, time: number, } & { [metric: string]: number | string };

export type LinkRecord = { id: string, snr?: number, time: number, };

export type NodeRecord = { id: string, network?: string, shortName?: string, longName?: string, hwModel?: string, role?: string, firmware?: string, channel?: string, online?: boolean, lastHeard?: number, position?: PositionRecord, telemetry?: TelemetryRecord, links?: Array<LinkRecord>, };

export type WaypointRecord = { id: number, latitude: number, longitude: number, name?: string, description?: string, icon?: number, expire?: number, };

export type MessageRecord = { id: string, network: string, from: string, channel?: string, text: string, time: number, waypoint?: WaypointRecord, };

export type ServerMessage =
  | { "type": "hello", protocol: number, server: string, epoch: string, revision: number, tickMs: number, heartbeatMs: number, timeoutMs: number, }
  | { "type": "snapshot", epoch: string, revision: number, full: boolean, nodes: Array<NodeRecord>, removed: Array<string>, messages: Array<MessageRecord>, more: boolean, }
  | { "type": "node_enter", revision: number, nodes: Array<NodeRecord>, }
  | { "type": "node_update", revision: number, nodes: Array<NodeRecord>, }
  | { "type": "position_update", revision: number, positions: Array<PositionUpdate>, }
  | { "type": "telemetry_update", revision: number, telemetry: Array<TelemetryUpdate>, }
  | { "type": "node_status", revision: number, nodes: Array<NodeRecord>, }
  | { "type": "node_leave", revision: number, ids: Array<string>, }
  | { "type": "message", revision: number, messages: Array<MessageRecord>, }
  | { "type": "pong", id?: number, time: number, }
  | { "type": "error", code: string, message: string, };

// Generated from src/http/protocol.rs by `cargo test`. Do not edit.

export type Bounds = { north: number, south: number, east: number, west: number, };

export type OneOrMore = Bounds | Array<Bounds>;

export type Cells = {
/**
 * 0 to 14, as in map tiles.
 */
zoom: number, };

export type MessageType = "node" | "position" | "telemetry" | "message" | "status";

export type Filter = {
/**
 * Only nodes that are here: in one rectangle, or in any of up to eight. A node without a
 * position is in no bounds.
 */
bounds?: OneOrMore,
/**
 * Only these nodes.
 */
nodeIds?: Array<string>,
/**
 * These nodes as well, wherever they are.
 */
alsoIds?: Array<string>,
/**
 * Only these groups of fields.
 */
messageTypes?: Array<MessageType>,
/**
 * Counts of nodes by map tile instead of nodes; those of `alsoIds` are sent all the same.
 */
cells?: Cells, };

export type Resume = {
/**
 * From the last snapshot or hello.
 */
epoch: string,
/**
 * The last revision of which the client has applied every frame.
 */
revision: number, };

export type ClientMessage = { "type": "subscribe", filter?: Filter,
/**
 * Go on from here instead of starting again. The filter must be the one that was held.
 */
resume?: Resume,
/**
 * Snapshots may hold nodes in columns, where frames are binary.
 */
columns?: boolean, } | { "type": "unsubscribe" } | { "type": "request_snapshot" } | { "type": "ping", id?: number, };

export type PositionRecord = {
/**
 * Degrees.
 */
latitude: number,
/**
 * Degrees.
 */
longitude: number,
/**
 * Metres above the sea.
 */
altitude?: number,
/**
 * When it was there.
 */
time: number,
/**
 * Kilometres an hour.
 */
groundSpeed?: number,
/**
 * Degrees clockwise from north.
 */
groundTrack?: number,
/**
 * Satellites in view.
 */
satsInView?: number,
/**
 * Below 32, the place is the middle of a cell of `2^(32 - precisionBits)` units of 1e-7 degrees.
 */
precisionBits?: number, };

export type PositionUpdate = { id: string,
/**
 * Degrees.
 */
latitude: number,
/**
 * Degrees.
 */
longitude: number,
/**
 * Metres above the sea.
 */
altitude?: number,
/**
 * When it was there.
 */
time: number,
/**
 * Kilometres an hour.
 */
groundSpeed?: number,
/**
 * Degrees clockwise from north.
 */
groundTrack?: number,
/**
 * Satellites in view.
 */
satsInView?: number,
/**
 * Below 32, the place is the middle of a cell of `2^(32 - precisionBits)` units of 1e-7 degrees.
 */
precisionBits?: number, };

export type TelemetryRecord = { time: number, } & { [metric: string]: number };

export type TelemetryUpdate = { id: string, time: number, } & { [metric: string]: number | string };

export type LinkRecord = {
/**
 * The neighbour.
 */
id: string,
/**
 * Decibels.
 */
snr?: number,
/**
 * When it was reported.
 */
time: number, };

export type NodeRecord = { id: string, network?: string, shortName?: string, longName?: string,
/**
 * Hardware model as its network names it.
 */
hwModel?: string, role?: string, firmware?: string,
/**
 * The channel that it was last heard on.
 */
channel?: string, online?: boolean, lastHeard?: number, position?: PositionRecord, telemetry?: TelemetryRecord,
/**
 * The neighbours that it hears directly.
 */
links?: Array<LinkRecord>, };

export type WaypointRecord = {
/**
 * The sender's number for it.
 */
id: number, latitude: number, longitude: number, description: string,
/**
 * A Unicode code point.
 */
icon?: number,
/**
 * When it ends.
 */
expires?: number, };

export type MessageRecord = {
/**
 * Unique among the sender's messages.
 */
id: string, network: string, from: string, channel?: string, text: string, time: number, waypoint?: WaypointRecord, };

export type CellRecord = {
/**
 * Zoom, column and row: `z/x/y`.
 */
cell: string, total: number, online: number, };

export type ErrorCode = "invalid_message" | "unknown_type" | "invalid_bounds" | "invalid_node_ids" | "invalid_cells" | "not_subscribed" | "binary_frame" | "rate_limited";

export type ServerMessage = { "type": "hello", protocol: number, server: string, epoch: string, revision: number, tickMs: number, heartbeatMs: number, timeoutMs: number, } | { "type": "snapshot", epoch: string, revision: number, full: boolean, nodes: Array<NodeRecord>, removed: Array<string>, messages: Array<MessageRecord>,
/**
 * Present if the filter asks for cells. A full picture replaces them too.
 */
cells?: Array<CellRecord>, more: boolean, } | { "type": "node_enter", revision: number, nodes: Array<NodeRecord>, more?: boolean, } | { "type": "node_update", revision: number, nodes: Array<NodeRecord>, more?: boolean, } | { "type": "position_update", revision: number, positions: Array<PositionUpdate>, more?: boolean, } | { "type": "telemetry_update", revision: number, telemetry: Array<TelemetryUpdate>, more?: boolean, } | { "type": "node_status", revision: number, nodes: Array<NodeRecord>, more?: boolean, } | { "type": "node_leave", revision: number, ids: Array<string>, more?: boolean, } | { "type": "cell_update", revision: number, cells: Array<CellRecord>, more?: boolean, } | { "type": "message", revision: number, messages: Array<MessageRecord>, more?: boolean, } | { "type": "pong", id?: number, time: number, } | { "type": "error", code: ErrorCode, message: string,
/**
 * After how long it may be said again.
 */
retryAfterMs?: number, };

/** The metrics by their numbers in the binary encoding; there is none with number 0. */
export const METRICS: readonly (string | undefined)[] = [
	undefined,
	'batteryLevel',
	'voltage',
	'channelUtilization',
	'airUtilTx',
	'uptimeSeconds',
	'temperature',
	'relativeHumidity',
	'barometricPressure',
	'gasResistance',
	'sensorVoltage',
	'sensorCurrent',
	'iaq',
	'distance',
	'lux',
	'whiteLux',
	'irLux',
	'uvLux',
	'windDirection',
	'windSpeed',
	'windGust',
	'windLull',
	'weight',
	'radiation',
	'rainfall1h',
	'rainfall24h',
	'soilMoisture',
	'soilTemperature',
	'ch1Voltage',
	'ch1Current',
	'ch2Voltage',
	'ch2Current',
	'ch3Voltage',
	'ch3Current',
	'ch4Voltage',
	'ch4Current',
	'ch5Voltage',
	'ch5Current',
	'ch6Voltage',
	'ch6Current',
	'ch7Voltage',
	'ch7Current',
	'ch8Voltage',
	'ch8Current',
	'pm10Standard',
	'pm25Standard',
	'pm40Standard',
	'pm100Standard',
	'pm10Environmental',
	'pm25Environmental',
	'pm100Environmental',
	'particles03um',
	'particles05um',
	'particles10um',
	'particles25um',
	'particles40um',
	'particles50um',
	'particles100um',
	'co2',
	'co2Temperature',
	'co2Humidity',
	'formaldehyde',
	'formaldehydeHumidity',
	'formaldehydeTemperature',
	'vocIndex',
	'noxIndex',
	'particlesTps',
	'pmTemperature',
	'pmHumidity',
	'numPacketsTx',
	'numPacketsRx',
	'numPacketsRxBad',
	'numOnlineNodes',
	'numTotalNodes',
	'numRxDupe',
	'numTxRelay',
	'numTxRelayCanceled',
	'heapTotalBytes',
	'heapFreeBytes',
	'numTxDropped',
	'noiseFloor',
	'heartBpm',
	'spO2',
	'bodyTemperature',
	'hostUptimeSeconds',
	'freememBytes',
	'diskfree1Bytes',
	'diskfree2Bytes',
	'diskfree3Bytes',
	'load1',
	'load5',
	'load15',
	'paxWifi',
	'paxBle',
];

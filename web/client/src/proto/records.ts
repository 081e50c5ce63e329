import {
	type CellRecord,
	type LinkRecord,
	METRICS,
	type MessageRecord,
	type NodeRecord,
	type PositionRecord,
	type TelemetryRecord,
	type WaypointRecord,
} from '../protocol.gen.js';
import { ProtoError, type Reader } from './reader.js';
import type { NumberedNode } from './table.js';

/** Places are whole numbers of 1e-7 degrees. */
export const UNITS_PER_DEGREE = 1e7;

export function node(reader: Reader): NumberedNode {
	let number = 0;
	const record: NodeRecord = { id: '' };
	while (reader.next()) {
		if (reader.field === 1) number = reader.uint();
		else if (reader.field === 2) record.id = reader.string();
		else if (reader.field === 3) record.network = reader.string();
		else if (reader.field === 4) record.shortName = reader.string();
		else if (reader.field === 5) record.longName = reader.string();
		else if (reader.field === 6) record.hwModel = reader.string();
		else if (reader.field === 7) record.role = reader.string();
		else if (reader.field === 8) record.firmware = reader.string();
		else if (reader.field === 9) record.channel = reader.string();
		else if (reader.field === 10) record.online = reader.bool();
		else if (reader.field === 11) record.lastHeard = reader.int();
		else if (reader.field === 12) record.position = reader.message(position);
		else if (reader.field === 13) record.telemetry = reader.message(telemetry);
		else if (reader.field === 14) record.links = reader.message(links);
	}
	return { number, record };
}

function position(reader: Reader): PositionRecord {
	const record: PositionRecord = { latitude: 0, longitude: 0, time: 0 };
	while (reader.next()) {
		if (reader.field === 1) record.latitude = reader.sint() / UNITS_PER_DEGREE;
		else if (reader.field === 2) record.longitude = reader.sint() / UNITS_PER_DEGREE;
		else if (reader.field === 3) record.altitude = reader.sint();
		else if (reader.field === 4) record.time = reader.int();
		else if (reader.field === 5) record.groundSpeed = reader.double();
		else if (reader.field === 6) record.groundTrack = reader.double();
		else if (reader.field === 7) record.satsInView = reader.uint();
		else if (reader.field === 8) record.precisionBits = reader.uint();
	}
	return record;
}

export function telemetry(reader: Reader): TelemetryRecord {
	let time = 0;
	const metrics: number[] = [];
	const values: number[] = [];
	while (reader.next()) {
		if (reader.field === 1) time = reader.int();
		else if (reader.field === 2) reader.uints(metrics);
		else if (reader.field === 3) reader.doubles(values);
	}
	if (metrics.length !== values.length) throw new ProtoError('there are not as many readings as metrics');
	// A server may know metrics that this client does not.
	const readings = metrics.flatMap((number, i) => {
		const name = METRICS[number];
		return name === undefined ? [] : [[name, values[i] as number] as const];
	});
	return { ...Object.fromEntries(readings), time };
}

function links(reader: Reader): LinkRecord[] {
	const records: LinkRecord[] = [];
	while (reader.next()) {
		if (reader.field === 1) records.push(reader.message(link));
	}
	return records;
}

function link(reader: Reader): LinkRecord {
	const record: LinkRecord = { id: '', time: 0 };
	while (reader.next()) {
		if (reader.field === 1) record.id = reader.string();
		else if (reader.field === 2) record.snr = reader.double();
		else if (reader.field === 3) record.time = reader.int();
	}
	return record;
}

export function textMessage(reader: Reader): MessageRecord {
	const record: MessageRecord = { id: '', network: '', from: '', text: '', time: 0 };
	while (reader.next()) {
		if (reader.field === 1) record.id = reader.string();
		else if (reader.field === 2) record.network = reader.string();
		else if (reader.field === 3) record.from = reader.string();
		else if (reader.field === 4) record.channel = reader.string();
		else if (reader.field === 5) record.text = reader.string();
		else if (reader.field === 6) record.time = reader.int();
		else if (reader.field === 7) record.waypoint = reader.message(waypoint);
	}
	return record;
}

function waypoint(reader: Reader): WaypointRecord {
	const record: WaypointRecord = { id: 0, latitude: 0, longitude: 0, description: '' };
	while (reader.next()) {
		if (reader.field === 1) record.id = reader.uint();
		else if (reader.field === 2) record.latitude = reader.sint() / UNITS_PER_DEGREE;
		else if (reader.field === 3) record.longitude = reader.sint() / UNITS_PER_DEGREE;
		else if (reader.field === 4) record.description = reader.string();
		else if (reader.field === 5) record.icon = reader.uint();
		else if (reader.field === 6) record.expires = reader.int();
	}
	return record;
}

export interface NumberedCell {
	x: number;
	y: number;
	total: number;
	online: number;
}

export function cell(reader: Reader): NumberedCell {
	const result: NumberedCell = { x: 0, y: 0, total: 0, online: 0 };
	while (reader.next()) {
		if (reader.field === 1) result.x = reader.uint();
		else if (reader.field === 2) result.y = reader.uint();
		else if (reader.field === 3) result.total = reader.uint();
		else if (reader.field === 4) result.online = reader.uint();
	}
	return result;
}

export function cellRecord({ x, y, total, online }: NumberedCell, zoom: number): CellRecord {
	return { cell: `${zoom}/${x}/${y}`, total, online };
}

export interface Tick {
	revision: number;
	more?: true;
}

/** Reads what all messages of a tick begin with, and hands on the other fields. */
export function readTick(reader: Reader, other: (field: number) => void): Tick {
	const tick: Tick = { revision: 0 };
	while (reader.next()) {
		if (reader.field === 1) tick.revision = reader.uint();
		else if (reader.field === 2) {
			if (reader.bool()) tick.more = true;
		} else other(reader.field);
	}
	return tick;
}

import type {
	ErrorCode,
	MessageRecord,
	NodeRecord,
	ServerMessage,
	TelemetryRecord,
	TelemetryUpdate,
} from '../protocol.gen.js';
import { Column } from './column.js';
import { nodeColumns } from './columns.js';
import { positionUpdate } from './positions.js';
import { ProtoError, Reader } from './reader.js';
import { cell, cellRecord, type NumberedCell, node, readTick, telemetry, textMessage } from './records.js';
import { StatusColumns } from './status.js';
import { NodeTable, type NumberedNode } from './table.js';

type MessageOf<Type extends ServerMessage['type']> = Extract<ServerMessage, { type: Type }>;

/**
 * Turns the binary frames of `geocast.v1.proto` into the messages that JSON would have brought.
 *
 * Positions are told as differences from those held, for which it asks: so each message must be applied before the next
 * one is decoded.
 */
export class Decoder {
	private readonly table: NodeTable;

	/** `latest` answers with the record that is held of a node, the last message included. */
	constructor(latest: (id: string) => NodeRecord | undefined) {
		this.table = new NodeTable(latest);
	}

	/** Null for a kind of message that is not known. Throws what cannot be read. */
	decode(frame: Uint8Array): ServerMessage | null {
		const reader = new Reader(frame);
		if (!reader.next()) throw new ProtoError('the message is empty');
		const kind = KINDS[reader.field];
		const message = kind ? reader.message((inner) => kind(this.table, inner)) : null;
		if (reader.next()) throw new ProtoError('there is more than one message');
		return message;
	}
}

/** What each field of `ServerMessage` holds. */
const KINDS: Record<number, (table: NodeTable, reader: Reader) => ServerMessage> = {
	1: hello,
	2: snapshot,
	3: nodeEnter,
	4: nodeUpdate,
	5: positionUpdate,
	6: telemetryUpdate,
	7: nodeStatus,
	8: nodeLeave,
	9: messageList,
	10: cellUpdate,
	11: pong,
	12: error,
};

function hello(table: NodeTable, reader: Reader): MessageOf<'hello'> {
	const result: MessageOf<'hello'> = {
		type: 'hello',
		protocol: 0,
		server: '',
		epoch: '',
		revision: 0,
		tickMs: 0,
		heartbeatMs: 0,
		timeoutMs: 0,
	};
	while (reader.next()) {
		if (reader.field === 1) result.protocol = reader.uint();
		else if (reader.field === 2) result.server = reader.string();
		else if (reader.field === 3) result.epoch = reader.string();
		else if (reader.field === 4) result.revision = reader.uint();
		else if (reader.field === 5) result.tickMs = reader.uint();
		else if (reader.field === 6) result.heartbeatMs = reader.uint();
		else if (reader.field === 7) result.timeoutMs = reader.uint();
	}
	table.enterEpoch(result.epoch);
	return result;
}

function snapshot(table: NodeTable, reader: Reader): MessageOf<'snapshot'> {
	const nodes: NumberedNode[] = [];
	const inColumns: NumberedNode[] = [];
	const removed: number[] = [];
	const cells: NumberedCell[] = [];
	const result: MessageOf<'snapshot'> = {
		type: 'snapshot',
		epoch: '',
		revision: 0,
		full: false,
		nodes: [],
		removed: [],
		messages: [],
		more: false,
	};
	let zoom: number | undefined;
	while (reader.next()) {
		if (reader.field === 1) result.epoch = reader.string();
		else if (reader.field === 2) result.revision = reader.uint();
		else if (reader.field === 3) result.full = reader.bool();
		else if (reader.field === 4) nodes.push(reader.message(node));
		else if (reader.field === 5) reader.uints(removed);
		else if (reader.field === 6) result.messages.push(reader.message(textMessage));
		else if (reader.field === 7) cells.push(reader.message(cell));
		else if (reader.field === 8) zoom = reader.uint();
		else if (reader.field === 9) result.more = reader.bool();
		else if (reader.field === 10) for (const one of reader.message(nodeColumns)) inColumns.push(one);
	}
	table.enterEpoch(result.epoch);
	result.removed = table.idsOf(removed);
	result.nodes = [...nodes, ...inColumns].map((one) => table.introduce(one));
	if (cells.length > 0 || zoom !== undefined) result.cells = cells.map((one) => cellRecord(one, zoom ?? 0));
	return result;
}

function nodeEnter(table: NodeTable, reader: Reader): MessageOf<'node_enter'> {
	const nodes: NumberedNode[] = [];
	const tick = readTick(reader, (field) => {
		if (field === 3) nodes.push(reader.message(node));
	});
	return { type: 'node_enter', ...tick, nodes: nodes.map((one) => table.introduce(one)) };
}

function nodeUpdate(table: NodeTable, reader: Reader): MessageOf<'node_update'> {
	const nodes: NumberedNode[] = [];
	const tick = readTick(reader, (field) => {
		if (field === 3) nodes.push(reader.message(node));
	});
	return { type: 'node_update', ...tick, nodes: table.named(nodes) };
}

function telemetryUpdate(table: NodeTable, reader: Reader): MessageOf<'telemetry_update'> {
	const readings: { number: number; record: TelemetryUpdate }[] = [];
	const tick = readTick(reader, (field) => {
		if (field === 3) readings.push(reader.message(nodeTelemetry));
	});
	return { type: 'telemetry_update', ...tick, telemetry: table.named(readings) };
}

function nodeTelemetry(reader: Reader): { number: number; record: TelemetryUpdate } {
	let number = 0;
	let readings: TelemetryRecord = { time: 0 };
	while (reader.next()) {
		if (reader.field === 1) number = reader.uint();
		else if (reader.field === 2) readings = reader.message(telemetry);
	}
	return { number, record: { ...readings, id: '' } as TelemetryUpdate };
}

function nodeStatus(table: NodeTable, reader: Reader): MessageOf<'node_status'> {
	let count = 0;
	let numbers = Column.EMPTY;
	const columns = new StatusColumns();
	const tick = readTick(reader, (field) => {
		if (field === 3) count = reader.uint();
		else if (field === 4) numbers = reader.message(Column.decode);
		else columns.read(reader);
	});
	const ascending = numbers.ascending(count);
	const statuses = columns.rows(count);
	const rows = ascending.map((number, i) => ({ number, record: { id: '', ...statuses[i] } }));
	return { type: 'node_status', ...tick, nodes: table.named(rows) };
}

function nodeLeave(table: NodeTable, reader: Reader): MessageOf<'node_leave'> {
	const numbers: number[] = [];
	const tick = readTick(reader, (field) => {
		if (field === 3) reader.uints(numbers);
	});
	return { type: 'node_leave', ...tick, ids: table.idsOf(numbers) };
}

function messageList(_: NodeTable, reader: Reader): MessageOf<'message'> {
	const messages: MessageRecord[] = [];
	const tick = readTick(reader, (field) => {
		if (field === 3) messages.push(reader.message(textMessage));
	});
	return { type: 'message', ...tick, messages };
}

function cellUpdate(_: NodeTable, reader: Reader): MessageOf<'cell_update'> {
	const cells: NumberedCell[] = [];
	let zoom = 0;
	const tick = readTick(reader, (field) => {
		if (field === 3) cells.push(reader.message(cell));
		else if (field === 4) zoom = reader.uint();
	});
	return { type: 'cell_update', ...tick, cells: cells.map((one) => cellRecord(one, zoom)) };
}

function pong(_: NodeTable, reader: Reader): MessageOf<'pong'> {
	const result: MessageOf<'pong'> = { type: 'pong', time: 0 };
	while (reader.next()) {
		if (reader.field === 1) result.id = reader.double();
		else if (reader.field === 2) result.time = reader.int();
	}
	return result;
}

function error(_: NodeTable, reader: Reader): MessageOf<'error'> {
	const result: MessageOf<'error'> = { type: 'error', code: '' as ErrorCode, message: '' };
	while (reader.next()) {
		if (reader.field === 1) result.code = reader.string() as ErrorCode;
		else if (reader.field === 2) result.message = reader.string();
		else if (reader.field === 3) result.retryAfterMs = reader.uint();
	}
	return result;
}

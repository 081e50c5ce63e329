import type { Bounds, ClientMessage, Filter, MessageType, Resume } from '../protocol.gen.js';
import { Writer } from './writer.js';

const MESSAGE_TYPES: Record<MessageType, number> = { node: 1, position: 2, telemetry: 3, message: 4, status: 5 };

/** A message as a binary frame of `geocast.v1.proto`. */
export function encode(message: ClientMessage): Uint8Array<ArrayBuffer> {
	const frame = new Writer();
	switch (message.type) {
		case 'subscribe': {
			const subscribe = new Writer();
			if (message.filter) subscribe.message(1, filter(message.filter));
			if (message.resume) subscribe.message(2, resume(message.resume));
			// The decoder reads them.
			if (message.columns ?? true) subscribe.uint(3, 1);
			return frame.message(1, subscribe).finish();
		}
		case 'unsubscribe':
			return frame.message(2, new Writer()).finish();
		case 'request_snapshot':
			return frame.message(3, new Writer()).finish();
		case 'ping': {
			const ping = new Writer();
			if (message.id !== undefined) ping.double(1, message.id);
			return frame.message(4, ping).finish();
		}
	}
}

function filter({ bounds, nodeIds, alsoIds, messageTypes, cells }: Filter): Writer {
	const result = new Writer();
	if (bounds) {
		const area = new Writer();
		for (const one of Array.isArray(bounds) ? bounds : [bounds]) area.message(1, rectangle(one));
		result.message(1, area);
	}
	if (nodeIds) result.message(2, ids(nodeIds));
	if (alsoIds) result.message(3, ids(alsoIds));
	if (messageTypes) {
		const types = new Writer();
		for (const type of messageTypes) types.uint(1, MESSAGE_TYPES[type]);
		result.message(4, types);
	}
	if (cells) result.message(5, new Writer().uint(1, cells.zoom));
	return result;
}

function rectangle({ north, south, east, west }: Bounds): Writer {
	return new Writer().double(1, north).double(2, south).double(3, east).double(4, west);
}

function ids(all: string[]): Writer {
	const result = new Writer();
	for (const id of all) result.string(1, id);
	return result;
}

function resume({ epoch, revision }: Resume): Writer {
	return new Writer().string(1, epoch).uint(2, revision);
}

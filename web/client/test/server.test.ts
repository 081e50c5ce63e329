import { expect, test } from 'vitest';
import { Mirror } from '../src/mirror.js';
import { Decoder } from '../src/proto/decode.js';
import type { ServerMessage } from '../src/protocol.gen.js';
import { FRAMES } from './frames.gen.js';

function bytes(hex: string): Uint8Array {
	return Uint8Array.from(hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}

/** The same message with its rows in order of id, and what may be left out in one of the encodings spelled out. */
function ordered(message: ServerMessage): object {
	const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
	const rows = Object.entries(message).map(([name, value]) =>
		Array.isArray(value) && typeof value[0]?.id === 'string' ? [name, value.toSorted(byId)] : [name, value],
	);
	return { more: false, cells: [], ...Object.fromEntries(rows) };
}

test('every binary frame of the server says what its JSON says, to the last digit', () => {
	const [fromJson, fromProto] = [new Mirror(), new Mirror()];
	const decoder = new Decoder((id) => fromProto.latest(id));
	for (const { json, proto } of FRAMES) {
		const expected = json as ServerMessage;
		const decoded = decoder.decode(bytes(proto)) as ServerMessage;
		expect(ordered(decoded)).toEqual(ordered(expected));
		fromJson.apply(expected);
		fromProto.apply(decoded);
		expect(fromProto.nodes).toEqual(fromJson.nodes);
		expect(fromProto.cells).toEqual(fromJson.cells);
	}
	expect(new Set(FRAMES.map(({ json }) => (json as ServerMessage).type)).size).toBe(12);
});

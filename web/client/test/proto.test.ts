import { describe, expect, test } from 'vitest';
import { encode } from '../src/proto/encode.js';
import type { ClientMessage, Filter, NodeRecord, PositionRecord } from '../src/protocol.gen.js';
import { Client, EPOCH, snapshot } from './client.js';
import { anyPosition, protoNode, protoPosition, protoPositions, protoTelemetry } from './frames.js';
import { Chance, ClientFrame, column, frame } from './reference.js';

const FULL_NODE: NodeRecord = {
	id: '!a1b2c3d4',
	network: 'meshtastic',
	shortName: '\ufeffØ',
	longName: '',
	hwModel: 'TBEAM',
	role: 'ROUTER',
	firmware: '2.6.11',
	channel: 'LongFast',
	online: false,
	lastHeard: 1_795_239_750_000,
	position: {
		latitude: -49.5367292,
		longitude: 179.9999999,
		altitude: -12,
		time: 1_795_239_750_001,
		groundSpeed: 58.3,
		groundTrack: 182.65,
		satsInView: 9,
		precisionBits: 32,
	},
	telemetry: { time: 1_795_239_734_000, batteryLevel: 101, voltage: 4.22, temperature: -3.5 },
	links: [
		{ id: '!b', snr: -4.25, time: 7 },
		{ id: '!c', time: 0 },
	],
};

describe('a binary frame is what JSON would have brought:', () => {
	test('hello, pong and error', () => {
		const client = new Client();
		const hello = {
			protocol: 1,
			server: 'geocast/0.1.0',
			epoch: EPOCH,
			revision: 2 ** 40,
			tickMs: 100,
			heartbeatMs: 30_000,
			timeoutMs: 60_000,
		};
		expect(client.hears({ hello })).toEqual({ type: 'hello', ...hello });
		expect(client.hears({ pong: { id: 7, time: -5 } })).toEqual({ type: 'pong', id: 7, time: -5 });
		expect(client.hears({ pong: { time: 2 ** 45 } })).toEqual({ type: 'pong', time: 2 ** 45 });
		const error = { code: 'rate_limited', message: 'slowly' };
		expect(client.hears({ error })).toEqual({ type: 'error', ...error });
		expect(client.hears({ error: { ...error, retryAfterMs: 0 } })).toEqual({
			type: 'error',
			...error,
			retryAfterMs: 0,
		});
	});

	test('a snapshot', () => {
		const client = new Client();
		const waypoint = { id: 1, latitude: 1.5, longitude: -2.5, description: 'x', icon: 128_512, expires: 9 };
		const said = { id: '1', network: 'meshtastic', from: '!b', text: 'hi', time: 5 };
		const messages = [
			{ ...said, channel: '' },
			{ ...said, waypoint },
		];
		client.hears(snapshot([protoNode(3, { id: '!gone' })]));
		const sent = snapshot([protoNode(7, FULL_NODE), protoNode(8, { id: '!b', links: [] })], {
			full: false,
			removed: [3, 99],
			messages: [messages[0], { ...said, waypoint: protoPosition({ ...waypoint, time: 0 }) }],
			more: true,
		});
		expect(client.hears(sent)).toEqual({
			type: 'snapshot',
			epoch: EPOCH,
			revision: 1,
			full: false,
			nodes: [FULL_NODE, { id: '!b', links: [] }],
			removed: ['!gone'],
			messages,
			more: true,
		});
	});

	test('cells', () => {
		const client = new Client();
		const cells = [
			{ x: 4, y: 2, total: 3, online: 1 },
			{ x: 0, y: 0 },
		];
		const records = [
			{ cell: '3/4/2', total: 3, online: 1 },
			{ cell: '3/0/0', total: 0, online: 0 },
		];
		expect(client.hears(snapshot([], { cells, zoom: 3 }))).toMatchObject({ cells: records });
		const sent = { cellUpdate: { revision: 2, more: true, cells, zoom: 3 } };
		expect(client.hears(sent)).toEqual({ type: 'cell_update', revision: 2, more: true, cells: records });
	});

	test('metrics that came after this client was made are passed over', () => {
		const client = new Client();
		client.hears(snapshot([protoNode(8, { id: '!b' })]));
		const telemetry = { time: 4, metrics: [2, 60_000, 0, 1], values: [3.7, 1, 2, 87] };
		expect(client.hears({ telemetryUpdate: { revision: 3, telemetry: [{ number: 8, telemetry }] } })).toEqual({
			type: 'telemetry_update',
			revision: 3,
			telemetry: [{ id: '!b', time: 4, voltage: 3.7, batteryLevel: 87 }],
		});
	});

	test('the messages of a tick', () => {
		const client = new Client();
		client.hears(snapshot([protoNode(7, FULL_NODE)]));
		expect(client.hears({ nodeEnter: { revision: 2, more: true, nodes: [protoNode(8, { id: '!b' })] } })).toEqual({
			type: 'node_enter',
			revision: 2,
			more: true,
			nodes: [{ id: '!b' }],
		});
		expect(client.hears({ nodeUpdate: { revision: 2, nodes: [protoNode(7, { role: 'CLIENT' })] } })).toEqual({
			type: 'node_update',
			revision: 2,
			nodes: [{ id: FULL_NODE.id, role: 'CLIENT' }],
		});
		const readings = { number: 8, telemetry: protoTelemetry(4, { voltage: 3.7 }) };
		expect(client.hears({ telemetryUpdate: { revision: 3, telemetry: [readings] } })).toEqual({
			type: 'telemetry_update',
			revision: 3,
			telemetry: [{ id: '!b', time: 4, voltage: 3.7 }],
		});
		expect(client.hears({ nodeLeave: { revision: 4, numbers: [8, 7] } })).toEqual({
			type: 'node_leave',
			revision: 4,
			ids: ['!b', FULL_NODE.id],
		});
		const said = { id: '1', network: 'meshtastic', from: '!b', text: '', time: 5 };
		expect(client.hears({ message: { revision: 5, messages: [said] } })).toEqual({
			type: 'message',
			revision: 5,
			messages: [said],
		});
	});
});

describe('positions in columns', () => {
	test('are those that were sent', () => {
		Chance.forEach(300, (chance) => {
			const [relative, floats] = [chance.maybe(), chance.maybe(0.2)];
			const client = new Client();
			const nodes = Array.from({ length: chance.below(80) }, (_, i) => ({
				number: 3 * i + chance.below(3),
				id: `!${i}`,
				...(chance.maybe(0.8) && { position: anyPosition(chance, floats) }),
			}));
			client.hears(snapshot(nodes.map(({ number, ...node }) => protoNode(number, node))));
			const rows = nodes.map(({ number, position: held }) => ({ number, held, position: anyPosition(chance, floats) }));
			expect(client.hears(protoPositions(rows, relative, floats, chance))).toEqual({
				type: 'position_update',
				revision: 2,
				positions: nodes.map(({ id }, i) => ({ id, ...rows[i]?.position })),
			});
		});
	});

	test('of nodes that are not held can be ignored', () => {
		const chance = new Chance(1);
		const client = new Client();
		client.hears(snapshot([protoNode(1, { id: '!a' }), protoNode(3, { id: '!c' })]));
		client.hears({ nodeLeave: { revision: 2, numbers: [3] } });
		const rows = [1, 2, 3].map((number) => ({ number, held: undefined, position: anyPosition(chance, false) }));
		const positions = [{ id: '!a', ...rows[0]?.position }];
		expect(client.hears(protoPositions(rows, true, false, chance))).toMatchObject({ positions });
	});

	test('follow each other through many ticks', () => {
		const chance = new Chance(5);
		const client = new Client();
		client.hears(snapshot([protoNode(1, { id: '!a' })]));
		let held: PositionRecord | undefined;
		for (let i = 0; i < 100; i++) {
			const position = anyPosition(chance, false);
			client.hears(protoPositions([{ number: 1, position, held }], chance.maybe(), false, chance));
			expect(client.mirror.nodes.get('!a')?.position).toEqual(position);
			held = position;
		}
	});
});

test('status in columns is what was sent', () => {
	const client = new Client();
	client.hears(snapshot([1, 5, 9].map((number) => protoNode(number, { id: `!${number}` }))));
	const nodeStatus = {
		revision: 2,
		count: 3,
		numbers: column([1, 4, 4], 2),
		online: column([1, -1, 1]),
		lastHeard: column([1_795_239_750, -3, 5], 8),
		timeUnitMs: 1000,
	};
	expect(client.hears({ nodeStatus })).toEqual({
		type: 'node_status',
		revision: 2,
		nodes: [
			{ id: '!1', online: true, lastHeard: 1_795_239_750_000 },
			{ id: '!5', online: false, lastHeard: 1_795_239_747_000 },
			{ id: '!9', online: true, lastHeard: 1_795_239_752_000 },
		],
	});
});

describe('the numbers of nodes', () => {
	test('hold on every connection of an epoch, and no longer', () => {
		const client = new Client();
		client.hears({ hello: { epoch: EPOCH } });
		client.hears(snapshot([protoNode(1, { id: '!a' })]));
		client.hears({ hello: { epoch: EPOCH } });
		expect(client.hears({ nodeLeave: { revision: 2, numbers: [1] } })).toMatchObject({ ids: ['!a'] });
		client.hears({ hello: { epoch: 'e2' } });
		expect(client.hears({ nodeLeave: { revision: 2, numbers: [1] } })).toMatchObject({ ids: [] });
	});

	test('must come with an id', () => {
		expect(() => new Client().hears(snapshot([{ number: 1 }]))).toThrow('without an id');
	});
});

describe('a frame that is not whole', () => {
	const chance = new Chance(3);
	const rows = Array.from({ length: 20 }, (_, number) => ({
		number,
		held: undefined,
		position: anyPosition(chance, false),
	}));
	const frames = [
		snapshot([protoNode(7, FULL_NODE)]),
		protoPositions(rows, false, false, chance),
		{ hello: { protocol: 1, server: 'x', epoch: EPOCH } },
	].map(frame);

	test('is refused, wherever it was cut', () => {
		for (const whole of frames) {
			for (let length = 0; length < whole.length; length++) {
				expect(() => new Client().decoder.decode(whole.subarray(0, length))).toThrow();
			}
		}
	});

	test('is refused or read, but never hangs or takes much memory, whatever its bytes', () => {
		for (let i = 0; i < 3000; i++) {
			const bytes = Uint8Array.from(chance.pick(frames));
			for (let k = chance.between(1, 4); k > 0; k--) bytes[chance.below(bytes.length)] = chance.below(256);
			try {
				new Client().decoder.decode(bytes);
			} catch (error) {
				expect(error).toHaveProperty('name', 'ProtoError');
			}
		}
	});

	test('may have fields and kinds of tomorrow', () => {
		const whole = frame({ pong: { id: 7, time: 5 } });
		// Field 15 of the pong, a varint.
		const more = Uint8Array.of(whole[0] as number, (whole[1] as number) + 2, ...whole.subarray(2), 0x78, 0x01);
		expect(new Client().decoder.decode(more)).toEqual({ type: 'pong', id: 7, time: 5 });
		expect(new Client().decoder.decode(Uint8Array.of(0xfa, 0x01, 0x00))).toBeNull();
	});
});

describe('what a client says in binary', () => {
	/** What another implementation reads in it. */
	const read = (message: ClientMessage) =>
		ClientFrame.toObject(ClientFrame.decode(encode(message)), { longs: Number, enums: String });

	test('can be read by others', () => {
		expect(read({ type: 'unsubscribe' })).toEqual({ unsubscribe: {} });
		expect(read({ type: 'request_snapshot' })).toEqual({ requestSnapshot: {} });
		expect(read({ type: 'ping' })).toEqual({ ping: {} });
		expect(read({ type: 'ping', id: 0 })).toEqual({ ping: { id: 0 } });
		expect(read({ type: 'subscribe', columns: false })).toEqual({ subscribe: {} });
		expect(read({ type: 'subscribe', filter: {}, resume: { epoch: 'é', revision: 2 ** 50 } })).toEqual({
			subscribe: { filter: {}, resume: { epoch: 'é', revision: 2 ** 50 }, columns: true },
		});
	});

	test('asks for columns with every subscription', () => {
		expect(read({ type: 'subscribe' })).toEqual({ subscribe: { columns: true } });
		expect(read({ type: 'subscribe', filter: {} })).toEqual({ subscribe: { filter: {}, columns: true } });
	});

	test('holds every part of a filter', () => {
		Chance.forEach(100, (chance) => {
			const box = () => ({
				north: chance.next() * 90,
				south: -chance.next() * 90,
				east: chance.next() * 180,
				west: -chance.next() * 180,
			});
			const list = <T>(make: () => T) => Array.from({ length: chance.below(4) }, make);
			const types = ['node', 'position', 'telemetry', 'message', 'status'] as const;
			const filter: Filter = {
				...(chance.maybe() && { bounds: chance.maybe() ? box() : list(box) }),
				...(chance.maybe() && { nodeIds: list(() => chance.text()) }),
				...(chance.maybe() && { alsoIds: list(() => chance.text()) }),
				...(chance.maybe() && { messageTypes: list(() => chance.pick(types)) }),
				...(chance.maybe() && { cells: { zoom: chance.below(15) } }),
			};
			const { bounds, nodeIds, alsoIds, messageTypes, cells } = filter;
			const repeated = <T>(name: string, all: T[]) => (all.length > 0 ? { [name]: all } : {});
			expect(read({ type: 'subscribe', filter })).toEqual({
				subscribe: {
					filter: {
						...(bounds && { bounds: repeated('rectangles', [bounds].flat()) }),
						...(nodeIds && { nodeIds: repeated('ids', nodeIds) }),
						...(alsoIds && { alsoIds: repeated('ids', alsoIds) }),
						...(messageTypes && {
							messageTypes: repeated(
								'types',
								messageTypes.map((type) => `MESSAGE_TYPE_${type.toUpperCase()}`),
							),
						}),
						...(cells && { cells: cells.zoom ? cells : {} }),
					},
					columns: true,
				},
			});
		});
	});
});

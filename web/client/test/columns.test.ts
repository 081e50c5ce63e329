import { describe, expect, test } from 'vitest';
import { ProtoError } from '../src/proto/reader.js';
import type { NodeRecord, ServerMessage } from '../src/protocol.gen.js';
import { Client, snapshot } from './client.js';
import { anyNode, protoColumns, protoTexts, type Row } from './columns.js';
import { anyPosition, protoNode, protoPositions } from './frames.js';
import { Chance, column, frame, stepwise } from './reference.js';

function inColumns(columns: object, nodes: object[] = []): object {
	return snapshot(nodes, { columns: [columns] });
}

function nodesOf(message: ServerMessage | null): NodeRecord[] {
	if (message?.type !== 'snapshot') throw new Error('this is no snapshot');
	return message.nodes;
}

/** What a client reads of records that were written in columns. */
function read(nodes: NodeRecord[], chance = new Chance(1)): NodeRecord[] {
	const rows = nodes.map((node, number) => ({ number, node }));
	const cut = chance.below(rows.length + 1);
	const columns = [rows.slice(0, cut), rows.slice(cut)].map((some) => protoColumns(some, chance));
	return nodesOf(new Client().hears(snapshot([], { columns })));
}

function anyRows(chance: Chance, most: number, floats = false): Row[] {
	return Array.from({ length: chance.below(most + 1) }, (_, i) => {
		const number = 3 * i + chance.below(3);
		return { number, node: anyNode(chance, number, floats) };
	});
}

const plain = (id: string): NodeRecord => ({ id, online: false, lastHeard: 0 });

describe('nodes in columns', () => {
	test('are those that rows would have brought', () => {
		Chance.forEach(300, (chance) => {
			const floats = chance.maybe(0.2);
			const rows = anyRows(chance, 40, floats);
			const [byColumns, byRows] = [new Client(), new Client()];
			const heard = byColumns.hears(inColumns(protoColumns(rows, chance, floats)));
			expect(heard).toStrictEqual(byRows.hears(snapshot(rows.map(({ number, node }) => protoNode(number, node)))));
			expect(nodesOf(heard)).toStrictEqual(rows.map(({ node }) => node));
		});
	});

	test('come after those in rows, and are known by their numbers as well', () => {
		const client = new Client();
		const rows = [
			{ number: 4, node: plain('!00000004') },
			{ number: 6, node: plain('f') },
		];
		const heard = client.hears(inColumns(protoColumns(rows, new Chance(1)), [protoNode(5, { id: 'e', links: [] })]));
		expect(nodesOf(heard).map(({ id }) => id)).toEqual(['e', '!00000004', 'f']);
		expect(client.hears({ nodeLeave: { revision: 2, numbers: [4, 5, 6] } })).toMatchObject({
			ids: ['!00000004', 'e', 'f'],
		});
	});

	test('have ids of any form', () => {
		const ids = ['!00000000', '!ffffffff', '!0a1b2c3d', '!A1B2C3D4', '!a1b2c3d', '!a1b2c3d45', 'car/Ø', '\ufeff', 'x'];
		expect(read(ids.map(plain))).toStrictEqual(ids.map(plain));
		expect(read([])).toEqual([]);
	});

	test('may have names that are made of their ids', () => {
		const columns = {
			count: 4,
			numbers: column([1, 1, 1, 1]),
			fields: column([1, 8, 8, 8]),
			radioIds: Uint8Array.of(0, 0, 0, 1, 0xa1, 0xb2, 0xc3, 0xd4, 0xff, 0xff, 0x0a, 0xbc, 0xff, 0xff, 0, 0),
			shortNames: { count: 1, lengths: column([1]), texts: Uint8Array.of(0x78), choices: column([0, 1, -1, 1]) },
		};
		expect(nodesOf(new Client().hears(inColumns(columns)))).toStrictEqual([
			{ ...plain('!00000001'), shortName: 'x' },
			{ ...plain('!a1b2c3d4'), shortName: 'c3d4' },
			{ ...plain('!ffff0abc'), shortName: 'x', longName: 'Meshtastic 0abc' },
			{ ...plain('!ffff0000'), shortName: '0000', longName: 'Meshtastic 0000' },
		]);
	});

	test('are what positions told afterwards are differences from', () => {
		Chance.forEach(100, (chance) => {
			const client = new Client();
			const rows = anyRows(chance, 20);
			client.hears(inColumns(protoColumns(rows, chance)));
			const moved = rows.map(({ number, node }) => ({
				number,
				held: node.position,
				position: anyPosition(chance, false),
			}));
			client.hears(protoPositions(moved, true, false, chance));
			rows.forEach(({ node }, i) => {
				expect(client.mirror.nodes.get(node.id)?.position).toEqual(moved[i]?.position);
			});
		});
	});

	test('may have metrics that came after this client was made', () => {
		const telemetry = {
			times: column([4]),
			timeUnitMs: 1000,
			metrics: [
				{ metric: 60_000, values: { exact: [1, 2, 3] } },
				{ metric: 0 },
				{ metric: 60_000 },
				{ metric: 2, values: { decimals: 1, values: column([37]) } },
			],
		};
		const columns = { count: 1, fields: column([5]), radioIds: new Uint8Array(4), telemetry };
		expect(nodesOf(new Client().hears(inColumns(columns)))).toStrictEqual([
			{ ...plain('!00000000'), telemetry: { time: 4000, voltage: 3.7 } },
		]);
	});

	test('have nothing but zeros where a column is absent', () => {
		const columns = { count: 2, numbers: column([1, 1]), fields: column([7, 0]), radioIds: new Uint8Array(8) };
		const position = { latitude: 0, longitude: 0, time: 0 };
		const node = { ...plain('!00000000'), position, telemetry: { time: 0 } };
		expect(nodesOf(new Client().hears(inColumns(columns)))).toStrictEqual([node, node]);
	});
});

describe('texts in columns', () => {
	const long = (texts: (string | undefined)[]) =>
		texts.map((longName, i) => ({ ...plain(`n${i}`), ...(longName !== undefined && { longName }) }));

	test.each([
		['all distinct', ['a', 'bc', '', 'def']],
		['all the same', ['a', 'a', 'a']],
		['missing here and there', [undefined, 'a', undefined, 'b', 'a']],
		['missing everywhere', [undefined, undefined]],
		['all empty', ['', '', '']],
		['empty, and missing', ['', undefined, '']],
		['beyond ASCII', ['Ø', 'a', '東京', '', '\u{1f600}\u{1f525}', 'é', 'z']],
		['such as begin with a byte order mark', ['\ufeff', '\ufeffa', 'b', '\ufeff\ufeff']],
		['of the last characters of each length', ['\x7f', '\u0080\u07ff', '\u0800\uffff', '\u{10000}\u{10ffff}', '!']],
	])('may be %s', (_, texts) => {
		Chance.forEach(10, (chance) => expect(read(long(texts), chance)).toStrictEqual(long(texts)));
	});
});

describe('damaged columns are refused:', () => {
	const four = [plain('!00000001'), plain('!a1b2c3d4'), plain('x'), plain('y')].map((node, number) => ({
		number,
		node: { ...node, position: { latitude: 1, longitude: 2, time: number }, telemetry: { time: 4, voltage: 4.25 } },
	}));
	/** Numbers 0 to 3, radio ids of the first two. */
	const honest = {
		...protoColumns(four, new Chance(1)),
		numbers: column([0, 1, 1, 1]),
		fields: column([7, 0, -1, 0]),
		radioIds: Uint8Array.of(0, 0, 0, 1, 0xa1, 0xb2, 0xc3, 0xd4),
		ids: { count: 2, lengths: column([1, 0]), texts: Uint8Array.of(0x78, 0x79) },
	};
	const reading = (columns: object) => () => new Client().hears(inColumns(columns));
	const texts = (lengths: number[], bytes: number[], choices?: number[]) => ({
		count: lengths.length,
		lengths: column(stepwise(lengths)),
		texts: Uint8Array.from(bytes),
		...(choices && { choices: column(stepwise(choices)) }),
	});
	const metric = { metric: 2, values: { exact: [1, 2, 3, 4] } };

	test.each<[string, object, string]>([
		['more rows than numbers', { count: 5 }, 'cut short'],
		['more rows than could be', { count: 4_000_000_000 }, 'fewer numbers'],
		['rows without numbers', { numbers: undefined }, 'fewer numbers'],
		['fewer rows than numbers', { count: 1 }, 'more numbers'],
		['numbers that do not ascend', { numbers: column([0, 1, 0, 1]) }, 'ascend'],
		['fields of fewer rows', { fields: column([7]) }, 'cut short'],
		['radio ids of fewer rows', { radioIds: new Uint8Array(4) }, 'radio ids'],
		['radio ids of more rows', { radioIds: new Uint8Array(12) }, 'radio ids'],
		['a radio id cut short', { radioIds: new Uint8Array(7) }, 'radio ids'],
		['rows without ids', { ids: undefined }, 'without an id'],
		['a row without an id', { ids: texts([1], [0x78], [0, 1]) }, 'without an id'],
		['an empty id', { ids: texts([1, 0], [0x78]) }, 'without an id'],
		['more ids than rows that lack one', { ids: texts([1, 1, 0], [0x78, 0x79]) }, 'more texts'],
		['a short name of no radio id', { fields: column([7, 0, 7, -8]) }, 'no radio id'],
		['a long name of no radio id', { fields: column([7, 0, -1, 16]) }, 'no radio id'],
		['empty texts beyond number', { roles: { count: 4_000_000_000 } }, 'more texts'],
		['a text beyond the last', { roles: texts([1], [0x78], [0, 1, 2, 0]) }, 'not there'],
		['a text before the first', { roles: texts([1], [0x78], [0, -1, 0, 0]) }, 'not there'],
		['choices of fewer rows', { roles: texts([1], [0x78], [0, 100]) }, 'cut short'],
		['lengths of fewer texts', { roles: { ...texts([1], [0x78, 0x79]), count: 3 } }, 'cut short'],
		['a text shorter than nothing', { roles: texts([1, -1, 1], [0x78], [0, 0, 0, 0]) }, 'length'],
		['a text longer than the bytes', { roles: texts([3], [0x78, 0x79], [0, 0, 0, 0]) }, 'length'],
		['a text longer than any', { roles: texts([2 ** 52], [0x78], [0, 0, 0, 0]) }, 'length'],
		['bytes of no text', { roles: texts([1], [0x78, 0x79], [0, 0, 0, 0]) }, 'more than the texts'],
		['bytes without texts', { roles: { texts: Uint8Array.of(0x78) } }, 'more than the texts'],
		['texts that are not UTF-8', { roles: texts([2], [0xff, 0x78], [0, 0, 0, 0]) }, 'UTF-8'],
		['texts cut within a character', { roles: texts([1, 1], [0xc3, 0x98], [0, 0, 0, 0]) }, 'within a character'],
		['a status of fewer rows', { status: { online: column([1]) } }, 'cut short'],
		['positions of fewer rows', { positions: { latitudes: column([100]) } }, 'cut short'],
		['positions of more rows', { positions: { altitudes: column([100]) } }, 'more numbers'],
		[
			'speeds of fewer rows',
			{ positions: { fields: column([2, 0, 0, 0]), groundSpeeds: { exact: [1] } } },
			'as many values',
		],
		['readings of fewer rows', { telemetry: { metrics: [{ metric: 2, values: { exact: [1] } }] } }, 'as many values'],
		['times of fewer rows', { telemetry: { times: column([1000]) } }, 'cut short'],
		['a metric twice', { telemetry: { metrics: [metric, metric] } }, 'two columns'],
	])('%s', (_, change, words) => {
		expect(reading(honest)).not.toThrow();
		expect(reading({ ...honest, ...change })).toThrow(ProtoError);
		expect(reading({ ...honest, ...change })).toThrow(words);
	});

	test('whatever their bytes, they are refused or read', () => {
		Chance.forEach(1000, (chance) => {
			const bytes = frame(inColumns(protoColumns(anyRows(chance, 8), chance)));
			for (let k = chance.between(1, 4); k > 0; k--) {
				const i = chance.below(bytes.length);
				bytes[i] = chance.maybe() ? chance.below(256) : (bytes[i] as number) ^ (1 << chance.below(8));
			}
			refusedOrRead(bytes);
		});
	});

	test('any parts may be exchanged for any others', () => {
		const some = (chance: Chance) => chance.pick([undefined, anyColumn(chance)]);
		Chance.forEach(3000, (chance) => {
			const any = () => chance.pick([undefined, protoTexts(['a', undefined, chance.text()], chance), anyTexts(chance)]);
			refusedOrRead(
				frame(
					inColumns({
						count: chance.below(8),
						numbers: column([chance.below(3), 1, 1, 1]),
						fields: some(chance),
						radioIds: new Uint8Array(4 * chance.below(4)),
						ids: any(),
						networks: any(),
						roles: any(),
						status: { online: some(chance), lastHeard: some(chance) },
						positions: { fields: some(chance), altitudes: some(chance), groundSpeeds: { values: some(chance) } },
						telemetry: { metrics: [{ metric: chance.below(4), lacking: some(chance), values: { exact: [1] } }] },
					}),
				),
			);
		});
	});
});

function anyColumn(chance: Chance): object {
	const bytes = Uint8Array.from({ length: chance.below(6) }, () => chance.below(256));
	return { shift: chance.pick([0, 1, chance.below(70)]), bits: bytes };
}

function anyTexts(chance: Chance): object {
	const bytes = Uint8Array.from({ length: chance.below(6) }, () => chance.pick([0x61, 0xc3, 0x98, 0xf0]));
	return { count: chance.below(5), lengths: anyColumn(chance), texts: bytes, choices: anyColumn(chance) };
}

function refusedOrRead(bytes: Uint8Array): void {
	try {
		new Client().decoder.decode(bytes);
	} catch (error) {
		expect(error).toHaveProperty('name', 'ProtoError');
	}
}

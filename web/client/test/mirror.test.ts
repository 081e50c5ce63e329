import { describe, expect, test } from 'vitest';
import { Mirror } from '../src/mirror.js';
import type { MessageRecord, NodeRecord, ServerMessage } from '../src/protocol.gen.js';

type Snapshot = Extract<ServerMessage, { type: 'snapshot' }>;

function snapshot(fields: Partial<Snapshot> = {}): Snapshot {
	return {
		type: 'snapshot',
		epoch: 'e1',
		revision: 1,
		full: true,
		nodes: [],
		removed: [],
		messages: [],
		more: false,
		...fields,
	};
}

function node(id: string, fields: Partial<NodeRecord> = {}): NodeRecord {
	return { id, shortName: id.toUpperCase(), ...fields };
}

function said(id: string): MessageRecord {
	return { id, network: 'meshtastic', from: '!a', text: 'hello', time: 1 };
}

function holding(...nodes: NodeRecord[]): Mirror {
	const mirror = new Mirror();
	mirror.apply(snapshot({ nodes }));
	return mirror;
}

describe('a snapshot', () => {
	test('clears what was held when it is full', () => {
		const mirror = holding(node('a'), node('b'));
		const diff = mirror.apply(snapshot({ revision: 2, nodes: [node('b'), node('c')] }));
		expect([...mirror.nodes.keys()]).toEqual(['b', 'c']);
		expect(diff?.reset).toBe(true);
		expect(diff?.left).toEqual([node('a')]);
		expect(diff?.entered).toEqual([node('c')]);
		expect(diff?.updated).toEqual([]);
	});

	test('in parts clears only at the first part', () => {
		const mirror = holding(node('old'));
		mirror.apply(snapshot({ revision: 2, nodes: [node('a')], more: true }));
		mirror.apply(snapshot({ revision: 2, nodes: [node('b')], more: true }));
		mirror.apply(snapshot({ revision: 2, nodes: [node('c')] }));
		expect([...mirror.nodes.keys()]).toEqual(['a', 'b', 'c']);
	});

	test('that is not full adds what entered and removes what left', () => {
		const mirror = holding(node('a'), node('b'));
		const diff = mirror.apply(snapshot({ revision: 2, full: false, nodes: [node('c')], removed: ['a', 'unknown'] }));
		expect([...mirror.nodes.keys()]).toEqual(['b', 'c']);
		expect(diff?.left).toEqual([node('a')]);
		expect(diff?.reset).toBe(false);
	});

	test('replaces whole records', () => {
		const mirror = holding(node('a', { longName: 'Hill', hwModel: 'TBEAM' }));
		mirror.apply(snapshot({ revision: 2, full: false, nodes: [node('a', { longName: 'Vale' })] }));
		expect(mirror.nodes.get('a')).toEqual({ id: 'a', shortName: 'A', longName: 'Vale' });
	});

	test('of another epoch may start at a lower revision', () => {
		const mirror = new Mirror();
		mirror.apply(snapshot({ revision: 900 }));
		mirror.apply(snapshot({ epoch: 'e2', revision: 3 }));
		expect(mirror.cursor).toEqual({ epoch: 'e2', revision: 3 });
	});
});

describe('a record', () => {
	test('is replaced whole when the node enters', () => {
		const mirror = holding(node('a', { longName: 'Hill' }));
		mirror.apply({ type: 'node_enter', revision: 2, nodes: [{ id: 'a', hwModel: 'TBEAM' }] });
		expect(mirror.nodes.get('a')).toEqual({ id: 'a', hwModel: 'TBEAM' });
	});

	test('keeps the fields that an update does not mention', () => {
		const mirror = holding(node('a', { longName: 'Hill' }));
		const links = [{ id: 'b', time: 5 }];
		mirror.apply({ type: 'node_update', revision: 2, nodes: [{ id: 'a', role: 'ROUTER', links }] });
		expect(mirror.nodes.get('a')).toEqual({ id: 'a', shortName: 'A', longName: 'Hill', role: 'ROUTER', links });
	});

	test('loses the fields that an update sets to null', () => {
		const mirror = holding(node('a', { longName: 'Hill', position: { latitude: 1, longitude: 2, time: 3 } }));
		const cleared = { id: 'a', longName: null, position: null } as unknown as NodeRecord;
		mirror.apply({ type: 'node_update', revision: 2, nodes: [cleared] });
		expect(mirror.nodes.get('a')).toEqual({ id: 'a', shortName: 'A' });
	});

	test('has its position replaced, not merged', () => {
		const mirror = holding(node('a', { position: { latitude: 1, longitude: 2, altitude: 9, time: 3 } }));
		mirror.apply({
			type: 'position_update',
			revision: 2,
			positions: [{ id: 'a', latitude: 4, longitude: 5, time: 6 }],
		});
		expect(mirror.nodes.get('a')?.position).toEqual({ latitude: 4, longitude: 5, time: 6 });
	});

	test('has its telemetry merged metric by metric, and null clears one', () => {
		const mirror = holding(node('a', { telemetry: { time: 1, batteryLevel: 50, voltage: 3.9 } }));
		mirror.apply({ type: 'telemetry_update', revision: 2, telemetry: [{ id: 'a', time: 2, batteryLevel: 51 }] });
		expect(mirror.nodes.get('a')?.telemetry).toEqual({ time: 2, batteryLevel: 51, voltage: 3.9 });
		const cleared = { id: 'a', time: 3, voltage: null } as unknown as { id: string; time: number };
		mirror.apply({ type: 'telemetry_update', revision: 3, telemetry: [cleared] });
		expect(mirror.nodes.get('a')?.telemetry).toEqual({ time: 3, batteryLevel: 51 });
	});

	test('gets its first telemetry', () => {
		const mirror = holding(node('a'));
		mirror.apply({ type: 'telemetry_update', revision: 2, telemetry: [{ id: 'a', time: 2, temperature: 4 }] });
		expect(mirror.nodes.get('a')?.telemetry).toEqual({ time: 2, temperature: 4 });
	});

	test('takes status without losing the rest', () => {
		const mirror = holding(node('a', { longName: 'Hill', online: true }));
		mirror.apply({ type: 'node_status', revision: 2, nodes: [{ id: 'a', online: false, lastHeard: 7 }] });
		expect(mirror.nodes.get('a')).toEqual({ id: 'a', shortName: 'A', longName: 'Hill', online: false, lastHeard: 7 });
	});

	test('of a node that is not held is not invented by an update', () => {
		const mirror = holding();
		mirror.apply({
			type: 'position_update',
			revision: 2,
			positions: [{ id: 'a', latitude: 4, longitude: 5, time: 6 }],
		});
		mirror.apply({ type: 'node_status', revision: 2, nodes: [{ id: 'a', online: true }] });
		mirror.apply({ type: 'telemetry_update', revision: 2, telemetry: [{ id: 'a', time: 2 }] });
		expect(mirror.nodes.size).toBe(0);
	});

	test('is a new object after each change, so that an older one can be compared with it', () => {
		const mirror = holding(node('a'));
		const before = mirror.nodes.get('a');
		mirror.apply({ type: 'node_update', revision: 2, nodes: [{ id: 'a', longName: 'Hill' }] });
		expect(mirror.nodes.get('a')).not.toBe(before);
		expect(before?.longName).toBeUndefined();
	});
});

test('leaving twice does no harm', () => {
	const mirror = holding(node('a'), node('b'));
	expect(mirror.apply({ type: 'node_leave', revision: 2, ids: ['a'] })?.left).toEqual([node('a')]);
	expect(mirror.apply({ type: 'node_leave', revision: 3, ids: ['a'] })?.left).toEqual([]);
	expect([...mirror.nodes.keys()]).toEqual(['b']);
});

describe('the cursor', () => {
	test('is missing before the first snapshot and between the parts of one', () => {
		const mirror = new Mirror();
		expect(mirror.cursor).toBeNull();
		mirror.apply(snapshot({ revision: 5, more: true }));
		expect(mirror.cursor).toBeNull();
		mirror.apply(snapshot({ revision: 5 }));
		expect(mirror.cursor).toEqual({ epoch: 'e1', revision: 5 });
	});

	test('stays behind a tick until its last frame has arrived', () => {
		const mirror = holding(node('a'));
		mirror.apply({ type: 'node_leave', revision: 6, ids: [], more: true });
		mirror.apply({ type: 'node_enter', revision: 6, nodes: [], more: true });
		expect(mirror.cursor?.revision).toBe(1);
		mirror.apply({ type: 'position_update', revision: 6, positions: [] });
		expect(mirror.cursor?.revision).toBe(6);
	});

	test('is void after it was forgotten, and what is held stays until the next full snapshot', () => {
		const mirror = holding(node('a'));
		mirror.apply(snapshot({ revision: 2, nodes: [node('b')], more: true }));
		mirror.forgetCursor();
		expect(mirror.cursor).toBeNull();
		expect([...mirror.nodes.keys()]).toEqual(['a']);
		mirror.apply(snapshot({ revision: 3, nodes: [node('c')] }));
		expect([...mirror.nodes.keys()]).toEqual(['c']);
	});
});

describe('what is held is complete at any time:', () => {
	const parked = { latitude: 1, longitude: 2, time: 3 };

	test('a tick takes effect with its last frame, and is told as one change', () => {
		const mirror = holding(node('a'), node('b'));
		expect(mirror.apply({ type: 'node_leave', revision: 2, ids: ['a'], more: true })).toBeNull();
		expect(mirror.apply({ type: 'node_enter', revision: 2, nodes: [node('c')], more: true })).toBeNull();
		expect([...mirror.nodes.keys()]).toEqual(['a', 'b']);
		const change = mirror.apply({ type: 'position_update', revision: 2, positions: [{ id: 'b', ...parked }] });
		expect(change).toEqual({
			revision: 2,
			reset: false,
			entered: [node('c')],
			updated: [{ node: node('b', { position: parked }), before: node('b'), changed: ['position'] }],
			left: [node('a')],
			cells: [],
			messages: [],
		});
	});

	test('a tick that is cut off leaves nothing behind', () => {
		const mirror = holding(node('a'));
		mirror.apply({ type: 'message', revision: 2, messages: [said('1')], more: true });
		mirror.apply({ type: 'node_leave', revision: 2, ids: ['a'], more: true });
		mirror.discardDraft();
		const change = mirror.apply(snapshot({ revision: 3, full: false, nodes: [node('b')], messages: [said('1')] }));
		expect(change).toMatchObject({ entered: [node('b')], left: [], messages: [said('1')] });
		expect([...mirror.nodes.keys()]).toEqual(['a', 'b']);
	});

	test('later frames of a tick see what earlier ones brought', () => {
		const mirror = holding();
		mirror.apply({ type: 'node_enter', revision: 2, nodes: [node('a')], more: true });
		expect(mirror.latest('a')).toEqual(node('a'));
		mirror.apply({ type: 'position_update', revision: 2, positions: [{ id: 'a', ...parked }] });
		expect(mirror.nodes.get('a')).toEqual(node('a', { position: parked }));
	});

	test('nothing held before shows through a full snapshot under way', () => {
		const mirror = holding(node('a'));
		mirror.apply(snapshot({ revision: 2, more: true }));
		expect(mirror.latest('a')).toBeUndefined();
		expect([...mirror.nodes.keys()]).toEqual(['a']);
	});
});

describe('an update', () => {
	test('names the parts that differ', () => {
		const links = [{ id: 'b', time: 5 }];
		const before = node('a', { links, position: { latitude: 1, longitude: 2, time: 3 }, telemetry: { time: 1 } });
		const mirror = holding(before);
		const changed = (message: ServerMessage) => mirror.apply(message)?.updated[0]?.changed;
		expect(changed({ type: 'node_update', revision: 2, nodes: [{ id: 'a', longName: 'Hill' }] })).toEqual(['node']);
		expect(changed({ type: 'node_update', revision: 3, nodes: [{ id: 'a', links: [] }] })).toEqual(['node']);
		expect(changed({ type: 'node_status', revision: 4, nodes: [{ id: 'a', online: true }] })).toEqual(['status']);
		expect(changed({ type: 'telemetry_update', revision: 5, telemetry: [{ id: 'a', time: 2 }] })).toEqual([
			'telemetry',
		]);
	});

	test('that says what is held already is none', () => {
		const mirror = holding(node('a', { longName: 'Hill', telemetry: { time: 1, voltage: 3 } }));
		const held = mirror.nodes.get('a');
		const change = mirror.apply(snapshot({ revision: 2, nodes: [structuredClone(held as NodeRecord)] }));
		expect(change?.updated).toEqual([]);
		expect(mirror.nodes.get('a')).toBe(held);
	});

	test('keeps the parts that it does not mention as they are, so that they can be told apart cheaply', () => {
		const mirror = holding(node('a', { position: { latitude: 1, longitude: 2, time: 3 } }));
		const change = mirror.apply({ type: 'node_status', revision: 2, nodes: [{ id: 'a', online: true }] });
		const { before, node: after } = change?.updated[0] ?? {};
		expect(after?.position).toBe(before?.position);
	});
});

describe('cells', () => {
	const cell = (name: string, total: number, online = 0) => ({ cell: name, total, online });

	test('are put in, counted anew and dropped with a total of 0', () => {
		const mirror = new Mirror();
		mirror.apply(snapshot({ cells: [cell('3/1/2', 5), cell('3/1/3', 1)] }));
		const cells = [cell('3/1/2', 6, 2), cell('3/1/3', 0), cell('3/9/9', 0)];
		const change = mirror.apply({ type: 'cell_update', revision: 2, cells });
		expect([...mirror.cells.values()]).toEqual([cell('3/1/2', 6, 2)]);
		expect(change?.cells).toEqual([cell('3/1/2', 6, 2), cell('3/1/3', 0)]);
	});

	test('are cleared by a full snapshot, and only those that differ are told', () => {
		const mirror = new Mirror();
		mirror.apply(snapshot({ cells: [cell('3/1/2', 5), cell('3/1/3', 1)] }));
		const change = mirror.apply(snapshot({ revision: 2, nodes: [node('a')] }));
		expect(mirror.cells.size).toBe(0);
		expect(change?.cells).toEqual([cell('3/1/2', 0), cell('3/1/3', 0)]);
		mirror.apply(snapshot({ revision: 3, cells: [cell('3/1/2', 5)] }));
		expect(mirror.apply(snapshot({ revision: 4, cells: [cell('3/1/2', 5)] }))?.cells).toEqual([]);
	});

	test('take effect with their tick', () => {
		const mirror = new Mirror();
		mirror.apply(snapshot({ cells: [] }));
		mirror.apply({ type: 'cell_update', revision: 2, cells: [cell('3/1/2', 1)], more: true });
		expect(mirror.cells.size).toBe(0);
		mirror.apply({ type: 'node_leave', revision: 2, ids: [] });
		expect(mirror.cells.size).toBe(1);
	});
});

test('a text message is told once, however often it arrives', () => {
	const mirror = new Mirror();
	expect(mirror.apply(snapshot({ messages: [said('1')] }))?.messages).toEqual([said('1')]);
	expect(mirror.apply({ type: 'message', revision: 2, messages: [said('1')] })?.messages).toEqual([]);
	const sameIdOtherSender = { ...said('1'), from: '!b' };
	expect(mirror.apply({ type: 'message', revision: 3, messages: [sameIdOtherSender] })?.messages).toHaveLength(1);
});

test('a message of an unknown type changes nothing', () => {
	const mirror = holding(node('a'));
	expect(mirror.apply({ type: 'of_tomorrow', revision: 99 } as unknown as ServerMessage)).toBeNull();
	expect(mirror.cursor?.revision).toBe(1);
});

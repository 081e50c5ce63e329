import { describe, expect, test } from 'vitest';
import { Mirror } from '../src/client';
import type { NodeRecord, ServerMessage } from '../src/protocol.gen';

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
		expect(diff.reset).toBe(true);
		expect([...diff.left]).toEqual(['a']);
		expect([...diff.changed]).toEqual(['b', 'c']);
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
		expect([...diff.left]).toEqual(['a']);
		expect(diff.reset).toBe(false);
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
	expect([...mirror.apply({ type: 'node_leave', revision: 2, ids: ['a'] }).left]).toEqual(['a']);
	expect([...mirror.apply({ type: 'node_leave', revision: 3, ids: ['a'] }).left]).toEqual([]);
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
		expect(mirror.revision).toBe(6);
		expect(mirror.cursor?.revision).toBe(1);
		mirror.apply({ type: 'position_update', revision: 6, positions: [] });
		expect(mirror.cursor?.revision).toBe(6);
	});

	test('is void after it was forgotten, and a full snapshot in parts still clears', () => {
		const mirror = holding(node('a'));
		mirror.apply(snapshot({ revision: 2, nodes: [node('b')], more: true }));
		mirror.forgetCursor();
		expect(mirror.cursor).toBeNull();
		mirror.apply(snapshot({ revision: 3, nodes: [node('c')] }));
		expect([...mirror.nodes.keys()]).toEqual(['c']);
	});
});

test('a text message is told once, however often it arrives', () => {
	const mirror = new Mirror();
	const message = { id: '1', network: 'meshtastic', from: '!a', text: 'hello', time: 1 };
	expect(mirror.apply(snapshot({ messages: [message] })).messages).toEqual([message]);
	expect(mirror.apply({ type: 'message', revision: 2, messages: [message] }).messages).toEqual([]);
	const sameIdOtherSender = { ...message, from: '!b' };
	expect(mirror.apply({ type: 'message', revision: 3, messages: [sameIdOtherSender] }).messages).toHaveLength(1);
});

test('a message of an unknown type changes nothing', () => {
	const mirror = holding(node('a'));
	const diff = mirror.apply({ type: 'of_tomorrow', revision: 99 } as unknown as ServerMessage);
	expect(diff.changed.size + diff.left.size).toBe(0);
	expect(mirror.revision).toBe(1);
});

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { pauseBefore } from '../src/backoff.js';
import { Connection, type ConnectionState, type LiveError } from '../src/connection.js';
import type { Filter } from '../src/protocol.gen.js';
import { FakeEventSource, FakeSocket } from './fakes.js';

const lisbon: Filter = { bounds: { north: 39, south: 38, east: -9, west: -10 } };
const porto: Filter = { bounds: { north: 42, south: 41, east: -8, west: -9 } };

let sockets: FakeSocket[];
let streams: FakeEventSource[];
let states: ConnectionState[];
let errors: LiveError[];
let connection: Connection;

function latest(): FakeSocket {
	const socket = sockets.at(-1);
	if (!socket) throw new Error('no socket was opened');
	return socket;
}

function latestStream(): FakeEventSource {
	const stream = streams.at(-1);
	if (!stream) throw new Error('no event stream was opened');
	return stream;
}

function connect(options: { transport?: 'auto' | 'sse' | 'websocket'; encoding?: 'json' | 'proto' } = {}): void {
	vi.clearAllTimers();
	sockets = [];
	streams = [];
	states = [];
	errors = [];
	connection = new Connection({
		socketUrl: 'ws://test/api/ws',
		eventsUrl: 'http://test/api/events',
		encoding: options.encoding ?? 'json',
		transport: options.transport ?? 'websocket',
		Socket: class extends FakeSocket {
			constructor(url: string, protocols: string[]) {
				super(url, protocols);
				sockets.push(this);
			}
		},
		EventSource: class extends FakeEventSource {
			constructor(url: string) {
				super(url);
				streams.push(this);
			}
		},
		random: () => 1,
		onState: (state) => states.push(state),
		onChange: () => {},
		onError: (error) => errors.push(error),
	});
	connection.subscribe(lisbon);
	connection.connect();
}

beforeEach(() => {
	vi.useFakeTimers();
	connect();
});

afterEach(() => {
	vi.useRealTimers();
});

function goLive(): void {
	latest().hello();
	latest().snapshot();
}

describe('subscribing', () => {
	test('waits for the hello and is live after the last part of the snapshot', () => {
		expect(latest().sent).toEqual([]);
		latest().hello();
		expect(latest().subscribes).toEqual([{ type: 'subscribe', filter: lisbon }]);
		latest().snapshot({ more: true });
		expect(connection.state.kind).toBe('connecting');
		latest().snapshot();
		expect(connection.state.kind).toBe('live');
		expect(connection.held).toEqual(lisbon);
	});

	test('sends a changed filter without a resume', () => {
		goLive();
		connection.subscribe(porto);
		expect(latest().subscribes.at(-1)).toEqual({ type: 'subscribe', filter: porto });
		expect(connection.held).toEqual(lisbon);
		latest().snapshot({ full: false });
		expect(connection.held).toEqual(porto);
	});

	test('does not repeat the filter that is held', () => {
		goLive();
		connection.subscribe({ ...lisbon });
		expect(latest().subscribes).toHaveLength(1);
	});

	test('of several changes in a row sends only the last, after the answer to the one on its way', () => {
		goLive();
		connection.subscribe(porto);
		connection.subscribe({ nodeIds: ['!a'] });
		connection.subscribe({ nodeIds: ['!b'] });
		expect(latest().subscribes).toHaveLength(2);
		latest().snapshot({ full: false });
		expect(latest().subscribes.map((message) => message.filter)).toEqual([lisbon, porto, { nodeIds: ['!b'] }]);
	});

	test('does not send a refused filter again, but sends a newer one', () => {
		goLive();
		connection.subscribe(porto);
		latest().says({ type: 'error', code: 'invalid_bounds', message: 'no' });
		expect(latest().subscribes).toHaveLength(2);
		expect(connection.held).toEqual(lisbon);
		connection.subscribe({ nodeIds: ['!a'] });
		expect(latest().subscribes.at(-1)?.filter).toEqual({ nodeIds: ['!a'] });
	});
});

describe('after a lost connection', () => {
	function lose(code = 1006): void {
		latest().breaks(code);
	}

	test('pauses grow, up to half a minute, and start small again after success', () => {
		const pauses: number[] = [];
		for (let i = 0; i < 7; i++) {
			lose();
			const state = connection.state;
			if (state.kind !== 'waiting') throw new Error(`expected to wait, but is ${state.kind}`);
			pauses.push(state.retryAt - Date.now());
			vi.advanceTimersByTime(state.retryAt - Date.now());
		}
		expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
		goLive();
		lose();
		expect(connection.state).toMatchObject({ kind: 'waiting', retryAt: Date.now() + 1000 });
	});

	test('half of a pause is left to chance', () => {
		expect(pauseBefore(2, () => 0)).toBe(2000);
		expect(pauseBefore(2, () => 1)).toBe(4000);
	});

	test('resumes with epoch, revision and the filter that the held records belong to', () => {
		goLive();
		connection.subscribe(porto);
		lose();
		vi.advanceTimersByTime(1000);
		latest().hello();
		expect(latest().subscribes).toEqual([{ type: 'subscribe', filter: lisbon, resume: { epoch: 'e1', revision: 9 } }]);
		latest().snapshot({ full: false, revision: 12 });
		expect(latest().subscribes.at(-1)).toEqual({ type: 'subscribe', filter: porto });
	});

	test('starts again when the epoch has changed', () => {
		goLive();
		lose();
		vi.advanceTimersByTime(1000);
		latest().hello('e2');
		expect(latest().subscribes).toEqual([{ type: 'subscribe', filter: lisbon }]);
	});

	test('resumes from before when a snapshot was cut off between its parts', () => {
		goLive();
		connection.subscribe(porto);
		latest().snapshot({ full: false, revision: 11, nodes: [{ id: '!a' }], more: true });
		lose();
		vi.advanceTimersByTime(1000);
		latest().hello();
		expect(latest().subscribes).toEqual([{ type: 'subscribe', filter: lisbon, resume: { epoch: 'e1', revision: 9 } }]);
		latest().snapshot({ full: false, revision: 12 });
		expect(connection.mirror.nodes.size).toBe(0);
	});

	test('starts again when the first snapshot was cut off between its parts', () => {
		latest().hello();
		latest().snapshot({ more: true });
		lose();
		vi.advanceTimersByTime(1000);
		latest().hello();
		expect(latest().subscribes).toEqual([{ type: 'subscribe', filter: lisbon }]);
	});

	test('starts again when the resume is refused', () => {
		goLive();
		lose();
		vi.advanceTimersByTime(1000);
		latest().hello();
		latest().says({ type: 'error', code: 'invalid_message', message: 'no' });
		expect(latest().subscribes.at(-1)).toEqual({ type: 'subscribe', filter: lisbon });
	});

	test('can be tried at once', () => {
		goLive();
		lose();
		connection.connect();
		goLive();
		vi.advanceTimersByTime(10_000);
		expect(sockets).toHaveLength(2);
		expect(connection.state.kind).toBe('live');
	});

	test('comes back after 4000-4499 and 1001, and stays away after 4500-4999', () => {
		lose(1001);
		expect(connection.state.kind).toBe('waiting');
		vi.advanceTimersByTime(1000);
		lose(4429);
		expect(connection.state.kind).toBe('waiting');
		vi.advanceTimersByTime(2000);
		lose(4500);
		expect(connection.state.kind).toBe('refused');
		vi.advanceTimersByTime(600_000);
		expect(sockets).toHaveLength(3);
	});

	test('an event of an old socket is not heard', () => {
		goLive();
		const old = latest();
		lose();
		vi.advanceTimersByTime(1000);
		goLive();
		old.breaks();
		old.snapshot({ nodes: [{ id: '!ghost' }] });
		expect(connection.state.kind).toBe('live');
		expect(connection.mirror.nodes.size).toBe(0);
	});
});

describe('a sign of life', () => {
	test('is given every heartbeat', () => {
		goLive();
		vi.advanceTimersByTime(30_000);
		latest().says({ type: 'pong', id: 1, time: 0 });
		vi.advanceTimersByTime(30_000);
		expect(latest().sent.filter((message) => message.type === 'ping')).toHaveLength(2);
	});

	test('missing for the timeout ends the connection', () => {
		goLive();
		const silent = latest();
		vi.advanceTimersByTime(59_999);
		expect(connection.state.kind).toBe('live');
		vi.advanceTimersByTime(1);
		expect(silent.closedWith).toBe(4408);
		expect(connection.state.kind).toBe('waiting');
	});

	test('missing before the hello ends the attempt', () => {
		vi.advanceTimersByTime(15_000);
		expect(connection.state.kind).toBe('waiting');
	});
});

describe('what cannot be read', () => {
	test.each([
		['no JSON', '{'],
		['a message without its fields', '{"type":"node_enter","revision":10}'],
		['a broken binary frame', new Uint8Array([0x1a, 0x05]).buffer],
	])('ends the connection, and the next one starts again: %s', (_, data) => {
		goLive();
		latest().onmessage?.({ data });
		expect(latest().closedWith).toBe(4400);
		expect(errors).toMatchObject([{ code: 'unreadable' }]);
		expect(connection.state.kind).toBe('waiting');
		vi.advanceTimersByTime(1000);
		latest().hello();
		expect(latest().subscribes).toEqual([{ type: 'subscribe', filter: lisbon }]);
	});

	test('is waited for longer each time, even when the server says much in between that can be read', () => {
		const pauses: number[] = [];
		for (let i = 0; i < 3; i++) {
			goLive();
			latest().onmessage?.({ data: '{' });
			if (connection.state.kind === 'waiting') pauses.push(connection.state.retryAt - Date.now());
			vi.advanceTimersByTime(30_000);
		}
		expect(pauses).toEqual([1000, 2000, 4000]);
	});
});

describe('rate_limited', () => {
	const limited = { type: 'error', code: 'rate_limited', message: 'slowly', retryAfterMs: 700 } as const;

	test('lets the newest filter be asked for after the pause that the server names', () => {
		goLive();
		connection.subscribe(porto);
		latest().says(limited);
		connection.subscribe({ nodeIds: ['!a'] });
		connection.subscribe({ nodeIds: ['!b'] });
		vi.advanceTimersByTime(699);
		expect(latest().subscribes).toHaveLength(2);
		vi.advanceTimersByTime(1);
		expect(latest().subscribes.slice(2)).toEqual([{ type: 'subscribe', filter: { nodeIds: ['!b'] } }]);
		latest().snapshot({ full: false });
		expect(connection.held).toEqual({ nodeIds: ['!b'] });
		expect(errors).toEqual([{ code: 'rate_limited', message: 'slowly', retryAfterMs: 700 }]);
	});

	test('keeps the filter of a resume', () => {
		goLive();
		latest().breaks();
		connection.subscribe(porto);
		vi.advanceTimersByTime(1000);
		latest().hello();
		latest().says(limited);
		vi.advanceTimersByTime(700);
		const resume = { type: 'subscribe', filter: lisbon, resume: { epoch: 'e1', revision: 9 } };
		expect(latest().subscribes).toEqual([resume, resume]);
	});

	test('in answer to a ping changes nothing', () => {
		goLive();
		latest().says(limited);
		vi.advanceTimersByTime(10_000);
		expect(latest().subscribes).toHaveLength(1);
	});
});

describe('the encoding', () => {
	test('is JSON without a word about protocols when asked for', () => {
		expect(latest().offered).toEqual([]);
	});

	test('is binary when the server agrees, and JSON when it does not', () => {
		connect({ encoding: 'proto' });
		expect(latest().offered).toEqual(['geocast.v1.proto', 'geocast.v1.json']);
		expect(latest().binaryType).toBe('arraybuffer');
		latest().protocol = 'geocast.v1.proto';
		goLive();
		expect(latest().frames[0]).toBeInstanceOf(Uint8Array);
		latest().breaks();
		vi.advanceTimersByTime(1000);
		goLive();
		expect(latest().subscribes).toHaveLength(1);
	});
});

describe('an event stream', () => {
	beforeEach(() => connect({ transport: 'sse' }));

	function streamLive(): void {
		latestStream().hello();
		latestStream().snapshot();
	}

	test('is opened with the filter in its address', () => {
		expect(latestStream().url).toBe('http://test/api/events?bbox=-10%2C38%2C-9%2C39');
		streamLive();
		expect(connection.state.kind).toBe('live');
		expect(connection.held).toEqual(lisbon);
		expect(connection.transport).toBe('sse');
	});

	test('can say every part of a filter', () => {
		streamLive();
		const bounds = [
			{ north: 1, south: 2, east: 3, west: 4 },
			{ north: 5, south: 6, east: 7, west: 8 },
		];
		const messageTypes = ['node' as const, 'status' as const];
		connection.subscribe({ bounds, nodeIds: ['!a', '!b'], alsoIds: ['!c'], messageTypes, cells: { zoom: 0 } });
		expect(latestStream().query).toEqual({
			bbox: ['4,2,3,1', '8,6,7,5'],
			types: ['node,status'],
			ids: ['!a,!b'],
			also: ['!c'],
			cells: ['0'],
		});
	});

	test('is opened anew for another filter, one at a time, while what is held stays', () => {
		latestStream().hello();
		latestStream().snapshot({ nodes: [{ id: '!a' }] });
		connection.subscribe(porto);
		connection.subscribe({ nodeIds: ['!a'] });
		connection.subscribe({ nodeIds: ['!b'] });
		expect(streams.map((stream) => stream.closed)).toEqual([true, false]);
		expect(latestStream().query).toEqual({ bbox: ['-9,41,-8,42'] });
		expect(connection.state.kind).toBe('live');
		expect([...connection.mirror.nodes.keys()]).toEqual(['!a']);
		streamLive();
		expect(connection.mirror.nodes.size).toBe(0);
		expect(latestStream().query).toEqual({ ids: ['!b'] });
		streamLive();
		expect(connection.held).toEqual({ nodeIds: ['!b'] });
		expect(streams).toHaveLength(3);
	});

	test('that breaks is resumed after a pause, from the last complete tick', () => {
		streamLive();
		latestStream().says({ type: 'node_leave', revision: 12, ids: [] });
		latestStream().says({ type: 'node_leave', revision: 13, ids: [], more: true });
		latestStream().breaks();
		expect(connection.state.kind).toBe('waiting');
		vi.advanceTimersByTime(1000);
		expect(latestStream().query).toEqual({ bbox: ['-10,38,-9,39'], lastEventId: ['e1:12'] });
	});

	test('is not resumed with another filter than the one that was held', () => {
		streamLive();
		latestStream().breaks();
		connection.subscribe(porto);
		vi.advanceTimersByTime(1000);
		expect(latestStream().query).toEqual({ bbox: ['-9,41,-8,42'] });
	});

	test('may be quiet for long, once its snapshot has come', () => {
		latestStream().hello();
		vi.advanceTimersByTime(60_000);
		expect(connection.state.kind).toBe('waiting');
		vi.advanceTimersByTime(1000);
		streamLive();
		vi.advanceTimersByTime(3_600_000);
		expect(connection.state.kind).toBe('live');
	});
});

describe('without a choice of transport', () => {
	beforeEach(() => connect({ transport: 'auto' }));

	function failSocket(): void {
		latest().breaks();
		vi.runOnlyPendingTimers();
	}

	test('an event stream is tried after two WebSockets that never said hello, then each in turn', () => {
		failSocket();
		expect([sockets.length, streams.length]).toEqual([2, 0]);
		failSocket();
		expect([sockets.length, streams.length]).toEqual([2, 1]);
		latestStream().breaks();
		vi.runOnlyPendingTimers();
		expect([sockets.length, streams.length]).toEqual([3, 1]);
		failSocket();
		expect([sockets.length, streams.length]).toEqual([3, 2]);
	});

	test('an event stream that works is stayed with, and after a loss a WebSocket gets another chance', () => {
		failSocket();
		failSocket();
		latestStream().hello();
		latestStream().snapshot();
		expect(connection.state.kind).toBe('live');
		latestStream().breaks();
		vi.advanceTimersByTime(1000);
		expect([sockets.length, streams.length]).toEqual([3, 1]);
		failSocket();
		expect(latestStream().query.lastEventId).toEqual(['e1:9']);
	});

	test('nothing else is tried once a WebSocket has said hello', () => {
		goLive();
		for (let i = 0; i < 6; i++) failSocket();
		expect([sockets.length, streams.length]).toEqual([7, 0]);
	});
});

test('closing is for good', () => {
	goLive();
	connection.close();
	vi.advanceTimersByTime(600_000);
	expect(connection.state.kind).toBe('closed');
	expect(sockets).toHaveLength(1);
});

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ConnectionState, LiveConnection, type SocketLike } from '../src/client';
import { pauseBefore } from '../src/client/backoff';
import type { Filter, ServerMessage } from '../src/protocol.gen';

class FakeSocket implements SocketLike {
	onmessage: ((event: { data: unknown }) => void) | null = null;
	onclose: ((event: { code: number; reason: string }) => void) | null = null;
	readonly sent: Record<string, unknown>[] = [];
	closedWith: number | undefined;

	send(text: string): void {
		this.sent.push(JSON.parse(text));
	}
	close(code?: number): void {
		this.closedWith = code;
	}
	says(message: ServerMessage): void {
		this.onmessage?.({ data: JSON.stringify(message) });
	}
	hello(epoch = 'e1'): void {
		this.says({
			type: 'hello',
			protocol: 1,
			server: 'test',
			epoch,
			revision: 9,
			tickMs: 100,
			heartbeatMs: 30_000,
			timeoutMs: 60_000,
		});
	}
	snapshot(fields: Partial<Extract<ServerMessage, { type: 'snapshot' }>> = {}): void {
		this.says({
			type: 'snapshot',
			epoch: 'e1',
			revision: 9,
			full: true,
			nodes: [],
			removed: [],
			messages: [],
			more: false,
			...fields,
		});
	}
	get subscribes(): Record<string, unknown>[] {
		return this.sent.filter((message) => message.type === 'subscribe');
	}
}

const lisbon: Filter = { bounds: { north: 39, south: 38, east: -9, west: -10 } };
const porto: Filter = { bounds: { north: 42, south: 41, east: -8, west: -9 } };

let sockets: FakeSocket[];
let states: ConnectionState[];
let connection: LiveConnection;

function latest(): FakeSocket {
	const socket = sockets.at(-1);
	if (!socket) throw new Error('no socket was opened');
	return socket;
}

beforeEach(() => {
	vi.useFakeTimers();
	sockets = [];
	states = [];
	connection = new LiveConnection({
		url: 'ws://test/api/ws',
		onState: (state) => states.push(state),
		onDiff: () => {},
		random: () => 1,
		open: () => {
			const socket = new FakeSocket();
			sockets.push(socket);
			return socket;
		},
	});
	connection.subscribe(lisbon);
	connection.connect();
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
		expect(connection.heldFilter).toEqual(lisbon);
	});

	test('sends a changed filter without a resume', () => {
		goLive();
		connection.subscribe(porto);
		expect(latest().subscribes.at(-1)).toEqual({ type: 'subscribe', filter: porto });
		expect(connection.heldFilter).toEqual(lisbon);
		latest().snapshot({ full: false });
		expect(connection.heldFilter).toEqual(porto);
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
		expect(connection.heldFilter).toEqual(lisbon);
		connection.subscribe({ nodeIds: ['!a'] });
		expect(latest().subscribes.at(-1)?.filter).toEqual({ nodeIds: ['!a'] });
	});
});

describe('after a lost connection', () => {
	function lose(code = 1006): void {
		latest().onclose?.({ code, reason: '' });
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

	test('starts again when a snapshot was cut off between its parts', () => {
		goLive();
		connection.subscribe(porto);
		latest().snapshot({ full: false, more: true });
		lose();
		vi.advanceTimersByTime(1000);
		latest().hello();
		expect(latest().subscribes).toEqual([{ type: 'subscribe', filter: porto }]);
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
		old.onclose?.({ code: 1006, reason: '' });
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

test('a frame that is no JSON is passed over', () => {
	goLive();
	latest().onmessage?.({ data: '{' });
	latest().onmessage?.({ data: new ArrayBuffer(2) });
	expect(connection.state.kind).toBe('live');
});

test('closing is for good', () => {
	goLive();
	connection.close();
	vi.advanceTimersByTime(600_000);
	expect(connection.state.kind).toBe('closed');
	expect(sockets).toHaveLength(1);
});

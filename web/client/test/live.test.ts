import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Change, LiveMap, type LiveMapEvents, type LiveMapOptions } from '../src/index.js';
import { FakeEventSource, FakeSocket } from './fakes.js';

let socket: FakeSocket;
let live: LiveMap;

function open(options: LiveMapOptions = {}): void {
	live = new LiveMap({
		url: 'https://map.test',
		encoding: 'json',
		WebSocket: class extends FakeSocket {
			constructor(url: string, protocols: string[]) {
				super(url, protocols);
				socket = this;
			}
		},
		EventSource: FakeEventSource,
		...options,
	});
}

function goLive(): void {
	live.connect();
	socket.hello();
	socket.snapshot({ nodes: [{ id: '!a' }, { id: '!b' }] });
}

beforeEach(() => {
	vi.useFakeTimers();
	open();
});

afterEach(() => {
	live.close();
	vi.useRealTimers();
	vi.unstubAllGlobals();
});

describe('listeners', () => {
	const names = ['leave', 'enter', 'update', 'cells', 'message', 'change'] as const;
	const message = { id: '1', network: 'meshtastic', from: '!a', text: 'hi', time: 1 };

	test('hear of a tick when all of it has come and taken effect', () => {
		goLive();
		const heard: unknown[] = [];
		for (const name of names) {
			live.on(name, (...values: LiveMapEvents[typeof name]) => heard.push([name, [...live.nodes.keys()], values]));
		}
		const cells = [{ cell: '0/0/0', total: 1, online: 1 }];
		socket.says({ type: 'message', revision: 10, messages: [message], more: true });
		socket.says({ type: 'node_status', revision: 10, nodes: [{ id: '!b', online: true }], more: true });
		socket.says({ type: 'node_leave', revision: 10, ids: ['!a'], more: true });
		socket.says({ type: 'cell_update', revision: 10, cells, more: true });
		expect(heard).toEqual([]);
		socket.says({ type: 'node_enter', revision: 10, nodes: [{ id: '!c' }] });
		const update = { node: { id: '!b', online: true }, before: { id: '!b' }, changed: ['status'] };
		const change: Change = {
			revision: 10,
			reset: false,
			entered: [{ id: '!c' }],
			updated: [update as Change['updated'][number]],
			left: [{ id: '!a' }],
			cells,
			messages: [message],
		};
		const now = ['!b', '!c'];
		expect(heard).toEqual([
			['leave', now, [{ id: '!a' }]],
			['enter', now, [{ id: '!c' }]],
			['update', now, [update]],
			['cells', now, [cells]],
			['message', now, [message, true]],
			['change', now, [change]],
		]);
		expect(live.revision).toBe(10);
	});

	test('are told which messages are old', () => {
		const heard: boolean[] = [];
		live.on('message', (_, fresh) => heard.push(fresh));
		live.connect();
		socket.hello();
		socket.snapshot({ messages: [message] });
		socket.says({ type: 'message', revision: 10, messages: [{ ...message, id: '2' }] });
		expect(heard).toEqual([false, true]);
	});

	test('are left in peace by a tick that changes nothing that is held', () => {
		goLive();
		const heard = vi.fn();
		live.on('change', heard);
		socket.says({ type: 'node_leave', revision: 10, ids: ['!z'] });
		expect(heard).not.toHaveBeenCalled();
		expect(live.revision).toBe(10);
	});

	test('end with the function that they were given', () => {
		const heard = vi.fn();
		const end = live.on('enter', heard);
		const endOfSame = live.on('enter', heard);
		end();
		end();
		goLive();
		expect(heard).toHaveBeenCalledTimes(2);
		endOfSame();
		socket.says({ type: 'node_enter', revision: 10, nodes: [{ id: '!c' }] });
		expect(heard).toHaveBeenCalledTimes(2);
	});

	test('that throw are reported, and neither the others nor the records suffer', () => {
		const reported = vi.fn();
		vi.stubGlobal('reportError', reported);
		const others = vi.fn();
		live.on('enter', () => {
			throw new Error('oops');
		});
		live.on('enter', others);
		goLive();
		expect(reported).toHaveBeenCalledTimes(2);
		expect(others).toHaveBeenCalledTimes(2);
		expect(live.state.kind).toBe('live');
		expect([...live.nodes.keys()]).toEqual(['!a', '!b']);
	});

	test('may close the map and connect it again', () => {
		const states: string[] = [];
		live.on('state', ({ kind }) => states.push(kind));
		const end = live.on('change', () => {
			end();
			live.close();
			live.connect();
		});
		goLive();
		expect(states).toEqual(['connecting', 'closed', 'connecting']);
		socket.hello();
		socket.snapshot();
		expect(states.at(-1)).toBe('live');
	});
});

describe('the address', () => {
	test.each([
		['https://map.test', 'wss://map.test/api/ws'],
		['http://map.test:8080/', 'ws://map.test:8080/api/ws'],
		['https://map.test/under/a/path', 'wss://map.test/under/a/path/api/ws'],
		['ws://map.test', 'ws://map.test/api/ws'],
	])('%s is spoken with at %s', (url, expected) => {
		open({ url });
		live.connect();
		expect(socket.url).toBe(expected);
	});

	test('is by default where the page came from', () => {
		vi.stubGlobal('location', new URL('https://map.test/some/page.html'));
		open({ url: undefined } as unknown as LiveMapOptions);
		live.connect();
		expect(socket.url).toBe('wss://map.test/api/ws');
	});
});

test('without anything to connect with it says so at once', () => {
	vi.stubGlobal('WebSocket', undefined);
	vi.stubGlobal('EventSource', undefined);
	expect(() => new LiveMap({ url: 'https://map.test' })).toThrow('hand in a WebSocket');
	expect(() => new LiveMap({ url: 'https://map.test', transport: 'sse', WebSocket: FakeSocket })).toThrow();
	new LiveMap({ url: 'https://map.test', WebSocket: FakeSocket });
});

test('coming online is a reason to try again at once', () => {
	const listeners = new EventTarget();
	vi.stubGlobal('addEventListener', listeners.addEventListener.bind(listeners));
	vi.stubGlobal('removeEventListener', listeners.removeEventListener.bind(listeners));
	goLive();
	socket.breaks();
	const lost = socket;
	listeners.dispatchEvent(new Event('online'));
	expect(live.state.kind).toBe('connecting');
	expect(socket).not.toBe(lost);
});

test('the filter can be set before and after connecting', () => {
	live.setFilter({ nodeIds: ['!a'] });
	goLive();
	expect(live.heldFilter).toEqual({ nodeIds: ['!a'] });
	live.setFilter({ nodeIds: ['!b'] });
	expect(socket.subscribes.map(({ filter }) => filter)).toEqual([{ nodeIds: ['!a'] }, { nodeIds: ['!b'] }]);
	expect(live.heldFilter).toEqual({ nodeIds: ['!a'] });
});

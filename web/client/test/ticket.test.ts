import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LiveMap, type LiveMapOptions } from '../src/index.js';
import { FakeEventSource, FakeSocket } from './fakes.js';

let sockets: FakeSocket[] = [];
let asked: { url: string; init: RequestInit }[] = [];
let answers: (() => Response)[] = [];
let live: LiveMap;

function open(options: LiveMapOptions = {}): LiveMap {
	live = new LiveMap({
		url: 'https://map.test/mesh',
		encoding: 'json',
		token: 'geocast_secret',
		WebSocket: class extends FakeSocket {
			constructor(url: string, protocols: string[]) {
				super(url, protocols);
				sockets.push(this);
			}
		},
		EventSource: FakeEventSource,
		fetch: async (url, init) => {
			asked.push({ url: String(url), init: init ?? {} });
			const answer = answers.shift();
			return answer ? answer() : Response.json({ ticket: `ticket ${asked.length}`, expires: 0 });
		},
		...options,
	});
	return live;
}

async function knocked(times: number): Promise<FakeSocket> {
	await vi.waitFor(() => expect(sockets.length).toBe(times));
	return sockets[times - 1] as FakeSocket;
}

beforeEach(() => {
	[sockets, asked, answers] = [[], [], []];
	vi.useFakeTimers();
});

afterEach(() => {
	live.close();
	vi.useRealTimers();
});

test('a token is said in a header, and each connection has a ticket of its own', async () => {
	open().connect();
	const first = await knocked(1);
	expect(asked[0]?.url).toBe('https://map.test/mesh/api/ticket');
	expect(asked[0]?.init).toMatchObject({
		method: 'POST',
		credentials: 'omit',
		headers: { Authorization: 'Bearer geocast_secret' },
	});
	expect(first.url).toBe('wss://map.test/mesh/api/ws?ticket=ticket%201');
	first.hello();
	first.snapshot();
	expect(live.state.kind).toBe('live');
	first.breaks();
	await vi.advanceTimersByTimeAsync(2000);
	const second = await knocked(2);
	expect(second.url).toBe('wss://map.test/mesh/api/ws?ticket=ticket%202');
	expect(JSON.stringify(sockets.map((socket) => socket.url))).not.toContain('secret');
});

test('a token that the server does not accept is not sent again', async () => {
	answers.push(() => new Response(null, { status: 401 }));
	open().connect();
	await vi.waitFor(() => expect(live.state.kind).toBe('refused'));
	await vi.advanceTimersByTimeAsync(120_000);
	expect([asked.length, sockets.length]).toEqual([1, 0]);
});

test('where no ticket is to be had for now, it is asked for later, by a token that is fetched anew', async () => {
	answers.push(() => new Response(null, { status: 503 }));
	answers.push(() => {
		throw new TypeError('no network');
	});
	answers.push(() => new Response(null, { status: 401 }));
	let tokens = 0;
	open({ token: async () => `token ${++tokens}` }).connect();
	await vi.waitFor(() => expect(live.state.kind).toBe('waiting'));
	for (let seconds = 0; sockets.length === 0 && seconds < 120; seconds++) await vi.advanceTimersByTimeAsync(1000);
	expect(sockets.length).toBe(1);
	expect(asked.map(({ init }) => (init.headers as Record<string, string>).Authorization)).toEqual(
		[1, 2, 3, 4].map((number) => `Bearer token ${number}`),
	);
});

test('who hangs up before the ticket has come opens nothing', async () => {
	let give: (response: Response) => void = () => {};
	open({ fetch: () => new Promise((resolve) => (give = resolve)) }).connect();
	live.connect();
	await vi.advanceTimersByTimeAsync(0);
	live.close();
	give(Response.json({ ticket: 'late' }));
	await vi.advanceTimersByTimeAsync(60_000);
	expect([sockets.length, live.state.kind]).toEqual([0, 'closed']);
});

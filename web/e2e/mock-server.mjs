// A geocast of one process and no truth: it serves dist and speaks protocol 1 about a made-up city, so that the page
// can be worked on without a server. Run it alone, or through `npm run e2e:mock`.

import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { WebSocketServer } from 'ws';
import { makeCity, step } from './mock-city.mjs';

const TICK_MS = 250;
const TYPES = {
	'.html': 'text/html',
	'.js': 'text/javascript',
	'.css': 'text/css',
	'.svg': 'image/svg+xml',
	'.json': 'application/json',
};
const POLICY =
	"default-src 'self'; worker-src 'self' blob:; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; connect-src 'self'";
const dist = fileURLToPath(new URL('../dist', import.meta.url));

export function startMock({ port = 0, size = 300, health = { status: 'ok', problems: [] } } = {}) {
	const nodes = makeCity(size, Date.now());
	const changedAt = new Map([...nodes.keys()].map((id) => [id, 1]));
	const messages = [...nodes.values()].slice(0, 8).map((node, i) => message(node, i, Date.now() - i * 420e3));
	const world = { epoch: `mock-${Math.random().toString(36).slice(2)}`, revision: 1, nodes, changedAt, messages };
	const clients = new Set();

	const join = (client) => {
		clients.add(client);
		client.send({
			type: 'hello',
			protocol: 1,
			server: 'mock/0',
			epoch: world.epoch,
			revision: world.revision,
			tickMs: TICK_MS,
			heartbeatMs: 30000,
			timeoutMs: 60000,
		});
	};
	const http = createServer((request, response) => {
		const url = new URL(request.url, 'http://mock');
		if (url.pathname !== '/api/events') return answer(request, response, world, health);
		const client = listener(response, world);
		response.on('close', () => clients.delete(client));
		join(client);
		return hear(client, { type: 'subscribe', ...subscriptionIn(url.searchParams) }, world);
	});
	const handleProtocols = (offered) => offered.has('geocast.v1.json') && 'geocast.v1.json';
	const sockets = new WebSocketServer({ server: http, path: '/api/ws', handleProtocols });
	sockets.on('connection', (socket) => {
		const client = { send: (frame) => socket.send(JSON.stringify(frame)), filter: null, held: new Set() };
		socket.on('close', () => clients.delete(client));
		socket.on('message', (data) => hear(client, JSON.parse(data), world));
		join(client);
	});
	const timer = setInterval(() => tick(world, clients), TICK_MS);
	return new Promise((resolve) =>
		http.listen(port, '127.0.0.1', () =>
			resolve({
				url: `http://127.0.0.1:${http.address().port}/`,
				stop: () => {
					clearInterval(timer);
					for (const socket of sockets.clients) socket.terminate();
					http.closeAllConnections();
					return new Promise((done) => http.close(done));
				},
			}),
		),
	);
}

function message(node, i, time) {
	const texts = [
		'Good morning from the hill',
		'Anyone on the bridge today?',
		'<b>not bold</b> & "quoted"',
		'Battery swapped',
		'Testing the new antenna',
	];
	return {
		id: String(i),
		network: 'meshtastic',
		from: node.id,
		channel: 'LongFast',
		text: texts[i % texts.length],
		time: Math.round(time),
	};
}

/** A client that only listens, by Server-Sent Events. */
function listener(response, world) {
	response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
	const send = (frame) => response.write(`id: ${world.epoch}:${world.revision}\ndata: ${JSON.stringify(frame)}\n\n`);
	return { send, filter: null, held: new Set() };
}

function subscriptionIn(query) {
	const bounds = query.getAll('bbox').map((box) => {
		const [west, south, east, north] = box.split(',').map(Number);
		return { west, south, east, north };
	});
	const [epoch, revision] = query.get('lastEventId')?.split(':') ?? [];
	return {
		filter: {
			...(bounds.length && { bounds }),
			...(query.has('also') && { alsoIds: query.get('also').split(',') }),
			...(query.has('cells') && { cells: { zoom: Number(query.get('cells')) } }),
		},
		...(epoch && { resume: { epoch, revision: Number(revision) } }),
	};
}

function inBounds({ bounds }, { position }) {
	if (!bounds) return true;
	const { latitude, longitude } = position ?? {};
	return [bounds].flat().some((b) => {
		if (latitude === undefined || latitude > b.north || latitude < b.south) return false;
		return b.west <= b.east ? longitude >= b.west && longitude <= b.east : longitude >= b.west || longitude <= b.east;
	});
}

function matches(filter, node) {
	return filter.alsoIds?.includes(node.id) || (!filter.cells && inBounds(filter, node));
}

/** Counts by map tile, as far as they differ from those that the client holds. */
function cellsFor(client, world) {
	const counts = new Map([...client.cells.keys()].map((cell) => [cell, { cell, total: 0, online: 0 }]));
	const { zoom } = client.filter.cells;
	const tiles = 2 ** zoom;
	for (const node of world.nodes.values()) {
		if (!node.position || !inBounds(client.filter, node)) continue;
		const { latitude, longitude } = node.position;
		const x = Math.floor(((longitude + 180) / 360) * tiles);
		const y = Math.floor((0.5 - Math.asinh(Math.tan((latitude * Math.PI) / 180)) / (2 * Math.PI)) * tiles);
		const cell = `${zoom}/${x}/${y}`;
		const count = counts.get(cell) ?? { cell, total: 0, online: 0 };
		counts.set(cell, { cell, total: count.total + 1, online: count.online + Number(node.online) });
	}
	const differing = [...counts.values()].filter(
		(one) => JSON.stringify(client.cells.get(one.cell)) !== JSON.stringify(one),
	);
	for (const one of differing) {
		if (one.total) client.cells.set(one.cell, one);
		else client.cells.delete(one.cell);
	}
	return differing;
}

function hear(client, frame, world) {
	if (frame.type === 'ping') return client.send({ type: 'pong', id: frame.id, time: Date.now() });
	if (frame.type !== 'subscribe')
		return client.send({ type: 'error', code: 'unknown_type', message: 'unknown message type' });
	const filter = frame.filter ?? {};
	const now = [...world.nodes.values()].filter((node) => matches(filter, node));
	const sameCells = JSON.stringify(client.filter?.cells) === JSON.stringify(filter.cells);
	const resumes = frame.resume?.epoch === world.epoch && !filter.cells;
	const full = !resumes && (client.filter === null || !sameCells);
	const since = (id) => world.changedAt.get(id) > frame.resume?.revision;
	const enters = full ? now : now.filter(({ id }) => (resumes ? since(id) : !client.held.has(id)));
	const ids = new Set(now.map(({ id }) => id));
	const removed = full
		? []
		: resumes
			? [...world.nodes.keys()].filter((id) => !ids.has(id) && since(id))
			: [...client.held].filter((id) => !ids.has(id));
	client.filter = filter;
	client.held = ids;
	if (full) client.cells = new Map();
	const cells = filter.cells ? cellsFor(client, world) : [];
	const half = Math.ceil(enters.length / 2);
	const frameOf = (nodes, more) => ({
		type: 'snapshot',
		epoch: world.epoch,
		revision: world.revision,
		full,
		nodes,
		removed: more ? removed : [],
		messages: [],
		...(filter.cells && { cells: more ? cells : [] }),
		more,
	});
	client.send(frameOf(enters.slice(0, half), true));
	client.send(frameOf(enters.slice(half), false));
}

function tick(world, clients) {
	const { moved, measured } = step(world.nodes, Date.now());
	const revision = ++world.revision;
	for (const node of [...moved, ...measured]) world.changedAt.set(node.id, revision);
	const said =
		Math.random() < 0.02 ? [message([...moved][0] ?? [...world.nodes.values()][0], revision, Date.now())] : [];
	world.messages.unshift(...said);
	for (const client of clients) {
		if (!client.filter) continue;
		const positions = [];
		const entered = [];
		const left = [];
		for (const node of moved) {
			const held = client.held.has(node.id);
			if (!matches(client.filter, node)) {
				if (client.held.delete(node.id)) left.push(node.id);
			} else if (held) positions.push({ id: node.id, ...node.position });
			else {
				client.held.add(node.id);
				entered.push(node);
			}
		}
		const heard = [...moved, ...measured].filter(({ id }) => client.held.has(id));
		const telemetry = [...measured]
			.filter(({ id }) => client.held.has(id))
			.map(({ id, telemetry }) => ({ id, ...telemetry }));
		const status = heard.map(({ id, online, lastHeard }) => ({ id, online, lastHeard }));
		const cells = client.filter.cells ? cellsFor(client, world) : [];
		const frames = [
			said.length && { type: 'message', messages: said },
			status.length && { type: 'node_status', nodes: status },
			left.length && { type: 'node_leave', ids: left },
			entered.length && { type: 'node_enter', nodes: entered },
			cells.length && { type: 'cell_update', cells },
			positions.length && { type: 'position_update', positions },
			telemetry.length && { type: 'telemetry_update', telemetry },
		].filter(Boolean);
		frames.forEach((frame, i) => {
			client.send({ revision, ...frame, ...(i + 1 < frames.length && { more: true }) });
		});
	}
}

function answer(request, response, world, health) {
	const url = new URL(request.url, 'http://mock');
	const json = (body, status = 200) => {
		response.writeHead(status, { 'content-type': 'application/json' });
		response.end(JSON.stringify(body));
	};
	const parts = url.pathname.split('/').slice(2).map(decodeURIComponent);
	if (!url.pathname.startsWith('/api/')) return serveFile(url.pathname, response);
	if (parts[0] === 'config') return json({ mapStyleUrl: null, name: 'geocast', version: '0.1.0' });
	if (parts[0] === 'health') return json(health, health.status === 'ok' ? 200 : 503);
	if (parts[0] === 'messages') {
		const from = url.searchParams.get('node');
		const said = world.messages.filter((one) => !from || one.from === from);
		return json({ messages: said.slice(0, 100), next: null });
	}
	if (parts[0] !== 'nodes') return json({ error: 'not found' }, 404);
	if (parts[1]) return history(world.nodes.get(parts[1]), parts[2], json);
	const q = url.searchParams.get('q')?.toLowerCase();
	const found = [...world.nodes.values()].filter(
		(node) => !q || `${node.id} ${node.longName} ${node.shortName}`.toLowerCase().includes(q),
	);
	return json({ nodes: found.slice(0, Number(url.searchParams.get('limit') ?? 100)), next: null });
}

function history(node, kind, json) {
	if (!node) return json({ error: 'not found' }, 404);
	const back = (count, minutes, make) =>
		Array.from({ length: count }, (_, i) => make(i, node.lastHeard - i * minutes * 60e3));
	const wave = (i, size) => Math.sin(i / 5) * size + Math.sin(i / 1.7) * size * 0.3;
	if (kind === 'positions') {
		const path = back(24, 3, (i, time) => ({
			...node.position,
			time,
			latitude: node.position.latitude + wave(i, 0.006),
			longitude: node.position.longitude - i * 0.0025,
		}));
		return json({ positions: path, next: null });
	}
	if (kind === 'telemetry') {
		const { temperature } = node.telemetry;
		const readings = back(60, 20, (i, time) => ({
			time,
			batteryLevel: Math.max(5, Math.min(100, 70 + wave(i, 20))),
			voltage: 3.8 + wave(i, 0.15),
			channelUtilization: 12 + wave(i, 5),
			airUtilTx: 2 + wave(i, 0.8),
			uptimeSeconds: 9000 - i,
			...(temperature && { temperature: temperature + wave(i, 3) }),
		}));
		return json({ telemetry: readings, next: null });
	}
	return json(node);
}

function serveFile(pathname, response) {
	const path = join(dist, normalize(pathname === '/' ? '/index.html' : pathname));
	if (!path.startsWith(dist) || !existsSync(path)) {
		response.writeHead(404);
		return response.end();
	}
	response.writeHead(200, {
		'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
		'content-security-policy': POLICY,
	});
	return response.end(readFileSync(path));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
	const { url } = await startMock({ port: Number(process.env.PORT ?? 8081) });
	console.log(`mock geocast at ${url}`);
}

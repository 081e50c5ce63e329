import type { CellRecord, ClientMessage, Filter, NodeRecord, Resume, ServerMessage } from '../src/protocol.gen.js';
import { anyPosition } from './frames.js';
import type { Chance } from './reference.js';

export type Nodes = ReadonlyMap<string, NodeRecord>;

const IDS = ['!a', '!b', '!c', '!d', '!e', '!f', '!g', '!h'];

/** A little world, and all that it ever was: an oracle for what a client should hold. */
export class World {
	epoch = 'e0';
	revision = 0;
	private readonly history = new Map<number, Nodes>([[0, new Map()]]);
	private readonly current = new Map<string, NodeRecord>();

	constructor(private readonly chance: Chance) {}

	at(revision: number): Nodes | undefined {
		return this.history.get(revision);
	}

	get now(): Nodes {
		return this.history.get(this.revision) as Nodes;
	}

	/** Something happens to one node. */
	happen(): void {
		const { chance } = this;
		const id = chance.pick(IDS);
		const node = this.current.get(id);
		const time = chance.below(1e6);
		const position = anyPosition(chance, false);
		// To go and to come back are two ticks.
		if (!node && this.now.has(id)) return;
		if (!node) this.current.set(id, { id, longName: chance.text(), online: true, lastHeard: time, position });
		else if (chance.maybe(0.15)) this.current.delete(id);
		else {
			const change = chance.pick<() => Partial<NodeRecord>>([
				() => ({ position }),
				() => ({ position }),
				() => ({ longName: chance.text() }),
				() => ({ online: chance.maybe(), lastHeard: time }),
				() => ({ telemetry: { ...node.telemetry, time, [chance.pick(['voltage', 'temperature'])]: chance.next() } }),
			]);
			this.current.set(id, { ...node, ...change() });
		}
	}

	seal(): void {
		this.revision += this.chance.between(1, 3);
		this.history.set(this.revision, new Map(this.current));
	}

	/** As after a server that died: what it counted before means nothing any more. */
	beginEpoch(): void {
		this.epoch = `e${Number(this.epoch.slice(1)) + 1}`;
		this.history.clear();
		this.revision = this.chance.below(5);
		this.history.set(this.revision, new Map(this.current));
	}
}

/** The nodes that a client with `filter` should hold. */
export function nodesIn(filter: Filter, nodes: Nodes): Nodes {
	const { alsoIds = [], cells } = filter;
	return new Map([...nodes].filter(([id, node]) => alsoIds.includes(id) || (!cells && spans(filter, node))));
}

/** The cells that a client with `filter` should hold. */
export function cellsIn(filter: Filter, nodes: Nodes): ReadonlyMap<string, CellRecord> {
	const result = new Map<string, CellRecord>();
	const { cells } = filter;
	if (!cells) return result;
	for (const node of nodes.values()) {
		if (!node.position || !spans(filter, node)) continue;
		const x = Math.min(2 ** cells.zoom - 1, Math.floor(((node.position.longitude + 180) / 360) * 2 ** cells.zoom));
		const cell = `${cells.zoom}/${x}/0`;
		const { total, online } = result.get(cell) ?? { total: 0, online: 0 };
		result.set(cell, { cell, total: total + 1, online: online + Number(node.online) });
	}
	return result;
}

function spans({ bounds, nodeIds }: Filter, { id, position }: NodeRecord): boolean {
	if (nodeIds && !nodeIds.includes(id)) return false;
	return (
		!bounds ||
		[bounds].flat().some(({ west, east }) => position && position.longitude >= west && position.longitude <= east)
	);
}

export function anyFilter(chance: Chance): Filter {
	const box = () => {
		const west = chance.between(-180, 170);
		return { north: 90, south: -90, west, east: chance.between(west, 180) };
	};
	const some = () => IDS.filter(() => chance.maybe(0.4));
	return {
		...(chance.maybe(0.8) && { bounds: chance.maybe() ? box() : [box(), box()] }),
		...(chance.maybe(0.2) && { nodeIds: some() }),
		...(chance.maybe(0.3) && { alsoIds: some() }),
		...(chance.maybe(0.3) && { cells: { zoom: chance.below(4) } }),
	};
}

type Snapshot = Extract<ServerMessage, { type: 'snapshot' }>;
type Tick = Exclude<ServerMessage, { type: 'snapshot' | 'hello' | 'pong' | 'error' }>;

/** One client's conversation, from the server's side. */
export class Session {
	filter: Filter | null = null;

	constructor(
		private readonly world: World,
		private readonly chance: Chance,
	) {}

	hello(): ServerMessage {
		const { epoch, revision } = this.world;
		const server = 'sim';
		return { type: 'hello', protocol: 1, server, epoch, revision, tickMs: 1, heartbeatMs: 30_000, timeoutMs: 60_000 };
	}

	/** The answers to what a client says. */
	hears(message: ClientMessage): ServerMessage[] {
		if (message.type === 'ping') return [{ type: 'pong', time: 0 }];
		if (message.type !== 'subscribe') throw new Error(`did not expect ${message.type}`);
		if (this.chance.maybe(0.1)) {
			return [{ type: 'error', code: 'rate_limited', message: 'slowly', retryAfterMs: this.chance.below(3000) }];
		}
		return this.subscribe(message.filter ?? {}, message.resume);
	}

	subscribe(filter: Filter, resume?: Resume): ServerMessage[] {
		const { world } = this;
		const known = resume?.epoch === world.epoch ? world.at(resume.revision) : undefined;
		const [heldFilter, heldNodes] = resume ? [filter, known] : [this.filter, world.now];
		const sameCells = JSON.stringify(heldFilter?.cells) === JSON.stringify(filter.cells);
		const full = !heldFilter || !heldNodes || !sameCells || this.chance.maybe(0.1);
		this.filter = filter;
		const nodes = nodesIn(filter, world.now);
		const cells = cellsIn(filter, world.now);
		if (full) return this.parts(true, [...nodes.values()], [], [...cells.values()]);
		const held = nodesIn(heldFilter, heldNodes);
		const removed = IDS.filter((id) => !nodes.has(id) && (held.has(id) || this.chance.maybe(0.1)));
		const differing = [...nodes.values()].filter((node) => held.get(node.id) !== node || this.chance.maybe(0.1));
		return this.parts(false, differing, removed, recounted(cellsIn(heldFilter, heldNodes), cells));
	}

	/** What a tick from `before` to now means to the client. */
	tick(before: Nodes): ServerMessage[] {
		const { filter, world } = this;
		if (!filter) return [];
		const [held, wanted] = [nodesIn(filter, before), nodesIn(filter, world.now)];
		const both = [...wanted.values()].flatMap((node) => {
			const old = held.get(node.id);
			return old ? [{ id: node.id, node, old }] : [];
		});
		const status = both.filter(({ node, old }) => node.online !== old.online || node.lastHeard !== old.lastHeard);
		const moved = both.filter(({ node, old }) => node.position !== old.position);
		const measured = both.filter(({ node, old }) => node.telemetry !== old.telemetry);
		const renamed = both.filter(({ node, old }) => node.longName !== old.longName);
		const { revision } = world;
		const frames: Tick[] = [
			{
				type: 'node_status',
				revision,
				nodes: status.map(({ id, node }) => ({ id, online: node.online, lastHeard: node.lastHeard })) as NodeRecord[],
			},
			{ type: 'node_leave', revision, ids: [...held.keys()].filter((id) => !wanted.has(id)) },
			{ type: 'node_enter', revision, nodes: [...wanted.values()].filter(({ id }) => !held.has(id)) },
			{
				type: 'node_update',
				revision,
				nodes: renamed.map(({ id, node }) => ({ id, longName: node.longName })) as NodeRecord[],
			},
			{
				type: 'cell_update',
				revision,
				cells: recounted(cellsIn(filter, before), cellsIn(filter, world.now)),
			},
			{
				type: 'position_update',
				revision,
				positions: moved.map(({ id, node }) => ({ id, ...(node.position as NonNullable<NodeRecord['position']>) })),
			},
			{
				type: 'telemetry_update',
				revision,
				telemetry: measured.map(({ id, node }) => ({ ...(node.telemetry ?? { time: 0 }), id })),
			},
		];
		const said = frames.filter((frame) => Object.values(frame).some((value) => Array.isArray(value) && value.length));
		return said.map((frame, i) => ({ ...frame, ...(i + 1 < said.length && { more: true }) }));
	}

	private parts(full: boolean, nodes: NodeRecord[], removed: string[], cells: CellRecord[]): ServerMessage[] {
		const { epoch, revision } = this.world;
		const cut = this.chance.below(nodes.length + 1);
		const part = (fields: Partial<Snapshot>): Snapshot => ({
			...{ type: 'snapshot', epoch, revision, full, nodes: [], removed: [], messages: [], more: true },
			...fields,
		});
		const first = part({ removed, nodes: nodes.slice(0, cut) });
		const last = part({ nodes: nodes.slice(cut), ...(this.filter?.cells && { cells }), more: false });
		return this.chance.maybe() ? [first, last] : [{ ...last, removed, nodes }];
	}
}

function recounted(before: ReadonlyMap<string, CellRecord>, after: ReadonlyMap<string, CellRecord>): CellRecord[] {
	const gone = [...before.keys()].filter((cell) => !after.has(cell)).map((cell) => ({ cell, total: 0, online: 0 }));
	return [
		...gone,
		...[...after.values()].filter((one) => JSON.stringify(before.get(one.cell)) !== JSON.stringify(one)),
	];
}

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LiveMap } from '../src/index.js';
import type { ClientMessage, Filter, PositionRecord, ServerMessage } from '../src/protocol.gen.js';
import { FakeEventSource, FakeSocket } from './fakes.js';
import { binary } from './frames.js';
import { Chance, ClientFrame } from './reference.js';
import { anyFilter, cellsIn, type Nodes, nodesIn, Session, World } from './world.js';

const MANNERS = ['json', 'proto', 'sse'] as const;
type Manner = (typeof MANNERS)[number];

beforeEach(() => {
	vi.useFakeTimers();
});

afterEach(() => {
	vi.useRealTimers();
});

/** A server and a client, and a bad line between them. */
class Simulation {
	readonly world: World;
	readonly live: LiveMap;
	wanted: Filter = {};
	changes = 0;
	private link: FakeSocket | FakeEventSource | null = null;
	private session: Session;
	/** Frames on their way to the client. */
	private line: (string | Uint8Array)[] = [];
	private heardOf = 0;
	private faulty = true;

	constructor(
		private readonly chance: Chance,
		private readonly manner: Manner,
	) {
		this.world = new World(chance);
		this.session = new Session(this.world, chance);
		const opened = (link: FakeSocket | FakeEventSource) => this.opened(link);
		this.live = new LiveMap({
			url: 'http://sim',
			encoding: manner === 'json' ? 'json' : 'proto',
			transport: manner === 'sse' ? 'sse' : 'websocket',
			WebSocket: class extends FakeSocket {
				constructor(url: string, protocols: string[]) {
					super(url, protocols);
					this.protocol = protocols[0] ?? '';
					opened(this);
				}
			},
			EventSource: class extends FakeEventSource {
				constructor(url: string) {
					super(url);
					opened(this);
				}
			},
		});
		this.live.on('change', () => {
			this.changes++;
			this.check();
		});
		this.live.connect();
	}

	/** The law: the client holds exactly what its filter showed at the revision that it was told. */
	check(nodes = this.world.at(this.live.revision)): void {
		const { live } = this;
		if (!live.heldFilter) return;
		if (!nodes) throw new Error(`there was no revision ${live.revision}`);
		expect(sorted(live.nodes)).toEqual(sorted(nodesIn(live.heldFilter, nodes)));
		expect(sorted(live.cells)).toEqual(sorted(cellsIn(live.heldFilter, nodes)));
	}

	step(): void {
		const { chance } = this;
		chance.pick([
			() => this.tick(),
			() => this.tick(),
			() => this.deliver(chance.below(6)),
			() => this.deliver(chance.below(6)),
			() => this.deliver(100),
			() => this.pan(),
			() => vi.advanceTimersByTime(chance.below(4000)),
			() => this.live.connect(),
			() => chance.maybe(0.3) && this.cut(),
			() => chance.maybe(0.1) && this.die(),
			() => chance.maybe(0.1) && this.garble(),
		])();
		this.listen();
	}

	/** Lets everything arrive, and nothing more go wrong. */
	settle(): void {
		this.faulty = false;
		for (let i = 0; i < 200 && !this.settled; i++) {
			this.deliver(100);
			this.listen();
			vi.advanceTimersByTime(1000);
			this.listen();
		}
		this.deliver(100);
	}

	private get settled(): boolean {
		const { live, wanted } = this;
		return live.state.kind === 'live' && this.line.length === 0 && live.heldFilter === wanted;
	}

	private opened(link: FakeSocket | FakeEventSource): void {
		this.link = link;
		this.line = [];
		this.heardOf = 0;
		this.session = new Session(this.world, this.chance);
		this.say([this.session.hello()]);
		if (link instanceof FakeEventSource) {
			const { filter, resume } = askedIn(link.url);
			this.say(this.session.subscribe(filter, resume));
		}
	}

	private tick(): void {
		const before = this.world.now;
		for (let i = this.chance.between(1, 4); i > 0; i--) this.world.happen();
		this.world.seal();
		if (this.link) this.say(this.session.tick(before), before);
	}

	private pan(): void {
		this.wanted = anyFilter(this.chance);
		this.live.setFilter(this.wanted);
	}

	private cut(): void {
		const link = this.link;
		this.link = null;
		this.line = [];
		link?.breaks();
	}

	private die(): void {
		this.cut();
		this.world.beginEpoch();
	}

	private garble(): void {
		const next = this.line[0];
		if (next === undefined) return;
		this.line = [next.slice(0, this.chance.below(next.length))];
		this.deliver(1);
	}

	private say(messages: ServerMessage[], before: Nodes = new Map()): void {
		const book = {
			// Another one in each epoch.
			numberOf: (id: string) => (id.charCodeAt(1) + 3 * Number(this.world.epoch.slice(1))) % 8,
			held: (id: string): PositionRecord | undefined => before.get(id)?.position,
		};
		for (const message of messages) {
			this.line.push(this.manner === 'proto' ? binary(message, book, this.chance) : JSON.stringify(message));
		}
	}

	private deliver(frames: number): void {
		for (let i = 0; i < frames; i++) {
			const frame = this.line.shift();
			if (frame === undefined) return;
			const link = this.link;
			if (link instanceof FakeSocket)
				link.onmessage?.({ data: typeof frame === 'string' ? frame : Uint8Array.from(frame).buffer });
			else link?.onmessage?.({ data: frame as string });
			if (this.faulty && this.chance.maybe(0.04)) this.cut();
			this.listen();
		}
	}

	/** Hears what the client has said, and whether it has hung up. */
	private listen(): void {
		const { link } = this;
		if (link instanceof FakeEventSource) {
			if (link.closed) this.link = null;
			return;
		}
		if (!link) return;
		for (; this.heardOf < link.frames.length; this.heardOf++) {
			this.say(this.session.hears(said(link.frames[this.heardOf] as string | Uint8Array)));
		}
		if (link.closedWith === undefined) return;
		this.link = null;
		this.line = [];
	}
}

function sorted<T>(records: ReadonlyMap<string, T>): [string, T][] {
	return [...records].sort(([a], [b]) => (a < b ? -1 : 1));
}

function said(frame: string | Uint8Array): ClientMessage {
	if (typeof frame === 'string') return JSON.parse(frame);
	const { ping, subscribe } = ClientFrame.toObject(ClientFrame.decode(frame), {
		longs: Number,
		arrays: true,
		defaults: true,
	});
	if (!subscribe) return { type: 'ping', id: ping.id };
	const { bounds, nodeIds, alsoIds, cells } = subscribe.filter;
	return {
		type: 'subscribe',
		filter: {
			...(bounds && { bounds: bounds.rectangles }),
			...(nodeIds && { nodeIds: nodeIds.ids }),
			...(alsoIds && { alsoIds: alsoIds.ids }),
			...(cells && { cells }),
		},
		...(subscribe.resume && { resume: subscribe.resume }),
	};
}

function askedIn(url: string): { filter: Filter; resume?: { epoch: string; revision: number } } {
	const query = new URL(url).searchParams;
	const list = (name: string) => query.get(name)?.split(',').filter(Boolean);
	const bounds = query.getAll('bbox').map((box) => {
		const [west = 0, south = 0, east = 0, north = 0] = box.split(',').map(Number);
		return { west, south, east, north };
	});
	const [ids, also] = [list('ids'), list('also')];
	const [epoch, revision] = query.get('lastEventId')?.split(':') ?? [];
	return {
		filter: {
			...(bounds.length > 0 && { bounds }),
			...(ids && { nodeIds: ids }),
			...(also && { alsoIds: also }),
			...(query.has('cells') && { cells: { zoom: Number(query.get('cells')) } }),
		},
		...(epoch && { resume: { epoch, revision: Number(revision) } }),
	};
}

test.each(MANNERS)(
	'a client holds exactly what its filter shows, whatever happens to the line (%s)',
	(manner) => {
		let changes = 0;
		Chance.forEach(200, (chance) => {
			const simulation = new Simulation(chance, manner);
			for (let i = 0; i < 80; i++) simulation.step();
			simulation.settle();
			expect(simulation.live.state.kind).toBe('live');
			expect(simulation.live.heldFilter).toEqual(simulation.wanted);
			simulation.check(simulation.world.now);
			changes += simulation.changes;
			simulation.live.close();
			vi.clearAllTimers();
		});
		// The simulation has done what it is for.
		expect(changes).toBeGreaterThan(2000);
	},
	60_000,
);

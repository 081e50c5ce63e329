import { Connection, type ConnectionState, type LiveError } from './connection.js';
import { Emitter } from './emitter.js';
import type { Encoding, EventSourceMaker, SocketMaker, Transport } from './links.js';
import type { Change, Update } from './mirror.js';
import type { CellRecord, Filter, MessageRecord, NodeRecord } from './protocol.gen.js';
import { ticketFor } from './ticket.js';

export interface LiveMapOptions {
	/** Where geocast is: `https://map.example.org`. By default where the page came from. */
	url?: string;
	/** What to show; everything by default. */
	filter?: Filter;
	/** A share link, the part after `share=`: only its view is shown. */
	share?: string;
	/**
	 * A token, or what fetches one. It is sent in a header, to fetch a ticket for each connection, and stands in no URL.
	 */
	token?: string | (() => string | Promise<string>);
	/** How a WebSocket speaks. `proto` is the smaller one, `json` the one that people can read. `proto` by default. */
	encoding?: Encoding;
	/** `auto`, the default, takes an event stream (SSE) where WebSockets do not get through. */
	transport?: 'auto' | Transport;
	/** In place of the global `WebSocket`, as in Node.js. */
	WebSocket?: SocketMaker;
	/** In place of the global `EventSource`. */
	EventSource?: EventSourceMaker;
	/** In place of the global `fetch`, which tickets are fetched with. */
	fetch?: typeof fetch;
}

/** The events of a `LiveMap`, and what their listeners are called with. */
export interface LiveMapEvents {
	/** A node that was not held before. */
	enter: [node: NodeRecord];
	/** A node that was held, and now differs. */
	update: [update: Update];
	/** The last record of a node that is no longer held. */
	leave: [node: NodeRecord];
	/** Cells that are new or count differently; those with a total of 0 are gone. */
	cells: [cells: CellRecord[]];
	/** A text message. `fresh` is false for those that were sent before this client came. */
	message: [message: MessageRecord, fresh: boolean];
	/** All of the above that happened together, after them. */
	change: [change: Change];
	/** The connection came or went. */
	state: [state: ConnectionState];
	/** The server did not accept something, or sent what cannot be read. Nothing has to be done. */
	error: [error: LiveError];
}

/**
 * What a geocast server shows through a filter, kept up to date until it is closed: across lost connections, restarts
 * of the server, and changes of the filter.
 *
 * The server speaks in ticks. One takes effect as a whole: when listeners are called, and at any other time, `nodes`
 * and `cells` hold exactly what the filter showed after some tick.
 */
export class LiveMap {
	private readonly connection: Connection;
	private readonly emitter = new Emitter<LiveMapEvents>();
	private readonly online = () => {
		if (this.state.kind === 'waiting') this.connect();
	};

	constructor(options: LiveMapOptions = {}) {
		const { filter = {}, encoding = 'proto', transport = 'auto' } = options;
		const socketUrl = new URL('api/ws', base(options.url));
		const eventsUrl = new URL('api/events', base(options.url));
		if (options.share) {
			socketUrl.searchParams.set('share', options.share);
			eventsUrl.searchParams.set('share', options.share);
		}
		const { WebSocket: Socket = globalThis.WebSocket, EventSource: Source = globalThis.EventSource } = options;
		if (options.share && options.token !== undefined) {
			throw new Error('a share link is shown as it is: it goes with no token');
		}
		if (!(transport !== 'sse' && Socket) && !(transport !== 'websocket' && Source)) {
			throw new Error('there is nothing to connect with here: hand in a WebSocket');
		}
		const { token, fetch: ask = globalThis.fetch } = options;
		const ticketUrl = new URL('api/ticket', base(options.url));
		ticketUrl.protocol = ticketUrl.protocol.replace('ws', 'http');
		socketUrl.protocol = socketUrl.protocol.replace('http', 'ws');
		eventsUrl.protocol = eventsUrl.protocol.replace('ws', 'http');
		this.connection = new Connection({
			socketUrl: socketUrl.href,
			eventsUrl: eventsUrl.href,
			encoding,
			transport,
			Socket,
			EventSource: Source,
			admit: token === undefined ? undefined : () => ticketFor(token, ticketUrl.href, ask),
			random: Math.random,
			onState: (state) => this.emitter.emit('state', state),
			onChange: (change) => this.tell(change),
			onError: (error) => this.emitter.emit('error', error),
		});
		this.connection.subscribe(filter);
	}

	/** What is held now, by id. Records are never changed, but replaced: an older one can be compared with it. */
	get nodes(): ReadonlyMap<string, NodeRecord> {
		return this.connection.mirror.nodes;
	}

	/** Counts by map tile, by `z/x/y`, while the filter asks for `cells`. */
	get cells(): ReadonlyMap<string, CellRecord> {
		return this.connection.mirror.cells;
	}

	get state(): ConnectionState {
		return this.connection.state;
	}

	/** The filter that `nodes` and `cells` answer to: for a moment after `setFilter` still the one before. */
	get heldFilter(): Filter | null {
		return this.connection.held;
	}

	/** The revision of the last tick that was received; 0 before the first. */
	get revision(): number {
		return this.connection.mirror.cursor?.revision ?? 0;
	}

	/** What the connection is made with; null while there is none. */
	get transport(): Transport | null {
		return this.connection.transport;
	}

	/** Calls `listener` at each such event. Answers with a function that ends it. */
	on<Name extends keyof LiveMapEvents>(name: Name, listener: (...values: LiveMapEvents[Name]) => void): () => void {
		return this.emitter.on(name, listener);
	}

	/** Shows something else from now on. It may be called at any rate: of several filters in a row the last one counts. */
	setFilter(filter: Filter): void {
		this.connection.subscribe(filter);
	}

	/** Connects, or tries again at once when the next attempt is still to come. */
	connect(): void {
		globalThis.addEventListener?.('online', this.online);
		this.connection.connect();
	}

	/** Hangs up for good, or until `connect`. What was held stays. */
	close(): void {
		globalThis.removeEventListener?.('online', this.online);
		this.connection.close();
	}

	private tell(change: Change): void {
		const { entered, updated, left, cells, messages, reset } = change;
		for (const node of left) this.emitter.emit('leave', node);
		for (const node of entered) this.emitter.emit('enter', node);
		for (const update of updated) this.emitter.emit('update', update);
		if (cells.length > 0) this.emitter.emit('cells', cells);
		for (const message of messages) this.emitter.emit('message', message, !reset);
		const size = left.length + entered.length + updated.length + cells.length + messages.length;
		if (size > 0 || reset) this.emitter.emit('change', change);
	}
}

function base(url: string | undefined): URL {
	const result = url === undefined ? new URL('/', location.href) : new URL(url);
	if (!result.pathname.endsWith('/')) result.pathname += '/';
	return result;
}

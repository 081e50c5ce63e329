import type { Decoder } from './proto/decode.js';
import { encode } from './proto/encode.js';
import type { Bounds, ClientMessage, Filter, Resume, ServerMessage } from './protocol.gen.js';

export type Encoding = 'json' | 'proto';
export type Transport = 'websocket' | 'sse';

/** The part of a WebSocket that is used. Those of browsers have it, and that of `ws` for Node.js. */
export interface SocketLike {
	readonly protocol: string;
	binaryType: string;
	onmessage: ((event: never) => unknown) | null;
	onclose: ((event: never) => unknown) | null;
	onerror: ((event: never) => unknown) | null;
	send(data: string | Uint8Array<ArrayBuffer>): void;
	close(code?: number): void;
}

/** The part of an EventSource that is used. */
export interface EventSourceLike {
	onmessage: ((event: never) => unknown) | null;
	onerror: ((event: never) => unknown) | null;
	close(): void;
}

export type SocketMaker = new (url: string, protocols: string[]) => SocketLike;
export type EventSourceMaker = new (url: string) => EventSourceLike;

/** What is heard of a link. Nothing more is heard after `onClosed`. */
export interface LinkEvents {
	onMessage(message: ServerMessage): void;
	/** What came cannot be read. */
	onGarbled(error: Error): void;
	onClosed(code: number, reason: string): void;
}

/** One connection, from its opening to its end. */
export interface Link {
	readonly transport: Transport;
	/** Says something to the server; absent where it can only be listened to. */
	say?(message: ClientMessage): void;
	close(code?: number): void;
}

const JSON_PROTOCOL = 'geocast.v1.json';
const PROTO_PROTOCOL = 'geocast.v1.proto';
/** The close code of a connection that broke. */
const BROKEN = 1006;

export function openSocket(
	Socket: SocketMaker,
	url: string,
	encoding: Encoding,
	decoder: Decoder,
	events: LinkEvents,
): Link {
	// JSON is what a server speaks unasked. Who offers protocols is refused by one that knows none.
	const socket = new Socket(url, encoding === 'proto' ? [PROTO_PROTOCOL, JSON_PROTOCOL] : []);
	socket.binaryType = 'arraybuffer';
	socket.onmessage = ({ data }: { data: string | ArrayBuffer }) =>
		read(events, () =>
			typeof data === 'string' ? (JSON.parse(data) as ServerMessage) : decoder.decode(new Uint8Array(data)),
		);
	socket.onclose = ({ code, reason }: { code: number; reason: string }) => events.onClosed(code, reason);
	// A close follows.
	socket.onerror = () => {};
	return {
		transport: 'websocket',
		say: (message) => socket.send(socket.protocol === PROTO_PROTOCOL ? encode(message) : JSON.stringify(message)),
		close: (code) => socket.close(code),
	};
}

/** An event stream knows its filter from the start: it is a part of the address. */
export function openEvents(Source: EventSourceMaker, url: string, events: LinkEvents): Link {
	const source = new Source(url);
	source.onmessage = ({ data }: { data: string }) => read(events, () => JSON.parse(data) as ServerMessage);
	// It would come back by itself, but at a pace and from a place of its own.
	source.onerror = () => {
		source.close();
		events.onClosed(BROKEN, '');
	};
	return { transport: 'sse', close: () => source.close() };
}

function read(events: LinkEvents, parse: () => ServerMessage | null): void {
	let message: ServerMessage | null;
	try {
		message = parse();
	} catch (error) {
		events.onGarbled(error instanceof Error ? error : new Error(String(error)));
		return;
	}
	if (message) events.onMessage(message);
}

/** The part of the address of an event stream that says what is wanted. */
export function eventsQuery(filter: Filter, cursor: Resume | null): string {
	const query = new URLSearchParams();
	const { bounds, nodeIds, alsoIds, messageTypes, cells } = filter;
	for (const { west, south, east, north } of bounds ? ([bounds].flat() as Bounds[]) : []) {
		query.append('bbox', [west, south, east, north].join(','));
	}
	if (messageTypes) query.set('types', messageTypes.join(','));
	if (nodeIds) query.set('ids', nodeIds.join(','));
	if (alsoIds?.length) query.set('also', alsoIds.join(','));
	if (cells) query.set('cells', String(cells.zoom));
	if (cursor) query.set('lastEventId', `${cursor.epoch}:${cursor.revision}`);
	return query.toString();
}

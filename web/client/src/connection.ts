import { pauseBefore } from './backoff.js';
import {
	type Encoding,
	type EventSourceMaker,
	eventsQuery,
	type Link,
	type LinkEvents,
	openEvents,
	openSocket,
	type SocketMaker,
	type Transport,
} from './links.js';
import { type Change, Mirror } from './mirror.js';
import { Decoder } from './proto/decode.js';
import type { Filter, ServerMessage } from './protocol.gen.js';

export type ConnectionState =
	/** The connection is being opened, or the first snapshot is on its way. */
	| { kind: 'connecting' }
	| { kind: 'live' }
	/** The connection is lost and will be tried again at `retryAt`. */
	| { kind: 'waiting'; retryAt: number; reason: string }
	/** The server refused for good: trying again would not help. */
	| { kind: 'refused'; reason: string }
	| { kind: 'closed' };

/** The server did not accept what it was told, or sent what cannot be read. */
export interface LiveError {
	/** As the server names it, which may be a name that is not known here, or `unreadable`. */
	code: string;
	message: string;
	retryAfterMs?: number;
}

export interface ConnectionOptions {
	/** Where the WebSocket is. */
	socketUrl: string;
	/** Where the event stream is. */
	eventsUrl: string;
	encoding: Encoding;
	transport: 'auto' | Transport;
	Socket: SocketMaker | undefined;
	EventSource: EventSourceMaker | undefined;
	/** Fetches what lets one connection in; undefined where none is needed. A `Refused` ends the attempts. */
	admit?: (() => Promise<string>) | undefined;
	random(): number;
	onState(state: ConnectionState): void;
	onChange(change: Change): void;
	onError(error: LiveError): void;
}

/** Trying again would not help. */
export class Refused extends Error {}

const DEFAULT_HEARTBEAT_MS = 30_000;
const DEFAULT_TIMEOUT_MS = 60_000;
/** How long a new connection may take to say hello. */
const HELLO_TIMEOUT_MS = 15_000;
/** Close codes from here on mean: do not come back. */
const FIRST_FINAL_CODE = 4500;
const GOING_AWAY = 1001;
const UNREADABLE = 4400;
const NO_SIGN_OF_LIFE = 4408;
const TOO_MANY_MESSAGES = 4429;
/** The pause after `rate_limited` when the server does not name one. */
const DEFAULT_RETRY_AFTER_MS = 1000;
/** WebSockets that must fail, before any has ever said hello, until an event stream is tried. */
const FAILURES_BEFORE_FALLBACK = 2;

/**
 * Keeps a `Mirror` in step with a server: connects, subscribes, resumes after a loss, and moves the subscription.
 *
 * Only one subscription is unanswered at any time. So the filter that the held records belong to is always known, which
 * is what a resume must send.
 */
export class Connection {
	readonly mirror = new Mirror();
	state: ConnectionState = { kind: 'closed' };
	/** The filter that the held records answer to, once the first snapshot has arrived. */
	held: Filter | null = null;

	private readonly decoder = new Decoder((id) => this.mirror.latest(id));
	private link: Link | null = null;
	/** The attempt that waits to be let in. */
	private knocking: symbol | null = null;
	private wanted: Filter = {};
	private asked: { filter: Filter; resumed: boolean } | null = null;
	private greeted = false;
	private attempt = 0;
	/** WebSockets that failed in a row without a hello. */
	private failures = 0;
	private socketsWork = false;
	private heartbeatMs = DEFAULT_HEARTBEAT_MS;
	private timeoutMs = DEFAULT_TIMEOUT_MS;
	private retryTimer: ReturnType<typeof setTimeout> | undefined;
	private pingTimer: ReturnType<typeof setInterval> | undefined;
	private silenceTimer: ReturnType<typeof setTimeout> | undefined;
	private askAgainTimer: ReturnType<typeof setTimeout> | undefined;
	private pings = 0;
	/** How often something came that could not be read. */
	private garbled = 0;

	constructor(private readonly options: ConnectionOptions) {}

	get transport(): Transport | null {
		return this.link?.transport ?? null;
	}

	/** Opens the connection at once, also when it is waiting for its next attempt. */
	connect(): void {
		clearTimeout(this.retryTimer);
		if (this.link || this.knocking) return;
		this.setState({ kind: 'connecting' });
		// A listener may have thought better of it.
		if (this.state.kind === 'connecting' && !this.link && !this.knocking) this.open(this.nextTransport());
	}

	/** Asks for what matches `filter` from now on. Of several changes in a row only the last is sent. */
	subscribe(filter: Filter): void {
		this.wanted = filter;
		this.askForWanted();
	}

	close(): void {
		this.dropLink(1000);
		clearTimeout(this.retryTimer);
		this.setState({ kind: 'closed' });
	}

	private nextTransport(): Transport {
		const { transport, Socket, EventSource } = this.options;
		if (transport !== 'auto') return transport;
		if (!EventSource) return 'websocket';
		if (!Socket) return 'sse';
		const beyond = this.failures - FAILURES_BEFORE_FALLBACK;
		return this.socketsWork || beyond < 0 || beyond % 2 === 1 ? 'websocket' : 'sse';
	}

	/** Opens a link, once there is a ticket for it where one is needed. */
	private open(transport: Transport): void {
		const { admit } = this.options;
		if (!admit) {
			this.openWith(transport, '');
			return;
		}
		const knock = Symbol();
		this.knocking = knock;
		const ifCurrent =
			<Value>(handle: (value: Value) => void) =>
			(value: Value) => {
				if (this.knocking !== knock) return;
				this.knocking = null;
				handle(value);
			};
		admit().then(
			ifCurrent((ticket) => this.openWith(transport, `ticket=${encodeURIComponent(ticket)}`)),
			ifCurrent((error: unknown) => {
				const reason = error instanceof Error ? error.message : String(error);
				if (error instanceof Refused) this.setState({ kind: 'refused', reason });
				else this.retry(reason);
			}),
		);
	}

	private openWith(transport: Transport, admission: string): void {
		const { Socket, EventSource, encoding } = this.options;
		const socketUrl = withQuery(this.options.socketUrl, admission);
		const eventsUrl = withQuery(this.options.eventsUrl, admission);
		let link: Link | null = null;
		const ifCurrent =
			<Values extends unknown[]>(handle: (...values: Values) => void) =>
			(...values: Values) => {
				if (link !== null && this.link === link) handle(...values);
			};
		const events: LinkEvents = {
			onMessage: ifCurrent((message) => this.onMessage(message)),
			onGarbled: ifCurrent((error) => this.onGarbled(error)),
			onClosed: ifCurrent((code, reason) => this.onClosed(code, reason)),
		};
		try {
			if (transport === 'websocket') {
				if (!Socket) throw new Error('there is no WebSocket here');
				link = openSocket(Socket, socketUrl, encoding, this.decoder, events);
			} else {
				if (!EventSource) throw new Error('there is no EventSource here');
				const resumes = this.held !== null && this.mirror.cursor !== null && same(this.held, this.wanted);
				if (!resumes) this.startAgain();
				this.asked = { filter: this.wanted, resumed: resumes };
				const query = eventsQuery(this.wanted, resumes ? this.mirror.cursor : null);
				link = openEvents(EventSource, withQuery(eventsUrl, query), events);
			}
		} catch (error) {
			this.failedToOpen(transport);
			this.retry(`the connection could not be opened: ${error instanceof Error ? error.message : error}`);
			return;
		}
		this.link = link;
		this.expectSignOfLife(HELLO_TIMEOUT_MS);
	}

	private onMessage(message: ServerMessage): void {
		const link = this.link;
		if (message.type === 'hello') this.onHello(message);
		else if (message.type === 'error') this.onError(message);
		else this.take(message);
		if (this.link === link) this.signOfLife();
	}

	private onHello(hello: Extract<ServerMessage, { type: 'hello' }>): void {
		this.greeted = true;
		this.heartbeatMs = hello.heartbeatMs;
		this.timeoutMs = hello.timeoutMs;
		if (!this.link?.say) {
			// The next loss is a chance to find that WebSockets work by now.
			this.failures = Math.min(this.failures, FAILURES_BEFORE_FALLBACK - 1);
			return;
		}
		this.socketsWork = true;
		clearInterval(this.pingTimer);
		this.pingTimer = setInterval(() => this.link?.say?.({ type: 'ping', id: ++this.pings }), this.heartbeatMs);
		if (this.held && this.mirror.cursor?.epoch === hello.epoch) this.ask(this.held, true);
		else {
			this.startAgain();
			this.askForWanted();
		}
	}

	private take(message: ServerMessage): void {
		const link = this.link;
		let change: Change | null;
		try {
			change = this.mirror.apply(message);
		} catch (error) {
			this.onGarbled(error instanceof Error ? error : new Error(String(error)));
			return;
		}
		const answer = message.type === 'snapshot' && !message.more ? this.asked : null;
		if (answer) {
			this.held = answer.filter;
			this.asked = null;
			this.attempt = 0;
			clearTimeout(this.askAgainTimer);
		}
		if (change) this.options.onChange(change);
		// A listener may have closed the connection.
		if (!answer || this.link !== link) return;
		this.setState({ kind: 'live' });
		this.askForWanted();
	}

	/** The server did not accept what it was told last. The same is not sent again, save after `rate_limited`. */
	private onError({ code, message, retryAfterMs }: LiveError): void {
		this.options.onError({ code, message, ...(retryAfterMs !== undefined && { retryAfterMs }) });
		const asked = this.asked;
		if (!asked || !this.link) return;
		if (code === 'rate_limited') {
			clearTimeout(this.askAgainTimer);
			this.askAgainTimer = setTimeout(
				() => this.ask(asked.resumed ? asked.filter : this.wanted, asked.resumed),
				retryAfterMs ?? DEFAULT_RETRY_AFTER_MS,
			);
			return;
		}
		this.asked = null;
		if (asked.resumed) {
			this.startAgain();
			this.askForWanted();
		} else if (!same(asked.filter, this.wanted)) this.askForWanted();
	}

	/** After what cannot be read nobody knows what is held: only a new snapshot will do. */
	private onGarbled(error: Error): void {
		this.startAgain();
		this.dropLink(UNREADABLE);
		this.attempt = Math.max(this.attempt, this.garbled++);
		this.retry('the server sent what cannot be read');
		this.options.onError({ code: 'unreadable', message: error.message });
	}

	/** Voids the cursor. What is held stays until the next full snapshot. */
	private startAgain(): void {
		this.mirror.forgetCursor();
		this.held = null;
	}

	private askForWanted(): void {
		if (!this.greeted || this.asked || (this.held && same(this.held, this.wanted))) return;
		this.ask(this.wanted, false);
	}

	private ask(filter: Filter, resumed: boolean): void {
		if (!this.link) return;
		if (!this.link.say) {
			this.dropLink(1000);
			this.open('sse');
			return;
		}
		this.asked = { filter, resumed };
		const resume = resumed ? this.mirror.cursor : null;
		this.link.say({ type: 'subscribe', filter, ...(resume && { resume }) });
	}

	private onClosed(code: number, reason: string): void {
		const transport = this.transport;
		if (!this.greeted && transport) this.failedToOpen(transport);
		this.dropLink();
		if (code >= FIRST_FINAL_CODE && code < 5000) {
			this.setState({ kind: 'refused', reason: reason || `the server closed with code ${code}` });
			return;
		}
		this.retry(reason || closeReason(code));
	}

	private failedToOpen(transport: Transport): void {
		this.failures += transport === 'websocket' || this.failures >= FAILURES_BEFORE_FALLBACK ? 1 : 0;
	}

	private retry(reason: string): void {
		const pause = pauseBefore(this.attempt++, this.options.random);
		this.setState({ kind: 'waiting', retryAt: Date.now() + pause, reason });
		this.retryTimer = setTimeout(() => this.connect(), pause);
	}

	/**
	 * Anything received is a sign of life. Without one in time the connection is taken for dead. Where nothing can be asked
	 * for, as on an event stream, silence may only mean that nothing happens.
	 */
	private signOfLife(): void {
		if (this.link?.say || this.asked) this.expectSignOfLife(this.timeoutMs);
		else clearTimeout(this.silenceTimer);
	}

	private expectSignOfLife(withinMs: number): void {
		clearTimeout(this.silenceTimer);
		this.silenceTimer = setTimeout(() => {
			const transport = this.transport;
			if (!this.greeted && transport) this.failedToOpen(transport);
			this.dropLink(NO_SIGN_OF_LIFE);
			this.retry('no sign of life from the server');
		}, withinMs);
	}

	private dropLink(code?: number): void {
		clearTimeout(this.silenceTimer);
		clearTimeout(this.askAgainTimer);
		clearInterval(this.pingTimer);
		const link = this.link;
		this.link = null;
		this.knocking = null;
		this.greeted = false;
		this.asked = null;
		this.mirror.discardDraft();
		if (code !== undefined) link?.close(code);
	}

	private setState(state: ConnectionState): void {
		if (state.kind === 'live' && this.state.kind === 'live') return;
		this.state = state;
		this.options.onState(state);
	}
}

function closeReason(code: number): string {
	if (code === GOING_AWAY) return 'the server is restarting';
	if (code === NO_SIGN_OF_LIFE) return 'the server heard nothing from this page';
	if (code === TOO_MANY_MESSAGES) return 'too many messages';
	return 'the connection was lost';
}

function withQuery(url: string, query: string): string {
	return query ? `${url}${url.includes('?') ? '&' : '?'}${query}` : url;
}

function same(a: Filter, b: Filter): boolean {
	return JSON.stringify(a) === JSON.stringify(b);
}

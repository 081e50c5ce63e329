import type { ClientMessage, Filter, ServerMessage } from '../protocol.gen';
import { pauseBefore } from './backoff';
import { type Diff, Mirror } from './mirror';

export type ConnectionState =
	/** The socket is being opened, or the first snapshot is on its way. */
	| { kind: 'connecting' }
	| { kind: 'live' }
	/** The connection is lost and will be tried again at `retryAt`. */
	| { kind: 'waiting'; retryAt: number; reason: string }
	/** The server refused for good: trying again would not help. */
	| { kind: 'refused'; reason: string }
	| { kind: 'closed' };

/** The part of a WebSocket that is used, so that a test can hand in its own. */
export interface SocketLike {
	onmessage: ((event: { data: unknown }) => void) | null;
	onclose: ((event: { code: number; reason: string }) => void) | null;
	send(text: string): void;
	close(code?: number): void;
}

export interface LiveOptions {
	url: string;
	onState(state: ConnectionState): void;
	onDiff(diff: Diff): void;
	onError?(code: string, message: string): void;
	open?(url: string): SocketLike;
	now?(): number;
	random?(): number;
}

const DEFAULT_HEARTBEAT_MS = 30_000;
const DEFAULT_TIMEOUT_MS = 60_000;
/** How long a new connection may take to say hello. */
const HELLO_TIMEOUT_MS = 15_000;
/** Close codes from here on mean: do not come back. */
const FIRST_FINAL_CODE = 4500;

/**
 * Keeps a `Mirror` in step with a server: connects, subscribes, resumes after a loss, and moves the subscription.
 *
 * Only one `subscribe` is unanswered at any time. So the filter that the held records belong to is always known, which
 * is what a resume must send.
 */
export class LiveConnection {
	readonly mirror = new Mirror();
	state: ConnectionState = { kind: 'closed' };

	private socket: SocketLike | null = null;
	private wanted: Filter = {};
	private held: Filter | null = null;
	private asked: { filter: Filter; resumed: boolean } | null = null;
	private greeted = false;
	private attempt = 0;
	private heartbeatMs = DEFAULT_HEARTBEAT_MS;
	private timeoutMs = DEFAULT_TIMEOUT_MS;
	private retryTimer: ReturnType<typeof setTimeout> | undefined;
	private pingTimer: ReturnType<typeof setInterval> | undefined;
	private silenceTimer: ReturnType<typeof setTimeout> | undefined;
	private pings = 0;

	private readonly options: LiveOptions;
	private readonly open: (url: string) => SocketLike;
	private readonly now: () => number;
	private readonly random: () => number;

	constructor(options: LiveOptions) {
		this.options = options;
		this.open = options.open ?? ((url) => new WebSocket(url) as unknown as SocketLike);
		this.now = options.now ?? Date.now;
		this.random = options.random ?? Math.random;
	}

	/** The filter that the held records answer to, once the first snapshot has arrived. */
	get heldFilter(): Filter | null {
		return this.held;
	}

	/** Opens the connection at once, also when it is waiting for its next attempt. */
	connect(): void {
		clearTimeout(this.retryTimer);
		if (this.socket) return;
		this.setState({ kind: 'connecting' });
		this.greeted = false;
		this.asked = null;
		let socket: SocketLike;
		try {
			socket = this.open(this.options.url);
		} catch {
			this.retry('the connection could not be opened');
			return;
		}
		this.socket = socket;
		const ifCurrent =
			<T>(handle: (event: T) => void) =>
			(event: T) => {
				if (this.socket === socket) handle(event);
			};
		socket.onmessage = ifCurrent((event) => this.onMessage(event.data));
		socket.onclose = ifCurrent((event) => this.onClose(event.code, event.reason));
		this.expectSignOfLife(HELLO_TIMEOUT_MS);
	}

	/** Asks for what matches `filter` from now on. Of several changes in a row only the last is sent. */
	subscribe(filter: Filter): void {
		this.wanted = filter;
		this.sendWanted();
	}

	close(): void {
		this.dropSocket(1000);
		clearTimeout(this.retryTimer);
		this.setState({ kind: 'closed' });
	}

	private onMessage(data: unknown): void {
		if (typeof data !== 'string') return;
		this.expectSignOfLife(this.timeoutMs);
		let message: ServerMessage;
		try {
			message = JSON.parse(data) as ServerMessage;
		} catch {
			return;
		}
		if (message.type === 'hello') {
			this.onHello(message);
			return;
		}
		if (message.type === 'error') {
			this.options.onError?.(message.code, message.message);
			this.refused();
			return;
		}
		const diff = this.mirror.apply(message);
		this.options.onDiff(diff);
		if (message.type === 'snapshot' && !message.more) this.answered();
	}

	private onHello(hello: Extract<ServerMessage, { type: 'hello' }>): void {
		this.greeted = true;
		this.heartbeatMs = hello.heartbeatMs;
		this.timeoutMs = hello.timeoutMs;
		clearInterval(this.pingTimer);
		this.pingTimer = setInterval(() => this.send({ type: 'ping', id: ++this.pings }), this.heartbeatMs);
		this.expectSignOfLife(this.timeoutMs);
		const cursor = this.mirror.cursor;
		if (cursor && this.held && cursor.epoch === hello.epoch) {
			this.asked = { filter: this.held, resumed: true };
			this.send({ type: 'subscribe', filter: this.held, resume: cursor });
			return;
		}
		this.startAgain();
	}

	private startAgain(): void {
		this.mirror.forgetCursor();
		this.held = null;
		this.sendWanted();
	}

	private answered(): void {
		if (!this.asked) return;
		this.held = this.asked.filter;
		this.asked = null;
		this.attempt = 0;
		this.setState({ kind: 'live' });
		this.sendWanted();
	}

	/** The server did not accept the last `subscribe`. The same one is not sent again, a newer one is. */
	private refused(): void {
		const asked = this.asked;
		if (!asked) return;
		this.asked = null;
		if (asked.resumed) this.startAgain();
		else if (!same(asked.filter, this.wanted)) this.sendWanted();
	}

	private sendWanted(): void {
		if (!this.greeted || this.asked || (this.held && same(this.held, this.wanted))) return;
		this.asked = { filter: this.wanted, resumed: false };
		this.send({ type: 'subscribe', filter: this.wanted });
	}

	private onClose(code: number, reason: string): void {
		this.dropSocket();
		if (code >= FIRST_FINAL_CODE && code < 5000) {
			this.setState({ kind: 'refused', reason: reason || `the server closed with code ${code}` });
			return;
		}
		this.retry(reason || closeReason(code));
	}

	private retry(reason: string): void {
		const pause = pauseBefore(this.attempt++, this.random);
		this.setState({ kind: 'waiting', retryAt: this.now() + pause, reason });
		this.retryTimer = setTimeout(() => this.connect(), pause);
	}

	/** Anything received is a sign of life. Without one in time the connection is taken for dead. */
	private expectSignOfLife(withinMs: number): void {
		clearTimeout(this.silenceTimer);
		this.silenceTimer = setTimeout(() => {
			this.dropSocket(4408);
			this.retry('no sign of life from the server');
		}, withinMs);
	}

	private dropSocket(code?: number): void {
		clearTimeout(this.silenceTimer);
		clearInterval(this.pingTimer);
		const socket = this.socket;
		this.socket = null;
		this.greeted = false;
		this.asked = null;
		if (code !== undefined) socket?.close(code);
	}

	private send(message: ClientMessage): void {
		this.socket?.send(JSON.stringify(message));
	}

	private setState(state: ConnectionState): void {
		this.state = state;
		this.options.onState(state);
	}
}

function closeReason(code: number): string {
	if (code === 1001) return 'the server is restarting';
	if (code === 4408) return 'the server heard nothing from this page';
	if (code === 4429) return 'too many messages';
	return 'the connection was lost';
}

function same(a: Filter, b: Filter): boolean {
	return JSON.stringify(a) === JSON.stringify(b);
}

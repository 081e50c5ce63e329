import type { ClientMessage, ServerMessage } from '../src/protocol.gen.js';

type Snapshot = Extract<ServerMessage, { type: 'snapshot' }>;

/** What the fake server can say, on whatever link. */
abstract class Speaker {
	abstract says(message: ServerMessage): void;

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

	snapshot(fields: Partial<Snapshot> = {}): void {
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
}

export class FakeSocket extends Speaker {
	onmessage: ((event: { data: unknown }) => void) | null = null;
	onclose: ((event: { code: number; reason: string }) => void) | null = null;
	onerror: (() => void) | null = null;
	binaryType = 'blob';
	protocol = '';
	readonly frames: (string | Uint8Array)[] = [];
	closedWith: number | undefined;

	constructor(
		readonly url: string,
		readonly offered: string[],
	) {
		super();
	}

	send(data: string | Uint8Array): void {
		this.frames.push(data);
	}
	close(code?: number): void {
		this.closedWith = code;
	}
	says(message: ServerMessage): void {
		this.onmessage?.({ data: JSON.stringify(message) });
	}
	breaks(code = 1006): void {
		this.onclose?.({ code, reason: '' });
	}
	get sent(): ClientMessage[] {
		return this.frames.filter((frame) => typeof frame === 'string').map((frame) => JSON.parse(frame));
	}
	get subscribes(): Extract<ClientMessage, { type: 'subscribe' }>[] {
		return this.sent.filter((message) => message.type === 'subscribe');
	}
}

export class FakeEventSource extends Speaker {
	onmessage: ((event: { data: string }) => void) | null = null;
	onerror: (() => void) | null = null;
	closed = false;

	constructor(readonly url: string) {
		super();
	}

	close(): void {
		this.closed = true;
	}
	says(message: ServerMessage): void {
		this.onmessage?.({ data: JSON.stringify(message) });
	}
	breaks(): void {
		this.onerror?.();
	}
	get query(): Record<string, string[]> {
		const query = new URL(this.url).searchParams;
		return Object.fromEntries([...query.keys()].map((name) => [name, query.getAll(name)]));
	}
}

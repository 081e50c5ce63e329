import type {
	MessageRecord,
	NodeRecord,
	PositionUpdate,
	Resume,
	ServerMessage,
	TelemetryRecord,
	TelemetryUpdate,
} from '../protocol.gen';

/** What one server message changed in the held records. */
export interface Diff {
	/** Ids whose record is new or replaced or has changed fields. */
	changed: Set<string>;
	/** Ids that are no longer held. */
	left: Set<string>;
	/** Everything held before was void: what is not in `changed` is gone. */
	reset: boolean;
	/** Text messages not seen before, oldest first. */
	messages: MessageRecord[];
}

type Fields = Record<string, unknown>;

/**
 * A client's copy of what the server told it, by the rules of protocol 1. It knows no socket and no clock: server
 * messages go in, differences come out.
 */
export class Mirror {
	readonly nodes = new Map<string, NodeRecord>();
	/** The newest revision seen. Frames of this tick may still be on their way. */
	revision = 0;

	private epoch: string | null = null;
	/** Every frame up to this revision has arrived: the last one of a tick or of a snapshot does not say `more`. */
	private complete = 0;
	private receivingParts = false;
	private readonly seenMessages = new Set<string>();

	/**
	 * Where to continue after a lost connection, or null when only a new snapshot will do. A tick that was cut off
	 * between two of its frames does not count: receiving the first of them again does no harm.
	 */
	get cursor(): Resume | null {
		if (this.epoch === null || this.receivingParts) return null;
		return { epoch: this.epoch, revision: this.complete };
	}

	/** Makes the cursor void, so that the next subscription starts with a full snapshot. */
	forgetCursor(): void {
		this.epoch = null;
		this.receivingParts = false;
	}

	apply(message: ServerMessage): Diff {
		const diff: Diff = { changed: new Set(), left: new Set(), reset: false, messages: [] };
		switch (message.type) {
			case 'snapshot':
				this.applySnapshot(message, diff);
				break;
			case 'node_enter':
				for (const node of message.nodes) this.replace(node, diff);
				break;
			case 'node_update':
			case 'node_status':
				for (const node of message.nodes) this.merge(node, diff);
				break;
			case 'position_update':
				for (const position of message.positions) this.move(position, diff);
				break;
			case 'telemetry_update':
				for (const readings of message.telemetry) this.measure(readings, diff);
				break;
			case 'node_leave':
				for (const id of message.ids) this.remove(id, diff);
				break;
			case 'message':
				this.hear(message.messages, diff);
				break;
			default:
				return diff;
		}
		if (message.type !== 'snapshot') this.sawRevision(message.revision, message.more ?? false);
		return diff;
	}

	private applySnapshot(message: Extract<ServerMessage, { type: 'snapshot' }>, diff: Diff): void {
		if (message.full && !this.receivingParts) {
			for (const id of this.nodes.keys()) diff.left.add(id);
			this.nodes.clear();
			diff.reset = true;
		}
		for (const id of message.removed) this.remove(id, diff);
		for (const node of message.nodes) this.replace(node, diff);
		this.hear(message.messages, diff);
		this.receivingParts = message.more;
		this.epoch = message.epoch;
		this.revision = message.revision;
		if (!message.more) this.complete = message.revision;
	}

	private sawRevision(revision: number, more: boolean): void {
		this.revision = Math.max(this.revision, revision);
		if (!more) this.complete = this.revision;
	}

	private replace(node: NodeRecord, diff: Diff): void {
		this.nodes.set(node.id, withoutNulls(node));
		diff.left.delete(node.id);
		diff.changed.add(node.id);
	}

	private merge(fields: NodeRecord, diff: Diff): void {
		const held = this.nodes.get(fields.id);
		if (!held) return;
		this.nodes.set(fields.id, merged(held, fields));
		diff.changed.add(fields.id);
	}

	private move({ id, ...position }: PositionUpdate, diff: Diff): void {
		const held = this.nodes.get(id);
		if (!held) return;
		this.nodes.set(id, { ...held, position: withoutNulls(position) });
		diff.changed.add(id);
	}

	private measure({ id, ...readings }: TelemetryUpdate, diff: Diff): void {
		const held = this.nodes.get(id);
		if (!held) return;
		const telemetry = merged(held.telemetry ?? ({} as TelemetryRecord), readings as Partial<TelemetryRecord>);
		this.nodes.set(id, { ...held, telemetry });
		diff.changed.add(id);
	}

	private remove(id: string, diff: Diff): void {
		if (this.nodes.delete(id)) diff.left.add(id);
		diff.changed.delete(id);
	}

	private hear(messages: MessageRecord[], diff: Diff): void {
		for (const message of messages) {
			const key = `${message.network}/${message.from}/${message.id}`;
			if (this.seenMessages.has(key)) continue;
			this.seenMessages.add(key);
			diff.messages.push(message);
		}
		for (const key of this.seenMessages) {
			if (this.seenMessages.size <= REMEMBERED_MESSAGES) break;
			this.seenMessages.delete(key);
		}
	}
}

/** How many text messages are remembered to tell a repetition; older ones are not sent again. */
const REMEMBERED_MESSAGES = 5000;

/** `null` clears a field; fields not mentioned stay. */
function merged<T extends object>(held: T, fields: Partial<T>): T {
	return withoutNulls({ ...held, ...fields });
}

function withoutNulls<T extends object>(record: T): T {
	const result: Fields = {};
	for (const [name, value] of Object.entries(record)) {
		if (value !== null && value !== undefined) result[name] = value;
	}
	return result as T;
}

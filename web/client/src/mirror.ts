import type {
	CellRecord,
	MessageRecord,
	MessageType,
	NodeRecord,
	PositionUpdate,
	Resume,
	ServerMessage,
	TelemetryRecord,
	TelemetryUpdate,
} from './protocol.gen.js';

/** A part of a node's record, named as in the `messageTypes` of a filter. */
export type FieldGroup = Exclude<MessageType, 'message'>;

/** A node that was held before, and what became of it. */
export interface Update {
	node: NodeRecord;
	/** The record that was held until now. Parts that did not change are the same objects in both. */
	before: NodeRecord;
	/** The parts that differ; never empty. */
	changed: FieldGroup[];
}

/** What one complete tick or snapshot changed. */
export interface Change {
	/** The revision that the held records stand at now. */
	revision: number;
	/** Everything was sent anew. Records that came out the same are not named below. */
	reset: boolean;
	/** Nodes that were not held before. */
	entered: NodeRecord[];
	updated: Update[];
	/** The last records of nodes that are no longer held. */
	left: NodeRecord[];
	/** Cells that are new or count differently. Those with a total of 0 are no longer held. */
	cells: CellRecord[];
	/** Text messages not seen before, as they were sent. */
	messages: MessageRecord[];
}

/**
 * A client's copy of what the server told it, by the rules of protocol 1. It knows no connection and no clock: server
 * messages go in, differences come out. What is held is complete at any time: the messages of a tick, or the parts of
 * a snapshot, are gathered in a draft, and take effect together with the last one.
 */
export class Mirror {
	readonly nodes = new Map<string, NodeRecord>();
	readonly cells = new Map<string, CellRecord>();
	/** Where to continue after a lost connection, or null when only a new snapshot will do. */
	cursor: Resume | null = null;

	private draft = new Draft();
	private readonly seenMessages = new Set<string>();

	/** The record of a node as of the last message, that of a tick under way included. */
	latest(id: string): NodeRecord | undefined {
		const drafted = this.draft.nodes.get(id);
		if (drafted !== undefined) return drafted ?? undefined;
		return this.draft.reset ? undefined : this.nodes.get(id);
	}

	/** Drops what came of a tick or snapshot whose end will not come. */
	discardDraft(): void {
		this.draft = new Draft();
	}

	/** Makes the next subscription start with a full snapshot. What is held stays until then. */
	forgetCursor(): void {
		this.discardDraft();
		this.cursor = null;
	}

	/** Takes in one message. Answers with what changed when it completes a tick or a snapshot, else with null. */
	apply(message: ServerMessage): Change | null {
		switch (message.type) {
			case 'snapshot':
				this.draftSnapshot(message);
				break;
			case 'node_enter':
				for (const node of message.nodes) this.draft.nodes.set(node.id, withoutNulls(node));
				break;
			case 'node_update':
			case 'node_status':
				for (const fields of message.nodes) this.revise(fields.id, (held) => merged(held, fields));
				break;
			case 'position_update':
				for (const position of message.positions) this.move(position);
				break;
			case 'telemetry_update':
				for (const readings of message.telemetry) this.measure(readings);
				break;
			case 'node_leave':
				for (const id of message.ids) this.draft.nodes.set(id, null);
				break;
			case 'cell_update':
				for (const cell of message.cells) this.draft.cells.set(cell.cell, cell);
				break;
			case 'message':
				this.draft.messages.push(...message.messages);
				break;
			default:
				return null;
		}
		const epoch = message.type === 'snapshot' ? message.epoch : this.cursor?.epoch;
		return message.more || epoch === undefined ? null : this.commit({ epoch, revision: message.revision });
	}

	private draftSnapshot(snapshot: Extract<ServerMessage, { type: 'snapshot' }>): void {
		if (snapshot.full && !this.draft.inSnapshot) {
			this.draft = new Draft();
			this.draft.reset = true;
		}
		this.draft.inSnapshot = true;
		for (const id of snapshot.removed) this.draft.nodes.set(id, null);
		for (const node of snapshot.nodes) this.draft.nodes.set(node.id, withoutNulls(node));
		for (const cell of snapshot.cells ?? []) this.draft.cells.set(cell.cell, cell);
		this.draft.messages.push(...snapshot.messages);
	}

	private revise(id: string, change: (held: NodeRecord) => NodeRecord): void {
		const held = this.latest(id);
		if (held) this.draft.nodes.set(id, change(held));
	}

	private move({ id, ...position }: PositionUpdate): void {
		this.revise(id, (held) => ({ ...held, position: withoutNulls(position) }));
	}

	private measure({ id, ...readings }: TelemetryUpdate): void {
		this.revise(id, (held) => {
			const before = held.telemetry ?? ({} as TelemetryRecord);
			return { ...held, telemetry: merged(before, readings as Partial<TelemetryRecord>) };
		});
	}

	private commit(cursor: Resume): Change {
		const { reset, nodes, cells, messages } = this.draft;
		const { revision } = cursor;
		const change: Change = { revision, reset, entered: [], updated: [], left: [], cells: [], messages: [] };
		if (reset) {
			for (const id of this.nodes.keys()) if (!nodes.has(id)) nodes.set(id, null);
			for (const cell of this.cells.keys()) if (!cells.has(cell)) cells.set(cell, { cell, total: 0, online: 0 });
		}
		for (const [id, node] of nodes) this.commitNode(id, node, change);
		for (const cell of cells.values()) this.commitCell(cell, change);
		change.messages = messages.filter((message) => this.isNews(message));
		this.cursor = cursor;
		this.discardDraft();
		return change;
	}

	private commitNode(id: string, node: NodeRecord | null, change: Change): void {
		const before = this.nodes.get(id);
		if (!node) {
			if (before) change.left.push(before);
			this.nodes.delete(id);
			return;
		}
		if (before) {
			const changed = changedGroups(before, node);
			if (changed.length === 0) return;
			change.updated.push({ node, before, changed });
		} else change.entered.push(node);
		this.nodes.set(id, node);
	}

	private commitCell(cell: CellRecord, change: Change): void {
		const before = this.cells.get(cell.cell);
		if (cell.total === 0 ? !before : before && same(before, cell)) return;
		if (cell.total === 0) this.cells.delete(cell.cell);
		else this.cells.set(cell.cell, cell);
		change.cells.push(cell);
	}

	private isNews({ network, from, id }: MessageRecord): boolean {
		const key = `${network}/${from}/${id}`;
		if (this.seenMessages.has(key)) return false;
		this.seenMessages.add(key);
		for (const oldest of this.seenMessages) {
			if (this.seenMessages.size <= REMEMBERED_MESSAGES) break;
			this.seenMessages.delete(oldest);
		}
		return true;
	}
}

/** What a tick or snapshot will change, once its last message has come. */
class Draft {
	/** What is held is void, save what stands here. */
	reset = false;
	/** Parts of a snapshot have come, but not its last one. */
	inSnapshot = false;
	/** Records as they will be; null for what goes. */
	readonly nodes = new Map<string, NodeRecord | null>();
	readonly cells = new Map<string, CellRecord>();
	readonly messages: MessageRecord[] = [];
}

/** How many text messages are remembered to tell a repetition; older ones are not sent again. */
const REMEMBERED_MESSAGES = 5000;

const GROUP_OF_FIELD: Record<string, FieldGroup> = {
	position: 'position',
	telemetry: 'telemetry',
	online: 'status',
	lastHeard: 'status',
};

function changedGroups(before: NodeRecord, after: NodeRecord): FieldGroup[] {
	const changed = new Set<FieldGroup>();
	for (const field of new Set([...Object.keys(before), ...Object.keys(after)])) {
		if (!same((before as Fields)[field], (after as Fields)[field])) changed.add(GROUP_OF_FIELD[field] ?? 'node');
	}
	return [...changed];
}

type Fields = Record<string, unknown>;

/** Whether two values as JSON has them are the same. */
function same(a: unknown, b: unknown): boolean {
	if (a === b) return true;
	if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
	const names = Object.keys(a);
	return (
		names.length === Object.keys(b).length && names.every((name) => same((a as Fields)[name], (b as Fields)[name]))
	);
}

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

import type { NodeRecord, PositionRecord, TelemetryRecord } from 'geocast-client';
import { fetchNode, fetchPositions, fetchTelemetry } from './api';

const TRAIL_POSITIONS = 200;
const HISTORY_READINGS = 300;
/** How often a selected node outside the subscription is fetched again. */
const REFRESH_MS = 15_000;
/** How many nodes outside the subscription are fetched at a time. */
const MAX_LEARNT = 20;

/**
 * The selected node: its latest record, and the history that only REST knows. Whatever arrives late for a node that
 * is no longer selected is dropped.
 */
export class Selection {
	id: string | null = null;
	node: NodeRecord | null = null;
	live = false;
	/** Newest first; null while being fetched. */
	telemetry: TelemetryRecord[] | null = null;
	trail: PositionRecord[] | null = null;
	/** Records that came by REST, for the names and places of nodes outside the subscription. */
	readonly known = new Map<string, NodeRecord>();
	private readonly refresh: ReturnType<typeof setInterval>;

	constructor(
		private readonly held: (id: string) => NodeRecord | undefined,
		private readonly onChange: () => void,
	) {
		this.refresh = setInterval(() => {
			if (this.id && !this.live) void this.fetchRecord(this.id);
		}, REFRESH_MS);
	}

	stop(): void {
		clearInterval(this.refresh);
	}

	select(id: string | null): void {
		if (id === this.id) return;
		this.id = id;
		this.node = null;
		this.telemetry = null;
		this.trail = null;
		this.live = false;
		if (id) {
			this.update();
			if (!this.node) this.node = this.known.get(id) ?? null;
			if (!this.live) void this.fetchRecord(id);
			void this.fetchHistory(id);
			void this.fetchNeighbours(id);
		}
		this.onChange();
	}

	/** Takes over what the live records say now. */
	update(): void {
		if (!this.id) return;
		const node = this.held(this.id);
		this.live = node !== undefined;
		if (!node || node === this.node) return;
		this.node = node;
		const { position, telemetry } = node;
		if (position && this.trail && position.time > (this.trail[0]?.time ?? 0)) {
			this.trail = [position, ...this.trail].slice(0, TRAIL_POSITIONS);
		}
		if (telemetry && this.telemetry && telemetry.time > (this.telemetry[0]?.time ?? 0)) {
			this.telemetry = [telemetry, ...this.telemetry].slice(0, HISTORY_READINGS);
		}
	}

	private async fetchRecord(id: string): Promise<void> {
		const node = await fetchNode(id).catch(() => null);
		if (node) this.known.set(id, node);
		if (this.id !== id || this.live || !node) return;
		this.node = node;
		this.onChange();
	}

	private async fetchHistory(id: string): Promise<void> {
		const [trail, telemetry] = await Promise.all([
			fetchPositions(id, TRAIL_POSITIONS).catch(() => []),
			fetchTelemetry(id, HISTORY_READINGS).catch(() => []),
		]);
		if (this.id !== id) return;
		this.trail = trail;
		this.telemetry = telemetry;
		this.onChange();
	}

	/** Fetches nodes that are not held, for their names and places; true when there were any. */
	async learn(ids: string[]): Promise<boolean> {
		const missing = [...new Set(ids)].filter((id) => !this.held(id) && !this.known.has(id));
		await Promise.all(
			missing.slice(0, MAX_LEARNT).map(async (id) => {
				const node = await fetchNode(id).catch(() => null);
				if (node) this.known.set(id, node);
			}),
		);
		return missing.length > 0;
	}

	private async fetchNeighbours(id: string): Promise<void> {
		const any = await this.learn((this.node?.links ?? []).map((link) => link.id));
		if (this.id === id && any) this.onChange();
	}
}

import type { GeoJSONSource, GeoJSONSourceDiff } from 'maplibre-gl';

/** Above this share of changed features, replacing all of them is cheaper than a difference. */
const REPLACE_SHARE = 0.5;
/** The source clusters anew on each change, so changes are gathered for this long. */
const GATHER_MS = 200;

/**
 * Keeps the features of one GeoJSON source in step with records that change often: changes are gathered, handed over
 * in an animation frame, and never while the source still works on the last ones.
 */
export class SourceSync {
	readonly features = new Map<string, GeoJSON.Feature>();
	private readonly dirty = new Set<string>();
	private replaceAll = false;
	private busy = false;
	private scheduled = false;
	private lastFlush = 0;

	constructor(private readonly source: () => GeoJSONSource | undefined) {}

	/** Sets one feature, or removes it with null. One that is there already, and the same, costs nothing more. */
	set(id: string, feature: GeoJSON.Feature | null): void {
		if (feature && JSON.stringify(feature) === JSON.stringify(this.features.get(id))) return;
		if (feature) this.features.set(id, feature);
		else if (!this.features.delete(id)) return;
		this.dirty.add(id);
		this.schedule();
	}

	/** Makes these all the features there are. */
	setAll(wanted: Map<string, GeoJSON.Feature>): void {
		for (const id of [...this.features.keys()]) if (!wanted.has(id)) this.set(id, null);
		for (const [id, feature] of wanted) this.set(id, feature);
	}

	/** Hands everything over again, after the source was made anew. */
	renew(): void {
		this.replaceAll = true;
		this.schedule();
	}

	private schedule(): void {
		if (this.scheduled || this.busy) return;
		this.scheduled = true;
		const wait = Math.max(0, this.lastFlush + GATHER_MS - performance.now());
		setTimeout(() => requestAnimationFrame(() => this.flush()), wait);
	}

	private async flush(): Promise<void> {
		this.scheduled = false;
		const source = this.source();
		if (!source || (this.dirty.size === 0 && !this.replaceAll)) return;
		this.busy = true;
		this.lastFlush = performance.now();
		try {
			await this.handOver(source);
		} catch {
			this.replaceAll = true;
		} finally {
			this.busy = false;
			if (this.dirty.size > 0) this.schedule();
		}
	}

	private handOver(source: GeoJSONSource): Promise<void> {
		const changed = [...this.dirty];
		this.dirty.clear();
		if (this.replaceAll || changed.length > this.features.size * REPLACE_SHARE) {
			this.replaceAll = false;
			return source.setData({ type: 'FeatureCollection', features: [...this.features.values()] });
		}
		const diff: Required<Pick<GeoJSONSourceDiff, 'add' | 'remove'>> = { add: [], remove: [] };
		for (const id of changed) {
			const feature = this.features.get(id);
			if (feature) diff.add.push(feature);
			else diff.remove.push(id);
		}
		return source.updateData(diff);
	}
}

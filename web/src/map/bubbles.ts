import type { CellRecord } from 'geocast-client';
import { middleOf, tileNamed } from '../model/tiles';
import type { SourceSync } from './sync';

const shortCount = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** Turns counts by map tile into bubbles, drawn like the clusters of nodes. */
export class Bubbles {
	constructor(private readonly source: SourceSync) {}

	get count(): number {
		return this.source.features.size;
	}

	set({ cell, total, online }: CellRecord): void {
		if (total === 0) {
			this.source.set(cell, null);
			return;
		}
		const geometry: GeoJSON.Point = { type: 'Point', coordinates: middleOf(tileNamed(cell)) };
		const properties = {
			id: cell,
			online,
			point_count: total,
			point_count_abbreviated: shortCount.format(total),
		};
		this.source.set(cell, { type: 'Feature', properties, geometry });
	}
}

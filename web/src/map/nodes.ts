import type { NodeRecord, PositionRecord } from 'geocast-client';
import { cellOf, cellRing, normaliseLongitude, unwrapped } from '../model/geo';
import { isOld, shortNameOf, statusOf } from '../model/status';
import { CELLS_FROM_ZOOM } from './layers';
import type { SourceSync } from './sync';

type Feature = GeoJSON.Feature;

export interface NodeSources {
	nodes: SourceSync;
	cells: SourceSync;
	links: SourceSync;
	trail: SourceSync;
	selection: SourceSync;
}

/** Turns node records into the features that the map shows. */
export class NodeFeatures {
	/** Nodes of reduced precision often share one cell, which is drawn once. */
	private readonly cellUsers = new Map<string, Set<string>>();
	private readonly cellOfNode = new Map<string, string>();
	private selected: NodeRecord | null = null;
	private showCells = false;

	constructor(private readonly sources: NodeSources) {}

	get count(): number {
		return this.sources.nodes.features.size;
	}

	/** The `count` drawn nodes nearest to a place. */
	nearest(longitude: number, latitude: number, count: number): { id: string; place: [number, number] }[] {
		const narrowing = Math.cos((latitude * Math.PI) / 180);
		return [...this.sources.nodes.features]
			.map(([id, { geometry }]) => {
				const place = (geometry as GeoJSON.Point).coordinates as [number, number];
				const east = normaliseLongitude(place[0] - longitude) * narrowing;
				return { id, place, distance: Math.hypot(east, place[1] - latitude) };
			})
			.sort((a, b) => a.distance - b.distance)
			.slice(0, count);
	}

	set(node: NodeRecord, now: number): void {
		this.sources.nodes.set(node.id, pointOf(node, now));
		this.setCell(node);
	}

	remove(id: string): void {
		this.sources.nodes.set(id, null);
		this.releaseCell(id);
	}

	/** Draws the cells of all nodes, or of none: from far away they would only be noise. */
	zoomed(zoom: number): void {
		const show = zoom >= CELLS_FROM_ZOOM;
		if (show === this.showCells) return;
		this.showCells = show;
		for (const key of this.cellUsers.keys()) this.sources.cells.set(key, show ? cellFeature(key, false) : null);
	}

	select(node: NodeRecord | null, neighbours: NodeRecord[], now: number): void {
		this.selected = node;
		const point = node && pointOf(node, now);
		this.sources.selection.set('selected', point);
		const cell = node?.position && cellKey(node.position);
		this.sources.cells.set('selected', cell ? cellFeature(cell, true) : null);
		this.setLinks(neighbours);
	}

	setTrail(positions: PositionRecord[]): void {
		const wanted = new Map<string, Feature>();
		const path = unwrapped(positions.map(({ longitude, latitude }) => [longitude, latitude]));
		if (path.length > 1) {
			wanted.set('line', feature('line', { type: 'LineString', coordinates: path }));
			path.forEach((coordinates, i) => {
				wanted.set(`${i}`, feature(`${i}`, { type: 'Point', coordinates }));
			});
		}
		this.sources.trail.setAll(wanted);
	}

	private setLinks(neighbours: NodeRecord[]): void {
		const wanted = new Map<string, Feature>();
		const from = this.selected?.position;
		for (const { id, position } of neighbours) {
			if (!from || !position) continue;
			const coordinates = unwrapped([
				[from.longitude, from.latitude],
				[position.longitude, position.latitude],
			]);
			wanted.set(id, feature(id, { type: 'LineString', coordinates }));
		}
		this.sources.links.setAll(wanted);
	}

	private setCell(node: NodeRecord): void {
		const key = node.position && cellKey(node.position);
		if (this.cellOfNode.get(node.id) === key) return;
		this.releaseCell(node.id);
		if (!key) return;
		this.cellOfNode.set(node.id, key);
		const users = this.cellUsers.get(key);
		if (users) {
			users.add(node.id);
			return;
		}
		this.cellUsers.set(key, new Set([node.id]));
		if (this.showCells) this.sources.cells.set(key, cellFeature(key, false));
	}

	private releaseCell(id: string): void {
		const key = this.cellOfNode.get(id);
		if (!key) return;
		this.cellOfNode.delete(id);
		const users = this.cellUsers.get(key);
		users?.delete(id);
		if (users?.size !== 0) return;
		this.cellUsers.delete(key);
		this.sources.cells.set(key, null);
	}
}

function pointOf(node: NodeRecord, now: number): Feature | null {
	if (!node.position) return null;
	const { longitude, latitude } = node.position;
	const geometry: GeoJSON.Point = { type: 'Point', coordinates: [longitude, latitude] };
	const status = statusOf(node, now);
	const old = status === 'offline' && isOld(node, now);
	return feature(node.id, geometry, { name: shortNameOf(node), status, old });
}

function feature(id: string, geometry: GeoJSON.Geometry, properties: Record<string, unknown> = {}): Feature {
	return { type: 'Feature', properties: { id, ...properties }, geometry };
}

/** Names a cell by its middle and precision; null for a point. */
function cellKey(position: PositionRecord): string | undefined {
	if (!cellOf(position)) return undefined;
	return `${position.longitude}/${position.latitude}/${position.precisionBits}`;
}

function cellFeature(key: string, selected: boolean): Feature | null {
	const [longitude, latitude, precisionBits] = key.split('/').map(Number) as [number, number, number];
	const cell = cellOf({ longitude, latitude, precisionBits, time: 0 });
	if (!cell) return null;
	const id = selected ? 'selected' : key;
	return feature(id, { type: 'Polygon', coordinates: [cellRing(cell)] }, { selected });
}

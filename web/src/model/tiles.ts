import type { Bounds } from 'geocast-client';
import { type Cell, normaliseLongitude } from './geo';

/** Seen from farther away than this, nodes are counted by tile instead of being sent one by one. */
export const NODES_FROM_ZOOM = 4;
/** Tiles this many zooms finer than the map's are 32 to 64 pixels wide: room for a bubble each. */
const FINER = 4;
/** Makes sure that a node on the edge of a tile is in the bounds of the tile. */
const HAIR_DEGREES = 1e-6;

interface Tile {
	zoom: number;
	x: number;
	y: number;
}

/** The zoom of the tiles to count by; null where the nodes themselves are shown. */
export function countingZoom(mapZoom: number): number | null {
	return mapZoom < NODES_FROM_ZOOM ? Math.max(0, Math.floor(mapZoom)) + FINER : null;
}

/** The tile that the server calls `z/x/y`. */
export function tileNamed(name: string): Tile {
	const [zoom = 0, x = 0, y = 0] = name.split('/').map(Number);
	return { zoom, x, y };
}

/** The edges of a tile. The first and the last row reach to the poles. */
export function edgesOf({ zoom, x, y }: Tile): Cell {
	const tiles = 2 ** zoom;
	return {
		west: longitudeOf(x / tiles),
		east: longitudeOf((x + 1) / tiles),
		north: y === 0 ? 90 : latitudeOf(y / tiles),
		south: y === tiles - 1 ? -90 : latitudeOf((y + 1) / tiles),
	};
}

/** Where the middle of a tile is on the map, as longitude and latitude. */
export function middleOf({ zoom, x, y }: Tile): [number, number] {
	const tiles = 2 ** zoom;
	return [longitudeOf((x + 0.5) / tiles), latitudeOf((y + 0.5) / tiles)];
}

/** Bounds grown to whole tiles: these are counted without looking at every node, and stay the same for a small pan. */
export function wholeTiles(bounds: Bounds, zoom: number): Bounds {
	const tiles = 2 ** zoom;
	const row = (latitude: number) => clamp(Math.floor(southing(latitude) * tiles), 0, tiles - 1);
	const { north } = edgesOf({ zoom, x: 0, y: row(bounds.north) });
	const { south } = edgesOf({ zoom, x: 0, y: row(bounds.south) });
	const first = Math.floor(((bounds.west + 180) / 360) * tiles);
	const last = Math.floor(((bounds.east + 180) / 360) * tiles);
	const width = bounds.west <= bounds.east ? last - first : last - first + tiles;
	const upright = { north: Math.min(90, north + HAIR_DEGREES), south: Math.max(-90, south - HAIR_DEGREES) };
	if (width + 1 >= tiles) return { ...upright, west: -180, east: 180 };
	return {
		...upright,
		west: normaliseLongitude(longitudeOf(first / tiles) - HAIR_DEGREES),
		east: normaliseLongitude(longitudeOf((last + 1) / tiles) + HAIR_DEGREES),
	};
}

export function overlaps(bounds: Bounds, { west, south, east, north }: Cell): boolean {
	if (south > bounds.north || north < bounds.south) return false;
	if (bounds.west <= bounds.east) return west <= bounds.east && east >= bounds.west;
	return west <= bounds.east || east >= bounds.west;
}

/** Web Mercator: 0 at the antimeridian's west, 1 at its east. */
function longitudeOf(easting: number): number {
	return easting * 360 - 180;
}

/** Web Mercator: 0 at the northern edge of the map, 1 at the southern one. */
function latitudeOf(southing: number): number {
	return (Math.atan(Math.sinh(Math.PI * (1 - 2 * southing))) * 180) / Math.PI;
}

function southing(latitude: number): number {
	const sine = clamp(Math.sin((latitude * Math.PI) / 180), -0.999999, 0.999999);
	return 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI);
}

function clamp(value: number, low: number, high: number): number {
	return Math.max(low, Math.min(high, value));
}

import type { Bounds, PositionRecord } from 'geocast-client';

/** Meshtastic counts places in units of 1e-7 degrees, in 32 bits. */
const DEGREES_PER_UNIT = 1e-7;
const FULL_PRECISION_BITS = 32;
const METRES_PER_DEGREE = 111_320;

/** Edges in degrees. Near the antimeridian `west` or `east` may lie beyond 180, so that `west < east` always holds. */
export interface Cell {
	west: number;
	south: number;
	east: number;
	north: number;
}

/** The area a position of reduced precision stands for; null when it is a point. */
export function cellOf(position: PositionRecord): Cell | null {
	const bits = position.precisionBits;
	if (bits === undefined || bits <= 0 || bits >= FULL_PRECISION_BITS) return null;
	const half = (2 ** (FULL_PRECISION_BITS - bits) * DEGREES_PER_UNIT) / 2;
	return {
		west: position.longitude - half,
		south: Math.max(-90, position.latitude - half),
		east: position.longitude + half,
		north: Math.min(90, position.latitude + half),
	};
}

export function cellRing({ west, south, east, north }: Cell): [number, number][] {
	return [
		[west, south],
		[east, south],
		[east, north],
		[west, north],
		[west, south],
	];
}

/** The height of the cell on the ground, in metres: what a reader wants to know of a precision. */
export function cellMetres(cell: Cell): number {
	return (cell.north - cell.south) * METRES_PER_DEGREE;
}

export function normaliseLongitude(longitude: number): number {
	if (longitude >= -180 && longitude <= 180) return longitude;
	return ((((longitude + 180) % 360) + 360) % 360) - 180;
}

/**
 * What a viewport shows, as bounds of a subscription, with `margin` of its size added on each side. The viewport's
 * longitudes may run beyond 180 where the map repeats; the bounds then have west > east.
 */
export function viewportBounds(view: Cell, margin: number): Bounds {
	const spareHeight = (view.north - view.south) * margin;
	const spareWidth = (view.east - view.west) * margin;
	const north = Math.min(90, rounded(view.north + spareHeight));
	const south = Math.max(-90, rounded(view.south - spareHeight));
	const west = view.west - spareWidth;
	const east = view.east + spareWidth;
	if (east - west >= 360) return { north, south, west: -180, east: 180 };
	return { north, south, west: rounded(normaliseLongitude(west)), east: rounded(normaliseLongitude(east)) };
}

export function contains(bounds: Bounds, longitude: number, latitude: number): boolean {
	if (latitude > bounds.north || latitude < bounds.south) return false;
	if (bounds.west <= bounds.east) return longitude >= bounds.west && longitude <= bounds.east;
	return longitude >= bounds.west || longitude <= bounds.east;
}

/** Longitudes of a path made continuous, so that a step over the antimeridian is not drawn around the world. */
export function unwrapped(path: [number, number][]): [number, number][] {
	const result: [number, number][] = [];
	let turns = 0;
	let before: number | undefined;
	for (const [longitude, latitude] of path) {
		if (before !== undefined) {
			if (longitude - before > 180) turns--;
			else if (longitude - before < -180) turns++;
		}
		before = longitude;
		result.push([longitude + 360 * turns, latitude]);
	}
	return result;
}

/** The smallest box around all places, over the antimeridian where that is shorter; null without places. */
export function boxAround(places: [number, number][]): Cell | null {
	if (places.length === 0) return null;
	const latitudes = places.map(([, latitude]) => latitude);
	const longitudes = places.map(([longitude]) => longitude).sort((a, b) => a - b);
	let west = longitudes[0] as number;
	let east = longitudes.at(-1) as number;
	let widestGap = west + 360 - east;
	for (let i = 1; i < longitudes.length; i++) {
		const left = longitudes[i - 1] as number;
		const right = longitudes[i] as number;
		if (right - left > widestGap) {
			widestGap = right - left;
			west = right;
			east = left + 360;
		}
	}
	return { west, east, south: Math.min(...latitudes), north: Math.max(...latitudes) };
}

/** A tenth of a metre is enough for a viewport, and keeps the frames short. */
function rounded(degrees: number): number {
	return Math.round(degrees * 1e6) / 1e6;
}

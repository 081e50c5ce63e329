import { describe, expect, test } from 'vitest';
import {
	boxAround,
	cellMetres,
	cellOf,
	contains,
	normaliseLongitude,
	unwrapped,
	viewportBounds,
} from '../src/model/geo';

describe('the cell of a position', () => {
	const position = { latitude: 40.7, longitude: -74, time: 0 };

	test('has sides of 2^(32-bits) units of 1e-7 degrees, with the position in its middle', () => {
		const cell = cellOf({ ...position, precisionBits: 13 });
		const side = 2 ** 19 * 1e-7;
		expect((cell?.east ?? 0) - (cell?.west ?? 0)).toBeCloseTo(side, 10);
		expect(((cell?.north ?? 0) + (cell?.south ?? 0)) / 2).toBeCloseTo(40.7, 10);
		expect(((cell?.east ?? 0) + (cell?.west ?? 0)) / 2).toBeCloseTo(-74, 10);
		expect(cell && Math.round(cellMetres(cell))).toBe(5836);
	});

	test('is a point at full precision, and when nothing is said of it', () => {
		expect(cellOf({ ...position, precisionBits: 32 })).toBeNull();
		expect(cellOf(position)).toBeNull();
		expect(cellOf({ ...position, precisionBits: 0 })).toBeNull();
	});

	test('ends at the poles, and runs on over the antimeridian', () => {
		const cell = cellOf({ latitude: 89.999, longitude: 179.999, time: 0, precisionBits: 10 });
		expect(cell?.north).toBe(90);
		expect(cell?.east).toBeGreaterThan(180);
	});
});

describe('the bounds of a viewport', () => {
	test('have the margin on each side', () => {
		expect(viewportBounds({ west: 10, east: 20, south: 40, north: 50 }, 0.1)).toEqual({
			west: 9,
			east: 21,
			south: 39,
			north: 51,
		});
	});

	test('over the antimeridian have west greater than east', () => {
		expect(viewportBounds({ west: 170, east: 190, south: -10, north: 10 }, 0)).toMatchObject({ west: 170, east: -170 });
		expect(viewportBounds({ west: -190, east: -170, south: -10, north: 10 }, 0)).toMatchObject({
			west: 170,
			east: -170,
		});
	});

	test('of the whole world are the whole world', () => {
		const world = { west: -180, east: 180, south: -90, north: 90 };
		expect(viewportBounds({ west: -300, east: 300, south: -85, north: 85 }, 0.15)).toEqual(world);
		expect(viewportBounds({ west: -150, east: 160, south: -85, north: 85 }, 0.15)).toEqual(world);
	});
});

test('a place is found in bounds over the antimeridian', () => {
	const bounds = { west: 170, east: -170, south: -10, north: 10 };
	expect(contains(bounds, 175, 0)).toBe(true);
	expect(contains(bounds, -175, 0)).toBe(true);
	expect(contains(bounds, 0, 0)).toBe(false);
	expect(contains(bounds, 175, 11)).toBe(false);
});

test('longitudes are brought back to the first turn', () => {
	expect(normaliseLongitude(190)).toBe(-170);
	expect(normaliseLongitude(-190)).toBe(170);
	expect(normaliseLongitude(180)).toBe(180);
	expect(normaliseLongitude(725)).toBeCloseTo(5);
});

test('a path over the antimeridian goes on, both ways', () => {
	expect(
		unwrapped([
			[179, 0],
			[-179, 1],
			[-178, 2],
		]),
	).toEqual([
		[179, 0],
		[181, 1],
		[182, 2],
	]);
	expect(
		unwrapped([
			[-179, 0],
			[179, 1],
			[-179, 2],
		]),
	).toEqual([
		[-179, 0],
		[-181, 1],
		[-179, 2],
	]);
});

test('the box around places takes the shorter way around the world', () => {
	expect(boxAround([])).toBeNull();
	expect(
		boxAround([
			[10, 1],
			[20, 2],
		]),
	).toEqual({ west: 10, east: 20, south: 1, north: 2 });
	expect(
		boxAround([
			[175, 0],
			[-175, 0],
			[170, 5],
		]),
	).toEqual({ west: 170, east: 185, south: 0, north: 5 });
});

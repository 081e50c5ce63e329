import { describe, expect, test } from 'vitest';
import { contains } from '../src/model/geo';
import { countingZoom, edgesOf, middleOf, overlaps, tileNamed, wholeTiles } from '../src/model/tiles';

describe('counting', () => {
	test('is for maps seen from far away, by tiles a few zooms finer', () => {
		expect([-1, 0, 1.5, 3.99, 4, 12].map(countingZoom)).toEqual([4, 4, 5, 7, null, null]);
	});
});

describe('a tile', () => {
	test('lies where map tiles lie: x to the east, y to the south', () => {
		expect(edgesOf(tileNamed('0/0/0'))).toEqual({ west: -180, east: 180, north: 90, south: -90 });
		const { west, south, east, north } = edgesOf(tileNamed('2/2/1'));
		expect([west, east]).toEqual([0, 90]);
		expect(south).toBeCloseTo(0, 10);
		expect(north).toBeCloseTo(66.51326, 5);
		const [longitude, latitude] = middleOf(tileNamed('2/2/1'));
		expect(longitude).toBe(45);
		expect(latitude).toBeCloseTo(40.9799, 4);
	});

	test('of the first or last row reaches to the pole', () => {
		expect(edgesOf(tileNamed('3/0/0')).north).toBe(90);
		expect(edgesOf(tileNamed('3/0/7')).south).toBe(-90);
	});
});

describe('bounds of whole tiles', () => {
	test('hold the bounds, and stay the same for a small pan', () => {
		const view = { north: 50, south: 20, east: 30, west: 10 };
		const whole = wholeTiles(view, 4);
		expect(contains(whole, view.west, view.north)).toBe(true);
		expect(contains(whole, view.east, view.south)).toBe(true);
		expect(wholeTiles({ north: 50.5, south: 20.5, east: 30.5, west: 10.5 }, 4)).toEqual(whole);
		expect(whole.west).toBeCloseTo(0, 5);
		expect(whole.east).toBeCloseTo(45, 5);
	});

	test('may cross the antimeridian', () => {
		const { west, east } = wholeTiles({ north: 10, south: 0, west: 170, east: -170 }, 4);
		expect(west).toBeCloseTo(157.5, 5);
		expect(east).toBeCloseTo(-157.5, 5);
	});

	test('end at the antimeridian and begin there', () => {
		expect(wholeTiles({ north: 10, south: 0, west: -180, east: -170 }, 4).west).toBeCloseTo(180, 5);
		expect(wholeTiles({ north: 10, south: 0, west: 170, east: 180 }, 4).west).toBeCloseTo(157.5, 5);
	});

	test('are the whole Earth where nothing is left of it', () => {
		const earth = { north: 90, south: -90, west: -180, east: 180 };
		expect(wholeTiles(earth, 3)).toEqual(earth);
		expect(wholeTiles({ north: 85, south: -85, west: -179, east: 178 }, 3)).toEqual(earth);
		expect(wholeTiles({ north: 85, south: -85, west: 10, east: 5 }, 3)).toEqual(earth);
	});
});

test('a tile overlaps a view on either side of the antimeridian', () => {
	const view = { north: 10, south: -10, west: 170, east: -170 };
	expect(overlaps(view, { west: 160, east: 175, south: 0, north: 5 })).toBe(true);
	expect(overlaps(view, { west: -175, east: -160, south: 0, north: 5 })).toBe(true);
	expect(overlaps(view, { west: 0, east: 20, south: 0, north: 5 })).toBe(false);
	expect(overlaps(view, { west: 170, east: 180, south: 20, north: 30 })).toBe(false);
});

import { describe, expect, test } from 'vitest';
import { age, ago, coordinates, count, distance, duration } from '../src/model/format';
import { readHash, writeHash } from '../src/model/hash';
import { metricName, metricsInOrder, metricValue } from '../src/model/metrics';
import { isOld, longNameOf, QUIET_AFTER_MS, shortNameOf, statusOf } from '../src/model/status';

const NOW = 1_800_000_000_000;

test('an age is told in its largest unit', () => {
	const since = (seconds: number) => age(NOW - seconds * 1000, NOW);
	expect([0, 42, 60, 3599, 3600, 90_000, 200_000].map(since)).toEqual([
		'now',
		'42 s',
		'1 min',
		'59 min',
		'1 h',
		'25 h',
		'2 d',
	]);
	expect(age(NOW + 5000, NOW)).toBe('now');
	expect(ago(undefined, NOW)).toBe('never');
	expect(ago(NOW - 60_000, NOW)).toBe('1 min ago');
});

test('durations, places, distances and counts are readable', () => {
	expect(duration(90_061)).toBe('1 d 1 h');
	expect(duration(59)).toBe('59 s');
	expect(coordinates(-1.5, 2.25)).toBe('1.50000° S, 2.25000° E');
	expect([12.4, 5836, 23_400].map(distance)).toEqual(['12 m', '5.8 km', '23 km']);
	expect([count(1, 'node'), count(2, 'node')]).toEqual(['1 node', '2 nodes']);
});

test('readings carry their units, and unknown ones their own name', () => {
	expect(metricValue('batteryLevel', 71)).toBe('71%');
	expect(metricValue('batteryLevel', 101)).toBe('powered');
	expect(metricValue('temperature', 21.47)).toBe('21.5 °C');
	expect(metricValue('uptimeSeconds', 7200)).toBe('2 h 0 min');
	expect(metricName('soilMoisture2')).toBe('Soil moisture 2');
	expect(metricsInOrder(['time', 'zeal', 'temperature', 'batteryLevel'])).toEqual([
		'batteryLevel',
		'temperature',
		'zeal',
	]);
});

describe('the address', () => {
	test('survives a round trip', () => {
		const state = { place: { zoom: 11.25, latitude: 55.66, longitude: -12.6 }, node: '!a1b2c3d4' };
		expect(readHash(writeHash(state))).toEqual(state);
		expect(writeHash(state)).toBe('#11.25/55.66/-12.6&node=!a1b2c3d4');
		expect(readHash(writeHash({ place: null, node: 'a&b=#' }))).toEqual({ place: null, node: 'a&b=#' });
	});

	test('that makes no sense is passed over', () => {
		for (const hash of ['', '#', '#abc', '#1/2', '#1//2', '#99/0/0', '#5/91/0', '#5/0/200', '#5/x/0']) {
			expect(readHash(hash)).toEqual({ place: null, node: null });
		}
		expect(readHash('#5/1/2&node=%E0%A4%A').node).toBeNull();
	});
});

test('a node is fresh, then quiet, and offline when the server says so', () => {
	const node = { id: '!a', online: true, lastHeard: NOW - QUIET_AFTER_MS + 1 };
	expect(statusOf(node, NOW)).toBe('fresh');
	expect(statusOf(node, NOW + 1)).toBe('quiet');
	expect(statusOf({ ...node, online: false }, NOW)).toBe('offline');
	expect(statusOf({ id: '!a' }, NOW)).toBe('offline');
	expect(isOld({ id: '!a', lastHeard: NOW - 25 * 3_600_000 }, NOW)).toBe(true);
});

test('a node without a name is called by its id', () => {
	expect(shortNameOf({ id: '!a1b2c3d4' })).toBe('c3d4');
	expect(longNameOf({ id: '!a1b2c3d4', shortName: '  ' })).toBe('!a1b2c3d4');
});

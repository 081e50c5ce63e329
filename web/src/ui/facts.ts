import type { NodeRecord } from 'geocast-client';
import { ago, coordinates, distance, duration, fullTime, number } from '../model/format';
import { cellMetres, cellOf } from '../model/geo';
import { metricName, metricsInOrder, metricValue } from '../model/metrics';

/** A name, what is known, and what to show when the reader lingers on it. */
export type Fact = [name: string, value: string, hint?: string];

/** Fields shown elsewhere in the details, or in words of their own. */
const TOLD = new Set([
	'id',
	'shortName',
	'longName',
	'online',
	'lastHeard',
	'position',
	'telemetry',
	'links',
	'network',
	'hwModel',
	'role',
	'firmware',
	'channel',
]);
const POSITION_TOLD = new Set([
	'latitude',
	'longitude',
	'altitude',
	'time',
	'groundSpeed',
	'groundTrack',
	'satsInView',
	'precisionBits',
]);

export function nodeFacts(node: NodeRecord): Fact[] {
	return [
		...known('Hardware', node.hwModel),
		...known('Role', node.role),
		...known('Firmware', node.firmware),
		...known('Channel', node.channel),
		...known('Network', node.network),
		...others(node, TOLD),
	];
}

export function positionFacts(node: NodeRecord, now: number): Fact[] {
	const position = node.position;
	if (!position) return [];
	const cell = cellOf(position);
	const facts: Fact[] = [['Place', coordinates(position.latitude, position.longitude)]];
	if (cell) {
		const side = distance(cellMetres(cell));
		facts.push(['Precision', `somewhere in a cell of ${side}`, `${position.precisionBits} bits of precision`]);
	}
	if (position.altitude !== undefined) facts.push(['Altitude', `${number(position.altitude, 0)} m`]);
	if (position.groundSpeed !== undefined) facts.push(['Speed', `${number(position.groundSpeed)} km/h`]);
	if (position.groundTrack !== undefined) facts.push(['Course', `${number(position.groundTrack, 0)}°`]);
	if (position.satsInView !== undefined) facts.push(['Satellites', String(position.satsInView)]);
	facts.push(...others(position, POSITION_TOLD));
	facts.push(['Measured', ago(position.time, now), fullTime(position.time)]);
	return facts;
}

export function telemetryFacts(node: NodeRecord, now: number): Fact[] {
	const telemetry = node.telemetry;
	if (!telemetry) return [];
	const facts = metricsInOrder(Object.keys(telemetry)).flatMap((key): Fact[] => {
		const value: unknown = telemetry[key];
		return typeof value === 'number' ? [[metricName(key), metricValue(key, value)]] : [];
	});
	if (telemetry.time) facts.push(['Measured', ago(telemetry.time, now), fullTime(telemetry.time)]);
	return facts;
}

function known(name: string, value: string | undefined): Fact[] {
	return value ? [[name, value]] : [];
}

/** What a newer server may tell beyond what this page has words for. */
function others(record: object, told: Set<string>): Fact[] {
	return Object.entries(record).flatMap(([key, value]): Fact[] => {
		if (told.has(key) || value === null || typeof value === 'object') return [];
		if (/Seconds$/.test(key) && typeof value === 'number') return [[metricName(key), duration(value)]];
		const isTime = typeof value === 'number' && value > 1_000_000_000_000;
		return [[metricName(key), isTime ? fullTime(value) : String(value)]];
	});
}

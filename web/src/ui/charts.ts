import type { TelemetryRecord } from 'geocast-client';
import { shortTime } from '../model/format';
import { metricName, metricRange, metricValue } from '../model/metrics';
import { el, svg } from './dom';

const WIDTH = 300;
const HEIGHT = 56;
const EDGE = 4;
/** Readings further apart than this many times the usual pause are not joined: nothing was heard in between. */
const GAP_FACTOR = 6;

interface Reading {
	time: number;
	value: number;
}

/** One metric over time, as a small line with its range and its latest value; null when there is too little to draw. */
export function chart(key: string, history: TelemetryRecord[], now: number): HTMLElement | null {
	const readings = readingsOf(key, history);
	const first = readings[0];
	const last = readings.at(-1);
	if (!first || !last || first.time === last.time) return null;
	const values = readings.map(({ value }) => value);
	const [low, high] = axis(key, Math.min(...values), Math.max(...values));
	const x = (time: number) => EDGE + ((time - first.time) / (last.time - first.time)) * (WIDTH - 2 * EDGE);
	const y = (value: number) => HEIGHT - EDGE - ((value - low) / (high - low)) * (HEIGHT - 2 * EDGE);

	const name = metricName(key);
	const range = `${metricValue(key, Math.min(...values))} to ${metricValue(key, Math.max(...values))}`;
	const dot = svg('circle', { r: 3, cx: x(last.time), cy: y(last.value), class: 'chart-dot' });
	const output = el('output', {}, metricValue(key, last.value));
	const drawing = svg(
		'svg',
		{
			viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
			preserveAspectRatio: 'none',
			role: 'img',
			'aria-label': `${name} since ${shortTime(first.time, now)}: ${range}, now ${metricValue(key, last.value)}`,
			pointermove: (event) => {
				const box = drawing.getBoundingClientRect();
				const at = ((event as PointerEvent).clientX - box.left) / box.width;
				const near = nearest(readings, first.time + at * (last.time - first.time));
				dot.setAttribute('cx', String(x(near.time)));
				dot.setAttribute('cy', String(y(near.value)));
				output.textContent = `${metricValue(key, near.value)}, ${shortTime(near.time, now)}`;
			},
			pointerleave: () => {
				dot.setAttribute('cx', String(x(last.time)));
				dot.setAttribute('cy', String(y(last.value)));
				output.textContent = metricValue(key, last.value);
			},
		},
		svg('line', { x1: 0, x2: WIDTH, y1: HEIGHT - EDGE, y2: HEIGHT - EDGE, class: 'chart-base' }),
		svg('path', { d: line(readings, x, y), class: 'chart-line' }),
		dot,
	);
	return el(
		'figure',
		{ class: 'chart', 'data-metric': key },
		el('figcaption', {}, el('span', {}, name), output),
		drawing,
		el('div', { class: 'chart-range' }, el('span', {}, shortTime(first.time, now)), el('span', {}, range)),
	);
}

function readingsOf(key: string, history: TelemetryRecord[]): Reading[] {
	return history
		.flatMap((entry) => {
			const value = entry[key];
			return typeof value === 'number' && Number.isFinite(value) ? [{ time: entry.time, value }] : [];
		})
		.sort((a, b) => a.time - b.time);
}

/** A metric's natural range, widened by what was measured; otherwise the measured range with room around it. */
function axis(key: string, low: number, high: number): [number, number] {
	const natural = metricRange(key);
	if (natural) return [Math.min(natural[0], low), Math.max(natural[1], high)];
	const room = (high - low) * 0.1 || Math.abs(high) * 0.1 || 1;
	return [low - room, high + room];
}

function line(readings: Reading[], x: (time: number) => number, y: (value: number) => number): string {
	const pauses = readings.slice(1).map(({ time }, i) => time - (readings[i] as Reading).time);
	const usual = [...pauses].sort((a, b) => a - b)[Math.floor(pauses.length / 2)] ?? 0;
	return readings
		.map(({ time, value }, i) => {
			const joined = i > 0 && (pauses[i - 1] as number) <= usual * GAP_FACTOR;
			return `${joined ? 'L' : 'M'}${x(time).toFixed(1)} ${y(value).toFixed(1)}`;
		})
		.join('');
}

function nearest(readings: Reading[], time: number): Reading {
	return readings.reduce((best, one) => (Math.abs(one.time - time) < Math.abs(best.time - time) ? one : best));
}

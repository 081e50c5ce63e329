import type { NodeRecord } from 'geocast-client';
import { beforeEach, expect, test, vi } from 'vitest';
import { CELLS_FROM_ZOOM } from '../src/map/layers';
import { NodeFeatures } from '../src/map/nodes';
import { SourceSync } from '../src/map/sync';

const NOW = 1_800_000_000_000;

function nodeAt(id: string, precisionBits: number): NodeRecord {
	return {
		id,
		shortName: id,
		online: true,
		lastHeard: NOW,
		position: { latitude: 1, longitude: 2, time: NOW, precisionBits },
	};
}

const source = () => new SourceSync(() => undefined);
let sources: Record<'nodes' | 'cells' | 'links' | 'trail' | 'selection', SourceSync>;
let features: NodeFeatures;

beforeEach(() => {
	vi.useFakeTimers();
	sources = { nodes: source(), cells: source(), links: source(), trail: source(), selection: source() };
	features = new NodeFeatures(sources);
});

test('nodes of one cell share its drawing, which goes with the last of them', () => {
	features.zoomed(CELLS_FROM_ZOOM);
	features.set(nodeAt('a', 13), NOW);
	features.set(nodeAt('b', 13), NOW);
	expect(sources.cells.features.size).toBe(1);
	features.remove('a');
	expect(sources.cells.features.size).toBe(1);
	features.set(nodeAt('b', 32), NOW);
	expect(sources.cells.features.size).toBe(0);
});

test('from far away only the cell of the selected node is drawn', () => {
	features.zoomed(5);
	features.set(nodeAt('a', 13), NOW);
	expect(sources.cells.features.size).toBe(0);
	features.select(nodeAt('a', 13), [], NOW);
	expect([...sources.cells.features.keys()]).toEqual(['selected']);
	features.select(null, [], NOW);
	expect(sources.cells.features.size).toBe(0);
});

test('a node without a position is not drawn, and one that loses it goes', () => {
	features.set({ id: 'a' }, NOW);
	expect(features.count).toBe(0);
	features.set(nodeAt('a', 32), NOW);
	expect(features.count).toBe(1);
	features.set({ id: 'a' }, NOW);
	expect(features.count).toBe(0);
});

test('the nodes nearest to a place are found over the antimeridian', () => {
	const at = (id: string, longitude: number) => ({ id, position: { latitude: 0, longitude, time: NOW } });
	for (const node of [at('west', 179.9), at('east', -179.95), at('far', 0)]) features.set(node, NOW);
	expect(features.nearest(180, 0, 2).map(({ id }) => id)).toEqual(['east', 'west']);
});

test('links lead to the neighbours whose place is known', () => {
	features.select(nodeAt('a', 32), [nodeAt('b', 32), { id: 'c' }], NOW);
	expect([...sources.links.features.keys()]).toEqual(['b']);
	features.select(null, [], NOW);
	expect(sources.links.features.size).toBe(0);
});

test('a source is given differences, never while it is at work', async () => {
	vi.stubGlobal('requestAnimationFrame', (run: () => void) => run());
	const calls: string[] = [];
	let finish: (() => void) | undefined;
	const map = {
		setData: (data: GeoJSON.FeatureCollection) => {
			calls.push(`all ${data.features.length}`);
			return Promise.resolve();
		},
		updateData: ({ add, remove }: { add: unknown[]; remove: unknown[] }) => {
			calls.push(`+${add.length} -${remove.length}`);
			return new Promise<void>((resolve) => {
				finish = resolve;
			});
		},
	};
	const sync = new SourceSync(() => map as never);
	const point = (x: number): GeoJSON.Feature => ({
		type: 'Feature',
		properties: {},
		geometry: { type: 'Point', coordinates: [x, 0] },
	});
	for (let i = 0; i < 10; i++) sync.set(`${i}`, point(i));
	await vi.advanceTimersByTimeAsync(1000);
	sync.set('0', point(50));
	sync.set('1', null);
	sync.set('2', point(2));
	await vi.advanceTimersByTimeAsync(1000);
	sync.set('3', point(60));
	await vi.advanceTimersByTimeAsync(1000);
	expect(calls).toEqual(['all 10', '+1 -1']);
	finish?.();
	await vi.advanceTimersByTimeAsync(1000);
	expect(calls).toEqual(['all 10', '+1 -1', '+1 -0']);
	vi.unstubAllGlobals();
});

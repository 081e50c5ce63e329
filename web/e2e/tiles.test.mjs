// Decodes the vector tiles of the geocast at GEOCAST_URL with the decoder of MapLibre, which is not ours.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { VectorTile } from '@mapbox/vector-tile';
import { PbfReader } from 'pbf';

const geocastUrl = process.env.GEOCAST_URL;
/** Degrees: a tile's unit at this zoom is a twentieth of it. */
const NEAR = 0.000_1;
const ZOOM = 14;

let described;

const get = (path) => fetch(new URL(path, geocastUrl));

before(async () => {
	assert.ok(geocastUrl, 'GEOCAST_URL must name a running geocast');
	described = await (await get('/tiles/nodes.json')).json();
});

/** The layers of a tile, by the URL that TileJSON gives. */
async function tileAt(z, x, y) {
	const url = described.tiles[0].replace('{z}', z).replace('{x}', x).replace('{y}', y);
	const answer = await fetch(url);
	assert.equal(answer.status, 200, url);
	assert.equal(answer.headers.get('content-type'), 'application/vnd.mapbox-vector-tile');
	return new VectorTile(new PbfReader(new Uint8Array(await answer.arrayBuffer()))).layers;
}

function columnAndRow({ longitude, latitude }, z) {
	const radians = (latitude * Math.PI) / 180;
	const column = ((longitude + 180) / 360) * 2 ** z;
	const row = ((1 - Math.asinh(Math.tan(radians)) / Math.PI) / 2) * 2 ** z;
	return [Math.floor(column), Math.floor(row)];
}

const featuresOf = (layer) => Array.from({ length: layer.length }, (_, at) => layer.feature(at));

test('a tile of the world holds every node that has a position', async () => {
	const { nodes } = await (await get('/api/nodes?limit=10000')).json();
	const placed = nodes.filter((node) => node.position);
	assert.ok(placed.length > 20, `${placed.length} nodes`);
	const layers = await tileAt(0, 0, 0);
	assert.deepEqual(Object.keys(layers), [described.vector_layers[0].id]);
	const { nodes: layer } = layers;
	assert.deepEqual([layer.version, layer.extent], [2, 4096]);
	// More may have come since they were asked for.
	const shown = new Set(featuresOf(layer).map(({ properties }) => properties.id));
	assert.equal(shown.size, layer.length, 'each is there once');
	assert.deepEqual(
		placed.map(({ id }) => id).filter((id) => !shown.has(id)),
		[],
	);
	const known = Object.keys(described.vector_layers[0].fields);
	for (const feature of featuresOf(layer)) {
		assert.equal(feature.type, 1, 'a point');
		const strange = Object.keys(feature.properties).filter((name) => !known.includes(name));
		assert.deepEqual(strange, [], 'TileJSON tells of each property');
	}
});

test('a node stands in its tile where it is, with its properties', async () => {
	const { nodes } = await (await get('/api/nodes?limit=10000')).json();
	// Those that move may be elsewhere by now.
	const still = nodes.filter((node) => node.position && node.longName && !node.position.groundSpeed);
	assert.ok(still.length > 10, `${still.length} nodes stand still`);
	for (const node of still.slice(0, 10)) {
		const [x, y] = columnAndRow(node.position, ZOOM);
		const { nodes: layer } = await tileAt(ZOOM, x, y);
		const feature = featuresOf(layer).find(({ properties }) => properties.id === node.id);
		assert.ok(feature, `${node.id} is in ${ZOOM}/${x}/${y}`);
		const [longitude, latitude] = feature.toGeoJSON(x, y, ZOOM).geometry.coordinates;
		assert.ok(Math.abs(longitude - node.position.longitude) < NEAR, `${longitude}`);
		assert.ok(Math.abs(latitude - node.position.latitude) < NEAR, `${latitude}`);
		const { longName, shortName, hwModel, network } = feature.properties;
		assert.deepEqual(
			{ longName, shortName, hwModel, network },
			{ longName: node.longName, shortName: node.shortName, hwModel: node.hwModel, network: node.network },
		);
	}
});

test('a tile without a node is a tile all the same', async () => {
	const layers = await tileAt(ZOOM, 0, 0);
	assert.equal(layers.nodes?.length ?? 0, 0);
});

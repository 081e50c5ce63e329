import { addProtocol, type LayerSpecification, type StyleSpecification } from 'maplibre-gl';
import { LABEL_FONT, NAME_FONT } from './fonts';
import type { Palette } from './palette';

const FOLDER = `${import.meta.env.BASE_URL}basemap/`;
/** Tiles up to this zoom are in one bundle; below each tile of this zoom there is one bundle with the detail. */
const WORLD_MAX_ZOOM = 4;
const DETAIL_MAX_ZOOM = 6;

type Bundle = (tile: string) => ArrayBuffer;

/** Serves the base map's tiles out of the bundles that `scripts/basemap.mjs` writes, each fetched once when needed. */
export function registerBasemap(): void {
	const bundles = new Map<string, Promise<Bundle>>();
	let index: Promise<Set<string>> | undefined;

	const bundle = (name: string): Promise<Bundle> => {
		let loading = bundles.get(name);
		if (!loading) {
			loading = fetchOk(`${FOLDER}${name}.bin`).then(async (response) => unpacked(await response.arrayBuffer()));
			loading.catch(() => bundles.delete(name));
			bundles.set(name, loading);
		}
		return loading;
	};
	const detailIndex = (): Promise<Set<string>> => {
		index ??= fetchOk(`${FOLDER}index.json`).then(async (response) => new Set<string>(await response.json()));
		index.catch(() => {
			index = undefined;
		});
		return index;
	};

	addProtocol('basemap', async ({ url }) => {
		const key = url.slice('basemap://'.length);
		const [z, x, y] = key.split('/').map(Number) as [number, number, number];
		if (z <= WORLD_MAX_ZOOM) return { data: (await bundle('world'))(key) };
		const up = z - WORLD_MAX_ZOOM;
		const area = `${x >> up}-${y >> up}`;
		if (!(await detailIndex()).has(area)) return { data: new ArrayBuffer(0) };
		return { data: (await bundle(`detail-${area}`))(key) };
	});
}

async function fetchOk(url: string): Promise<Response> {
	const response = await fetch(url);
	if (!response.ok) throw new Error(`${url} answered ${response.status}`);
	return response;
}

/** Each answer is a copy of its own, because MapLibre hands it over to a worker for good. */
function unpacked(buffer: ArrayBuffer): Bundle {
	const headerLength = new DataView(buffer).getUint32(0, true);
	const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, headerLength)));
	const places = new Map(Object.entries(header as Record<string, [number, number]>));
	const start = 4 + headerLength;
	return (tile) => {
		const [offset, length] = places.get(tile) ?? [0, 0];
		return buffer.slice(start + offset, start + offset + length);
	};
}

export function basemapStyle(palette: Palette): StyleSpecification {
	return {
		version: 8,
		sources: {
			basemap: {
				type: 'vector',
				tiles: ['basemap://{z}/{x}/{y}'],
				minzoom: 0,
				maxzoom: DETAIL_MAX_ZOOM,
				attribution: 'Natural Earth',
			},
			graticule: { type: 'geojson', data: graticule() },
			places: { type: 'geojson', data: new URL(`${FOLDER}places.json`, location.href).href },
		},
		layers: basemapLayers(palette),
	};
}

export function basemapLayers(palette: Palette): LayerSpecification[] {
	const tiles = { source: 'basemap' } as const;
	const rounded = { 'line-join': 'round', 'line-cap': 'round' } as const;
	const width = (low: number, high: number) =>
		['interpolate', ['linear'], ['zoom'], 2, low, 10, high] as unknown as number;
	return [
		{ id: 'water', type: 'background', paint: { 'background-color': palette.water } },
		{
			id: 'graticule',
			type: 'line',
			source: 'graticule',
			paint: { 'line-color': palette.graticule, 'line-width': 1 },
		},
		{
			id: 'land',
			type: 'fill',
			...tiles,
			'source-layer': 'land',
			paint: { 'fill-color': palette.land, 'fill-antialias': false },
		},
		{
			id: 'river',
			type: 'line',
			...tiles,
			'source-layer': 'river',
			minzoom: 3,
			layout: rounded,
			paint: { 'line-color': palette.river, 'line-width': width(0.6, 2.5) },
		},
		{
			id: 'lake',
			type: 'fill',
			...tiles,
			'source-layer': 'lake',
			paint: { 'fill-color': palette.water, 'fill-outline-color': palette.coast },
		},
		{
			id: 'province',
			type: 'line',
			...tiles,
			'source-layer': 'province',
			minzoom: 3,
			layout: rounded,
			paint: { 'line-color': palette.province, 'line-width': width(0.5, 1.2), 'line-dasharray': [3, 2] },
		},
		{
			id: 'coast',
			type: 'line',
			...tiles,
			'source-layer': 'coast',
			layout: rounded,
			paint: { 'line-color': palette.coast, 'line-width': width(0.6, 1.4) },
		},
		{
			id: 'border-casing',
			type: 'line',
			...tiles,
			'source-layer': 'border',
			minzoom: 5,
			layout: rounded,
			paint: { 'line-color': palette.border, 'line-opacity': 0.18, 'line-width': width(2, 7) },
		},
		{
			id: 'border',
			type: 'line',
			...tiles,
			'source-layer': 'border',
			layout: rounded,
			paint: { 'line-color': palette.border, 'line-width': width(0.6, 1.6) },
		},
		{
			id: 'country-name',
			type: 'symbol',
			source: 'places',
			filter: ['all', ['==', ['get', 'kind'], 'country'], ['>=', ['zoom'], ['get', 'zoom']]],
			maxzoom: 8,
			layout: {
				'text-field': ['get', 'name'],
				'text-font': NAME_FONT,
				'text-size': ['interpolate', ['linear'], ['zoom'], 1, 10, 6, 15],
				'text-letter-spacing': 0.08,
				'text-max-width': 8,
				'symbol-sort-key': ['get', 'rank'],
			},
			paint: {
				'text-color': palette.countryName,
				'text-halo-color': palette.nameHalo,
				'text-halo-width': 1.2,
			},
		},
		{
			id: 'city-name',
			type: 'symbol',
			source: 'places',
			filter: ['all', ['!=', ['get', 'kind'], 'country'], ['>=', ['zoom'], ['get', 'zoom']]],
			layout: {
				'text-field': ['get', 'name'],
				'text-font': LABEL_FONT,
				'text-size': ['interpolate', ['linear'], ['zoom'], 4, 11, 10, 16],
				'symbol-sort-key': ['get', 'rank'],
			},
			paint: { 'text-color': palette.cityName, 'text-halo-color': palette.nameHalo, 'text-halo-width': 1.4 },
		},
	];
}

/** Meridians and parallels, every ten degrees. */
function graticule(): GeoJSON.Feature {
	const lines: [number, number][][] = [];
	for (let longitude = -180; longitude < 180; longitude += 10) {
		lines.push([
			[longitude, -85],
			[longitude, 85],
		]);
	}
	for (let latitude = -80; latitude <= 80; latitude += 10) {
		lines.push([
			[-180, latitude],
			[180, latitude],
		]);
	}
	return { type: 'Feature', properties: {}, geometry: { type: 'MultiLineString', coordinates: lines } };
}

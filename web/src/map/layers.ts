import type { ExpressionSpecification, LayerSpecification } from 'maplibre-gl';
import type { Palette } from './palette';

/** The sources that geocast fills. */
export const SOURCES = ['cells', 'links', 'trail', 'nodes', 'bubbles', 'selection'] as const;
export type SourceName = (typeof SOURCES)[number];

/** From this zoom on the cell of every node is drawn, not only that of the selected one. */
export const CELLS_FROM_ZOOM = 9.5;

export interface Fonts {
	label: string[];
	strong: string[];
}

const isCluster: ExpressionSpecification = ['has', 'point_count'];
const isNode: ExpressionSpecification = ['!', isCluster];
const clusterRadius: ExpressionSpecification = ['step', ['get', 'point_count'], 13, 10, 16, 50, 20, 250, 25, 1000, 30];
/** Bubbles stand side by side, so they must not grow much. */
const bubbleRadius: ExpressionSpecification = [
	'step',
	['get', 'point_count'],
	11,
	10,
	13,
	100,
	15,
	1000,
	17,
	10000,
	20,
];

/** One of three values, by the status of a node. */
function byStatus(fresh: string, quiet: string, offline: string): ExpressionSpecification {
	return ['match', ['get', 'status'], 'fresh', fresh, 'quiet', quiet, offline];
}

/**
 * A node's status shows in colour and in form: a full disc is online, a ring around a dot is online but quiet, an
 * empty ring is offline.
 */
function mark(id: string, source: SourceName, palette: Palette, scale: number): LayerSpecification[] {
	const radius = (factor: number): ExpressionSpecification => [
		'interpolate',
		['linear'],
		['zoom'],
		3,
		4 * scale * factor,
		12,
		6.5 * scale * factor,
	];
	const opacity: ExpressionSpecification = ['case', ['get', 'old'], 0.55, 1];
	const colour = byStatus(palette.fresh, palette.quiet, palette.offline);
	return [
		{
			id: `${id}-shade`,
			type: 'circle',
			source,
			filter: isNode,
			paint: { 'circle-radius': radius(1.5), 'circle-color': palette.surface, 'circle-opacity': 0.9 },
		},
		{
			id,
			type: 'circle',
			source,
			filter: isNode,
			paint: {
				'circle-radius': radius(1),
				'circle-color': byStatus(palette.fresh, palette.surface, palette.surface),
				'circle-stroke-color': colour,
				'circle-stroke-width': 2,
				'circle-stroke-opacity': opacity,
			},
		},
		{
			id: `${id}-dot`,
			type: 'circle',
			source,
			filter: ['all', isNode, ['==', ['get', 'status'], 'quiet']],
			paint: { 'circle-radius': radius(0.45), 'circle-color': palette.quiet },
		},
	];
}

function cellLayers(palette: Palette): LayerSpecification[] {
	const selected: ExpressionSpecification = ['get', 'selected'];
	const colour: ExpressionSpecification = ['case', selected, palette.selected, palette.text];
	return [
		{
			id: 'cell-area',
			type: 'fill',
			source: 'cells',
			paint: { 'fill-color': colour, 'fill-opacity': ['case', selected, 0.12, 0.025] },
		},
		{
			id: 'cell-edge',
			type: 'line',
			source: 'cells',
			paint: {
				'line-color': colour,
				'line-opacity': ['case', selected, 0.9, 0.22],
				'line-width': ['case', selected, 1.5, 1],
			},
		},
	];
}

function pathLayers(palette: Palette): LayerSpecification[] {
	return [
		{
			id: 'link',
			type: 'line',
			source: 'links',
			layout: { 'line-cap': 'round' },
			paint: {
				'line-color': palette.selected,
				'line-width': 1.5,
				'line-opacity': 0.55,
				'line-dasharray': [1, 2.5],
			},
		},
		{
			id: 'trail-line',
			type: 'line',
			source: 'trail',
			filter: ['==', ['geometry-type'], 'LineString'],
			layout: { 'line-join': 'round', 'line-cap': 'round' },
			paint: { 'line-color': palette.selected, 'line-width': 2.5, 'line-opacity': 0.8 },
		},
		{
			id: 'trail-point',
			type: 'circle',
			source: 'trail',
			filter: ['==', ['geometry-type'], 'Point'],
			minzoom: 9,
			paint: {
				'circle-radius': 2.5,
				'circle-color': palette.surface,
				'circle-stroke-color': palette.selected,
				'circle-stroke-width': 1.5,
			},
		},
	];
}

/** Circles with a count in them: nodes too near to each other, and nodes counted by the server. */
function countLayers(
	id: string,
	source: SourceName,
	radius: ExpressionSpecification,
	palette: Palette,
	fonts: Fonts,
): LayerSpecification[] {
	return [
		{
			id,
			type: 'circle',
			source,
			filter: isCluster,
			paint: {
				'circle-radius': radius,
				'circle-color': palette.surface,
				'circle-opacity': 0.96,
				'circle-stroke-width': 3,
				'circle-stroke-color': [
					'interpolate',
					['linear'],
					['/', ['get', 'online'], ['get', 'point_count']],
					0,
					palette.offline,
					1,
					palette.fresh,
				],
			},
		},
		{
			id: `${id}-count`,
			type: 'symbol',
			source,
			filter: isCluster,
			layout: {
				'text-field': ['get', 'point_count_abbreviated'],
				'text-font': fonts.strong,
				'text-size': 12,
				'text-allow-overlap': true,
				'text-ignore-placement': true,
			},
			paint: { 'text-color': palette.text },
		},
	];
}

function nameLayer(id: string, source: SourceName, palette: Palette, fonts: Fonts): LayerSpecification {
	const always = source === 'selection';
	return {
		id,
		type: 'symbol',
		source,
		filter: isNode,
		layout: {
			'text-field': ['get', 'name'],
			'text-font': always ? fonts.strong : fonts.label,
			'text-size': always ? 13 : 11.5,
			'text-variable-anchor': always ? ['left'] : ['left', 'right', 'bottom', 'top'],
			'text-radial-offset': always ? 1.15 : 0.85,
			'text-justify': 'auto',
			'text-max-width': 12,
			'text-padding': 1,
			'text-allow-overlap': always,
			'symbol-sort-key': ['match', ['get', 'status'], 'fresh', 0, 'quiet', 1, 2],
		},
		paint: {
			'text-color': palette.text,
			'text-halo-color': palette.surface,
			'text-halo-width': 1.6,
			'text-opacity': ['case', ['get', 'old'], 0.7, 1],
		},
	};
}

/** The name of a transparent image of one pixel. */
export const BLANK_IMAGE = 'blank';

/** Draws nothing, but takes the room of the marks, so that no name is written over one. */
function roomLayer(): LayerSpecification {
	return {
		id: 'room',
		type: 'symbol',
		source: 'nodes',
		layout: {
			'icon-image': BLANK_IMAGE,
			'icon-size': ['case', isCluster, ['*', 2, clusterRadius], 14],
			'icon-allow-overlap': true,
			'icon-padding': 0,
		},
	};
}

/** Everything geocast draws over the base map, from the lowest layer to the highest. */
export function overlayLayers(palette: Palette, fonts: Fonts): LayerSpecification[] {
	return [
		...cellLayers(palette),
		...pathLayers(palette),
		...mark('node', 'nodes', palette, 1),
		nameLayer('node-name', 'nodes', palette, fonts),
		...countLayers('cluster', 'nodes', clusterRadius, palette, fonts),
		...countLayers('bubble', 'bubbles', bubbleRadius, palette, fonts),
		roomLayer(),
		{
			id: 'selection-halo',
			type: 'circle',
			source: 'selection',
			paint: {
				'circle-radius': 15,
				'circle-color': palette.selected,
				'circle-opacity': 0.2,
				'circle-stroke-color': palette.selected,
				'circle-stroke-width': 2,
			},
		},
		...mark('selection-mark', 'selection', palette, 1.15),
		nameLayer('selection-name', 'selection', palette, fonts),
	];
}

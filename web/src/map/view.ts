import * as maplibregl from 'maplibre-gl';
import 'maplibre-gl/dist/maplibre-gl.css';
import type { Bounds, Filter } from 'geocast-client';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';
import { count } from '../model/format';
import { boxAround, type Cell, viewportBounds } from '../model/geo';
import type { Place } from '../model/hash';
import { countingZoom, edgesOf, tileNamed, wholeTiles } from '../model/tiles';
import { basemapLayers, basemapStyle, registerBasemap } from './basemap';
import { Bubbles } from './bubbles';
import { LABEL_FONT, STRONG_FONT } from './fonts';
import { BLANK_IMAGE, type Fonts, overlayLayers, SOURCES, type SourceName } from './layers';
import { NodeFeatures } from './nodes';
import { PALETTES, type Theme } from './palette';
import { SourceSync } from './sync';

maplibregl.setWorkerUrl(workerUrl);

/** Nodes nearer than this on the screen, in pixels, are gathered in one cluster. */
const CLUSTER_RADIUS = 34;
/** Nodes of one cell stand at the very same place: no zoom separates them, so they stay a cluster at every zoom. */
const CLUSTER_MAX_ZOOM = 22;
const MAX_ZOOM = 20;
/** What lies just outside the screen is subscribed to as well, so that a small pan has nothing to wait for. */
const SUBSCRIBED_MARGIN = 0.15;
const SETTLED_AFTER_MS = 150;
/** A cluster whose nodes need a closer look than this is listed instead. */
const CLUSTER_ZOOM_LIMIT = 18;
const SELECT_ZOOM = 12;

export interface ViewEvents {
	/** The map has come to rest at another place. */
	onMoved(): void;
	onSelect(id: string | null): void;
	/** A cluster that no zoom takes apart was chosen. */
	onGroup(ids: string[]): void;
	nameOf(id: string): string;
}

/** The map on the page: base map, nodes, and what a reader does with them. */
export class MapView {
	readonly nodes: NodeFeatures;
	readonly bubbles: Bubbles;
	/** How many pixels of each edge panels cover. */
	covered = { top: 0, right: 0, bottom: 0, left: 0 };
	private readonly map: maplibregl.Map;
	private readonly sources: Record<SourceName, SourceSync>;
	private fonts: Fonts = { label: LABEL_FONT, strong: STRONG_FONT };
	private selected: string | null = null;
	/** Whether the base map is the style that the operator has set, not the offline one. */
	private foreign: boolean;
	private overlaid = false;
	private settleTimer: ReturnType<typeof setTimeout> | undefined;
	private readonly tooltip: HTMLElement;

	constructor(
		container: HTMLElement,
		styleUrl: string | null,
		private theme: Theme,
		place: Place | null,
		private readonly events: ViewEvents,
	) {
		registerBasemap();
		this.foreign = styleUrl !== null;
		const reduced = matchMedia('(prefers-reduced-motion: reduce)').matches;
		this.map = new maplibregl.Map({
			container,
			style: styleUrl ?? basemapStyle(PALETTES[theme]),
			center: place ? [place.longitude, place.latitude] : [10, 25],
			zoom: place?.zoom ?? 1.5,
			maxZoom: MAX_ZOOM,
			attributionControl: false,
			dragRotate: false,
			pitchWithRotate: false,
			touchPitch: false,
			fadeDuration: reduced ? 0 : 150,
		});
		this.map.touchZoomRotate.disableRotation();
		this.map.keyboard.disableRotation();
		this.map.addControl(new maplibregl.AttributionControl({ compact: true }), 'bottom-right');
		this.map.addControl(new maplibregl.ScaleControl({ maxWidth: 90 }), 'bottom-right');
		this.map.addControl(new maplibregl.NavigationControl({ showCompass: false }), 'top-right');

		const sync = (name: SourceName) => new SourceSync(() => this.map.getSource<maplibregl.GeoJSONSource>(name));
		this.sources = {
			nodes: sync('nodes'),
			cells: sync('cells'),
			links: sync('links'),
			trail: sync('trail'),
			bubbles: sync('bubbles'),
			selection: sync('selection'),
		};
		this.nodes = new NodeFeatures(this.sources);
		this.bubbles = new Bubbles(this.sources.bubbles);
		this.tooltip = document.createElement('div');
		this.tooltip.className = 'map-tooltip';
		this.tooltip.hidden = true;
		container.append(this.tooltip);

		this.map.on('style.load', () => this.addOverlay());
		this.map.on('error', ({ error }) => this.failed(error));
		this.map.on('zoom', () => this.nodes.zoomed(this.map.getZoom()));
		this.map.on('move', () => this.settleSoon());
		this.map.on('resize', () => this.settleSoon());
		this.listenToPointer();
	}

	/** What the reader sees, with a margin, and from far away as counts: what to subscribe to. */
	filter(): Filter {
		const bounds = viewportBounds(this.visible(), SUBSCRIBED_MARGIN);
		const zoom = countingZoom(this.map.getZoom());
		return zoom === null ? { bounds } : { bounds: wholeTiles(bounds, zoom), cells: { zoom } };
	}

	/** What the reader sees. */
	visibleBounds(): Bounds {
		return viewportBounds(this.visible(), 0);
	}

	place(): Place {
		const { lng, lat } = this.map.getCenter().wrap();
		return { zoom: this.map.getZoom(), latitude: lat, longitude: lng };
	}

	jumpTo({ zoom, latitude, longitude }: Place): void {
		this.map.jumpTo({ center: [longitude, latitude], zoom });
	}

	fit({ west, south, east, north }: Cell): void {
		const padding = this.space();
		this.map.fitBounds([west, south, east, north], { padding, maxZoom: 13, animate: false });
	}

	/** Brings a place into the middle of the part of the map that no panel covers. */
	flyTo(longitude: number, latitude: number): void {
		const { top, right, bottom, left } = this.covered;
		this.map.easeTo({
			center: [longitude, latitude],
			zoom: Math.max(this.map.getZoom(), SELECT_ZOOM),
			offset: [(left - right) / 2, (top - bottom) / 2],
			duration: 700,
		});
	}

	/** Whether a place is on the screen and under no panel. */
	isVisible(longitude: number, latitude: number): boolean {
		const { x, y } = this.map.project([longitude, latitude]);
		const { top, right, bottom, left } = this.covered;
		const { clientWidth, clientHeight } = this.map.getContainer();
		return x > left + 20 && x < clientWidth - right - 20 && y > top + 20 && y < clientHeight - bottom - 20;
	}

	/** The selected node is drawn apart, over all others: its name is not needed twice. */
	markSelected(id: string | null): void {
		this.selected = id;
		if (this.map.getLayer('node-name')) {
			this.map.setFilter('node-name', ['all', ['!', ['has', 'point_count']], ['!=', ['get', 'id'], id ?? '']]);
		}
	}

	setTheme(theme: Theme): void {
		if (theme === this.theme) return;
		this.theme = theme;
		const palette = PALETTES[theme];
		const layers = [...(this.foreign ? [] : basemapLayers(palette)), ...overlayLayers(palette, this.fonts)];
		for (const { id, paint } of layers as { id: string; paint?: Record<string, unknown> }[]) {
			if (!this.map.getLayer(id)) continue;
			for (const [property, value] of Object.entries(paint ?? {}))
				this.map.setPaintProperty(id, property as never, value as never);
		}
	}

	/** How many marks, clusters and bubbles are on the screen now, for tests. */
	drawn(): { nodes: number; clusters: number; bubbles: number } {
		const layers = ['node', 'cluster', 'bubble'].filter((id) => this.map.getLayer(id));
		const features = layers.length ? this.map.queryRenderedFeatures({ layers }) : [];
		const of = (layer: string) => features.filter((one) => one.layer.id === layer).length;
		return { nodes: of('node'), clusters: of('cluster'), bubbles: of('bubble') };
	}

	/** Room to leave at each edge when something is to be seen whole. */
	private space(): maplibregl.PaddingOptions {
		const margin = Math.min(60, this.map.getContainer().clientWidth / 10);
		const { top, right, bottom, left } = this.covered;
		return { top: top + margin, right: right + margin, bottom: bottom + margin, left: left + margin };
	}

	private visible(): Cell {
		const bounds = this.map.getBounds();
		return {
			west: bounds.getWest(),
			south: bounds.getSouth(),
			east: bounds.getEast(),
			north: bounds.getNorth(),
		};
	}

	/** Nodes on the offline base map are better than no map: a style that does not load is given up. */
	private failed(error: { message: string }): void {
		console.warn(`the map: ${error.message}`);
		if (!this.foreign || this.overlaid) return;
		this.foreign = false;
		this.map.setStyle(basemapStyle(PALETTES[this.theme]));
	}

	private addOverlay(): void {
		this.overlaid = true;
		if (this.foreign) this.fonts = fontsOf(this.map.getStyle()) ?? this.fonts;
		for (const name of SOURCES) {
			this.map.addSource(name, {
				type: 'geojson',
				data: { type: 'FeatureCollection', features: [] },
				promoteId: 'id',
				...(name === 'nodes' && {
					cluster: true,
					clusterRadius: CLUSTER_RADIUS,
					clusterMaxZoom: CLUSTER_MAX_ZOOM,
					maxzoom: CLUSTER_MAX_ZOOM + 1,
					clusterProperties: { online: ['+', ['case', ['==', ['get', 'status'], 'offline'], 0, 1]] },
				}),
			});
		}
		this.map.addImage(BLANK_IMAGE, { width: 1, height: 1, data: new Uint8Array(4) });
		for (const layer of overlayLayers(PALETTES[this.theme], this.fonts)) this.map.addLayer(layer);
		for (const sync of Object.values(this.sources)) sync.renew();
		this.nodes.zoomed(this.map.getZoom());
		this.markSelected(this.selected);
	}

	private settleSoon(): void {
		clearTimeout(this.settleTimer);
		this.settleTimer = setTimeout(() => this.events.onMoved(), SETTLED_AFTER_MS);
	}

	private featureAt(point: maplibregl.PointLike): maplibregl.MapGeoJSONFeature | undefined {
		const layers = ['node-shade', 'cluster', 'bubble', 'node-name'].filter((id) => this.map.getLayer(id));
		return layers.length ? this.map.queryRenderedFeatures(point, { layers })[0] : undefined;
	}

	private listenToPointer(): void {
		const canvas = this.map.getCanvas();
		this.map.on('mousemove', ({ point }) => {
			const feature = this.featureAt(point);
			canvas.style.cursor = feature ? 'pointer' : '';
			const text = feature && this.describe(feature);
			this.tooltip.hidden = !text;
			if (!text) return;
			this.tooltip.textContent = text;
			this.tooltip.style.transform = `translate(${point.x + 14}px, ${point.y + 14}px)`;
		});
		this.map.on('mouseout', () => {
			this.tooltip.hidden = true;
		});
		this.map.on('click', ({ point }) => {
			const feature = this.featureAt(point);
			if (!feature) this.events.onSelect(null);
			else if (feature.layer.id === 'bubble') this.openBubble(feature.properties.id as string);
			else if (feature.properties.cluster) this.openCluster(feature);
			else this.events.onSelect(feature.properties.id as string);
		});
	}

	private describe(feature: maplibregl.MapGeoJSONFeature): string | undefined {
		const {
			id,
			online,
			point_count: total,
		} = feature.properties as { id?: string; online: number; point_count: number };
		if (feature.layer.id === 'bubble') return `${count(total, 'node')}, ${online.toLocaleString()} online`;
		return id && this.events.nameOf(id);
	}

	private openBubble(cell: string): void {
		const { west, south, east, north } = edgesOf(tileNamed(cell));
		// The map does not reach to the poles.
		const camera = this.map.cameraForBounds([west, Math.max(-85, south), east, Math.min(85, north)]);
		if (camera) this.map.easeTo(camera);
	}

	/**
	 * Zooms in on the nodes of a cluster, or lists them where no zoom takes them apart. The cluster's own number is no
	 * help: every change of the data numbers the clusters anew. So its nodes are those nearest to its middle.
	 */
	private openCluster(feature: maplibregl.MapGeoJSONFeature): void {
		if (feature.geometry.type !== 'Point') return;
		const [longitude = 0, latitude = 0] = feature.geometry.coordinates;
		const members = this.nodes.nearest(longitude, latitude, feature.properties.point_count as number);
		const box = boxAround(members.map(({ place }) => place));
		const camera =
			box && this.map.cameraForBounds([box.west, box.south, box.east, box.north], { padding: this.space() });
		if (!camera || (camera.zoom ?? 0) > CLUSTER_ZOOM_LIMIT) {
			this.events.onGroup(members.map(({ id }) => id));
			return;
		}
		this.map.easeTo({ ...camera, zoom: Math.max(camera.zoom ?? 0, this.map.getZoom() + 1) });
	}
}

/** The fonts that a foreign style draws its own names with: only those are sure to exist behind its glyph address. */
function fontsOf(style: maplibregl.StyleSpecification): Fonts | null {
	if (!style.glyphs) return null;
	for (const layer of style.layers) {
		const font = layer.type === 'symbol' ? layer.layout?.['text-font'] : undefined;
		if (Array.isArray(font) && font.every((name) => typeof name === 'string') && font[0] !== 'literal') {
			return { label: font as string[], strong: font as string[] };
		}
	}
	return null;
}

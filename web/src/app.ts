import { type Change, LiveMap, type MessageRecord } from 'geocast-client';
import { type Config, fetchHealth, fetchMessages, share } from './api';
import { Listing } from './listing';
import { MapView } from './map/view';
import { readHash, writeHash } from './model/hash';
import { longNameOf } from './model/status';
import { Selection } from './selection';
import { ConnectionStatus } from './ui/connection';
import { Details } from './ui/details';
import { byId } from './ui/dom';
import { ExplainPanel } from './ui/explain';
import { NodeList } from './ui/list';
import { MessageFeed } from './ui/messages';
import { coveredEdges } from './ui/panels';
import { Search } from './ui/search';
import { Sheet } from './ui/sheet';
import { Tabs } from './ui/tabs';
import { ThemeSwitch } from './ui/theme';

const HEALTH_EVERY_MS = 15_000;
/** The list is written anew at most this often; ages in it move on as well. */
const LIST_EVERY_MS = 1000;
/** How often the status of all nodes is judged again, because time alone changes it. */
const STATUS_EVERY_MS = 30_000;
const LATEST_MESSAGES = 100;
const NODE_MESSAGES = 5;

/** The page: hands what the connection brings to the map and the panels, and what the reader does to both. */
export class App {
	readonly live: LiveMap;
	readonly view: MapView;
	private readonly selection: Selection;
	private readonly status: ConnectionStatus;
	private readonly theme: ThemeSwitch;
	private readonly list: NodeList;
	private readonly search: Search;
	private readonly tabs: Tabs;
	private readonly messages: MessageFeed;
	private readonly details: Details;
	private readonly explanation: ExplainPanel;
	private readonly sheet: Sheet;
	private readonly listing: Listing;
	private fieldsDirty = false;

	constructor(
		config: Config,
		private readonly mayReadMessages: boolean,
	) {
		const encoding = new URLSearchParams(location.search).get('encoding') === 'json' ? 'json' : 'proto';
		const nameOf = (id: string) => this.nameOf(id);
		const select = (id: string | null) => this.select(id);
		this.theme = new ThemeSwitch(byId<HTMLButtonElement>('theme'), (theme) => this.view.setTheme(theme));
		this.selection = new Selection(
			(id) => this.live.nodes.get(id),
			() => this.showSelection(),
		);
		this.live = new LiveMap({ encoding, ...(share && { share }) });
		this.live.on('state', (state) => {
			this.status.set(state);
			if (state.kind === 'live') void this.askHealth();
		});
		this.live.on('change', (change) => this.take(change));
		this.live.on('error', ({ code, message }) => console.warn(`the live map: ${code}: ${message}`));
		this.status = new ConnectionStatus(() => this.live.connect());
		this.list = new NodeList((id) => this.select(id, true));
		this.search = new Search(
			() => this.searched(),
			() => this.list.first && this.select(this.list.first, true),
			() => this.list.focusFirst(),
			(id) => this.explain(id),
		);
		this.listing = new Listing(this.search, () => this.showList(false));
		this.messages = new MessageFeed(nameOf, (id) => this.select(id, true));
		this.tabs = new Tabs(() => {
			this.messages.render();
			this.showList(false);
			this.sheet?.set(true);
		});
		this.details = new Details({
			onClose: () => this.select(null),
			onCentre: () => this.centre(),
			onSelect: (id) => this.select(id, true),
			nameOf,
		});
		this.explanation = new ExplainPanel(() => this.explain(null));
		const { place, node, explain } = readHash(location.hash);
		this.view = new MapView(byId('map'), config.mapStyleUrl, this.theme.theme, place, {
			onMoved: () => this.moved(),
			onSelect: select,
			onGroup: (ids) => this.showGroup(ids),
			nameOf,
		});
		this.sheet = new Sheet(() => this.measurePanels());
		if (node) this.select(node);
		if (explain) this.explain(explain);
	}

	start(): void {
		this.subscribe();
		this.live.connect();
		setInterval(() => this.showList(true), LIST_EVERY_MS);
		setInterval(() => this.judgeAll(), STATUS_EVERY_MS);
		setInterval(() => void this.askHealth(), HEALTH_EVERY_MS);
		void this.fetchMessages(LATEST_MESSAGES);
		window.addEventListener('hashchange', () => this.readAddress());
		window.addEventListener('resize', () => this.measurePanels());
		document.addEventListener('keydown', (event) => {
			if (event.key === 'Escape') this.stepBack();
		});
		this.measurePanels();
		this.showList(false);
	}

	get selectedId(): string | null {
		return this.selection.id;
	}

	private take({ entered, updated, left, cells, messages, reset }: Change): void {
		const now = Date.now();
		const records = [...entered, ...updated.map(({ node }) => node)];
		for (const { id } of left) this.view.nodes.remove(id);
		for (const node of records) this.view.nodes.set(node, now);
		for (const cell of cells) this.view.bubbles.set(cell);
		if (messages.length) this.addMessages(messages, !reset);
		if ([...records, ...left].some(({ id }) => id === this.selection.id)) this.showSelectionSoon();
		if (reset) this.showList(false);
	}

	private judgeAll(): void {
		const now = Date.now();
		for (const node of this.live.nodes.values()) this.view.nodes.set(node, now);
		this.showSelection();
	}

	private async fetchMessages(limit: number, node?: string): Promise<void> {
		if (!this.mayReadMessages) return;
		this.addMessages(await fetchMessages(limit, node).catch(() => []), false);
		if (node) this.showSelectionSoon();
	}

	private addMessages(messages: MessageRecord[], fresh: boolean): void {
		this.messages.add(messages, fresh);
		void this.selection.learn(messages.map(({ from }) => from)).then((any) => {
			if (any && this.tabs.current === 'messages') this.messages.render();
		});
	}

	private nameOf(id: string): string {
		const node = this.live.nodes.get(id) ?? this.selection?.known.get(id);
		return node ? longNameOf(node) : id;
	}

	/** `bring` moves the map when the node is not on the screen, as when it was chosen from a list. */
	private select(id: string | null, bring = false): void {
		const before = this.selection.id;
		const opener = document.activeElement;
		const wasInDetails = byId('details').contains(opener);
		this.selection.select(id);
		if (id) void this.fetchMessages(NODE_MESSAGES, id);
		this.list.select(id);
		this.view.markSelected(id);
		this.subscribe();
		this.writeAddress();
		if (id && bring) {
			this.sheet.set(false);
			this.bringWhenKnown = id;
			this.bring();
			if (opener !== document.body && opener instanceof HTMLElement) this.details.focus();
		}
		if (!id && before && wasInDetails) this.list.focus(before);
	}

	private bringWhenKnown: string | null = null;

	private bring(): void {
		const { id, node } = this.selection;
		if (!node || this.bringWhenKnown !== id) return;
		this.bringWhenKnown = null;
		if (!node.position) return;
		const { longitude, latitude } = node.position;
		if (!this.view.isVisible(longitude, latitude)) this.view.flyTo(longitude, latitude);
	}

	private centre(): void {
		const position = this.selection.node?.position;
		if (position) this.view.flyTo(position.longitude, position.latitude);
	}

	private showSelectionSoon(): void {
		if (this.fieldsDirty) return;
		this.fieldsDirty = true;
		requestAnimationFrame(() => this.showSelection());
	}

	private showSelection(): void {
		this.fieldsDirty = false;
		const now = Date.now();
		const { selection } = this;
		selection.update();
		const { id, node, telemetry, trail, live } = selection;
		if (!id || !node) {
			this.details.hide();
			this.view.nodes.select(null, [], now);
			this.view.nodes.setTrail([]);
			this.measurePanels();
			return;
		}
		const neighbours = (node.links ?? []).flatMap(
			(link) => this.live.nodes.get(link.id) ?? selection.known.get(link.id) ?? [],
		);
		this.view.nodes.select(node, neighbours, now);
		this.view.nodes.setTrail(trail ?? []);
		this.details.show({ node, live, telemetry, trail, messages: this.messages.from(id, NODE_MESSAGES) }, now);
		this.measurePanels();
		this.bring();
	}

	/** What is in view, and the selected node wherever it is. */
	private subscribe(): void {
		const { id } = this.selection;
		this.live.setFilter({ ...this.view.filter(), ...(id && { alsoIds: [id] }) });
	}

	private moved(): void {
		this.subscribe();
		this.writeAddress();
		this.showList(false);
	}

	private searched(): void {
		this.listing.ungroup();
		if (this.search.text) this.tabs.show('nodes');
		for (const node of this.search.results([]).nodes) this.selection.known.set(node.id, node);
		this.showList(false);
	}

	private showGroup(ids: string[]): void {
		this.listing.showGroup(ids);
		this.tabs.show('nodes');
		this.showList(false);
		this.list.focusFirst();
	}

	private showList(keepOrder: boolean): void {
		const unread = this.messages.unread;
		this.tabs.label('messages', unread ? `Messages (${unread})` : 'Messages');
		const content = this.listing.content(this.live, this.view.visibleBounds());
		this.tabs.label('nodes', `Nodes (${(content.total ?? content.nodes.length).toLocaleString()})`);
		if (this.tabs.current === 'nodes') this.list.show(content, Date.now(), keepOrder);
		else if (unread === 0) this.messages.render();
		if (this.selection.id) this.showSelectionSoon();
	}

	private stepBack(): void {
		if (this.selection.id) this.select(null);
		else if (this.listing.grouped) this.listing.ungroup();
		else this.sheet.set(false);
	}

	private async askHealth(): Promise<void> {
		if (this.live.state.kind !== 'live') return;
		try {
			this.status.setProblems((await fetchHealth()).problems);
		} catch {
			this.status.setProblems(['the server does not say how it is']);
		}
	}

	private measurePanels(): void {
		this.view.covered = coveredEdges();
		document.documentElement.classList.toggle('has-details', this.details.open);
	}

	private writeAddress(): void {
		const explain = this.explanation.id ?? undefined;
		history.replaceState(null, '', writeHash({ place: this.view.place(), node: this.selection.id, explain }));
	}

	private explain(id: string | null): void {
		this.explanation.show(id);
		this.writeAddress();
	}

	private readAddress(): void {
		const { place, node, explain } = readHash(location.hash);
		if (place) this.view.jumpTo(place);
		this.select(node);
		this.explain(explain ?? null);
	}
}

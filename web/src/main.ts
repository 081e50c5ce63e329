import { type Config, fetchConfig, fetchNodes, share } from './api';
import { App } from './app';
import { boxAround } from './model/geo';
import { readHash } from './model/hash';
import { STATUS_NAMES } from './model/status';
import { byId, el, markOf } from './ui/dom';
import { askForToken, fetchSession, showAccount } from './ui/session';
import './style/base.css';
import './style/map.css';
import './style/panels.css';
import './style/details.css';
import './style/session.css';
import './style/narrow.css';

/** How many nodes are asked for to find the part of the world to show first. */
const NODES_FOR_FIRST_VIEW = 1000;

declare global {
	interface Window {
		/** What the page is doing, for tests and for the curious. It changes nothing. */
		geocast?: () => Record<string, unknown>;
	}
}

async function start(): Promise<void> {
	const config = await fetchConfig().catch((): Config => ({ mapStyleUrl: null, name: 'geocast', version: '' }));
	byId('title').textContent = config.name || 'geocast';
	document.title = config.name || 'geocast';
	byId('legend').append(...Object.entries(STATUS_NAMES).map(([status, name]) => el('span', {}, markOf(status), name)));
	const session = await fetchSession(share);
	showAccount(session, share);
	if (!session.map) {
		askForToken(false, share ? 'The link is not valid any more.' : '');
		return;
	}
	const hadPlace = readHash(location.hash).place !== null;
	const app = new App(config, session.messages);
	window.geocast = () => ({
		connection: app.live.state.kind,
		transport: app.live.transport,
		held: app.live.nodes.size,
		cells: app.live.cells.size,
		revision: app.live.revision,
		filter: app.live.heldFilter,
		selected: app.selectedId,
		features: app.view.nodes.count,
		...app.view.drawn(),
	});
	if (!hadPlace) await showAllNodes(app);
	app.start();
}

async function showAllNodes(app: App): Promise<void> {
	const nodes = await fetchNodes(NODES_FOR_FIRST_VIEW).catch(() => []);
	const places = nodes.flatMap(({ position }): [number, number][] =>
		position ? [[position.longitude, position.latitude]] : [],
	);
	const box = boxAround(places);
	if (box) app.view.fit(box);
}

void start();

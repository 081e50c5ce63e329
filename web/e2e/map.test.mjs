// Drives the page in a real browser against the geocast at GEOCAST_URL, which must hold some nodes with positions.
// Screenshots go to SCREENSHOTS, when that is set.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';

const geocastUrl = process.env.GEOCAST_URL;
const chromiumPath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const screenshots = process.env.SCREENSHOTS;
const MARKUP = '<img src=x onerror="window.injected=1"><b>bold</b>';
const WAIT_MS = 60_000;
/** The page with a conversation that can be read here. */
const JSON_PAGE = '/?encoding=json';

let browser;

before(async () => {
	assert.ok(geocastUrl, 'GEOCAST_URL must name a running geocast');
	if (screenshots) mkdirSync(screenshots, { recursive: true });
	const args = ['--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--disable-quic'];
	browser = await chromium.launch({ executablePath: chromiumPath, args });
});

after(() => browser?.close());

/** Opens the page, runs the steps on it, and fails when it complained or asked another host for anything. */
async function visit(options, steps) {
	const { path = '/', hash = '', prepare, mayComplain = () => false, ready = live, ...contextOptions } = options;
	const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...contextOptions });
	const page = await context.newPage();
	page.setDefaultTimeout(WAIT_MS);
	const complaints = [];
	const foreign = [];
	page.on('console', (message) => {
		if (message.type() === 'error' && !mayComplain(message.text())) complaints.push(message.text());
	});
	page.on('pageerror', (error) => complaints.push(error.message));
	page.on('request', (request) => {
		const url = new URL(request.url());
		if (['http:', 'https:', 'ws:', 'wss:'].includes(url.protocol) && url.host !== new URL(geocastUrl).host) {
			foreign.push(request.url());
		}
	});
	try {
		await prepare?.(page);
		await page.goto(new URL(`${path}${hash}`, geocastUrl).href);
		await ready(page);
		await steps(page);
		assert.deepEqual(complaints, [], 'the console is clean');
		assert.deepEqual(foreign, [], 'nothing is asked of another host');
	} finally {
		await context.close();
	}
}

const state = (page) => page.evaluate(() => window.geocast());

async function live(page) {
	await page.waitForFunction(() => window.geocast?.().connection === 'live');
}

async function drawn(page) {
	await page.waitForFunction(() => {
		const { nodes, clusters, bubbles } = window.geocast();
		return nodes + clusters + bubbles > 0;
	});
}

async function shoot(page, name, settleMs = 800) {
	if (!screenshots) return;
	await page.waitForTimeout(settleMs);
	await page.screenshot({ path: join(screenshots, `${name}.png`) });
}

/** A place where there is a node, to look at closely. */
async function nodeWithPlace() {
	const { nodes } = await (await fetch(new URL('/api/nodes?limit=1000', geocastUrl))).json();
	const found = nodes.filter((node) => node.position && node.longName);
	assert.ok(found.length > 0, 'the server knows nodes with a name and a position');
	return found.sort((a, b) => (b.lastHeard ?? 0) - (a.lastHeard ?? 0))[0];
}

async function openFirstNode(page) {
	await page.locator('#list .row').first().click();
	await page.waitForSelector('#details h2');
}

test('the page opens on the nodes that exist, and says that it is live', async () => {
	await visit({}, async (page) => {
		await drawn(page);
		const { held, features } = await state(page);
		assert.ok(held > 0);
		assert.ok(features > 0);
		assert.equal(await page.locator('#connection').textContent(), 'Live');
		assert.match(await page.locator('#tab-nodes').textContent(), /^Nodes \([1-9]/);
		await shoot(page, 'light');
	});
});

test('it works in the dark', async () => {
	await visit({ colorScheme: 'dark' }, async (page) => {
		await drawn(page);
		await openFirstNode(page);
		const background = await page.locator('#side').evaluate((element) => getComputedStyle(element).backgroundColor);
		const brightness = Math.max(...background.match(/\d+/g).slice(0, 3).map(Number));
		assert.ok(brightness < 80, `the panel is dark, not ${background}`);
		await shoot(page, 'dark');
		await page.locator('#theme').click();
		assert.equal(await page.locator('html').getAttribute('data-theme'), 'light');
	});
});

test('a node chosen from the list shows its details, and Escape closes them', async () => {
	await visit({}, async (page) => {
		await drawn(page);
		const id = await page.locator('#list .row').first().getAttribute('data-id');
		// By its id: the first row may be another one by now.
		await page.locator(`#list .row[data-id="${id}"]`).click();
		await page.waitForSelector('#details h2');
		assert.equal(await page.locator('#details code').textContent(), id);
		assert.equal((await state(page)).selected, id);
		assert.ok(page.url().includes(`node=${encodeURIComponent(id)}`) || page.url().includes(`node=${id}`));
		await shoot(page, 'details');
		await page.keyboard.press('Escape');
		await page.waitForSelector('#details', { state: 'hidden' });
		assert.equal((await state(page)).selected, null);
	});
});

test('the list is reached and used by keyboard alone', async () => {
	await visit({}, async (page) => {
		await page.keyboard.press('/');
		assert.equal(await page.evaluate(() => document.activeElement.id), 'search');
		// What was searched for stays in the list wherever the map goes.
		await page.keyboard.type('!');
		await page.waitForFunction(() => !document.getElementById('list-note').textContent.includes('Searching'));
		await page.waitForSelector('#list .row:nth-child(2)');
		await page.keyboard.press('ArrowDown');
		const first = await page.evaluate(() => document.activeElement.dataset.id);
		await page.keyboard.press('ArrowDown');
		const second = await page.evaluate(() => document.activeElement.dataset.id);
		assert.ok(first && second && first !== second);
		await page.keyboard.press('Enter');
		await page.waitForSelector('#details h2');
		assert.equal((await state(page)).selected, second);
		await page.keyboard.press('Escape');
		await page.waitForSelector('#details', { state: 'hidden' });
		assert.equal(await page.evaluate(() => document.activeElement.dataset.id), second);
	});
});

test('a row keeps the focus when the list is laid in another order', async () => {
	await visit({}, async (page) => {
		await page.waitForSelector('#list .row:nth-child(3)');
		const id = await page.evaluate(() => {
			const list = document.getElementById('list');
			const [first, ...others] = list.children;
			first.focus();
			list.prepend(...others);
			return first.dataset.id;
		});
		await page.waitForFunction((wanted) => document.getElementById('list').firstElementChild.dataset.id === wanted, id);
		assert.equal(await page.evaluate(() => document.activeElement.dataset.id), id);
	});
});

test('a search finds a node by name, also when it is not in view', async () => {
	const { id, longName } = await nodeWithPlace();
	await visit({ hash: '#5/-60/-150' }, async (page) => {
		assert.equal((await state(page)).held, 0);
		await page.locator('#search').fill(longName);
		await page.waitForSelector(`#list .row[data-id="${id}"]`);
		await shoot(page, 'search');
		await page.locator(`#list .row[data-id="${id}"]`).click();
		await page.waitForFunction((wanted) => window.geocast().selected === wanted, id);
		await drawn(page);
	});
});

test('a search finds a node by its id', async () => {
	const { id } = await nodeWithPlace();
	await visit({}, async (page) => {
		await page.locator('#search').fill(id);
		await page.waitForSelector(`#list .row[data-id="${id}"]`);
		await page.keyboard.press('Enter');
		await page.waitForFunction((wanted) => window.geocast().selected === wanted, id);
	});
});

/** Waits until all nodes are drawn as one cluster, in the middle where they were gathered. */
async function gathered(page) {
	await page.waitForFunction(() => {
		const { nodes, clusters } = window.geocast();
		return nodes === 0 && clusters === 1;
	});
}

test('a click on a cluster takes it apart, or lists its nodes where no zoom can', async () => {
	const { position } = await nodeWithPlace();
	const { latitude, longitude } = position;
	/** Puts every node at one of these places, and lets none of them move. */
	const gatherAt = (places) => (page) => {
		const change = (frame) => {
			if (frame.type === 'position_update') frame.positions = [];
			for (const node of frame.nodes ?? []) {
				if (node.position)
					node.position = { ...position, ...places[Number.parseInt(node.id.slice(-1), 16) % places.length] };
			}
			return frame;
		};
		return between(page, { change }).ready;
	};
	const onePlace = gatherAt([{}]);
	await visit({ path: JSON_PAGE, prepare: onePlace, hash: `#9/${latitude}/${longitude}` }, async (page) => {
		await gathered(page);
		const { held } = await state(page);
		assert.ok(held > 1, 'there are several nodes to gather');
		await page.mouse.click(640, 400);
		await page.waitForFunction(() => document.querySelector('#list-note').textContent.includes('at one place'));
		await shoot(page, 'one-place');
		await page.keyboard.press('Escape');
		await page.waitForFunction(() => !document.querySelector('#list-note').textContent.includes('at one place'));
	});
	const twoPlaces = gatherAt([{ longitude: longitude - 0.03 }, { longitude: longitude + 0.03 }]);
	await visit({ path: JSON_PAGE, prepare: twoPlaces, hash: `#5/${latitude}/${longitude}` }, async (page) => {
		await gathered(page);
		const before = (await state(page)).filter.bounds;
		await page.mouse.click(640, 400);
		await page.waitForFunction((north) => window.geocast().filter.bounds.north < north - 1, before.north);
	});
});

/** Where a place is on a map of 1280 by 800 pixels around another place. */
function onScreen(place, centre, zoom) {
	const size = 512 * 2 ** zoom;
	const east = (longitude) => (longitude / 360) * size;
	const south = (latitude) => (-Math.asinh(Math.tan((latitude * Math.PI) / 180)) / (2 * Math.PI)) * size;
	return [640 + east(place.longitude) - east(centre.longitude), 400 + south(place.latitude) - south(centre.latitude)];
}

/** The middle of the map tile around a place. */
function tileAround({ latitude, longitude }, zoom) {
	const tiles = 2 ** zoom;
	const middle = (part) => (Math.floor(part * tiles) + 0.5) / tiles;
	const southing = 0.5 - Math.asinh(Math.tan((latitude * Math.PI) / 180)) / (2 * Math.PI);
	return {
		longitude: middle((longitude + 180) / 360) * 360 - 180,
		latitude: (Math.atan(Math.sinh(Math.PI * (1 - 2 * middle(southing)))) * 180) / Math.PI,
	};
}

test('from far away nodes are counted, and a click on a bubble leads to them', async () => {
	const { position } = await nodeWithPlace();
	await visit({ hash: `#3/${position.latitude}/${position.longitude}` }, async (page) => {
		await page.waitForFunction(() => window.geocast().bubbles > 0);
		const { held, cells, filter } = await state(page);
		assert.equal(held, 0, 'no node is sent');
		assert.ok(cells > 0);
		assert.deepEqual(filter.cells, { zoom: 7 });
		assert.match(
			await page.locator('#list-note').textContent(),
			/^[1-9].* nodes?, .* online\. Zoom in to list them\.$/,
		);
		assert.match(await page.locator('#tab-nodes').textContent(), /^Nodes \([1-9]/);
		const [x, y] = onScreen(tileAround(position, 7), position, 3);
		await page.mouse.move(x, y);
		await page.waitForFunction(() => / online$/.test(document.querySelector('.map-tooltip').textContent));
		await shoot(page, 'bubbles');
		await page.mouse.click(x, y);
		await page.waitForFunction(() => window.geocast().filter.cells === undefined && window.geocast().held > 0);
		await page.waitForFunction(() => window.geocast().bubbles === 0 && window.geocast().cells === 0);
		await drawn(page);
	});
});

test('a selected node stays live wherever the map looks', async () => {
	const { id, position } = await nodeWithPlace();
	for (const place of [`1/${position.latitude}/${position.longitude}`, '8/-60/-150']) {
		await visit({ hash: `#${place}&node=${id}` }, async (page) => {
			await page.waitForSelector('#details h2');
			await page.waitForFunction(() => window.geocast().filter?.alsoIds?.length === 1);
			assert.equal((await state(page)).held, 1);
			await page.keyboard.press('Escape');
			await page.waitForFunction(() => window.geocast().held === 0);
		});
	}
});

test('where WebSockets do not get through, the page is live by an event stream', async () => {
	const prepare = (page) => between(page, { refuses: () => true }).ready;
	await visit({ prepare }, async (page) => {
		await drawn(page);
		const { transport, held, revision } = await state(page);
		assert.equal(transport, 'sse');
		assert.ok(held > 0);
		await page.waitForFunction((before) => window.geocast().revision > before, revision);
		await page.evaluate(() => {
			location.hash = '#8/-60/-150';
		});
		await page.waitForFunction(() => window.geocast().held === 0);
		assert.equal(await page.locator('#connection').textContent(), 'Live');
	});
});

test('the example of the client library shows the nodes', async () => {
	const ready = (page) => page.waitForSelector('#map path', { state: 'attached' });
	await visit({ path: '/client/example.html', ready }, async (page) => {
		await page.waitForFunction(() => /^[1-9]\d* nodes/.test(document.querySelector('#status').value));
		const [, , width, height] = (await page.locator('#map').getAttribute('viewBox')).split(' ').map(Number);
		assert.ok(width > 0 && height > 0);
		await shoot(page, 'example', 0);
	});
});

test('moving the map moves the subscription', async () => {
	const { position } = await nodeWithPlace();
	await visit({ hash: `#12/${position.latitude}/${position.longitude}` }, async (page) => {
		const before = await state(page);
		assert.ok(before.held > 0);
		assert.ok(before.filter.bounds.west < position.longitude && before.filter.bounds.east > position.longitude);
		await page.evaluate(() => {
			location.hash = '#8/-60/-150';
		});
		await page.waitForFunction(() => window.geocast().filter?.bounds.north < -40);
		const { held, features, filter } = await state(page);
		assert.equal(held, 0);
		assert.equal(features, 0);
		assert.ok(filter.bounds.west < -150 && filter.bounds.east > -150);
	});
});

test('a view over the antimeridian is subscribed to with west greater than east', async () => {
	await visit({ hash: '#6/0/180' }, async (page) => {
		const { bounds } = (await state(page)).filter;
		assert.ok(bounds.west > bounds.east, JSON.stringify(bounds));
	});
});

test('the coast can be recognised from the world down to the city', async () => {
	const { position } = await nodeWithPlace();
	for (const zoom of [1.5, 6, 11]) {
		await visit({ hash: `#${zoom}/${position.latitude}/${position.longitude}` }, async (page) => {
			await drawn(page);
			await shoot(page, `zoom-${zoom}`);
		});
	}
});

/** Stands between the page and the server, to change what is said and to cut the line. */
function between(page, { change = (frame) => frame, onSent = () => {}, refuses = () => false } = {}) {
	const lines = [];
	const ready = page.routeWebSocket('**/api/ws', (line) => {
		lines.push(line);
		if (refuses(lines.length)) {
			line.close({ code: 1013 });
			return;
		}
		const server = line.connectToServer();
		line.onMessage((text) => {
			onSent(JSON.parse(text), lines.length);
			server.send(text);
		});
		server.onMessage((text) => line.send(JSON.stringify(change(JSON.parse(text)))));
	});
	return { ready, lines };
}

test('a name with markup shows as text', async () => {
	const rename = (frame) => {
		for (const node of frame.nodes ?? [])
			if (node.position) Object.assign(node, { longName: MARKUP, shortName: '<b>' });
		return frame;
	};
	const prepare = (page) => between(page, { change: rename }).ready;
	await visit({ path: JSON_PAGE, prepare }, async (page) => {
		await drawn(page);
		await openFirstNode(page);
		assert.equal(await page.locator('#details h2').textContent(), MARKUP);
		assert.equal(await page.locator('#list .row .long').first().textContent(), MARKUP);
		assert.equal(await page.locator('#details h2 *, #list .long *, #list img').count(), 0);
		assert.equal(await page.evaluate(() => window.injected), undefined);
		await shoot(page, 'markup');
	});
});

test('after a lost connection the page says so, reconnects by itself and resumes where it was', async () => {
	const subscribes = [];
	let lines;
	// Away until all of what the page then shows was seen, however slow the machine; and for two attempts at least.
	let away = false;
	const prepare = (page) => {
		const onSent = (frame, line) => frame.type === 'subscribe' && subscribes.push({ line, ...frame });
		const middle = between(page, { onSent, refuses: (line) => away || line === 2 || line === 3 });
		lines = middle.lines;
		return middle.ready;
	};
	await visit({ path: JSON_PAGE, prepare }, async (page) => {
		await drawn(page);
		const { held } = await state(page);
		away = true;
		await lines[0].close({ code: 1001, reason: 'restart' });
		await page.locator('#connection', { hasText: 'Offline' }).waitFor();
		await page.waitForSelector('#notice:not([hidden])');
		assert.equal((await state(page)).held, held, 'what was known stays on the map');
		await shoot(page, 'offline', 0);
		away = false;
		await live(page);
		const last = subscribes.filter(({ line }) => line === 1).at(-1);
		const resumed = subscribes.find(({ line }) => line > 1);
		assert.ok(resumed.line > 3, 'it tries again after each refusal');
		assert.ok(resumed.resume.epoch);
		assert.ok(resumed.resume.revision > 0);
		assert.deepEqual(resumed.filter, last.filter, 'the filter is the one that was held');
		await page.waitForSelector('#notice', { state: 'hidden' });
	});
});

test('a server that is not well is shown as such', async () => {
	const problems = ['the database does not answer'];
	const prepare = (page) =>
		page.route('**/api/health', (route) => route.fulfill({ status: 503, json: { status: 'degraded', problems } }));
	await visit({ prepare, mayComplain: (text) => text.includes('503') }, async (page) => {
		await page.waitForSelector('#notice:not([hidden])');
		assert.match(await page.locator('#notice').textContent(), /the database does not answer/);
		assert.equal(await page.locator('#connection').textContent(), 'Degraded');
	});
});

const withStyle = (mapStyleUrl) => (page) =>
	page.route('**/api/config', (route) => route.fulfill({ json: { mapStyleUrl, name: 'geocast', version: '0' } }));

test('the base map is the style that the operator has set', async () => {
	const layers = [{ id: 'ground', type: 'background', paint: { 'background-color': '#ddeedd' } }];
	let asked = 0;
	const prepare = async (page) => {
		await withStyle('/style-of-the-operator.json')(page);
		await page.route('**/style-of-the-operator.json', (route) => {
			asked++;
			return route.fulfill({ json: { version: 8, sources: {}, layers } });
		});
	};
	await visit({ prepare }, async (page) => {
		await drawn(page);
		assert.equal(asked, 1);
		await page.locator('#theme').click();
		await drawn(page);
	});
});

test('a style that does not load gives way to the offline base map', async () => {
	const prepare = async (page) => {
		await withStyle('/no-such-style.json')(page);
		await page.route('**/no-such-style.json', (route) => route.fulfill({ status: 404, body: '' }));
	};
	await visit({ prepare, mayComplain: (text) => text.includes('404') }, drawn);
});

test('on a phone the list and the details are sheets, and nothing is wider than the screen', async () => {
	const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
	const overflow = (page) =>
		page.evaluate(() =>
			[...document.querySelectorAll('#top, #top *, #sheet, #sheet *, #details, #details *, #notice')]
				.filter((element) => element.checkVisibility() && !element.closest('svg'))
				.filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5)
				.map((element) => element.outerHTML.slice(0, 80)),
		);
	await visit(phone, async (page) => {
		await drawn(page);
		assert.deepEqual(await overflow(page), []);
		await shoot(page, 'phone');
		await page.locator('#handle').tap();
		await page.waitForSelector('#sheet.open');
		await page.waitForTimeout(400);
		assert.deepEqual(await overflow(page), []);
		await shoot(page, 'phone-list');
		await page.locator('#list .row').first().tap();
		await page.waitForSelector('#details h2');
		assert.deepEqual(await overflow(page), []);
		await shoot(page, 'phone-details');
		assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
	});
});

test('messages are shown in their own tab', async () => {
	await visit({}, async (page) => {
		await page.locator('#tab-messages').click();
		await page.waitForSelector('#pane-messages:not([hidden])');
		assert.equal(await page.locator('#tab-messages').getAttribute('aria-selected'), 'true');
		assert.ok(await page.locator('#pane-messages').textContent());
		await shoot(page, 'messages');
	});
});

test('where there is nothing to see without it, the page asks for a token and says what is wrong with one', async () => {
	const session = { role: 'anonymous', map: false, messages: false, public: false, signedIn: false };
	await visit(
		{
			prepare: (page) => page.route('**/api/session*', (route) => route.fulfill({ json: session })),
			ready: (page) => page.waitForSelector('#sign-in'),
			mayComplain: (text) => text.includes('401'),
		},
		async (page) => {
			await shoot(page, 'sign-in');
			await page.keyboard.press('Escape');
			await page.locator('#sign-in input').fill('not-a-token');
			await page.keyboard.press('Enter');
			await page.waitForFunction(() => document.querySelector('#sign-in .trouble').textContent.includes('not valid'));
			assert.equal(await page.evaluate(() => typeof window.geocast), 'undefined', 'nothing was asked for');
		},
	);
});

test('a share link shows its nodes and nothing else', async () => {
	const { id } = await nodeWithPlace();
	const wanted = { method: 'POST', headers: { 'Content-Type': 'application/json' } };
	const body = JSON.stringify({ nodeIds: [id], expires: '1h' });
	const made = await fetch(new URL('/api/shares', geocastUrl), { ...wanted, body });
	assert.equal(made.status, 200);
	await visit({ path: (await made.json()).url }, async (page) => {
		await page.waitForFunction(() => window.geocast().held === 1);
		await page.locator('#list .row').first().click();
		await page.waitForSelector('#details h2');
		assert.equal(await page.locator('#details code').textContent(), id);
		await shoot(page, 'share');
	});
});

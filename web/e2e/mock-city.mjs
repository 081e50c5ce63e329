// A made-up city of nodes on both shores of the Oresund, for the mock server: data only, no socket.

const CENTRE = { latitude: 55.66, longitude: 12.72 };
const HARDWARE = ['TBEAM', 'HELTEC_V3', 'RAK4631', 'T_ECHO', 'STATION_G2', 'TRACKER_T1000_E'];
const ROLES = ['CLIENT', 'CLIENT', 'CLIENT', 'ROUTER', 'TRACKER', 'SENSOR'];
const FIRST = ['Harbour', 'Hill', 'North', 'Old Town', 'Bridge', 'Tower', 'Garden', 'Lake', 'Station', 'Airport'];
const SECOND = ['Relay', 'Base', 'Cyclist', 'Roof', 'Weather', 'Boat', 'Tracker', 'Garage', 'School', 'Van'];
export const MARKUP_NAME = '<img src=x onerror="window.injected=1"><b>bold</b>';

/** A small seeded generator, so that every run has the same city. */
function chance(seed) {
	let state = seed;
	return () => {
		state = (state * 1664525 + 1013904223) % 4294967296;
		return state / 4294967296;
	};
}

export function makeCity(size, now) {
	const random = chance(7);
	const normal = () => (random() + random() + random() + random() - 2) / 1.2;
	const nodes = new Map();
	for (let i = 0; i < size; i++) {
		const id = `!${(0xa1b20000 + i * 257).toString(16)}`;
		const age =
			random() < 0.55 ? random() * 10 * 60e3 : random() < 0.6 ? random() * 100 * 60e3 : random() * 4 * 86400e3;
		const name = `${FIRST[i % 10]} ${SECOND[Math.floor(i / 10) % 10]}${i >= 100 ? ` ${i}` : ''}`;
		nodes.set(id, {
			id,
			network: 'meshtastic',
			shortName: name.replace(/[^A-Z0-9]/g, '').slice(0, 4) || 'NODE',
			longName: name,
			hwModel: HARDWARE[i % HARDWARE.length],
			role: ROLES[i % ROLES.length],
			firmware: '2.6.11',
			channel: 'LongFast',
			online: age < 2 * 3600e3,
			lastHeard: Math.round(now - age),
			position: place(i, now - age, normal, random),
			telemetry: {
				time: Math.round(now - age),
				batteryLevel: 20 + Math.floor(random() * 82),
				voltage: 3.9,
				channelUtilization: random() * 20,
				airUtilTx: random() * 4,
				uptimeSeconds: Math.floor(random() * 1e6),
				...(i % 6 === 5 && { temperature: 4 + random() * 8, relativeHumidity: 70, barometricPressure: 1012 }),
			},
			links: [],
		});
	}
	const all = [...nodes.values()];
	all[3].longName = MARKUP_NAME;
	all[3].shortName = '<i>';
	all[4].longName = 'Øresund Ærø 東京 Київ';
	all[4].shortName = '東京';
	for (const node of all) {
		for (let k = 0; k < 3; k++) {
			const other = all[Math.floor(random() * all.length)];
			if (other !== node) node.links.push({ id: other.id, snr: Math.round(random() * 30 - 15), time: node.lastHeard });
		}
	}
	return nodes;
}

/** Every fourth node hides its place in a cell, as phones do; a few share one cell. */
function place(i, time, normal, random) {
	const position = {
		latitude: CENTRE.latitude + normal() * 0.16,
		longitude: CENTRE.longitude + normal() * 0.3,
		altitude: Math.floor(random() * 60),
		time: Math.round(time),
	};
	if (i % 4 !== 1) return { ...position, satsInView: 9, precisionBits: 32 };
	const bits = 14 + (i % 3);
	const cell = 2 ** (32 - bits);
	const middle = (degrees) => ((Math.floor((degrees * 1e7) / cell) + 0.5) * cell) / 1e7;
	return {
		...position,
		latitude: middle(position.latitude),
		longitude: middle(position.longitude),
		precisionBits: bits,
	};
}

/** Moves a few nodes one step; answers with what changed, by kind. */
export function step(nodes, now, random = Math.random) {
	const all = [...nodes.values()];
	const pick = () => all[Math.floor(random() * all.length)];
	const moved = new Set();
	const measured = new Set();
	for (let k = 0; k < 6; k++) {
		const node = pick();
		if (!node.online || node.position.precisionBits < 32) continue;
		node.position = {
			...node.position,
			latitude: node.position.latitude + (random() - 0.5) * 0.004,
			longitude: node.position.longitude + (random() - 0.5) * 0.008,
			time: now,
			groundSpeed: 4,
			groundTrack: 90,
		};
		node.lastHeard = now;
		moved.add(node);
	}
	for (let k = 0; k < 3; k++) {
		const node = pick();
		if (!node.online) continue;
		node.telemetry = { ...node.telemetry, time: now, batteryLevel: 20 + Math.floor(random() * 80) };
		node.lastHeard = now;
		measured.add(node);
	}
	return { moved, measured };
}

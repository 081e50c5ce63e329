import { LiveMap } from './index.js';

const live = new LiveMap({ filter: { bounds: { north: 85, south: -85, east: 180, west: -180 } } });
const [map, status] = ['map', 'status'].map((id) => document.getElementById(id));
const dots = new Map();

function draw(node) {
	const dot = dots.get(node.id) ?? document.createElementNS('http://www.w3.org/2000/svg', 'path');
	dots.set(node.id, dot);
	dot.setAttribute('d', `M${node.position.longitude} ${-node.position.latitude}h0`);
	dot.setAttribute('stroke', node.online ? '#0b7d62' : '#98a3ae');
	map.append(dot);
}
live.on('enter', draw);
live.on('update', ({ node }) => draw(node));
live.on('leave', ({ id }) => dots.get(id).remove());
live.on('change', () => {
	const x = [...live.nodes.values()].map(({ position }) => position.longitude);
	const y = [...live.nodes.values()].map(({ position }) => -position.latitude);
	const [left, top] = [Math.min(...x), Math.min(...y)];
	map.setAttribute('viewBox', [left, top, Math.max(...x) - left, Math.max(...y) - top].join(' '));
	status.replaceChildren(`${live.nodes.size} nodes, revision ${live.revision}`);
});
live.on('state', ({ kind }) => status.replaceChildren(kind));
live.connect();

import type { LinkRecord, MessageRecord, NodeRecord, PositionRecord, TelemetryRecord } from 'geocast-client';
import { ago, count, fullTime, number, shortTime } from '../model/format';
import { isCharted, metricsInOrder } from '../model/metrics';
import { longNameOf, STATUS_NAMES, shortNameOf, statusOf } from '../model/status';
import { chart } from './charts';
import { byId, el, markOf } from './dom';
import { type Fact, nodeFacts, positionFacts, telemetryFacts } from './facts';
import { icon } from './icons';
import { textOf } from './messages';

export interface DetailsContent {
	node: NodeRecord;
	/** Whether the node is part of the live subscription; otherwise its record is fetched now and then. */
	live: boolean;
	/** Newest first; null while it is being fetched. */
	telemetry: TelemetryRecord[] | null;
	trail: PositionRecord[] | null;
	messages: MessageRecord[];
}

export interface DetailsEvents {
	onClose(): void;
	onCentre(): void;
	onSelect(id: string): void;
	nameOf(id: string): string;
}

/** All that is known of one node. Each part is drawn anew only when it says something else. */
export class Details {
	private readonly element = byId('details');
	private readonly parts = new Map<string, { holder: HTMLElement; signature: string }>();
	private shownId: string | null = null;

	constructor(private readonly events: DetailsEvents) {
		this.element.addEventListener('keydown', (event) => {
			if (event.key !== 'Escape') return;
			event.stopPropagation();
			this.events.onClose();
		});
	}

	get open(): boolean {
		return this.shownId !== null;
	}

	hide(): void {
		this.shownId = null;
		this.element.hidden = true;
		this.element.replaceChildren();
		this.parts.clear();
	}

	focus(): void {
		this.element.querySelector<HTMLElement>('button')?.focus();
	}

	show(content: DetailsContent, now: number): void {
		const { node } = content;
		if (this.shownId !== node.id) {
			this.hide();
			this.shownId = node.id;
			this.element.hidden = false;
			this.element.scrollTop = 0;
			this.element.append(this.toolbar());
		}
		this.part(
			'head',
			[longNameOf(node), shortNameOf(node), statusOf(node, now), ago(node.lastHeard, now), content.live],
			() => this.head(content, now),
		);
		this.facts('Node', nodeFacts(node));
		this.facts('Position', positionFacts(node, now), this.trailNote(content.trail, now));
		this.facts('Telemetry', telemetryFacts(node, now));
		this.part('charts', [content.telemetry?.length, content.telemetry?.[0]?.time], () =>
			this.charts(content.telemetry, now),
		);
		const links = [...(node.links ?? [])].sort((a, b) => (b.snr ?? -99) - (a.snr ?? -99));
		this.part(
			'links',
			links.map((link) => [link, this.events.nameOf(link.id)]),
			() => this.links(links, now),
		);
		this.part(
			'messages',
			content.messages.map((message) => message.id),
			() => this.messages(content.messages, now),
		);
	}

	private part(name: string, says: unknown, build: () => (Node | null)[]): void {
		const signature = JSON.stringify(says);
		let part = this.parts.get(name);
		if (part?.signature === signature) return;
		if (!part) {
			part = { holder: el('section', { 'data-part': name }), signature };
			this.parts.set(name, part);
			this.element.append(part.holder);
		}
		part.signature = signature;
		const children = build().filter((child) => child !== null);
		part.holder.hidden = children.length === 0;
		part.holder.replaceChildren(...children);
	}

	private toolbar(): HTMLElement {
		const button = (name: 'target' | 'close', label: string, click: () => void) =>
			el('button', { type: 'button', class: 'icon-button', 'aria-label': label, title: label, click }, icon(name));
		return el(
			'div',
			{ class: 'toolbar' },
			button('target', 'Centre the map on this node', () => this.events.onCentre()),
			button('close', 'Close', () => this.events.onClose()),
		);
	}

	private head({ node, live }: DetailsContent, now: number): Node[] {
		const status = statusOf(node, now);
		const heard = node.lastHeard === undefined ? 'never heard' : `heard ${ago(node.lastHeard, now)}`;
		return [
			el('h2', {}, longNameOf(node)),
			el('p', { class: 'ids' }, el('span', { class: 'short' }, shortNameOf(node)), el('code', {}, node.id)),
			el(
				'p',
				{ class: 'state', title: node.lastHeard ? fullTime(node.lastHeard) : undefined },
				markOf(status),
				`${STATUS_NAMES[status]}, ${heard}`,
			),
			...(live ? [] : [el('p', { class: 'note' }, 'Not in the part of the map in view: refreshed now and then.')]),
		];
	}

	private facts(title: string, facts: Fact[], note?: string): void {
		this.part(title, [facts, note], () => {
			if (facts.length === 0) return [];
			const rows = facts.flatMap(([name, value, hint]) => [el('dt', {}, name), el('dd', { title: hint }, value)]);
			return [el('h3', {}, title), el('dl', {}, ...rows), note ? el('p', { class: 'note' }, note) : null];
		});
	}

	private trailNote(trail: PositionRecord[] | null, now: number): string | undefined {
		const oldest = trail?.at(-1);
		if (!trail || !oldest) return undefined;
		if (trail.length === 1) return 'One position on record.';
		return `The trail shows the last ${count(trail.length, 'position')}, since ${shortTime(oldest.time, now)}.`;
	}

	private charts(history: TelemetryRecord[] | null, now: number): (Node | null)[] {
		if (!history) return [];
		const keys = metricsInOrder(new Set(history.flatMap((entry) => Object.keys(entry)))).filter(isCharted);
		const charts = keys.map((key) => chart(key, history, now)).filter((one) => one !== null);
		return charts.length ? [el('h3', {}, 'History'), ...charts] : [];
	}

	private links(links: LinkRecord[], now: number): Node[] {
		if (links.length === 0) return [];
		const rows = links.map((link) =>
			el(
				'li',
				{},
				el(
					'button',
					{ type: 'button', class: 'link', click: () => this.events.onSelect(link.id) },
					this.events.nameOf(link.id),
				),
				el('span', {}, link.snr === undefined ? '' : `${number(link.snr)} dB`),
				el('time', { title: fullTime(link.time) }, shortTime(link.time, now)),
			),
		);
		return [el('h3', {}, 'Neighbours'), el('ul', { class: 'links' }, ...rows)];
	}

	private messages(messages: MessageRecord[], now: number): Node[] {
		if (messages.length === 0) return [];
		const rows = messages.map((message) =>
			el('li', {}, el('time', {}, shortTime(message.time, now)), el('p', {}, textOf(message))),
		);
		return [el('h3', {}, 'Messages'), el('ol', { class: 'messages' }, ...rows)];
	}
}

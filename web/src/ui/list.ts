import type { NodeRecord } from 'geocast-client';
import { age, count } from '../model/format';
import { metricValue } from '../model/metrics';
import { longNameOf, STATUS_NAMES, shortNameOf, statusOf } from '../model/status';
import { byId, el, markOf } from './dom';

/** More rows than this help nobody; the note above says how many there are. */
const MAX_ROWS = 250;

export interface ListContent {
	nodes: NodeRecord[];
	/** How many there are, where that is more than `nodes`. */
	total?: number;
	note: string;
	/** A way back, where the list shows a choice of nodes. */
	action?: { label: string; run: () => void } | undefined;
}

/**
 * The list of nodes, last heard first. One row is reached by Tab, the others by the arrow keys; Enter selects. While
 * the pointer or the focus is in it, rows keep their places, so that none moves away under a finger.
 */
export class NodeList {
	private readonly list = byId('list');
	private readonly note = byId('list-note');
	private readonly rows = new Map<string, { row: HTMLElement; signature: string }>();
	private noted = '';
	private order: string[] = [];
	private current: string | null = null;
	private selected: string | null = null;

	constructor(private readonly onSelect: (id: string) => void) {
		this.list.addEventListener('click', (event) => {
			const id = (event.target as Element).closest<HTMLElement>('.row')?.dataset.id;
			if (id) this.onSelect(id);
		});
		this.list.addEventListener('keydown', (event) => this.onKey(event));
		this.list.addEventListener('focusin', (event) => {
			const id = (event.target as HTMLElement).dataset.id;
			if (id) this.makeCurrent(id);
		});
	}

	show(content: ListContent, now: number, keepOrder: boolean): void {
		const focused = this.list.querySelector<HTMLElement>(':focus');
		this.lay(content, now, keepOrder);
		if (!focused || focused === document.activeElement) return;
		// A row loses the focus when it is moved or removed; whoever works by keyboard must not lose their place.
		const heir = focused.isConnected ? focused : this.rows.get(this.current ?? '')?.row;
		heir?.focus({ preventScroll: true });
	}

	private lay({ nodes, note, action }: ListContent, now: number, keepOrder: boolean): void {
		const shown = this.inOrder(nodes, keepOrder).slice(0, MAX_ROWS);
		const cut = nodes.length > MAX_ROWS ? `The ${MAX_ROWS} last heard of ${count(nodes.length, 'node')}.` : '';
		this.showNote([cut, note].filter(Boolean).join(' '), action);
		const ids = new Set(shown.map((node) => node.id));
		for (const [id, { row }] of this.rows) {
			if (ids.has(id)) continue;
			row.remove();
			this.rows.delete(id);
		}
		let before: Element | null = this.list.firstElementChild;
		for (const node of shown) {
			const row = this.rowOf(node, now);
			if (row === before) before = before.nextElementSibling;
			else this.list.insertBefore(row, before);
		}
		this.order = shown.map((node) => node.id);
		if (this.current === null || !ids.has(this.current)) this.makeCurrent(this.order[0] ?? null);
	}

	select(id: string | null): void {
		if (this.selected) this.rows.get(this.selected)?.row.setAttribute('aria-selected', 'false');
		this.selected = id;
		if (id) this.rows.get(id)?.row.setAttribute('aria-selected', 'true');
	}

	focusFirst(): void {
		this.rows.get(this.order[0] ?? '')?.row.focus();
	}

	focus(id: string): void {
		(this.rows.get(id) ?? this.rows.get(this.current ?? ''))?.row.focus();
	}

	get first(): string | undefined {
		return this.order[0];
	}

	private showNote(text: string, action: ListContent['action']): void {
		if (this.noted === text) return;
		this.noted = text;
		this.note.hidden = text === '';
		this.note.replaceChildren(text);
		if (action) this.note.append(' ', el('button', { type: 'button', class: 'link', click: action.run }, action.label));
	}

	private inOrder(nodes: NodeRecord[], keepOrder: boolean): NodeRecord[] {
		const settled = keepOrder && this.list.matches(':hover, :focus-within');
		const places = new Map(settled ? this.order.map((id, i) => [id, i]) : []);
		const place = (node: NodeRecord) => places.get(node.id) ?? this.order.length;
		return [...nodes].sort(
			(a, b) =>
				(settled ? place(a) - place(b) : 0) || (b.lastHeard ?? 0) - (a.lastHeard ?? 0) || a.id.localeCompare(b.id),
		);
	}

	private rowOf(node: NodeRecord, now: number): HTMLElement {
		const status = statusOf(node, now);
		const battery = node.telemetry?.batteryLevel;
		const facts = [
			node.hwModel,
			typeof battery === 'number' ? metricValue('batteryLevel', battery) : undefined,
			node.position ? undefined : 'no position',
		];
		const heard = age(node.lastHeard, now);
		const texts = [shortNameOf(node), longNameOf(node), facts.filter(Boolean).join(' · '), heard];
		const signature = JSON.stringify([status, ...texts]);
		const held = this.rows.get(node.id);
		if (held?.signature === signature) return held.row;

		const row = held?.row ?? el('div', { class: 'row', role: 'option', tabindex: '-1', 'data-id': node.id });
		row.setAttribute('aria-selected', String(node.id === this.selected));
		row.setAttribute('aria-label', `${longNameOf(node)}, ${STATUS_NAMES[status]}, heard ${heard}`);
		row.replaceChildren(
			markOf(status),
			el('span', { class: 'short' }, shortNameOf(node)),
			el('span', { class: 'long' }, longNameOf(node)),
			el('span', { class: 'age' }, heard),
			el('span', { class: 'facts' }, texts[2] || node.id),
		);
		this.rows.set(node.id, { row, signature });
		return row;
	}

	private makeCurrent(id: string | null): void {
		if (this.current) this.rows.get(this.current)?.row.setAttribute('tabindex', '-1');
		this.current = id;
		if (id) this.rows.get(id)?.row.setAttribute('tabindex', '0');
	}

	private onKey(event: KeyboardEvent): void {
		const at = this.order.indexOf(this.current ?? '');
		const last = this.order.length - 1;
		const target = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: last, PageDown: at + 10, PageUp: at - 10 }[
			event.key
		];
		if (event.key === 'Enter' || event.key === ' ') {
			if (this.current) this.onSelect(this.current);
		} else if (target !== undefined) {
			const id = this.order[Math.min(last, Math.max(0, target))];
			if (id) this.rows.get(id)?.row.focus();
		} else return;
		event.preventDefault();
	}
}

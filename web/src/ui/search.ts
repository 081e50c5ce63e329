import type { NodeRecord } from 'geocast-client';
import { searchNodes } from '../api';
import { longNameOf } from '../model/status';
import { byId } from './dom';
import type { ListContent } from './list';

const TYPING_PAUSE_MS = 200;
const MAX_RESULTS = 50;

/** Finds nodes by name or id: among those in view at once, among all when the server has answered. */
export class Search {
	private readonly input = byId<HTMLInputElement>('search');
	private timer: ReturnType<typeof setTimeout> | undefined;
	private request: AbortController | undefined;
	private answered: { text: string; nodes: NodeRecord[]; failed: boolean } | null = null;

	constructor(
		private readonly onChange: () => void,
		onEnter: () => void,
		onDown: () => void,
		private readonly onMissing: (id: string) => void,
	) {
		this.input.addEventListener('input', () => this.changed());
		this.input.addEventListener('keydown', (event) => {
			if (event.key === 'Enter') onEnter();
			else if (event.key === 'ArrowDown') onDown();
			else if (event.key === 'Escape' && this.text) this.clear();
			else return;
			event.preventDefault();
			event.stopPropagation();
		});
		document.addEventListener('keydown', (event) => {
			const typing = (event.target as Element).matches?.('input, textarea, select');
			if (event.key !== '/' || typing || event.ctrlKey || event.metaKey || event.altKey) return;
			event.preventDefault();
			this.input.focus();
			this.input.select();
		});
	}

	/** What is searched for; empty when nothing is. */
	get text(): string {
		return this.input.value.trim();
	}

	clear(): void {
		this.input.value = '';
		this.changed();
	}

	/** The nodes to show for the text, with a word on how complete they are. */
	results(held: Iterable<NodeRecord>): ListContent {
		const found = new Map<string, NodeRecord>();
		const answer = this.answered?.text === this.text ? this.answered : null;
		for (const node of answer?.nodes ?? []) found.set(node.id, node);
		for (const node of held) if (found.has(node.id) || matches(node, this.text)) found.set(node.id, node);
		const nodes = [...found.values()];
		if (!answer) return { nodes, note: 'Searching all nodes' };
		if (answer.failed) return { nodes, note: 'The search failed. Only nodes in view are shown.' };
		if (nodes.length) return { nodes, note: '' };
		const id = idIn(this.text);
		const action = id ? { label: `Why is ${id} not here?`, run: () => this.onMissing(id) } : undefined;
		return { nodes, note: 'No node has this name or id.', action };
	}

	private changed(): void {
		clearTimeout(this.timer);
		this.request?.abort();
		this.onChange();
		if (this.text) this.timer = setTimeout(() => void this.ask(this.text), TYPING_PAUSE_MS);
	}

	private async ask(text: string): Promise<void> {
		const request = new AbortController();
		this.request = request;
		try {
			this.answered = { text, nodes: await searchNodes(text, MAX_RESULTS, request.signal), failed: false };
		} catch {
			if (request.signal.aborted) return;
			this.answered = { text, nodes: [], failed: true };
		}
		this.onChange();
	}
}

/** The id that a text names, with or without its mark. */
function idIn(text: string): string | null {
	const digits = /^!?([0-9a-f]{8})$/i.exec(text)?.[1];
	return digits ? `!${digits.toLowerCase()}` : null;
}

function matches(node: NodeRecord, text: string): boolean {
	const wanted = text.toLowerCase();
	return [node.id, node.shortName ?? '', longNameOf(node)].some((name) => name.toLowerCase().includes(wanted));
}

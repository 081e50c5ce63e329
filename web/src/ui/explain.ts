import { type Explanation, fetchExplanation } from '../api';
import { ago } from '../model/format';
import { byId, el } from './dom';

/** Why a node is on the map, or why it is not, and what its owner can do. Opened by `#...&explain=!id`. */
export class ExplainPanel {
	private readonly dialog = byId<HTMLDialogElement>('explain');
	private wanted: string | null = null;

	constructor(private readonly onClose: () => void) {
		this.dialog.addEventListener('close', () => {
			if (this.wanted === null) return;
			this.wanted = null;
			this.onClose();
		});
	}

	get id(): string | null {
		return this.wanted;
	}

	show(id: string | null): void {
		if (id === this.wanted) return;
		this.wanted = id;
		if (id === null) {
			this.dialog.close();
			return;
		}
		this.dialog.replaceChildren(this.head(id), el('p', {}, 'Asking the server'));
		if (!this.dialog.open) this.dialog.showModal();
		void this.fill(id);
	}

	private async fill(id: string): Promise<void> {
		const answer = await fetchExplanation(id).catch(() => null);
		if (this.wanted !== id) return;
		const content = answer
			? explained(answer, Date.now())
			: [el('p', {}, 'The server does not say. Is this an id, as in !a1b2c3d4?')];
		this.dialog.replaceChildren(this.head(id), ...content);
	}

	private head(id: string): HTMLElement {
		const close = el('button', { type: 'button', class: 'link', click: () => this.dialog.close() }, 'Close');
		return el('header', {}, el('h2', {}, `Why is ${id} (not) here?`), close);
	}
}

function explained({ summary, advice, refusals, heard }: Explanation, now: number): HTMLElement[] {
	const parts: HTMLElement[] = [el('p', { class: 'summary' }, summary)];
	if (advice.length) {
		parts.push(el('h3', {}, 'What its owner can do'), el('ul', {}, ...advice.map((text) => el('li', {}, text))));
	}
	if (refusals.length) {
		const lines = refusals.map(({ time, message, topic, gateway }) =>
			el('li', {}, `${ago(time, now)}: ${message}`, by(gateway, topic)),
		);
		parts.push(el('h3', {}, 'Lately refused or withheld'), el('ul', {}, ...lines));
	}
	if (heard.length) {
		const lines = heard.map(({ time, port, topic, channel, gateway }) =>
			el('li', {}, `${ago(time, now)}: port ${port}`, by(gateway, topic ?? channel)),
		);
		parts.push(el('h3', {}, 'Lately heard'), el('ul', {}, ...lines));
	}
	return parts;
}

function by(gateway: string | undefined, topic: string | undefined): string {
	return [gateway && ` by ${gateway}`, topic && ` on ${topic}`].filter(Boolean).join('');
}

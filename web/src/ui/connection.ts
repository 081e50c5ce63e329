import type { ConnectionState } from 'geocast-client';
import { shortTime } from '../model/format';
import { byId, el } from './dom';

/** Says plainly whether what the map shows is current. */
export class ConnectionStatus {
	private readonly element = byId('connection');
	private state: ConnectionState = { kind: 'connecting' };
	private lastLive = 0;
	private problems: string[] = [];
	private readonly notice = byId('notice');
	private shown = '';
	private announced = '';

	constructor(private readonly retryNow: () => void) {
		setInterval(() => this.render(), 1000);
		this.render();
	}

	set(state: ConnectionState): void {
		if (this.state.kind === 'live') this.lastLive = Date.now();
		this.state = state;
		this.render();
	}

	/** What the server itself says is wrong; empty when it is well. */
	setProblems(problems: string[]): void {
		this.problems = problems;
		this.render();
	}

	private render(): void {
		const { kind, text, hint } = this.describe();
		const key = `${kind}/${text}`;
		if (key !== this.shown) {
			this.shown = key;
			this.element.dataset.state = kind;
			this.element.title = hint;
			this.element.replaceChildren(
				el('span', { class: 'lamp', 'aria-hidden': 'true' }),
				el('span', { 'aria-live': kind === 'waiting' ? 'off' : undefined }, text),
			);
		}
		this.announce(hint);
	}

	private announce(hint: string): void {
		const lines = this.state.kind === 'live' ? this.problems.map((one) => `The data may be stale: ${one}`) : [];
		if (this.state.kind === 'waiting' || this.state.kind === 'refused') lines.push(hint);
		const text = lines.join('\n');
		if (text === this.announced) return;
		this.announced = text;
		this.notice.hidden = lines.length === 0;
		document.documentElement.classList.toggle('stale', lines.length > 0);
		this.notice.replaceChildren(...lines.map((line) => el('p', {}, line)));
		if (this.state.kind === 'waiting') {
			this.notice.append(el('button', { type: 'button', class: 'link', click: () => this.retryNow() }, 'Try now'));
		}
	}

	private describe(): { kind: string; text: string; hint: string } {
		const state = this.state;
		const since = this.lastLive ? ` What you see is from ${shortTime(this.lastLive, Date.now())}.` : '';
		switch (state.kind) {
			case 'live':
				if (this.problems.length) return { kind: 'degraded', text: 'Degraded', hint: this.problems.join('\n') };
				return { kind: 'live', text: 'Live', hint: 'Connected: changes show as they happen.' };
			case 'connecting':
				return { kind: 'connecting', text: 'Connecting', hint: 'Connecting to the server.' };
			case 'waiting': {
				const seconds = Math.max(0, Math.ceil((state.retryAt - Date.now()) / 1000));
				return { kind: 'waiting', text: `Offline, retry in ${seconds} s`, hint: `Not live: ${state.reason}.${since}` };
			}
			case 'refused':
				return {
					kind: 'refused',
					text: 'Refused',
					hint: `Not live: ${state.reason}.${since} Reload the page to try again.`,
				};
			case 'closed':
				return { kind: 'closed', text: 'Closed', hint: 'The connection is closed.' };
		}
	}
}

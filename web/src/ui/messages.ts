import type { MessageRecord } from 'geocast-client';
import { shortTime } from '../model/format';
import { byId, el } from './dom';

/** How many of the latest messages are kept in the page. */
const MAX_MESSAGES = 300;

/** The text messages heard, newest first. */
export class MessageFeed {
	private readonly pane = byId('pane-messages');
	private readonly messages = new Map<string, MessageRecord>();
	unread = 0;

	constructor(
		private readonly nameOf: (id: string) => string,
		private readonly onSelect: (id: string) => void,
	) {
		this.render();
	}

	/** `fresh` says that they were heard just now, not fetched from history. */
	add(messages: MessageRecord[], fresh: boolean): void {
		for (const message of messages) {
			const key = `${message.network}/${message.from}/${message.id}`;
			if (this.messages.has(key)) continue;
			this.messages.set(key, message);
			if (fresh && this.pane.hidden) this.unread++;
		}
		const newest = [...this.messages].sort(([, a], [, b]) => b.time - a.time).slice(0, MAX_MESSAGES);
		this.messages.clear();
		for (const [key, message] of newest) this.messages.set(key, message);
		if (!this.pane.hidden) this.render();
	}

	/** The latest messages of one node, newest first. */
	from(id: string, limit: number): MessageRecord[] {
		return [...this.messages.values()].filter((message) => message.from === id).slice(0, limit);
	}

	render(): void {
		if (!this.pane.hidden) this.unread = 0;
		const now = Date.now();
		if (this.messages.size === 0) {
			this.pane.replaceChildren(el('p', { class: 'note' }, 'No messages heard yet.'));
			return;
		}
		this.pane.replaceChildren(
			el('ol', { class: 'messages' }, ...[...this.messages.values()].map((message) => this.item(message, now))),
		);
	}

	private item(message: MessageRecord, now: number): HTMLElement {
		return el(
			'li',
			{},
			el(
				'button',
				{ type: 'button', class: 'link', click: () => this.onSelect(message.from) },
				this.nameOf(message.from),
			),
			el('span', { class: 'channel' }, message.channel ?? ''),
			el('time', { datetime: new Date(message.time).toISOString() }, shortTime(message.time, now)),
			el('p', {}, textOf(message)),
		);
	}
}

/** What was said; of a waypoint also what it is about. */
export function textOf({ text, waypoint }: MessageRecord): string {
	return [text, waypoint?.description].filter(Boolean).join('\n');
}

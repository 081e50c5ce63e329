import { byId } from './dom';

const NAMES = ['nodes', 'messages'] as const;
export type TabName = (typeof NAMES)[number];

/** Two tabs over one panel, moved between by the arrow keys. */
export class Tabs {
	current: TabName = 'nodes';

	constructor(private readonly onShow: (name: TabName) => void) {
		for (const name of NAMES) {
			const tab = byId(`tab-${name}`);
			tab.addEventListener('click', () => this.show(name));
			tab.addEventListener('keydown', (event) => {
				if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
				const other = NAMES[1 - NAMES.indexOf(name)] as TabName;
				this.show(other);
				byId(`tab-${other}`).focus();
			});
		}
	}

	show(current: TabName): void {
		this.current = current;
		for (const name of NAMES) {
			const tab = byId(`tab-${name}`);
			tab.setAttribute('aria-selected', String(name === current));
			tab.tabIndex = name === current ? 0 : -1;
			byId(`pane-${name}`).hidden = name !== current;
		}
		this.onShow(current);
	}

	label(name: TabName, text: string): void {
		const tab = byId(`tab-${name}`);
		if (tab.textContent !== text) tab.textContent = text;
	}
}

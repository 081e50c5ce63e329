import type { Theme } from '../map/palette';
import { icon } from './icons';

type Choice = Theme | 'auto';
const CHOICES: Choice[] = ['auto', 'light', 'dark'];
const ICONS = { auto: 'auto', light: 'sun', dark: 'moon' } as const;
const STORED_AS = 'geocast.theme';

/** The button that goes through auto, light and dark; auto follows the system. */
export class ThemeSwitch {
	private choice: Choice = remembered();
	private readonly system = matchMedia('(prefers-color-scheme: dark)');

	constructor(
		private readonly button: HTMLButtonElement,
		private readonly onChange: (theme: Theme) => void,
	) {
		button.addEventListener('click', () => {
			this.choice = CHOICES[(CHOICES.indexOf(this.choice) + 1) % CHOICES.length] as Choice;
			remember(this.choice);
			this.apply();
		});
		this.system.addEventListener('change', () => this.apply());
		this.show();
	}

	get theme(): Theme {
		if (this.choice !== 'auto') return this.choice;
		return this.system.matches ? 'dark' : 'light';
	}

	private apply(): void {
		this.show();
		this.onChange(this.theme);
	}

	private show(): void {
		document.documentElement.dataset.theme = this.theme;
		this.button.replaceChildren(icon(ICONS[this.choice]));
		const next = CHOICES[(CHOICES.indexOf(this.choice) + 1) % CHOICES.length];
		this.button.setAttribute('aria-label', `Colours: ${this.choice}. Change to ${next}`);
		this.button.title = `Colours: ${this.choice}`;
	}
}

/** Where the browser keeps nothing for this page, the choice lasts until it is closed. */
function remembered(): Choice {
	try {
		const stored = localStorage.getItem(STORED_AS) as Choice | null;
		return stored && CHOICES.includes(stored) ? stored : 'auto';
	} catch {
		return 'auto';
	}
}

function remember(choice: Choice): void {
	try {
		localStorage.setItem(STORED_AS, choice);
	} catch {
		// Nothing depends on it.
	}
}

import { byId } from './dom';

/** A drag of this many pixels opens or closes the sheet; less is a tap. */
const DRAG_PX = 24;

/** On a narrow screen the list is a sheet that stands at the bottom, low or high. */
export class Sheet {
	private readonly sheet = byId('sheet');
	private readonly handle = byId<HTMLButtonElement>('handle');
	private dragFrom: number | null = null;
	private dragged = false;

	constructor(private readonly onChange: () => void) {
		this.handle.addEventListener('click', () => {
			if (!this.dragged) this.set(!this.open);
			this.dragged = false;
		});
		this.handle.addEventListener('pointerdown', (event) => {
			this.dragFrom = event.clientY;
			this.handle.setPointerCapture(event.pointerId);
		});
		this.handle.addEventListener('pointerup', (event) => {
			const moved = event.clientY - (this.dragFrom ?? event.clientY);
			this.dragFrom = null;
			this.dragged = Math.abs(moved) > DRAG_PX;
			if (this.dragged) this.set(moved < 0);
		});
		this.set(false);
	}

	get open(): boolean {
		return this.sheet.classList.contains('open');
	}

	set(open: boolean): void {
		this.sheet.classList.toggle('open', open);
		this.handle.setAttribute('aria-expanded', String(open));
		this.handle.setAttribute('aria-label', open ? 'Lower the list' : 'Raise the list');
		this.onChange();
	}
}

import { byId } from './dom';

const NARROW = '(max-width: 720px)';

/** How many pixels of each edge of the map the panels cover now. */
export function coveredEdges(): { top: number; right: number; bottom: number; left: number } {
	const details = byId('details');
	const box = (id: string) => byId(id).getBoundingClientRect();
	if (matchMedia(NARROW).matches) {
		const lowest = details.hidden ? box('sheet') : box('details');
		return { top: box('top').bottom, right: 0, bottom: innerHeight - lowest.top, left: 0 };
	}
	const right = details.hidden ? 0 : innerWidth - box('details').left;
	return { top: 0, right, bottom: 0, left: box('side').right };
}

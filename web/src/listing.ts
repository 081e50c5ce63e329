import type { Bounds, CellRecord, LiveMap } from 'geocast-client';
import { count } from './model/format';
import { contains } from './model/geo';
import { edgesOf, overlaps, tileNamed } from './model/tiles';
import type { ListContent } from './ui/list';
import type { Search } from './ui/search';

/** Chooses what the list shows: what was searched for, the nodes of one place, or else those in view. */
export class Listing {
	private group: Set<string> | null = null;

	constructor(
		private readonly search: Search,
		private readonly onChange: () => void,
	) {}

	get grouped(): boolean {
		return this.group !== null;
	}

	/** Lists the nodes of a cluster that no zoom takes apart. */
	showGroup(ids: string[]): void {
		this.group = new Set(ids);
		this.onChange();
	}

	ungroup(): void {
		if (!this.group) return;
		this.group = null;
		this.onChange();
	}

	content({ nodes, cells, heldFilter, state }: Shown, visible: Bounds): ListContent {
		if (this.search.text) return this.search.results(nodes.values());
		if (this.group) {
			const members = [...this.group].flatMap((id) => nodes.get(id) ?? []);
			const action = { label: 'Show all in view', run: () => this.ungroup() };
			return { nodes: members, note: `${count(members.length, 'node')} at one place.`, action };
		}
		const shown = [...nodes.values()].filter(
			({ position }) => position && contains(visible, position.longitude, position.latitude),
		);
		if (heldFilter?.cells) return { nodes: shown, ...counted(cells.values(), visible) };
		const empty = state.kind === 'live' ? 'No nodes in this part of the map.' : 'Nothing received yet.';
		return { nodes: shown, note: shown.length ? '' : empty };
	}
}

type Shown = Pick<LiveMap, 'nodes' | 'cells' | 'heldFilter' | 'state'>;

/** From far away nodes are only counted: what the list says instead of them. */
function counted(cells: Iterable<CellRecord>, visible: Bounds): { total: number; note: string } {
	let [total, online] = [0, 0];
	for (const cell of cells) {
		if (!overlaps(visible, edgesOf(tileNamed(cell.cell)))) continue;
		total += cell.total;
		online += cell.online;
	}
	if (total === 0) return { total, note: 'No nodes in this part of the map.' };
	return { total, note: `${count(total, 'node')}, ${online.toLocaleString()} online. Zoom in to list them.` };
}

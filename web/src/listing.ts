import type { ConnectionState } from './client';
import { count } from './model/format';
import { contains } from './model/geo';
import type { Bounds, NodeRecord } from './protocol.gen';
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

	content(nodes: Map<string, NodeRecord>, visible: Bounds, connection: ConnectionState['kind']): ListContent {
		if (this.search.text) return this.search.results(nodes.values());
		if (this.group) {
			const members = [...this.group].flatMap((id) => nodes.get(id) ?? []);
			const action = { label: 'Show all in view', run: () => this.ungroup() };
			return { nodes: members, note: `${count(members.length, 'node')} at one place.`, action };
		}
		const shown = [...nodes.values()].filter(
			({ position }) => position && contains(visible, position.longitude, position.latitude),
		);
		const empty = connection === 'live' ? 'No nodes in this part of the map.' : 'Nothing received yet.';
		return { nodes: shown, note: shown.length ? '' : empty };
	}
}

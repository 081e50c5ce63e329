import { Column } from './column.js';
import type { Reader } from './reader.js';

/** Online and last heard of some nodes: the columns of a `NodeStatus`, save that of their numbers. */
export class StatusColumns {
	private online = Column.EMPTY;
	private lastHeard = Column.EMPTY;
	private timeUnitMs = 0;

	static decode(reader: Reader): StatusColumns {
		const columns = new StatusColumns();
		while (reader.next()) columns.read(reader);
		return columns;
	}

	/** Takes in the field that the reader is at, if it is one of these. */
	read(reader: Reader): void {
		if (reader.field === 5) this.online = reader.message(Column.decode);
		else if (reader.field === 6) this.lastHeard = reader.message(Column.decode);
		else if (reader.field === 7) this.timeUnitMs = reader.uint();
	}

	rows(count: number): { online: boolean; lastHeard: number }[] {
		const online = this.online.values(count);
		return this.lastHeard
			.values(count)
			.map((time, i) => ({ online: online[i] === 1, lastHeard: time * this.timeUnitMs }));
	}
}

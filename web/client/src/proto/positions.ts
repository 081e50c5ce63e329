import type { PositionRecord, PositionUpdate, ServerMessage } from '../protocol.gen.js';
import { Column, Decimals } from './column.js';
import type { Reader } from './reader.js';
import { readTick, UNITS_PER_DEGREE } from './records.js';
import type { NodeTable } from './table.js';

/** The optional fields of a position, and their bits in `PositionUpdate.fields`. */
const BITS = { altitude: 1, groundSpeed: 2, groundTrack: 4, satsInView: 8, precisionBits: 16 };

/** Which optional fields a position has, as the sum of their bits. */
function fieldsOf(position: PositionRecord | undefined): number {
	const known = Object.entries(BITS).filter(([name]) => position?.[name as keyof typeof BITS] !== undefined);
	return known.reduce((sum, [, bit]) => sum + bit, 0);
}

/** Positions in columns: row i of every column belongs to one node. */
export function positionUpdate(table: NodeTable, reader: Reader): Extract<ServerMessage, { type: 'position_update' }> {
	let count = 0;
	let relative = false;
	let numbers = Column.EMPTY;
	const columns = new PositionColumns();
	const tick = readTick(reader, (field) => {
		if (field === 3) count = reader.uint();
		else if (field === 4) relative = reader.bool();
		else if (field === 5) numbers = reader.message(Column.decode);
		else columns.read(reader);
	});
	const ascending = numbers.ascending(count);
	const held = relative ? ascending.map((number) => table.held(number)) : undefined;
	const positions = columns.rows(
		count,
		held?.map((node) => node?.position),
	);
	const rows = ascending.map((number, i): { number: number; record: PositionUpdate } => ({
		number,
		record: { id: '', ...(positions[i] as PositionRecord) },
	}));
	// A difference from a node that is not held says nothing.
	const known = held ? rows.filter((_, i) => held[i]) : rows;
	return { type: 'position_update', ...tick, positions: table.named(known) };
}

/** The columns of a `PositionUpdate`, save that of the nodes' numbers. */
export class PositionColumns {
	private timeUnitMs = 0;
	private readonly columns = new Map<number, Column>();
	private readonly decimals = new Map<number, Decimals>();

	static decode(reader: Reader): PositionColumns {
		const columns = new PositionColumns();
		while (reader.next()) columns.read(reader);
		return columns;
	}

	/** Takes in the field that the reader is at, if it is one of these. */
	read(reader: Reader): void {
		const { field } = reader;
		if (field === 9) this.timeUnitMs = reader.uint();
		else if (field === 12 || field === 13) this.decimals.set(field, reader.message(Decimals.decode));
		else if (field >= 6 && field <= 15) this.columns.set(field, reader.message(Column.decode));
	}

	/** The positions: differences from those held of the same nodes, or from the row before where `held` is absent. */
	rows(count: number, held?: (PositionRecord | undefined)[]): PositionRecord[] {
		const column = (field: number) => this.columns.get(field) ?? Column.EMPTY;
		const fraction = (field: number) => this.decimals.get(field) ?? Decimals.EMPTY;
		const units = (degrees: number | undefined) => Math.round((degrees ?? 0) * UNITS_PER_DEGREE);
		const latitudes = column(6).values(
			count,
			held?.map((position) => units(position?.latitude)),
		);
		const longitudes = column(7).values(
			count,
			held?.map((position) => units(position?.longitude)),
		);
		const fields = column(10).values(count, held?.map(fieldsOf));
		const times = column(8).values(count);
		const rows = times.map((time, i): PositionRecord => {
			const [latitude, longitude] = [latitudes[i] as number, longitudes[i] as number];
			return {
				latitude: latitude / UNITS_PER_DEGREE,
				longitude: longitude / UNITS_PER_DEGREE,
				time: time * this.timeUnitMs,
			};
		});

		/** Fills in a field of those rows that have it. */
		const fill = (name: keyof typeof BITS, values: Pick<Column, 'values'>) => {
			const having = rows.filter((_, i) => (fields[i] as number) & BITS[name]);
			const bases = held?.filter((_, i) => (fields[i] as number) & BITS[name]).map((position) => position?.[name] ?? 0);
			values.values(having.length, bases).forEach((value, i) => {
				(having[i] as PositionRecord)[name] = value;
			});
		};
		fill('altitude', column(11));
		fill('groundSpeed', fraction(12));
		fill('groundTrack', fraction(13));
		fill('satsInView', column(14));
		fill('precisionBits', column(15));
		return rows;
	}
}
